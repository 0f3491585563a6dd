"""The file of `--report`, of the kind that its name ends in: a page, a table, records, or else everything as JSON.

The JSON and the records of a shard keep everything, so that the page of all shards, merged, is that of one run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torchfx_cli.errors import UsageError, printable
from torchfx_cli.records import dataclass
from torchfx_cli.tasks import reportpage
from torchfx_cli.tasks.csvline import csv_line
from torchfx_cli.tasks.job import Settings
from torchfx_cli.tasks.report import Report, json_lines
from torchfx_cli.tasks.reportrows import Row

COLUMNS = ("status", "input", "output", "duration_s", "fs", "channels", "frames", "subtype", "peak_dbfs", "rms_dbfs",
           "loudness_lufs", "input_peak_dbfs", "input_rms_dbfs", "input_loudness_lufs", "chain_sha256", "sha256",
           "warnings", "error")
KINDS = {".html": "html", ".htm": "html", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json"}
HEADER = ",".join(COLUMNS).encode()


def kind_of(name: str) -> str:
    """"html", "csv", "jsonl" or "json"."""
    return KINDS.get(Path(name).suffix.lower(), "json")


def check_name(name: str) -> None:
    """Raises UsageError where it promises a kind of file that no report is, such as .xlsx."""
    suffix = Path(name).suffix.lower()
    if suffix not in KINDS and suffix[1:].isalpha():
        raise UsageError(f"--report: {printable(name)} would hold no {suffix}; allowed are names that end in .html, "
                         ".csv, .jsonl or .json")


def asking(settings: Settings, name: str | None) -> Settings:
    """`settings` with what the report `name` needs to know of each file."""
    if name is None or (kind_of(name) == "json" and settings.shard is None):
        return settings
    return replace(settings, glances=True, digests=settings.hashes)


def is_own(head: bytes) -> bool:
    """Whether a file that begins like this is a report of an earlier run."""
    first = head.partition(b"\n")[0]
    is_table = first.rstrip() == HEADER
    is_records = first.startswith(b'{"status": "') and b'"chain_sha256": "' in first
    return is_table or is_records or Report.is_own(head) or reportpage.is_own(head)


@dataclass(frozen=True)
class Told:
    """All that a report tells.

    head    counts and totals, see `Report.head`, and what a merged report has to say.
    chain   what was applied, as the page shows it; asked for where it is needed.
    rows    of the files, in order.
    origin  of a report that keeps everything: `shards` that it is of, such as ["3/16"], and when it was `written`.
    """

    head: dict[str, Any]
    chain: Callable[[], dict[str, Any]]
    rows: Iterable[Row]
    origin: dict[str, Any] | None = None


def content(name: str, report: Report, settings: Settings, numbers: Sequence[int] | None = None) -> Iterable[str]:
    """What the report `name` of a run holds, in pieces. `numbers`: of its jobs in the whole batch."""
    digest = settings.chain.digest
    rows = (Row(result, digest, None if numbers is None else numbers[number]) for number, result in report.numbered)
    origin = None if settings.shard is None else {"shards": [str(settings.shard)], "written": now()}
    return pieces(name, Told(report.head(), lambda: reportpage.chain_of(settings), rows, origin))


def now() -> str:
    """In UTC, in a form whose order is that of time."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def pieces(name: str, told: Told) -> Iterable[str]:
    """The report `name`, in pieces."""
    kind = kind_of(name)
    if kind == "html":
        return reportpage.page(told.head, told.chain(), (row.result for row in told.rows))
    if kind == "csv":
        return _table(_record(row) for row in told.rows)
    if kind == "jsonl":
        kept = told.origin or {}
        return (json.dumps(_record(row) | (kept and kept | {"kept": row.as_dict()})) + "\n" for row in told.rows)
    if told.origin is None:
        return json_lines(told.head, (row.result.as_dict() for row in told.rows))
    return json_lines(told.head | told.origin | {"chain": told.chain()}, (row.as_dict() for row in told.rows))


def _record(row: Row) -> dict[str, Any]:
    """What is not known of a file that was not done is null."""
    result = row.result
    before, after = result.before, result.after
    facts = (round(result.duration_s, 6), result.fs, result.channels, result.frames, result.subtype)
    values = (
        result.kind, result.input, result.output, *(facts if result.fs else (None,) * len(facts)),
        after and after.peak_db, after and after.rms_db, after and after.lufs,
        before and before.peak_db, before and before.rms_db, before and before.lufs, row.chain_sha256 or None,
        result.sha256 or None, list(result.warnings), result.error)
    return dict(zip(COLUMNS, values, strict=True))


def _table(records: Iterable[dict[str, Any]]) -> Iterator[str]:
    yield csv_line(COLUMNS) + "\n"
    for record in records:
        yield csv_line(record | {"warnings": "; ".join(record["warnings"])}) + "\n"
