"""`torchfx process --dry-run`: what would be done, and every reason why it would fail; nothing is written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from torchfx_cli.cli import show
from torchfx_cli.cli.listener import plan_lines
from torchfx_cli.errors import FileError, printable
from torchfx_cli.tasks.fileplan import JobPlan, describe_job
from torchfx_cli.tasks.job import Job, Settings


def show_plans(jobs: Sequence[Job], settings: Settings, engine: str, *, as_json: bool) -> int:
    """Print the plan of every job on stdout; returns the exit code that doing them would begin with."""
    code = 0
    for job in jobs:
        try:
            record, lines = _planned(job, settings, engine)
        except FileError as error:
            code = max(code, error.exit_code)
            record = {"status": "failed", "input": str(job.source), "output": str(job.output), "error": str(error)}
            lines = []
            show.tell_failure(str(job.source), str(error))
        for line in [json.dumps(record)] if as_json else lines:
            show.say(printable(line))
    return code


def _planned(job: Job, settings: Settings, engine: str) -> tuple[dict[str, Any], list[str]]:
    if job.skip:
        record = {"status": "skipped", "input": str(job.source), "output": str(job.output), "warnings": [job.skip]}
        return record, [f"{job.source}: skipped, {job.skip}"]
    todo = describe_job(job, settings)
    return _record(todo, engine), plan_lines(todo, engine)


def _record(todo: JobPlan, engine: str) -> dict[str, Any]:
    plan, facts = todo.plan, todo.facts
    return {
        "status": "planned",
        "input": str(todo.job.source),
        "output": str(todo.job.output),
        "fs": plan.fs,
        "channels": plan.channels,
        "frames": facts.frames,
        "subtype": todo.output_format.subtype,
        "dither": plan.dither,
        "engine": engine,
        "passes": plan.passes,
        "latency_frames": plan.latency_frames,
        "tail_frames": plan.tail_frames,
        "block_frames": todo.block_frames,
        "stages": plan.describe(),
    }
