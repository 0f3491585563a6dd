"""A run's side of a cluster, against one that is played: what is lost, told twice, or kills its workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from torchfx_cli import __version__
from torchfx_cli.chain.parse import join
from torchfx_cli.errors import RunError
from torchfx_cli.stream.opened import libsndfile_version
from torchfx_cli.tasks import clusterpool
from torchfx_cli.tasks.cluster import ConnectionLost
from torchfx_cli.tasks.clusterpool import ClusterPool, faults, unlike
from torchfx_cli.tasks.clustertask import Order, Surroundings
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.onefile import RunObserver
from torchfx_cli.tasks.report import FileResult
from torchfx_cli.tasks.workers import Task

Deed = Callable[["PlayedCluster", str, Order], None]


class PlayedCluster:
    """Does with each group that is submitted what `deed` says."""

    address = "tcp://played:1"

    def __init__(self, deed: Deed, threads: int = 2) -> None:
        self.messages: SimpleQueue[tuple[Any, ...]] = SimpleQueue()
        self.is_connected, self.connections = False, 0
        self.orders: dict[str, Order] = {}
        self._deed, self._threads = deed, threads

    def connect(self) -> None:
        self.connections += 1
        self.is_connected = True

    def threads(self, *, gpu: bool) -> int:
        return self._threads

    def versions(self) -> dict[str, dict[str, str | None]]:
        return {"": {"python": "3.11.1", "numpy": "2"}}

    def look(self, *_: object, gpu: bool) -> dict[str, Surroundings | Exception]:
        return {}

    def share(self, settings: Settings) -> None:
        pass

    def submit(self, order: Order, priority: float, *, gpu: bool) -> str:
        name = str(len(self.orders))
        self.orders[name] = order
        self._deed(self, name, order)
        return name

    def results(self, name: str) -> list[tuple[int, FileResult]]:
        return [(task.number, ok(task)) for task in self.orders[name].tasks]

    def forget(self, name: str) -> None:
        pass


def ok(task: Task) -> FileResult:
    return FileResult("ok", str(task.job.source), str(task.job.output))


def tell(cluster: PlayedCluster, order: Order) -> None:
    cluster.messages.put(("events", [("finished", task.number, (ok(task),)) for task in order.tasks]))


class Ear(RunObserver):
    def __init__(self) -> None:
        self.words: list[str] = []
        self.told = self.words.append  # type: ignore[method-assign]


def run(tmp_path: Path, deed: Deed, threads: int = 2) -> tuple[list[tuple[int, str]], PlayedCluster, Ear]:
    cluster, ear = PlayedCluster(deed, threads), Ear()
    tasks = [Task(number, Job(tmp_path / f"{number}.wav", tmp_path / f"out/{number}.wav", root=tmp_path))
             for number in range(6)]
    pool = ClusterPool(cluster, Settings(join([], ["gain:-1"])), ear, tmp_path, ear.told)  # type: ignore[arg-type]
    return [(number, result.status) for number, result in pool.run(tasks)], cluster, ear


def test_each_file_is_told_of_once_whether_by_events_by_the_end_or_by_both_and_twice(tmp_path: Path) -> None:
    def deed(cluster: PlayedCluster, name: str, order: Order) -> None:
        if order.tasks[0].number != 0:  # of the first group no event arrives
            tell(cluster, order)
            tell(cluster, order)
        cluster.messages.put(("ended", name, "done"))

    results, cluster, _ = run(tmp_path, deed)
    assert sorted(results) == [(number, "ok") for number in range(6)]
    assert len(cluster.orders) == 2  # a group for each worker
    assert list(tmp_path.glob(".torchfx*")) == []  # the marker has gone


def test_a_group_that_kills_its_workers_is_done_file_by_file_and_the_file_that_kills_again_fails(tmp_path: Path
                                                                                                ) -> None:
    def deed(cluster: PlayedCluster, name: str, order: Order) -> None:
        kills = any(task.number == 3 for task in order.tasks)
        if not kills:
            tell(cluster, order)
        cluster.messages.put(("ended", name, "killed" if kills else "done"))

    results, cluster, _ = run(tmp_path, deed, threads=1)
    assert sorted(results) == [(number, "failed" if number == 3 else "ok") for number in range(6)]
    assert [len(order.tasks) for order in cluster.orders.values()] == [6, 1, 1, 1, 1, 1, 1]


def test_what_is_not_known_to_be_done_is_submitted_anew_when_the_scheduler_is_back(tmp_path: Path) -> None:
    def deed(cluster: PlayedCluster, name: str, order: Order) -> None:
        if cluster.connections == 1 and order.tasks[0].number != 0:
            cluster.is_connected = False
            cluster.messages.put(("ended", name, "lost"))
        else:
            tell(cluster, order)

    results, cluster, ear = run(tmp_path, deed)
    assert sorted(results) == [(number, "ok") for number in range(6)]
    assert cluster.connections == 2
    assert ear.words == ["lost the scheduler at tcp://played:1, waiting for it"]


def test_a_scheduler_that_does_not_come_back_ends_the_run_with_what_to_do(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deed(cluster: PlayedCluster, name: str, order: Order) -> None:
        def refuse() -> None:
            raise ConnectionLost("cannot reach it")

        cluster.is_connected, cluster.connect = False, refuse  # type: ignore[method-assign]

    monkeypatch.setattr(clusterpool, "NO_SCHEDULER_S", 0.2)
    began_s = time.monotonic()
    with pytest.raises(RunError, match="cannot reach it; what is done stays, --resume goes on with the rest"):
        run(tmp_path, deed)
    assert time.monotonic() - began_s < 2.0


def test_a_cluster_without_workers_is_waited_for_and_then_given_up(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusterpool, "NO_WORKERS_S", 0.4)
    monkeypatch.setattr(clusterpool, "LOOK_S", 0.1)
    with pytest.raises(RunError, match=r"no worker came to tcp://played:1 within 0\.4 s"):
        run(tmp_path, lambda *_: None, threads=0)


def test_workers_that_lose_the_same_files_again_and_again_end_the_run(tmp_path: Path) -> None:
    def deed(cluster: PlayedCluster, name: str, order: Order) -> None:
        cluster.messages.put(("ended", name, "lost"))

    with pytest.raises(RunError, match="loses again and again what it is given; --resume goes on"):
        run(tmp_path, deed)


@pytest.mark.parametrize(("theirs", "words"), [
    ({"torchfx-cli": "0.0.9"}, f"the worker at tcp://a:1 has torchfx 0.0.9, this machine {__version__}"),
    ({"python": "3.12.4"}, "the worker at tcp://a:1 has python 3.12.4, this machine 3.11.9"),
    ({"numpy": None}, "the worker at tcp://a:1 has numpy not at all, this machine 2.4.6"),
    ({"python": "3.11.1", "torchfx-cli": None}, None),  # not installed, but there may be a folder of it
])
def test_workers_with_other_versions_are_named(theirs: Mapping[str, str | None], words: str | None) -> None:
    own = {"python": "3.11.9", "numpy": "2.4.6", "soxr": None, "soundfile": "0.14", "torchfx-cli": __version__}
    assert unlike({"": own, "tcp://a:1": {**own, **theirs}, "tcp://b:1": own}) == ([words] if words else [])


def test_workers_that_see_another_folder_or_have_another_library_are_named() -> None:
    fine = Surroundings(__version__, libsndfile_version(), "")
    assert faults({"a": fine, "b": Surroundings(__version__, "1.0", ""), "c": ModuleNotFoundError("No module"),
                   "d": Surroundings(__version__, libsndfile_version(), "cannot read in.wav")}) == [
        f"the worker at b has libsndfile 1.0, this machine {libsndfile_version()}",
        f"the worker at c has no torchfx {__version__} (ModuleNotFoundError: No module)",
        "the worker at d cannot read in.wav"]
