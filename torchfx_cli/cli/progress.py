"""How far a run is: the files that are done, by their bytes, and the frames of those under way."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from torchfx_cli.cli import show
from torchfx_cli.errors import printable
from torchfx_cli.records import dataclass
from torchfx_cli.stream.facts import FileFacts
from torchfx_cli.tasks.fileplan import JobPlan
from torchfx_cli.tasks.job import Job
from torchfx_cli.tasks.report import FileResult

if TYPE_CHECKING:
    from torchfx_cli.cli.bar import Bar

BAR_AFTER_S = 0.5  # what is done sooner needs no bar, and rich need not be loaded


@dataclass
class _UnderWay:
    """`frames` of `total` (0 where unknown) were filtered; `rate` of them, over all passes, are a second of audio."""

    frames: int
    total: int
    rate: int
    file_bytes: int

    @property
    def done_bytes(self) -> float:
        return self.file_bytes * min(1.0, self.frames / self.total) if self.total else 0.0

    @property
    def audio_s(self) -> float:
        return self.frames / self.rate if self.rate else 0.0


class Progress:
    """The bar of a run over `jobs`; taken away by `hide`, and drawn again when something happens."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._since_s = time.monotonic()
        self._jobs = jobs
        self._total: int | None = None
        self._finished = self._failed = self._done = 0
        self._audio_s = 0.0
        self._under_way: dict[str, _UnderWay] = {}
        self._bar: Bar | None = None

    def planned(self, todo: JobPlan) -> None:
        self.opened(todo.job, todo.facts, todo.plan.passes - len(todo.job.readings))

    def opened(self, job: Job, facts: FileFacts, passes: int = 1) -> None:
        at = _UnderWay(0, (facts.frames or 0) * passes, facts.fs * passes, facts.file_bytes)
        self._under_way[str(job.source)] = at

    def advanced(self, job: Job, frames: int) -> None:
        at = self._under_way.get(str(job.source))
        if at is not None:
            at.frames += frames
        self._draw()

    def finished(self, job: Job, result: FileResult) -> None:
        self._under_way.pop(str(job.source), None)
        self._finished += 1
        self._failed += result.status == "failed"
        self._done += 0 if job.skip else job.input_bytes
        self._audio_s += result.duration_s
        if self._finished < len(self._jobs):
            self._draw()

    def hide(self) -> None:
        """Take the bar away, so that a line can be written."""
        if self._bar is not None:
            self._bar.close()

    def _draw(self) -> None:
        elapsed_s = time.monotonic() - self._since_s
        if elapsed_s < BAR_AFTER_S:
            return
        from torchfx_cli.cli import bar

        if self._bar is None:
            self._total = sum(job.input_bytes for job in self._jobs if not job.skip)
            known = len(self._jobs) > 1 or any(at.total for at in self._under_way.values())
            self._bar = bar.Bar(self._total or None if known else None)
            self._known = known
        done = self._done + sum(at.done_bytes for at in self._under_way.values())
        audio_s = self._audio_s + sum(at.audio_s for at in self._under_way.values())
        part = done / self._total if self._total and self._known else None
        self._bar.update(self._name(audio_s), done, bar.progress_note(part, audio_s, elapsed_s))

    def _name(self, audio_s: float) -> str:
        from torchfx_cli.cli.bar import shortened

        if len(self._jobs) == 1:
            return shortened(printable(self._jobs[0].source.name))
        failed = f", {self._failed} failed" if self._failed else ""
        return f"{self._finished}/{len(self._jobs)} files, {show.coarse_clock(audio_s)}{failed}"
