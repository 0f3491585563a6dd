"""A row of a report as JSON that keeps everything, and back: reports of shards are merged from such rows.

A plain report, or one of another version, leaves blanks.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from torchfx_cli.analysis.glance import FLOOR_DB, Glance
from torchfx_cli.records import dataclass
from torchfx_cli.tasks.report import FileResult

FLOOR = round(FLOOR_DB)
TOLD = {field.name for field in fields(FileResult)} - {"before", "after"}


@dataclass(frozen=True)
class Row:
    """What came of a file, the digest of the chain that did it, and its number in the whole batch, where known."""

    result: FileResult
    chain_sha256: str = ""
    number: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """All that is known."""
        result = self.result
        return result.as_dict() | {
            "number": self.number, "chain_sha256": self.chain_sha256, "sha256": result.sha256,
            "before": _packed(result.before), "after": _packed(result.after)}


def row_of(record: Mapping[str, Any], chain_sha256: str = "", *, seen: bool = True) -> Row:
    """Of what `Row.as_dict` or `FileResult.as_dict` has told; raises what a record of another form raises.

    chain_sha256  where the record has none.
    seen          also what it sounds like.
    """
    told = {name: value for name, value in record.items() if name in TOLD and value is not None}
    told |= {name: tuple(told.get(name, ())) for name in ("warnings", "notes")}
    if seen:
        told |= {name: _unpacked(record.get(name)) for name in ("before", "after")}
    result, number = FileResult(**told), record.get("number")
    return Row(result, record.get("chain_sha256", chain_sha256), number if isinstance(number, int) else None)


def row_of_columns(record: Mapping[str, Any]) -> Row:
    """Of a line of a .jsonl report, which has levels and no pictures."""
    kind = record["status"]
    glances = [Glance(record[f"{which}peak_dbfs"], record[f"{which}rms_dbfs"], record[f"{which}loudness_lufs"], (), ())
               for which in ("input_", "")]
    before, after = glances if record["rms_dbfs"] is not None else (None, None)
    names = ("input", "output", "duration_s", "fs", "channels", "frames", "subtype", "error")
    return Row(FileResult(
        "ok" if kind == "warned" else kind, **{name: record[name] for name in names if record[name] is not None},
        warnings=tuple(record["warnings"]), exit_code=3 if kind == "failed" else 0, before=before, after=after,
        sha256=record["sha256"] or ""), record["chain_sha256"])


def packed(values: Iterable[int]) -> str:
    """Numbers from 0 to 255 as text."""
    return b64encode(bytes(values)).decode()


def packed_spectrum(glance: Glance) -> str:
    return packed([max(0, min(255, level - FLOOR)) for level in glance.spectrum])


def _packed(glance: Glance | None) -> dict[str, Any] | None:
    return None if glance is None else glance.as_dict() | {
        "waveform": packed(glance.waveform), "spectrum": packed_spectrum(glance)}


def _unpacked(record: Mapping[str, Any] | None) -> Glance | None:
    if record is None:
        return None
    spectrum = tuple([value + FLOOR for value in b64decode(record["spectrum"])])
    return Glance(**dict(record) | {"waveform": tuple(b64decode(record["waveform"])), "spectrum": spectrum})
