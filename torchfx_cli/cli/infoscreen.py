"""What `torchfx info` shows: a record a file, for people, as JSON or as a row of a table, in the order of the files."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, Any, Literal

from torchfx_cli.cli import contents, show
from torchfx_cli.cli.progress import Progress
from torchfx_cli.cli.reporter import bars_are_welcome
from torchfx_cli.errors import FileError, printable
from torchfx_cli.stream.facts import FileFacts
from torchfx_cli.tasks.inspection import Inspected
from torchfx_cli.tasks.job import Job
from torchfx_cli.tasks.onefile import RunObserver
from torchfx_cli.tasks.report import FileResult

if TYPE_CHECKING:
    from torchfx_cli.tasks.stats import Figure

Form = Literal["", "stats", "json", "csv"]
GAP = "  "
NARROWEST = 5  # of a column with figures
NAME_WIDTH = 40  # of a table on a terminal, at most, and less than half of it
_FILE = "file"


class InfoScreen(RunObserver):
    """Shows each file when it is its turn, and a bar meanwhile.

    form       as JSON, CSV, or for people, of whom "stats" may be a table.
    bad        how many files failed, miss something or are damaged.
    exit_code  of these the highest, else 0.
    """

    def __init__(self, jobs: Sequence[Job], form: Form) -> None:
        self._jobs, self._form = jobs, form
        self._waiting: dict[int, FileResult] = {}
        self._next = self.bad = self.exit_code = 0
        self._progress = Progress(jobs) if bars_are_welcome() else None
        self.wants_plans = self._progress is not None
        self._table = _StatsTable([str(job.source) for job in jobs]) if form == "stats" and len(jobs) > 1 else None
        if form == "csv":
            show.say(contents.table_head())

    def opened(self, job: Job, facts: FileFacts) -> None:
        if self._progress is not None:
            self._progress.opened(job, facts)

    def advanced(self, job: Job, frames: int) -> None:
        if self._progress is not None:
            self._progress.advanced(job, frames)

    def done(self, number: int, result: FileResult) -> None:
        """`result` of job `number`."""
        self._waiting[number] = result
        while self._next in self._waiting:
            self.stop()
            self._show(self._waiting.pop(self._next))
            self._next += 1
        if self._progress is not None:
            self._progress.finished(self._jobs[number], result)

    def stop(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.hide()

    def _show(self, result: FileResult) -> None:
        code = result.exit_code
        if isinstance(result, Inspected):
            record = result.record | {"notes": [*result.record["notes"], *result.notes]}
        else:
            record = {"input": result.input, "error": result.error}
            show.tell_failure(result.input, result.error or "failed")
        if self._form == "json":
            show.say(_as_json(record))
        elif self._form == "csv":
            show.say(contents.table_row(record))
        elif not code:
            lines = self._table.lines(record) if self._table is not None else ((line, "") for line in _lines(record))
            for line, colour in lines:
                show.say(line, colour=colour)
        if record.get("damaged") or record.get("misses"):
            code = FileError.exit_code
        self.bad += code != 0
        self.exit_code = max(self.exit_code, code)


class _StatsTable:
    """A row a file; on a terminal with the figures that fit it, in a pipe with all."""

    def __init__(self, names: Sequence[str]) -> None:
        room = shutil.get_terminal_size().columns - 1 if show.is_terminal(sys.stdout) else None
        longest = max(len(printable(name)) for name in [*names, _FILE])
        self._width = longest if room is None else min(longest, NAME_WIDTH, max(len(_FILE), room // 2 - 9))
        self._columns = _columns(None if room is None else room - self._width)
        self._has_head = False

    def lines(self, record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Of the file, each with its colour."""
        if not self._has_head:
            self._has_head = True
            yield self._row(_FILE, [figure.heading for figure in self._columns.values()]), "bold"
        cells = [_cell(figure, record["stats"][name]) for name, figure in self._columns.items()]
        yield self._row(self._shortened(printable(record["input"])), cells), ""
        yield from ((f"  {line}", "") for line in _remarks(record, kinds=("warning",)))

    def _row(self, name: str, cells: Iterable[str]) -> str:
        padded = (cell.rjust(_width(figure)) for figure, cell in zip(self._columns.values(), cells, strict=True))
        return GAP.join([name.ljust(self._width), *padded])

    def _shortened(self, name: str) -> str:
        """The end tells more than the folders."""
        return name if len(name) <= self._width else f"…{name[1 - self._width:]}"


def _columns(room: int | None) -> dict[str, Figure]:
    """As many figures as fit, the brief ones first."""
    from torchfx_cli.tasks.stats import FIGURES

    taken, left = set(), room
    for name, figure in sorted(FIGURES.items(), key=lambda item: not item[1].is_brief):
        if left is not None:
            left -= _width(figure) + len(GAP)
            if left < 0:
                break
        taken.add(name)
    return {name: figure for name, figure in FIGURES.items() if name in taken}


def _width(figure: Figure) -> int:
    return max(NARROWEST, len(figure.heading))


def _cell(figure: Figure, value: float | None) -> str:
    """"-" where nothing can be said, as of what is shorter than a window."""
    if value is None or value == -inf:
        return "-inf" if figure.tells(value) else "-"
    digits = 1 if figure.digits == 2 or figure.scale != 1.0 else figure.digits
    return f"{round(value * figure.scale, digits) + 0.0:.{digits}f}"  # never -0.0


def _as_json(record: dict[str, Any]) -> str:
    """Of silence, whose level JSON has no number for, null."""
    stats = {name: None if value == -inf else value for name, value in record.get("stats", {}).items()}
    plain = {name: value for name, value in record.items() if name != "shown"}
    return json.dumps(plain | ({"stats": stats} if stats else {}))


def _lines(record: Mapping[str, Any]) -> list[str]:
    """The record for people: two spaces before what belongs to the name above."""
    frames, seconds = record["frames"], record["duration_s"]
    length = "length unknown" if frames is None else f"{show.clock(seconds)} ({show.count(frames, 'frame')})"
    rate = "" if record["kbps"] is None else f", {record['kbps']:.0f} kbit/s"
    lines = [
        f"{record['container']} {record['subtype']}, {record['fs']} Hz, {show.count(record['channels'], 'channel')}",
        f"{length}, {_size(record['file_bytes'])}{rate}",
    ]
    if len(record["speakers"]) > 2:
        lines.append(f"speakers: {' '.join(record['speakers'])}")
    if "peak" in record and "peak" not in record.get("stats", {}):
        lines.append(f"peak {show.level(record['peak'])}")
    lines += _figure_lines(record["stats"]) if "stats" in record else []
    lines += contents.content_lines(record)
    lines += _remarks(record, kinds=("note", "warning"))
    return [record["input"], *(f"  {line}" for line in lines)]


def _remarks(record: Mapping[str, Any], kinds: Iterable[str]) -> list[str]:
    lines = [f"{kind}: {text}" for kind in kinds for text in record[f"{kind}s"]]
    lines += [f"misses {text}" for text in record.get("misses", ())]
    return lines + ([record["advice"]] if record.get("advice") else [])


def _figure_lines(stats: Mapping[str, float | None]) -> list[str]:
    from torchfx_cli.tasks.requirements import in_words

    return [f"{name.replace('_', ' ')} {in_words(name, value)}" for name, value in stats.items()]


def _size(count: int) -> str:
    return f"{count} bytes" if count < 10_000 else f"{count / 1e6:.2f} MB"
