"""Tells how a run goes: a line a file on stderr, a record a file on stdout, a bar where a person waits."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING

from torchfx_cli.cli import show
from torchfx_cli.errors import printable
from torchfx_cli.tasks.job import Job
from torchfx_cli.tasks.onefile import JobPlan, Listener
from torchfx_cli.tasks.report import FileResult, Report

if TYPE_CHECKING:
    from torchfx_cli.cli.progress import Bar

BAR_AFTER_S = 0.5  # a file done sooner needs no bar, and rich need not be loaded


class Teller(Listener):
    """The listener of `run_jobs` for people (and, with `as_json`, for programs)."""

    def __init__(self, files: int, engine: str, *, quiet: bool, verbose: bool, as_json: bool) -> None:
        self._files, self._engine = files, engine
        self._quiet, self._verbose, self._json = quiet, verbose, as_json
        self._bars = not quiet and bars_are_welcome()
        self._bar: Bar | None = None
        self._number = 0

    def started(self, job: Job) -> None:
        self._number += 1
        self._frames = 0
        self._since = time.monotonic()

    def planned(self, todo: JobPlan) -> None:
        self._todo = todo
        for line in plan_lines(todo, self._engine) if self._verbose else ():
            show.tell(line)

    def advanced(self, job: Job, frames: int) -> None:
        self._frames += frames
        if not self._bars:
            return
        if self._bar is None and time.monotonic() - self._since >= BAR_AFTER_S:
            self._bar = self._make_bar(self._todo)
        if self._bar is not None:
            self._bar.update(self._frames)

    def finished(self, job: Job, result: FileResult) -> None:
        self.stop()
        if self._json:
            show.say(json.dumps(result.as_dict()))
        if result.status == "failed":
            show.tell_failure(result.input, result.error or "failed")
            return
        if self._quiet:
            return
        show.tell(result_line(result))
        for warning in result.warnings if result.status == "ok" else ():
            show.tell(f"{printable(result.input)}: warning: {warning}", "yellow")
        for note in result.notes if self._verbose else ():
            show.tell(f"{printable(result.input)}: note: {note}")

    def stop(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def summary(self, report: Report) -> None:
        """The counts, which add up to the inputs; for a single file its own line has said all."""
        if self._files == 1 or self._quiet:
            return
        counts = [f"{number} {kind}" for kind, number in report.counts.items()]
        left = self._files - len(report.results)
        show.tell(", ".join([*counts, f"{left} not done"] if left else counts))

    def _make_bar(self, todo: JobPlan) -> Bar:
        from torchfx_cli.cli.progress import Bar

        place = f"[{self._number}/{self._files}] " if self._files > 1 else ""
        name = place + printable(todo.job.source.name)
        passes = todo.plan.passes
        return Bar(name, (todo.facts.frames or 0) * passes or None, todo.facts.fs * passes, self._since)


def bars_are_welcome() -> bool:
    return show.is_terminal(sys.stderr) and not os.environ.get("CI")


def result_line(result: FileResult) -> str:
    """`in.wav -> processed/in.wav  4:00 in 0.31 s (774x)  peak -1.2 dBFS`."""
    source, output = printable(result.input), printable(result.output)
    if result.status == "skipped":
        return f"{source}: skipped, {', '.join(result.warnings)}"
    speed = f" ({result.duration_s / result.elapsed_s:.0f}x)" if result.elapsed_s > 0 and result.duration_s > 0 else ""
    times = f"{show.clock(result.duration_s)} in {show.clock(result.elapsed_s)}{speed}"
    return f"{source} -> {output}  {times}  peak {show.level(result.peak)}"


def plan_lines(todo: JobPlan, engine: str) -> list[str]:
    """What is settled about a file, for people: formats, engine, passes, latency and every stage."""
    facts, plan, out = todo.facts, todo.plan, todo.output_format
    dither = ", dithered" if plan.dither else ""
    passes = f"{plan.passes} pass{'es' * (plan.passes > 1)}"
    tail = f", tail {plan.tail_frames / plan.fs:.3f} s" if plan.tail_frames else ""
    return [
        f"{printable(str(todo.job.source))} -> {printable(str(todo.job.output))}",
        f"  {facts.container} {facts.subtype}, {facts.fs} Hz, {show.count(facts.channels, 'channel')}"
        f" -> {out}{dither}",
        f"  {engine}, {passes}, latency {show.count(plan.latency_frames, 'frame')}{tail},"
        f" blocks of {show.count(todo.block_frames, 'frame')}",
        *(f"  {number:3}  {line}" for number, line in enumerate(plan.describe(), 1)),
    ]
