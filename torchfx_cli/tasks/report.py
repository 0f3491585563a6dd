"""What came of each file, and of the run as a whole. A batch is a value, not an exception."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Status = Literal["ok", "failed", "skipped"]


@dataclass(frozen=True)
class FileResult:
    """The fate of one input. `peak` is linear, 1 = full scale; times in seconds; `fs` in Hz."""

    status: Status
    input: str
    output: str
    fs: int = 0
    channels: int = 0
    frames: int = 0
    subtype: str = ""
    duration_s: float = 0.0
    elapsed_s: float = 0.0
    peak: float = 0.0
    clipped: int = 0
    engine: str = ""
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    error: str | None = None
    exit_code: int = 0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Report:
    """Every result so far, in the order of the jobs."""

    results: list[FileResult] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """ok, warned, failed, skipped: together as many as results; "ok" leaves out those that were warned."""
        kinds = Counter("warned" if r.status == "ok" and r.warnings else r.status for r in self.results)
        return {kind: kinds[kind] for kind in ("ok", "warned", "failed", "skipped")}

    @property
    def exit_code(self) -> int:
        """0 where every planned output exists, else the code of the failed files."""
        return max((r.exit_code for r in self.results), default=0)
