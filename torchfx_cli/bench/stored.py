"""Results as text: JSON, complete and read back by `from_json`, and CSV, a row a cell.

JSON has no infinity, so the error of a result that is the same to the last bit is "inf".
"""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, fields
from io import StringIO
from pathlib import Path
from typing import Any

from torchfx_cli.bench.columns import COLUMNS, CSV, FIGURES, Row, rows_of
from torchfx_cli.bench.records import SCHEMA, STATUSES, Cell, Environment, Measurement, Results
from torchfx_cli.errors import UsageError, printable

KIND = "torchfx bench"
MAX_BYTES = 256 << 20
OLDER = {"error_db": "snr_db"}  # what schema 1 called the signal over error


def to_json(results: Results) -> str:
    """The whole, schema `SCHEMA`: `{"kind", "schema", "environment", "chains", "cells", "missing"}`."""
    document = {
        "kind": KIND, "schema": SCHEMA, "environment": asdict(results.environment), "chains": dict(results.chains),
        "cells": [_plain(row) for row in rows_of(results)],
        "missing": [asdict(cell) for cell in results.missing],
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(text: str) -> Results:
    """The same back. Raises ValueError, in one line, where `text` is anything else."""
    document = _parsed(text)
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise ValueError("no results of torchfx bench")
    if document.get("schema") not in range(1, SCHEMA + 1):
        raise ValueError(f"schema {document.get('schema')!r}; this torchfx reads 1 to {SCHEMA}")
    try:
        known = {field.name for field in fields(Environment)}
        return Results(
            tuple((_cell(row), _measurement(row)) for row in document["cells"]),
            Environment(**{key: value for key, value in document["environment"].items() if key in known}),
            tuple(_cell(row) for row in document["missing"]),
            tuple((str(suite), str(digest)) for suite, digest in document["chains"].items()))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"damaged: {type(error).__name__}: {error}") from None


def load(path: str | os.PathLike[str], option: str) -> Results:
    """What the file `path` holds; raises UsageError that begins with `option`."""
    name = f"{option} {printable(os.fspath(path))}"
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES >> 20} MB")
        return from_json(data.decode("utf-8"))
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{name}: {printable(str(error))}") from None


def is_json(head: bytes) -> bool:
    """Whether a file that begins like this was made by `to_json`, of whatever schema."""
    return head.startswith(f'{{\n "kind": "{KIND}",'.encode())


def is_csv(head: bytes) -> bool:
    """The same for `to_csv`."""
    return head.startswith(",".join(CSV[:5]).encode())


def to_csv(results: Results) -> str:
    """The columns `CSV`, a row a cell; `time` is the length of the audio in s, what is unknown is empty."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV)
    for row in rows_of(results):
        values = [COLUMNS[name].value(row) for name in CSV]
        writer.writerow("" if value is None else value for value in values)
    return out.getvalue()


def _plain(row: Row) -> dict[str, Any]:
    """`row` as JSON can say it, with the figures that people look for beside the times."""
    plain = asdict(row.cell) | asdict(row.measurement) | {name: COLUMNS[name].value(row) for name in FIGURES}
    snr_db = row.measurement.snr_db
    return plain | {"snr_db": snr_db if snr_db is None or math.isfinite(snr_db) else str(snr_db)}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refused)
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON: line {error.lineno}: {error.msg}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refused(word: str) -> float:
    raise ValueError(f"{word} is no JSON")


def _cell(row: Mapping[str, Any]) -> Cell:
    cell = Cell(str(row["suite"]), str(row["backend"]), _number("duration_s", row["duration_s"]),
                _count("channels", row["channels"]), _count("fs", row["fs"]), str(row["label"]))
    if not cell.duration_s > 0.0:
        raise ValueError(f"damaged: a duration of {cell.duration_s!r} s")
    return cell


def _measurement(row: Mapping[str, Any]) -> Measurement:
    row = {OLDER.get(key, key): value for key, value in row.items()}
    if row["status"] not in STATUSES:
        raise ValueError(f"damaged: a status {row['status']!r}")
    times = tuple(_number("times_s", value) for value in row["times_s"])
    if any(not time > 0.0 for time in times):
        raise ValueError("damaged: a time that is not above 0 s")
    snr_db, *megabytes = (None if row[key] is None else _number(key, row[key])
                          for key in ("snr_db", "host_mb", "device_mb"))
    return Measurement(row["status"], times, str(row["reason"]), snr_db, *megabytes)


def _number(key: str, value: Any) -> float:
    if key == "snr_db" and value in ("inf", "-inf"):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"damaged: {key} is {value!r}, not a number")
    return float(value)


def _count(key: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"damaged: {key} is {value!r}, not a whole number above 0")
    return value
