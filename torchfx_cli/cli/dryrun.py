"""`torchfx process --dry-run`: what would be done, and every reason why it would fail; nothing is written."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torchfx_cli.analysis.reach import tone_gain_db, worst_gain_db
from torchfx_cli.cli import show
from torchfx_cli.cli.reporter import places, plan_lines, with_shard
from torchfx_cli.errors import FileError, printable
from torchfx_cli.render import costs
from torchfx_cli.stream.formats import RIFF_LIMIT_BYTES
from torchfx_cli.tasks.albums import album_of
from torchfx_cli.tasks.fileplan import JobPlan, describe_job
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.preflight import free_bytes, needed_bytes
from torchfx_cli.tasks.urls import Url, bytes_of

HARMLESS_DB = 0.01
SIZES = ("bytes", "kB", "MB", "GB", "TB")


def show_plans(jobs: Sequence[Job], settings: Settings, engine: str, *, as_json: bool) -> int:
    """Print the plan of every job on stdout; returns the exit code that doing them would begin with."""
    code, plans = 0, []
    for job in jobs:
        try:
            if job.fault:
                raise FileError(job.fault)
            if isinstance(job.source, Url) and not job.skip:
                show.say(*_unseen(job, as_json=as_json))
                continue
            todo = None if job.skip else describe_job(job, settings)
        except FileError as error:
            code = max(code, error.exit_code)
            show.tell_failure(str(job.source), str(error))
            if as_json:
                failed = _names(job) | {"status": "failed", "error": str(error)}
                show.say(json.dumps(with_shard(failed, settings.shard)))
            continue
        if todo is not None:
            plans.append(todo)
        shown = _as_json if as_json else _lines
        show.say(*shown(job, todo, settings, engine))
    share = "" if settings.shard is None else f"shard {settings.shard}: "
    if plans:
        _summarise(plans, engine, settings.jobs, share)
    elif share and not jobs:
        show.tell(f"{share}no files fall to it")
    return code


def _names(job: Job) -> dict[str, Any]:
    return {"input": str(job.source), "output": str(job.output)}


def _unseen(job: Job, *, as_json: bool) -> list[str]:
    """Of an input that is fetched only when it is done."""
    if as_json:
        return [json.dumps(_names(job) | {"status": "planned"})]
    return [f"{job.source} -> {job.output}", f"  {_size(bytes_of(job.stamp))}, looked at when it is fetched"]


def _lines(job: Job, todo: JobPlan | None, settings: Settings, engine: str) -> list[str]:
    if todo is None:
        return [f"{job.source}: skipped, {job.skip}"]
    first, formats, *rest = plan_lines(todo, engine)
    length = "" if todo.facts.duration_s is None else f", {show.clock(todo.facts.duration_s)}"
    return [first, formats + length, *rest, *(f"  {remark}" for remark in _remarks(todo, settings))]


def _remarks(todo: JobPlan, settings: Settings) -> list[str]:
    remarks = [*todo.plan.warned]
    if settings.album:
        remarks.append(f"one gain for all files in {printable(album_of(todo.job))} (--album)")
    changes = todo.job.changes(settings)
    if changes:
        names = [*dict.fromkeys(key.lower() for key, _ in changes.values), *(["cover"] if changes.cover else [])]
        remarks.append(f"tags that are set: {printable(', '.join(names))}")
    gain_db = worst_gain_db(todo.plan)
    if gain_db > HARMLESS_DB and todo.output_format.sample_format.is_integer:
        remarks.append(f"may clip: an input at full scale could reach {gain_db:+.1f} dBFS, a steady tone "
                       f"{tone_gain_db(todo.plan):+.1f} (see --on-clip)")
    if todo.output_format.container.word == "wav" and (todo.output_bytes or 0) > RIFF_LIMIT_BYTES:
        remarks.append("larger than 4 GB: an RF64")
    return remarks


def _as_json(job: Job, todo: JobPlan | None, settings: Settings, engine: str) -> list[str]:
    return [json.dumps(with_shard(_record(job, todo, settings, engine), settings.shard))]


def _record(job: Job, todo: JobPlan | None, settings: Settings, engine: str) -> dict[str, Any]:
    if todo is None:
        return _names(job) | {"status": "skipped", "warnings": [job.skip]}
    plan, facts = todo.plan, todo.facts
    return _names(job) | {
        "status": "planned",
        "fs": int(plan.output.fs),
        "channels": plan.output.channels,
        "frames": facts.frames,
        "subtype": todo.output_format.subtype,
        "encoding": None if todo.output_format.encoding is None else todo.output_format.encoding.words,
        "dither": plan.dither,
        "engine": engine,
        "passes": plan.passes,
        "latency_frames": plan.latency_frames,
        "tail_frames": plan.tail_frames,
        "start": plan.start,
        "block_frames": todo.block_frames,
        "output_bytes": todo.output_bytes,
        "worst_gain_db": worst_gain_db(todo.plan),
        "tone_gain_db": tone_gain_db(todo.plan),
        "remarks": [*plan.remarks, *_remarks(todo, settings)],
        "stages": plan.describe(),
        "places": places(plan, engine),
    }


def _summarise(plans: Sequence[JobPlan], engine: str, at_a_time: int, share: str) -> None:
    """The whole run in a line: how much audio, how much space, about how long."""
    audio_s = sum(todo.facts.duration_s or 0.0 for todo in plans)
    need, folder = needed_bytes(plans), plans[0].job.root or plans[0].job.output.parent
    free = free_bytes(Path(folder))
    room = "" if free is None else f" of {_size(free)} free"
    audio = f"{show.count(len(plans), 'file')}, {show.coarse_clock(audio_s)} of audio"
    show.tell(f"{share}{audio}; needs about {_size(need)}{room}; "
              f"would take about {show.clock(_seconds(plans, engine, at_a_time))}")
    if free is not None and need > free:
        show.tell(f"torchfx: warning: {_size(need - free)} more than there is on {folder}", "yellow")


def _seconds(plans: Sequence[JobPlan], engine: str, at_a_time: int) -> float:
    """By the costs that were measured for this machine, or by the usual ones; `engine` is "torch on cuda"."""
    name = {"native": "native", "scipy": "native"}.get(engine.split()[0], "cuda" if "cuda" in engine else "cpu")
    cost = costs.load()[name]
    works = [costs.Work.of_plan(todo.plan, (todo.facts.frames or 0) * todo.plan.channels) for todo in plans]
    files_s = sum(costs.predict(cost, work, device=name == "cuda") - cost.start_s for work in works)
    return cost.start_s + files_s / max(1, min(at_a_time, len(plans)))


def _size(size: float) -> str:
    power = min(len(SIZES) - 1, max(0, int(math.log10(max(size, 1)) // 3)))
    return f"{size / 1000**power:.{min(power, 1)}f} {SIZES[power]}"
