"""The Audio EQ Cookbook as it is printed, in cos, sin and alpha: the truth that imported filters are held against."""

from __future__ import annotations

from math import cos, log, pi, sin, sinh, sqrt
from typing import Any

import numpy as np

FS = 48_000
W = np.concatenate([np.geomspace(20.0, 20_000.0, 60), [23_000.0]]) * 2.0 * np.pi / FS


def alpha(hz: float, *, q: float = 0.0, octaves: float = 0.0, slope: float = 0.0, gain_db: float = 0.0, fs: float = FS
          ) -> float:
    w0 = 2 * pi * hz / fs
    if q:
        return sin(w0) / (2 * q)
    if octaves:
        return sin(w0) * sinh(log(2) / 2 * octaves * w0 / sin(w0))
    a = 10 ** (gain_db / 40)
    return sin(w0) / 2 * sqrt((a + 1 / a) * (1 / slope - 1) + 2)


def section(kind: str, hz: float, al: float, gain_db: float = 0.0, fs: float = FS) -> Any:
    """The response at `W` of one section."""
    w0 = 2 * pi * hz / fs
    c, a = cos(w0), 10 ** (gain_db / 40)
    beta = 2 * sqrt(a) * al
    b = {
        "LPF": ((1 - c) / 2, 1 - c, (1 - c) / 2), "HPF": ((1 + c) / 2, -(1 + c), (1 + c) / 2),
        "BPF": (al, 0, -al), "skirt": (sin(w0) / 2, 0, -sin(w0) / 2), "notch": (1, -2 * c, 1),
        "APF": (1 - al, -2 * c, 1 + al), "peaking": (1 + al * a, -2 * c, 1 - al * a),
        "lowShelf": (a * ((a + 1) - (a - 1) * c + beta), 2 * a * ((a - 1) - (a + 1) * c),
                     a * ((a + 1) - (a - 1) * c - beta)),
        "highShelf": (a * ((a + 1) + (a - 1) * c + beta), -2 * a * ((a - 1) + (a + 1) * c),
                      a * ((a + 1) + (a - 1) * c - beta)),
    }[kind]
    d = {
        "peaking": (1 + al / a, -2 * c, 1 - al / a),
        "lowShelf": ((a + 1) + (a - 1) * c + beta, -2 * ((a - 1) + (a + 1) * c), (a + 1) + (a - 1) * c - beta),
        "highShelf": ((a + 1) - (a - 1) * c + beta, 2 * ((a - 1) - (a + 1) * c), (a + 1) - (a - 1) * c - beta),
    }.get(kind, (1 + al, -2 * c, 1 - al))
    return row(b, d)


def row(b: Any, a: Any) -> Any:
    z = np.exp(-1j * W)
    return np.polyval(b[::-1], z) / np.polyval(a[::-1], z)


def db(value: float) -> float:
    return float(10 ** (value / 20))
