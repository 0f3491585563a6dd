"""How a file ends, whichever way it was filtered: its output in its place, or what went wrong in words."""

from __future__ import annotations

import os
import stat
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import ceil
from typing import TypeVar

from torchfx_cli import __version__
from torchfx_cli.errors import FileError, TorchfxError
from torchfx_cli.records import dataclass
from torchfx_cli.render.engine import Levels
from torchfx_cli.stream.attributes import attributes_of
from torchfx_cli.stream.broadcast import Made
from torchfx_cli.stream.forsome import pipewriter, timeline
from torchfx_cli.stream.metadatasource import MetadataSource
from torchfx_cli.stream.reader import Source
from torchfx_cli.stream.stdio import STDIO
from torchfx_cli.stream.writer import Output
from torchfx_cli.tasks import journal
from torchfx_cli.tasks.backup import Backup
from torchfx_cli.tasks.fileplan import JobPlan
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.report import FileResult, failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchfx_cli.stream.pipewriter import PipeOutput

T = TypeVar("T")
UNKNOWN_FRAMES = 1 << 48  # more than any file has


def guarded(job: Job, settings: Settings, since_s: float, step: Callable[[], T]) -> T | FileResult:
    """What `step` gives; what is the fault of this file becomes a failed result, errors that end the run are raised.

    since_s  the `time.perf_counter` from which the time of the failed file counts.
    """
    try:
        return step()
    except FileError as error:
        words, reason = str(error), error.reason
    except TorchfxError:
        raise
    except MemoryError:
        words, reason = f"not enough memory{_smaller(settings)}", "memory"
    except Exception as error:
        if os.environ.get("TORCHFX_DEBUG"):
            raise
        words = f"{type(error).__name__}: {error} (a mistake in torchfx; TORCHFX_DEBUG=1 shows where)"
        reason = "internal"
    return failed(job.source, job.output, words, reason, time.perf_counter() - since_s)


def _smaller(settings: Settings) -> str:
    return "" if settings.chunk_s is None else f" for --chunk {settings.chunk_s:g}; a smaller one needs less"


def open_output(source: Source, todo: JobPlan, settings: Settings) -> Output | PipeOutput:
    """The output of `todo`, to be used in a `with` and ended with `commit`."""
    plan, facts = todo.plan, todo.facts
    if todo.job.output == STDIO:
        return pipewriter.PipeOutput(
            int(plan.output.fs),
            plan.output.channels,
            todo.output_format,
            facts.tags if settings.tags else {},
            todo.output_bytes if facts.container != "MP3" else None,  # of an MP3 it is an estimate
            metadata=_metadata(source, todo) if settings.tags else None,
            changes=todo.job.changes(settings),
        )
    return Output(
        todo.job.output,
        int(plan.output.fs),
        plan.output.channels,
        todo.output_format,
        facts.tags if settings.tags else {},
        todo.output_bytes,
        overwrite=settings.overwrite or todo.job.overwrite,
        metadata=_metadata(source, todo) if settings.tags else None,
        times_ns=(source.stat.st_atime_ns, source.stat.st_mtime_ns) if settings.keep_mtime else None,
        mode=_mode(source.stat.st_mode),
        attributes=attributes_of(todo.job.output) if todo.job.backup else None,
        changes=todo.job.changes(settings),
    )


def _mode(of_source: int) -> int:
    """No stranger may read more of the output than of the input; the permissions of a pipe say nothing."""
    return of_source & 0o666 | 0o600 if stat.S_ISREG(of_source) else 0o666


def _metadata(source: Source, todo: JobPlan) -> MetadataSource:
    """What of `source` goes along; with a time line where the output begins, ends or counts otherwise than it."""
    plan, facts = todo.plan, todo.facts
    made = Made(f"torchfx {__version__}", is_changed=bool(plan.stages))
    frames = facts.frames if facts.frames is not None and facts.container != "MP3" else UNKNOWN_FRAMES
    if plan.turns_time:
        turned = timeline.Timeline(plan.place, plan.fs, int(plan.output.fs), 0.0, plan.frames_out(frames),
                                   is_told=False)
        return replace(source.metadata, timeline=turned, made=made)
    if plan.place(0.0) == 0.0 and plan.place(frames) is not None and plan.output.fs == plan.fs:
        return replace(source.metadata, made=made)
    heard = bisect_left(range(UNKNOWN_FRAMES), 1, key=replace(plan, tail_frames=0).frames_out)  # the first that is
    place = plan.place(heard)
    first = heard - (0.0 if place is None else place * plan.fs / plan.output.fs)
    moved = timeline.Timeline(plan.place, plan.fs, int(plan.output.fs), first, plan.frames_out(frames))
    if plan.place(max(0, ceil(first))) is None:
        moved = replace(moved, heard=bisect_left(range(heard), 1, key=lambda n: plan.place(n) is not None))
    return replace(source.metadata, timeline=moved, made=made)


@dataclass(frozen=True)
class Rendered:
    """How the samples of an output came about; `engine` by name."""

    levels: Levels
    engine: str
    notes: tuple[str, ...] = ()
    turned_down_db: float = 0.0
    warnings: tuple[str, ...] = ()


def commit(source: Source, todo: JobPlan, output: Output | PipeOutput, rendered: Rendered, settings: Settings,
           since_s: float) -> FileResult:
    """Give the written `output` its name, unless what was seen on the way is not to be lived with (FileError)."""
    levels = rendered.levels
    warnings = (*todo.plan.warned, *source.warnings, *output.warnings, *levels.warnings, *rendered.warnings)
    _refuse(levels, warnings, settings)
    with Backup(todo.job, source.stat) as backup:
        written = output.commit(partial(_note, source, todo, backup, settings, len(warnings)))
    return FileResult(
        status="ok",
        input=str(todo.job.source),
        output=str(todo.job.output),
        fs=int(todo.plan.output.fs),
        channels=todo.plan.output.channels,
        frames=written.frames,
        subtype=todo.output_format.subtype,
        duration_s=written.frames / todo.plan.output.fs,
        elapsed_s=time.perf_counter() - since_s,
        peak=levels.peak,
        clipped=levels.clipped,
        turned_down_db=rendered.turned_down_db,
        repaired=source.repaired,
        truncated=source.truncated,
        engine=rendered.engine,
        warnings=warnings,
        notes=(*source.notes, *output.notes, *rendered.notes),
        sha256=journal.sha256_of(todo.job.output) if settings.digests and todo.job.output != STDIO else "",
    )


def _note(source: Source, todo: JobPlan, backup: Backup, settings: Settings, warnings: int, made_fd: int) -> None:
    """The whole output, `made_fd`, is about to get its name."""
    backup.make()
    if todo.job.backup is not None:
        journal.note_replaced(todo.job, settings, made_fd, warnings)
    else:
        journal.note(todo.job, settings, source.stat, made_fd, warnings)


def _refuse(levels: Levels, warnings: tuple[str, ...], settings: Settings) -> None:
    if levels.clipped and settings.on_clip == "fail":
        raise FileError(levels.warnings[0])
    refuse_warned(warnings, settings)


def refuse_warned(warnings: Sequence[str], settings: Settings) -> None:
    """Raise FileError where a warning is one."""
    if settings.strict and warnings:
        raise FileError("; ".join(warnings))
