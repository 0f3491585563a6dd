"""Tells how a run goes: a line a file on stderr, a record a file on stdout, a bar where a person waits."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from torchfx_cli.cli import show
from torchfx_cli.cli.progress import Progress
from torchfx_cli.errors import printable
from torchfx_cli.plan.assemble import RenderPlan
from torchfx_cli.tasks.fileplan import JobPlan
from torchfx_cli.tasks.job import Job
from torchfx_cli.tasks.journal import DONE_BEFORE
from torchfx_cli.tasks.onefile import RunObserver
from torchfx_cli.tasks.report import FileResult, Report

if TYPE_CHECKING:
    from torchfx_cli.tasks.shards import Shard

MAX_LINES = 50  # beside a bar, of more files only those are told that need a word


class ConsoleReporter(RunObserver):
    """The observer of `run_jobs` for people (and, with `as_json`, for programs).

    Beside a bar, of several files only those are told that need a word; without one each gets its line.
    """

    def __init__(self, jobs: Sequence[Job], engine: str, *, quiet: bool, verbose: bool, as_json: bool,
                 shard: Shard | None = None) -> None:
        self._files, self._engine, self._began_s = len(jobs), engine, time.monotonic()
        roots = {job.root for job in jobs}
        self._root = roots.pop() if len(roots) == 1 else None
        self._quiet, self._verbose, self._json, self._shard = quiet, verbose, as_json, shard
        self._progress = Progress(jobs) if not quiet and bars_are_welcome() else None
        self._brief = self._progress is not None and self._files > MAX_LINES and not verbose
        self._is_measuring = False
        self.wants_plans = verbose or self._progress is not None

    def told(self, words: str) -> None:
        if not self._quiet:
            self._tell((f"torchfx: {words}", ""))

    def planned(self, todo: JobPlan) -> None:
        if self._progress is not None:
            self._progress.planned(todo)
        if self._verbose:
            self._tell(*((line, "") for line in plan_lines(todo, self._engine)))

    def measuring(self, done: int, total: int) -> None:
        if self._progress is not None:
            self._is_measuring = True
            show.tell_for_now(f"measuring: {done}/{total} files")

    def advanced(self, job: Job, frames: int) -> None:
        if self._is_measuring:
            self._hide()
        if self._progress is not None:
            self._progress.advanced(job, frames)

    def finished(self, job: Job, result: FileResult) -> None:
        if self._json:
            import json

            show.say(json.dumps(with_shard(result.as_dict(), self._shard)))
        if self._progress is not None and self._files == 1:
            self._progress.hide()
        if result.status == "failed":
            self._hide()
            show.tell_failure(result.input, result.error or "failed")
        elif not self._quiet:
            self._tell(*self._lines(result))
        if self._progress is not None:
            self._progress.finished(job, result)

    def _lines(self, result: FileResult) -> Iterator[tuple[str, str]]:
        if not (self._brief and result.kind != "warned") and (self._verbose or result.warnings != (DONE_BEFORE,)):
            yield result_line(result), ""
        for warning in result.warnings if result.status == "ok" else ():
            yield f"{printable(result.input)}: warning: {warning}", "yellow"
        for note in result.notes if self._verbose else ():
            yield f"{printable(result.input)}: note: {note}", ""

    def _tell(self, *lines: tuple[str, str]) -> None:
        if lines:
            self._hide()
        for text, colour in lines:
            show.tell(text, colour)

    def _hide(self) -> None:
        if self._is_measuring:
            self._is_measuring = False
            show.tell_for_now("")
        if self._progress is not None:
            self._progress.hide()

    stop = _hide

    def summary(self, report: Report) -> None:
        """The counts, which add up to the inputs, and how fast it was; for a single file its own line has said all."""
        if self._quiet or (self._files == 1 and self._shard is None):
            return
        if not self._files:
            show.tell(f"shard {self._shard}: no files fall to it")
            return
        counts = [f"{number} {kind}" for kind, number in report.counts.items()]
        left = self._files - sum(report.counts.values())
        counts += [f"{left} not done"] if left else []
        share = "" if self._shard is None else f"shard {self._shard}: "
        show.tell(share + ", ".join(counts) + (self._pace(report.duration_s) if report.duration_s else ""))

    def _pace(self, audio_s: float) -> str:
        """`  in 12.1 s (340x) -> out/`."""
        elapsed_s = time.monotonic() - self._began_s
        where = f" -> {printable(os.path.join(self._root, ''))}" if self._root is not None else ""
        return f"  in {show.clock(elapsed_s)} ({show.speed(audio_s, elapsed_s)}){where}"


def with_shard(record: dict[str, Any], shard: Shard | None) -> dict[str, Any]:
    """The JSON `record` of a file, and the shard that did it, if any."""
    return record if shard is None else record | {"shard": str(shard)}


def bars_are_welcome() -> bool:
    return show.is_terminal(sys.stderr) and not os.environ.get("CI")


def result_line(result: FileResult) -> str:
    """`in.wav -> processed/in.wav  4:00 in 0.31 s (774x)  peak -1.2 dBFS`."""
    source, output = printable(result.input), printable(result.output)
    if result.status == "skipped":
        return f"{source}: skipped, {', '.join(result.warnings)}"
    speed = show.speed(result.duration_s, result.elapsed_s)
    times = f"{show.clock(result.duration_s)} in {show.clock(result.elapsed_s)}{speed and f' ({speed})'}"
    lowered = f", turned down by {result.turned_down_db:.1f} dB" if result.turned_down_db else ""
    return f"{source} -> {output}  {times}  peak {show.level(result.peak)}{lowered}"


def plan_lines(todo: JobPlan, engine: str) -> list[str]:
    """What is settled about a file, for people: formats, engine, passes, latency and every stage."""
    facts, plan, out = todo.facts, todo.plan, todo.output_format
    dither = ", dithered" if plan.dither else ""
    passes = f"{plan.passes} pass{'es' * (plan.passes > 1)}"
    tail = f", tail {plan.tail_frames / plan.fs:.3f} s" if plan.tail_frames else ""
    start = ", steady start" if plan.start == "steady" else ""
    return [
        f"{printable(str(todo.job.source))} -> {printable(str(todo.job.output))}",
        f"  {facts.container} {facts.subtype}, {facts.fs} Hz, {show.count(facts.channels, 'channel')}"
        f" -> {out}{dither}",
        f"  {engine}, {passes}, latency {show.count(plan.latency_frames, 'frame')}{tail}{start},"
        f" blocks of {show.count(todo.block_frames, 'frame')}",
        *(f"  {number:3}  {line}" for number, line in enumerate(_stage_lines(plan, engine), 1)),
        *(f"  note: {remark}" for remark in plan.remarks),
    ]


def places(plan: RenderPlan, engine: str) -> list[str]:
    """Where each stage runs, by the device of `engine` ("torch on cuda:1")."""
    return plan.places(engine.partition(" on ")[2] or "cpu")


def _stage_lines(plan: RenderPlan, engine: str) -> list[str]:
    where = places(plan, engine)
    if len(set(where)) < 2:
        return plan.describe()
    return [f"{line}, on {place}" for line, place in zip(plan.describe(), where, strict=True)]
