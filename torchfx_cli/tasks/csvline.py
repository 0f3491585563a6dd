"""A line of CSV (RFC 4180) that spreadsheets show and do not compute.

They take a cell that begins with =, +, -, @ for a formula, which may run programs or send data away (OWASP, CSV
injection), and file names and tags are the words of strangers. So a path that begins so gets ./ in front, which names
the same file, and another text the ' that spreadsheets take for the sign of a text. Numbers stay, and so does JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

PATHS = ("input", "output")
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def csv_line(cells: Mapping[str, object] | Iterable[str]) -> str:
    """Of a head, its names; of a record, its values; without the end of the line."""
    import csv
    from io import StringIO

    named = cells.items() if isinstance(cells, Mapping) else [("", cell) for cell in cells]
    line = StringIO()
    csv.writer(line, lineterminator="\n").writerow([_cell(name, cell) for name, cell in named])
    return line.getvalue()[:-1]  # without a terminator the writer would not quote the end of a line in a cell


def _cell(name: str, cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    text = cell.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if not text.startswith(_FORMULAS) or _is_number(text):
        return text
    return f"./{text}" if name in PATHS else f"'{text}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
