"""What came of each file, and of the run as a whole. A batch is a value, not an exception."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, field, fields
from typing import TYPE_CHECKING, Any, Literal

from torchfx_cli.errors import FileError
from torchfx_cli.records import dataclass

if TYPE_CHECKING:
    from torchfx_cli.analysis.glance import Glance

Status = Literal["ok", "failed", "skipped"]
KINDS = ("ok", "warned", "failed", "skipped")
ON_REQUEST = {"before", "after", "sha256"}
HEAD = b'{\n "counts": {\n  "ok": '  # of every report


@dataclass(frozen=True)
class FileResult:
    """The fate of one input. `peak` is linear, 1 = full scale; times in seconds; `fs` in Hz.

    clipped, repaired   samples limited to full scale, and non-finite ones replaced.
    turned_down_db      by how much the whole file was lowered so that nothing clips.
    truncated           whether the input was cut off.
    error, reason       of a failed file, in words and as a code (see `errors`).
    before, after       how input and output sound, where that is asked for.
    sha256              of the output, where that is asked for.
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
    before: Glance | None = None
    after: Glance | None = None
    sha256: str = ""

    @property
    def kind(self) -> str:
        """One of `KINDS`."""
        return "warned" if self.status == "ok" and self.warnings else self.status

    def as_dict(self) -> dict[str, Any]:
        """Without what only some reports tell."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name not in ON_REQUEST}


def failed(source: object, output: object, error: str, reason: str, elapsed_s: float = 0.0) -> FileResult:
    """The result of a file that could not be done."""
    return FileResult("failed", str(source), str(output), elapsed_s=elapsed_s, error=error, reason=reason,
                      exit_code=FileError.exit_code)


def json_lines(head: Mapping[str, Any], files: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A report as JSON, a line a file."""
    import json

    yield json.dumps(head, indent=1).removesuffix("\n}") + ',\n "files": ['
    for place, file in enumerate(files):
        yield (",\n  " if place else "\n  ") + json.dumps(file)
    yield "\n ]\n}\n"


@dataclass
class _Totals:
    """Sums over all results: seconds of audio, and files with which the policies had to do something."""

    duration_s: float = 0.0
    clipped_files: int = 0
    turned_down_files: int = 0
    repaired_files: int = 0
    truncated_files: int = 0

    def add(self, result: FileResult) -> None:
        self.duration_s += result.duration_s if result.status != "skipped" else 0.0
        self.clipped_files += result.clipped > 0
        self.turned_down_files += result.turned_down_db > 0
        self.repaired_files += result.repaired > 0
        self.truncated_files += result.truncated


@dataclass
class Report:
    """What came of a run so far; `planned` is how many results there will be.

    keeps_all  keep every result, for `as_dict`; without it only the failed ones, so that memory does not grow with the
               files of a batch. All are counted.
    """

    planned: int = 0
    keeps_all: bool = True
    exit_code: int = 0  # 0 where every planned output exists, else the code of the failed files
    _kept: dict[int, FileResult] = field(default_factory=dict)
    _kinds: Counter[str] = field(default_factory=Counter)
    _totals: _Totals = field(default_factory=_Totals)

    def add(self, number: int, result: FileResult) -> None:
        """The result of job `number`, once."""
        self._kinds[result.kind] += 1
        self._totals.add(result)
        self.exit_code = max(self.exit_code, result.exit_code)
        if self.keeps_all or result.status == "failed":
            self._kept[number] = result

    @property
    def results(self) -> list[FileResult]:
        """Those that are kept, in the order of the jobs."""
        return [result for _, result in self.numbered]

    @property
    def numbered(self) -> list[tuple[int, FileResult]]:
        """The same with the numbers of the jobs."""
        return sorted(self._kept.items())

    @property
    def failed(self) -> list[int]:
        """The numbers of the jobs that failed."""
        return [number for number in sorted(self._kept) if self._kept[number].status == "failed"]

    @property
    def duration_s(self) -> float:
        """Seconds of audio that were done."""
        return self._totals.duration_s

    @property
    def counts(self) -> dict[str, int]:
        """ok, warned, failed, skipped: together as many as results; "ok" leaves out those that were warned."""
        return {kind: self._kinds[kind] for kind in KINDS}

    def as_dict(self) -> dict[str, Any]:
        """For `--report`: the counts, what the policies had to do, and every file that is kept."""
        return self.head() | {"files": [result.as_dict() for result in self.results]}

    def json_lines(self) -> Iterator[str]:
        """`as_dict` as JSON, a line a file."""
        return json_lines(self.head(), (result.as_dict() for result in self.results))

    @staticmethod
    def is_own(head: bytes) -> bool:
        """Whether a file that begins like this holds the `json_lines` of a report."""
        return head.startswith(HEAD)

    def head(self) -> dict[str, Any]:
        """The counts, and what the policies had to do."""
        done = self._kinds.total()
        return {"counts": self.counts | {"not_done": max(0, self.planned - done)}, **asdict(self._totals)}
