"""The page of `--report out.html`: one file that opens from the disk, without a network.

The files of the run are data in it, JSON; the few lines of script in report.html show those that are to be seen.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from typing import Any

import numpy as np

from torchfx_cli import __version__
from torchfx_cli.analysis.glance import Glance
from torchfx_cli.errors import DesignError, printable
from torchfx_cli.tasks.job import Settings
from torchfx_cli.tasks.report import FileResult
from torchfx_cli.tasks.reportrows import packed, packed_spectrum

HEAD = b"<!doctype html>\n<!-- torchfx report -->"
DATA = "__DATA__"  # where the template holds them
CURVE_HZ, CURVE_CHANNELS, CURVE_POINTS, CURVE_DB = 48_000, 2, 300, 96.0


def is_own(head: bytes) -> bool:
    """Whether a file that begins like this is such a page."""
    return head.startswith(HEAD)


def page(head: Mapping[str, Any], chain: Mapping[str, Any], results: Iterable[FileResult]) -> Iterator[str]:
    """The page, in pieces, of a run of that `head` (see `Report.head`) and `chain` (see `chain_of`)."""
    before, after = files(__package__).joinpath("report.html").read_text(encoding="utf-8").split(DATA)
    yield before
    yield _json({"version": __version__, "run": head, "chain": chain}).removesuffix("}")
    yield ',"files":['
    for place, result in enumerate(results):
        yield ("," if place else "") + "\n" + _json(_file(result))
    yield "\n]}"
    yield after


def _json(value: Any) -> str:
    """As the content of a script element, which nothing in it may end."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _file(result: FileResult) -> dict[str, Any]:
    """Short keys, for there may be many."""
    return {
        "k": result.kind, "i": printable(result.input), "o": printable(result.output), "d": round(result.duration_s, 3),
        "fs": result.fs, "c": result.channels, "f": result.subtype, "t": round(result.elapsed_s, 3),
        "b": _glance(result.before), "a": _glance(result.after), "w": [printable(line) for line in result.warnings],
        "e": None if result.error is None else printable(result.error), "h": result.sha256,
    }


def _glance(glance: Glance | None) -> dict[str, Any] | None:
    if glance is None:
        return None
    return {"p": glance.peak_db, "r": glance.rms_db, "l": glance.lufs, "w": packed(glance.waveform),
            "s": packed_spectrum(glance)}


def chain_of(settings: Settings) -> dict[str, Any]:
    """What was applied: its name, its digest, and the texts of the files that it was read from."""
    texts = []
    for name in settings.chain.files:
        if os.path.splitext(name)[1].lower() in (".yaml", ".yml"):
            try:
                with open(name, encoding="utf-8", errors="replace") as file:
                    texts.append({"name": printable(name), "text": file.read()})
            except OSError:
                continue
    return {"name": printable(settings.chain.name), "sha256": settings.chain.digest, "texts": texts,
            "curve": _curve(settings)}


def _curve(settings: Settings) -> dict[str, Any] | None:
    """The magnitude of its response at 48 kHz in two channels; None where it has none."""
    from torchfx_cli.analysis.panels import panels_of
    from torchfx_cli.analysis.response import view

    try:
        panels = panels_of([view(settings.chain, settings.chain.name, CURVE_HZ, CURVE_CHANNELS)])
    except DesignError:
        return None
    for panel in panels:
        if panel.role == "magnitude":
            hz = np.geomspace(max(20.0, panel.x_limits[0]), panel.x_limits[1], CURVE_POINTS)
            lines = [np.interp(hz, one.x, one.y) for one in panel.series if not one.is_faint]
            return {"hz": hz.round(2).tolist(), "lines": [line.round(2).tolist() for line in lines],
                    "low": max(panel.y_limits[0], panel.y_limits[1] - CURVE_DB), "high": panel.y_limits[1]}
    return None
