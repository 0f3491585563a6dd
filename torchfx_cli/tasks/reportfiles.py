"""The file of `--report`, of the kind that its name ends in: a page, a table, records, or else everything as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from torchfx_cli.errors import UsageError, printable
from torchfx_cli.tasks import reportpage
from torchfx_cli.tasks.csvline import csv_line
from torchfx_cli.tasks.job import Settings
from torchfx_cli.tasks.report import FileResult, Report

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
    if name is None or kind_of(name) == "json":
        return settings
    return replace(settings, glances=True, digests=settings.hashes)


def is_own(head: bytes) -> bool:
    """Whether a file that begins like this is a report of an earlier run."""
    first = head.partition(b"\n")[0]
    is_table = first.rstrip() == HEADER
    is_records = first.startswith(b'{"status": "') and b'"chain_sha256": "' in first
    return is_table or is_records or Report.is_own(head) or reportpage.is_own(head)


def content(name: str, report: Report, settings: Settings) -> Iterable[str]:
    """What the report `name` holds, in pieces."""
    if kind_of(name) == "json":
        return report.json_lines()
    if kind_of(name) == "html":
        return reportpage.page(report, settings)
    records = (_record(result, settings) for result in report.results)
    return _table(records) if kind_of(name) == "csv" else (json.dumps(record) + "\n" for record in records)


def _record(result: FileResult, settings: Settings) -> dict[str, Any]:
    """What is not known of a file that was not done is null."""
    before, after = result.before, result.after
    facts = (round(result.duration_s, 6), result.fs, result.channels, result.frames, result.subtype)
    values = (
        result.kind, result.input, result.output, *(facts if result.fs else (None,) * len(facts)),
        after and after.peak_db, after and after.rms_db, after and after.lufs,
        before and before.peak_db, before and before.rms_db, before and before.lufs, settings.chain.digest,
        result.sha256 or None, list(result.warnings), result.error)
    return dict(zip(COLUMNS, values, strict=True))


def _table(records: Iterable[dict[str, Any]]) -> Iterator[str]:
    yield csv_line(COLUMNS) + "\n"
    for record in records:
        yield csv_line(record | {"warnings": "; ".join(record["warnings"])}) + "\n"
