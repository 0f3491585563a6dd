"""Several reports made one: those of the shards of a batch, and of its resumed runs.

A file is known by its output. The last report that names it counts, by the times at which they were written, where all
tell theirs, and else in the order given; but "done before" gives way to the report of the run that did it. Files are
in the order of the whole batch where their numbers are known.

Of a file only the place of its row is kept in memory; rows are read again as they are written.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from typing import Any, BinaryIO, NamedTuple

from torchfx_cli.errors import FileError, RunError, UsageError, printable
from torchfx_cli.records import dataclass
from torchfx_cli.tasks.journal import DONE_BEFORE
from torchfx_cli.tasks.report import FileResult, Report
from torchfx_cli.tasks.reportfiles import Told, now
from torchfx_cli.tasks.reportrows import Row, row_of, row_of_columns
from torchfx_cli.tasks.shards import Shard, shard_of

FILES = b' "files": ['  # the line behind the head of a JSON report
ENDS = (b" ]", b"}", b"")
MAX_LINE_BYTES, MAX_HEAD_LINES = 1 << 24, 1 << 20
TOTALS = ("duration_s", "clipped", "turned_down_db", "repaired", "truncated")
MAX_NAMED = 20  # shards, or reports, in a remark


@dataclass
class Stored:
    """The report `path` as it is stored. One of records, a line a file, has no `head`.

    shards, written  which it is of, and when it was; nothing in a plain report.
    """

    path: str
    head: dict[str, Any] = field(default_factory=dict)
    shards: set[Shard] = field(default_factory=set)
    written: str = ""
    not_done: int = 0
    is_superseded: bool = False  # a later report is about some of its files

    @property
    def chain(self) -> dict[str, Any]:
        chain: dict[str, Any] = self.head.get("chain", {})
        return chain


class _Place(NamedTuple):
    """Where the row of a file stands, and all that counts of it."""

    report: int
    at: int
    number: int | None
    chain_sha256: str
    kind: str
    totals: tuple[Any, ...]
    is_done_before: bool


@dataclass(frozen=True)
class Merged:
    """What came of each file in several reports; `remarks` are on what is missing or does not fit."""

    reports: list[Stored]
    places: list[_Place]
    counts: Report
    not_done: int
    remarks: list[str]

    @property
    def is_whole(self) -> bool:
        """Whether every file was done."""
        return not (self.counts.exit_code or self.not_done or _missing(self.reports))

    def told(self) -> Told:
        head = self.counts.head()
        head["counts"]["not_done"] = self.not_done
        shards = [str(shard) for shard in _shards(self.reports)]
        return Told(head | {"remarks": self.remarks}, self._chain, self._rows(), {"shards": shards, "written": now()})

    def _rows(self) -> Iterator[Row]:
        for place in self.places:
            report = self.reports[place.report]
            with _told(report.path), open(report.path, "rb") as file:
                file.seek(place.at)
                row = _row(report, file.readline(MAX_LINE_BYTES))
            yield row

    def _chain(self) -> dict[str, Any]:
        """The one that most files went through, of those that a report tells all about."""
        full = {report.chain["sha256"]: report.chain for report in self.reports if report.chain.get("name")}
        most = Counter(place.chain_sha256 for place in self.places).most_common()
        digest = next((digest for digest, _ in most if digest in full), most[0][0] if most else "")
        return full.get(digest, {"name": "", "sha256": digest, "texts": [], "curve": None})


def merged(paths: Sequence[str]) -> Merged:
    """The reports `paths`, .json or .jsonl, as one; raises RunError where one cannot be read."""
    reports = [_stored(path) for path in paths]
    if all(report.written for report in reports):
        reports.sort(key=lambda report: report.written)
    places: dict[str, _Place] = {}
    for index, report in enumerate(reports):
        for output, place in _places(report, index):
            before = places.get(output)
            if before is not None and before.report != index:
                reports[before.report].is_superseded = True
            if before is None or not (place.is_done_before and before.kind in ("ok", "warned")):
                places[output] = place
    kept = sorted(places.values(), key=lambda place: (place.number is None, place.number or 0))
    counts = Report(keeps_all=False)
    for number, place in enumerate(kept):
        counts.add(number, _light(place))
    not_done = sum(report.not_done for report in reports if not report.is_superseded)
    return Merged(reports, kept, counts, not_done, [*_missing(reports), *_differing(reports, kept)])


def _stored(path: str) -> Stored:
    """With its head, or what its first line tells."""
    report = Stored(path)
    with _told(path), open(path, "rb") as file:
        first = file.readline(MAX_LINE_BYTES)
        if first.startswith(b'{"status": "'):
            facts = json.loads(first)
        else:
            text = b"".join([first, *_until_files(file)])
            if not Report.is_own(text):
                raise ValueError
            report.head = facts = json.loads(text + b"]}")
            report.not_done = int(facts["counts"]["not_done"])
        report.shards = {shard_of(word, {}) for word in facts.get("shards", ())}
        report.written = str(facts.get("written", ""))
    return report


def _until_files(file: BinaryIO) -> Iterator[bytes]:
    """The lines of the head of a JSON report, from the second on to that behind which its rows begin."""
    for _ in range(MAX_HEAD_LINES):
        yield (line := file.readline(MAX_LINE_BYTES))
        if line.rstrip() in (FILES, b""):
            return


def _places(report: Stored, index: int) -> Iterator[tuple[str, _Place]]:
    """Each output that `report` tells of, and what counts of it."""
    with _told(report.path), open(report.path, "rb") as file:
        if report.head:
            file.readline(MAX_LINE_BYTES)
            deque(_until_files(file), maxlen=0)
        while True:
            at = file.tell()
            line = file.readline(MAX_LINE_BYTES)
            if line.rstrip() in ENDS:
                break
            row = _row(report, line, seen=False)
            result = row.result
            totals = tuple(getattr(result, name) for name in TOTALS)
            yield result.output, _Place(index, at, row.number, sys.intern(row.chain_sha256), sys.intern(result.kind),
                                        totals, result.warnings == (DONE_BEFORE,))
        if report.head and not line:
            raise ValueError


def _row(report: Stored, line: bytes, *, seen: bool = True) -> Row:
    record = json.loads(line.strip().removesuffix(b","))
    if report.head:
        return row_of(record, report.chain.get("sha256", ""), seen=seen)
    return row_of(record["kept"], seen=seen) if "kept" in record else row_of_columns(record)


@contextlib.contextmanager
def _told(path: str) -> Iterator[None]:
    """Within, an error is one of reading the report `path`."""
    try:
        yield
    except OSError as error:
        raise RunError(f"cannot read the report {path}: {error.strerror}") from None
    except (UsageError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise RunError(f"{path} is no report that torchfx wrote as .json or .jsonl, or is cut off") from None


def _light(place: _Place) -> FileResult:
    """A result with all that counts."""
    return FileResult("ok" if place.kind == "warned" else place.kind, "", "",  # type: ignore[arg-type]
                      warnings=("",) if place.kind == "warned" else (),
                      exit_code=FileError.exit_code if place.kind == "failed" else 0,
                      **dict(zip(TOTALS, place.totals, strict=True)))


def _missing(reports: Iterable[Stored]) -> list[str]:
    """The shards that no report is of, unless those of another division are all there."""
    found: dict[int, set[int]] = {}
    for shard in _shards(reports):
        found.setdefault(shard.count, set()).add(shard.index)
    if any(len(indices) == count for count, indices in found.items()):
        return []
    left = {count: [index for index in range(1, count + 1) if index not in found[count]] for count in sorted(found)}
    return [f"shard{'s' * (len(indices) > 1)} {_listed(map(str, indices))} of {count} "
            f"{'are' if len(indices) > 1 else 'is'} not among the reports" for count, indices in left.items()]


def _differing(reports: Sequence[Stored], places: Iterable[_Place]) -> list[str]:
    """Of reports of different chains, which is of which."""
    chains: dict[str, dict[str, None]] = {}
    for place in places:
        if place.chain_sha256:
            chains.setdefault(place.chain_sha256, {})[reports[place.report].path] = None
    if len(chains) < 2:
        return []
    return [f"the reports are of {len(chains)} chains: "
            + "; ".join(f"{digest[:12]} in {_listed(map(printable, paths))}" for digest, paths in chains.items())]


def _listed(words: Iterable[str]) -> str:
    all_of_them = list(words)
    more = len(all_of_them) - MAX_NAMED
    return ", ".join(all_of_them[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def _shards(reports: Iterable[Stored]) -> list[Shard]:
    """All that the reports are of, in order."""
    return sorted({shard for report in reports for shard in report.shards}, key=lambda one: (one.count, one.index))
