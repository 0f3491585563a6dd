"""What came of each file, and of the run as a whole. A batch is a value, not an exception."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from torchfx_cli.errors import FileError

Status = Literal["ok", "failed", "skipped"]
KINDS = ("ok", "warned", "failed", "skipped")


@dataclass(frozen=True)
class FileResult:
    """The fate of one input. `peak` is linear, 1 = full scale; times in seconds; `fs` in Hz.

    clipped, repaired   samples limited to full scale, and non-finite ones replaced.
    turned_down_db      by how much the whole file was lowered so that nothing clips.
    truncated           whether the input was cut off.
    error, reason       of a failed file, in words and as a code (see `errors`).
    """

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
    turned_down_db: float = 0.0
    repaired: int = 0
    truncated: bool = False
    engine: str = ""
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    error: str | None = None
    reason: str | None = None
    exit_code: int = 0

    @property
    def kind(self) -> str:
        """One of `KINDS`."""
        return "warned" if self.status == "ok" and self.warnings else self.status

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def failed(source: object, output: object, error: str, reason: str, elapsed_s: float = 0.0) -> FileResult:
    """The result of a file that could not be done."""
    return FileResult("failed", str(source), str(output), elapsed_s=elapsed_s, error=error, reason=reason,
                      exit_code=FileError.exit_code)


@dataclass
class Report:
    """Every result so far, by the number of its job; `planned` is how many there will be."""

    planned: int = 0
    by_number: dict[int, FileResult] = field(default_factory=dict)

    def add(self, number: int, result: FileResult) -> None:
        self.by_number[number] = result

    @property
    def results(self) -> list[FileResult]:
        """In the order of the jobs."""
        return [self.by_number[number] for number in sorted(self.by_number)]

    @property
    def counts(self) -> dict[str, int]:
        """ok, warned, failed, skipped: together as many as results; "ok" leaves out those that were warned."""
        kinds = Counter(result.kind for result in self.by_number.values())
        return {kind: kinds[kind] for kind in KINDS}

    @property
    def exit_code(self) -> int:
        """0 where every planned output exists, else the code of the failed files."""
        return max((result.exit_code for result in self.by_number.values()), default=0)

    def as_dict(self) -> dict[str, Any]:
        """For `--report`: the counts, what the policies had to do, and every file."""
        results = self.results
        return {
            "counts": self.counts | {"not_done": max(0, self.planned - len(results))},
            "duration_s": sum(result.duration_s for result in results),
            "clipped_files": sum(result.clipped > 0 for result in results),
            "turned_down_files": sum(result.turned_down_db > 0 for result in results),
            "repaired_files": sum(result.repaired > 0 for result in results),
            "truncated_files": sum(result.truncated for result in results),
            "files": [result.as_dict() for result in results],
        }
