"""Files in groups: of ten seconds at most, enough of them for all workers, none of too many files."""

from __future__ import annotations

from pathlib import Path

import pytest

from torchfx_cli.chain.parse import join
from torchfx_cli.tasks.groups import GROUP_S, MAX_FILES, grouped, seconds_of
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.workers import Task

SETTINGS = Settings(join([], ["highpass:80"]))


def tasks_of(folder: Path, *sizes: int) -> list[Task]:
    """Files of so many bytes, which take no place on the disk."""
    tasks = []
    for number, size in enumerate(sizes):
        path = folder / f"{number}.wav"
        with open(path, "wb") as file:
            file.truncate(size)
        tasks.append(Task(number, Job(path, folder / "out" / path.name)))
    return tasks


def test_every_file_is_in_one_group_and_the_longest_group_comes_first(tmp_path: Path) -> None:
    tasks = tasks_of(tmp_path, *[10_000_000 * (1 + number % 7) for number in range(60)])
    groups = grouped(tasks, SETTINGS, 2)
    assert sorted(task.number for group in groups for task in group.tasks) == list(range(60))
    assert [group.cost_s for group in groups] == sorted((group.cost_s for group in groups), reverse=True)
    assert sum(group.cost_s for group in groups) == pytest.approx(sum(seconds_of(tasks, SETTINGS)))


@pytest.mark.parametrize(("files", "size", "workers", "groups"), [
    (1, 1000, 4, 1),
    (40, 1000, 2, 2),  # a tenth of a second of work: more groups would cost more than they save
    (3 * MAX_FILES - 30, 44, 1, 3),  # three milliseconds a file: nine seconds
])
def test_groups_are_as_many_as_pay(tmp_path: Path, files: int, size: int, workers: int, groups: int) -> None:
    assert len(grouped(tasks_of(tmp_path, *[size] * files), SETTINGS, workers)) == groups


def test_a_long_file_is_a_group_of_its_own_and_short_ones_fill_ten_seconds(tmp_path: Path) -> None:
    groups = grouped(tasks_of(tmp_path, 40_000_000_000, *[100_000_000] * 4000), SETTINGS, 1)
    assert len(groups[0].tasks) == 1
    assert groups[0].cost_s > GROUP_S
    assert max(group.cost_s for group in groups[1:]) <= 1.1 * GROUP_S
    assert all(len(group.tasks) <= MAX_FILES for group in groups)
