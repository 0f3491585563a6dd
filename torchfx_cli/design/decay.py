"""How long second-order sections ring."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

FLOOR = 1e-6  # -120 dB: where a decay is taken to have ended
MAX_PEAKS = 256  # poles near which the highest gain is looked for: with all, time and memory grow as their square


def ringing_frames(rows: Array) -> float:
    """Frames that sections [K, 6] ring, by Cauchy's estimate |h[n]| <= r^n max |H(r e^iw)|, r outside all poles.

    The radius of the slowest pole alone would be too hopeful where several are about as slow: m of them decay
    as n^(m-1) r^n. The estimate holds for every r, so the best of a few is taken.
    """
    poles = np.concatenate([np.empty(0), *(np.roots(row[3:]) for row in rows)])
    slowest = float(np.abs(poles).max(initial=0.0))
    if not slowest:
        return 2.0 * len(rows)
    slow = poles[np.argsort(np.abs(poles))[-MAX_PEAKS:]]
    angles = np.concatenate([np.linspace(0.0, np.pi, 257), np.abs(np.angle(slow))])  # the peaks are near the poles

    def highest(radius: float) -> float:
        """As a logarithm: a thousand sections may multiply to more than any number."""
        delays = (radius * np.exp(1j * angles)[:, None]) ** -np.arange(3.0)
        total = np.zeros(len(angles))
        for first in range(0, len(rows), MAX_PEAKS):
            some = rows[first : first + MAX_PEAKS]
            with np.errstate(divide="ignore"):  # of a zero on the circle
                total += np.log(np.abs((delays @ some[:, :3].T) / (delays @ some[:, 3:].T))).sum(axis=1)
        return float(total.max())

    floor = math.log(FLOOR) + highest(1.0)
    radii = (slowest + step * (1.0 - slowest) for step in (0.02, 0.05, 0.1, 0.2, 0.4))
    return min(max(0.0, (highest(radius) - floor) / -math.log(radius)) for radius in radii)
