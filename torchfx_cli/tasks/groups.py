"""The files of a run in groups that take about as long as each other: each is one task of a cluster.

A task that is lost is done again as a whole, and a long one at the end keeps a single worker busy: so groups are short
beside the run. But each costs a second of starting and telling: so they are no shorter than that is worth.
"""

from __future__ import annotations

from collections.abc import Sequence

from torchfx_cli.records import dataclass
from torchfx_cli.render import costs
from torchfx_cli.tasks.job import Settings
from torchfx_cli.tasks.preflight import estimated_samples, estimated_work
from torchfx_cli.tasks.workers import Task

GROUP_S = 10.0
GROUPS_PER_WORKER = 4
LEAST_S = 3.0
MAX_FILES = 1000


@dataclass(frozen=True)
class Group:
    """What one task does, and about how long that takes."""

    tasks: tuple[Task, ...]
    cost_s: float


def grouped(tasks: Sequence[Task], settings: Settings, workers: int) -> list[Group]:
    """`tasks` for so many workers, the longest group first; files of a group lie near each other in the run."""
    costs_s = seconds_of(tasks, settings)
    share_s = sum(costs_s) / workers
    most_s = min(GROUP_S, max(share_s / GROUPS_PER_WORKER, min(share_s, LEAST_S)))
    groups, members, sum_s = [], list[Task](), 0.0
    for task, cost_s in zip(tasks, costs_s, strict=True):
        if members and (sum_s + cost_s / 2 > most_s or len(members) == MAX_FILES):
            groups.append(Group(tuple(members), sum_s))
            members, sum_s = [], 0.0
        members.append(task)
        sum_s += cost_s
    if members:
        groups.append(Group(tuple(members), sum_s))
    return sorted(groups, key=lambda group: -group.cost_s)


def seconds_of(tasks: Sequence[Task], settings: Settings) -> list[float]:
    """About what each takes, going by the sizes of the files."""
    jobs = [task.job for task in tasks]
    on_device = settings.device.startswith("cuda")
    cost = costs.load()["cuda" if on_device else "native"]
    samples = list(map(estimated_samples, jobs))
    all_s = costs.predict(cost, estimated_work(jobs, settings), device=on_device) - cost.start_s
    sample_s = (all_s - len(jobs) * cost.file_s) / max(1, sum(samples))
    return [cost.file_s + number * sample_s for number in samples]
