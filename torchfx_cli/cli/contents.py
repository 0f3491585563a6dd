"""What `torchfx info` found in a file: tags, bext, iXML and markers in lines for people, all of it as a row of a table.

The table has the same columns whatever is asked for; what was not measured, or is not there, leaves its cell empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import log10
from typing import Any

from torchfx_cli.cli import show

MOST_MARKERS = 30  # shown to people
_FACTS = ("input", "error", "container", "subtype", "fs", "channels", "frames", "duration_s", "file_bytes", "kbps")
_TAGS = ("title", "artist", "album", "albumartist", "date", "genre", "tracknumber", "comment", "copyright")
_BEXT = ("description", "originator", "originator_reference", "date", "time", "time_reference")
_LISTS = ("also", "misses", "warnings", "notes")


def content_lines(record: Mapping[str, Any]) -> list[str]:
    """Lines about what the file holds besides samples; what is shown by none of them, by its name in the last."""
    lines = [f"{tag}: {text}" for tag, text in record["tags"].items()]
    lines += [f"picture: {one['kind']}, {one['mime']}, {one['bytes']} bytes" for one in record.get("pictures", ())]
    if "bext" in record:
        lines += ["bext", *_indented(_bext_lines(record["bext"]))]
    if "ixml" in record:
        lines += ["iXML", *_indented(f"{name.lower()}: {text}" for name, text in record["ixml"].items())]
    markers = record.get("markers", ())
    if markers:
        lines += [show.count(len(markers), "marker"), *_indented(map(_marker_line, markers[:MOST_MARKERS]))]
        more = len(markers) - MOST_MARKERS
        lines += [f"  and {more} more (--json)"] if more > 0 else []
    others = [name for name in record["also"] if name not in record["shown"]]
    return lines + ([f"also holds: {', '.join(others)}"] if others else [])


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _bext_lines(bext: Mapping[str, Any]) -> list[str]:
    day = " ".join(bext[key] for key in ("date", "time") if key in bext)
    lines = [f"{key.replace('_', ' ')}: {bext[key]}" for key in _BEXT[:3] if key in bext]
    lines += [f"date: {day}"] if day else []
    lines += [f"time reference: {bext['time_reference']} ({bext['time_reference_frames']} frames since midnight)"]
    lines += [f"umid: {bext['umid']}"] if "umid" in bext else []
    lines += [f"{name.replace('_', ' ')}: {value:.2f}" for name, value in bext.get("levels", {}).items()]
    return lines + [f"coding history: {line}" for line in bext.get("coding_history", ())]


def _marker_line(marker: Mapping[str, Any]) -> str:
    from torchfx_cli.stream.described import clock

    length = "" if marker["length_s"] is None else f", {marker['length_s']:.3f} s long"
    return f"{clock(marker['at_s'])}  {marker['name']}".rstrip() + length


def table_head() -> str:
    from torchfx_cli.tasks.csvline import csv_line

    return csv_line(list(_cells({})))


def table_row(record: Mapping[str, Any]) -> str:
    """`record` under `table_head`: figures in the units of `stats.FIGURES`, texts of several in a row."""
    from torchfx_cli.tasks.csvline import csv_line

    return csv_line(_cells(record))


def _cells(record: Mapping[str, Any]) -> dict[str, Any]:
    """By the names of the columns, in their order."""
    from torchfx_cli.tasks.stats import FIGURES

    stats, tags, bext = record.get("stats", {}), record.get("tags", {}), record.get("bext", {})
    if record.get("peak"):  # of --check
        stats = {"peak": 20.0 * log10(record["peak"])} | stats
    stats = {name: value for name, value in stats.items() if FIGURES[name].tells(value)}
    cells = {name: record.get(name) for name in (*_FACTS, "damaged")}
    cells |= {name: stats.get(name) for name in FIGURES} | {name: tags.get(name) for name in _TAGS}
    cells |= {f"bext_{name}": bext.get(name) for name in _BEXT}
    cells |= {name: len(record.get(name, ())) for name in ("markers", "pictures")}
    cells |= {name: "; ".join(record.get(name, ())) for name in _LISTS}
    return {name: round(cell, 6) if isinstance(cell, float) else cell for name, cell in cells.items()}
