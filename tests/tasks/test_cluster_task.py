"""What a worker of a cluster does with a group, here in this process and without Dask."""

from __future__ import annotations

import multiprocessing
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from torchfx_cli import __version__
from torchfx_cli.chain.parse import join
from torchfx_cli.errors import RunError
from torchfx_cli.tasks.clustertask import Order, Unwanted, look, run_group
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.workers import Task

SETTINGS = Settings(join([], ["gain:-6"]), engine="native", device="cpu", is_batch=True)


@pytest.fixture
def order(tmp_path: Path) -> Order:
    """Four files, to go into out/."""
    root, tasks = tmp_path / "out", []
    root.mkdir()
    for number in range(4):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, np.random.default_rng(number).uniform(-0.3, 0.3, 8000), 8000)
        tasks.append(Task(10 + number, Job(path, root / path.name, root=root)))
    return Order(__version__, SETTINGS.work, root, tuple(tasks), wants_plans=False)


def done(order: Order, settings: Settings = SETTINGS, is_wanted: Callable[[], bool] = lambda: True) -> dict[int, str]:
    return {number: result.status for number, result in run_group(order, settings, lambda said: None, is_wanted)}


def test_a_group_that_is_done_a_second_time_replaces_its_own_outputs_and_nobody_elses(order: Order) -> None:
    assert done(order) == dict.fromkeys(range(10, 14), "ok")
    first = {path.name: path.read_bytes() for path in order.root.glob("*.wav")}
    (order.root / "1.wav").unlink()
    (order.root / "other").write_bytes(b"of somebody")
    (order.root / "other").replace(order.root / "2.wav")
    assert done(order) == {10: "ok", 11: "ok", 12: "failed", 13: "ok"}
    second = {path.name: path.read_bytes() for path in order.root.glob("*.wav")}
    assert second == {**first, "2.wav": b"of somebody"}


def test_what_happens_is_told_meanwhile_and_as_the_result(order: Order) -> None:
    heard: list[tuple[str, int]] = []

    def hear(said: bytes) -> None:
        heard.extend((kind, number) for kind, number, _ in pickle.loads(said))

    results = run_group(order, SETTINGS, hear, lambda: True)
    assert [number for kind, number in heard if kind == "finished"] == [number for number, _ in results]
    assert [number for kind, number in heard if kind == "started"] == [10, 11, 12, 13]


def test_a_group_that_nobody_waits_for_ends_and_leaves_whole_files_alone(order: Order) -> None:
    asked: list[int] = []

    def is_wanted() -> bool:
        asked.append(1)
        return len(asked) < 4  # started, finished, started

    with pytest.raises(Unwanted):
        done(order, is_wanted=is_wanted)
    names = sorted(name for name in os.listdir(order.root) if not name.startswith(".torchfx-journal"))
    assert names in (["0.wav"], ["0.wav", "1.wav"])
    assert all(soundfile.info(order.root / name).frames == 8000 for name in names)


def test_a_worker_of_another_version_or_chain_does_nothing(order: Order) -> None:
    with pytest.raises(RunError, match=f"has torchfx {__version__}, not 9.9"):
        done(Order("9.9", order.work, order.root, order.tasks, False))
    with pytest.raises(RunError, match="its digest differs"):
        done(order, Settings(join([], ["gain:-7"])))
    assert list(order.root.glob("*")) == []


def test_a_daemonic_process_may_do_a_group(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the workers of Dask are."""
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)  # type: ignore[attr-defined]
    assert done(Order(order.version, order.work, order.root, order.tasks[:1], False)) == {10: "ok"}


def test_a_worker_says_what_it_does_not_see(tmp_path: Path) -> None:
    marker, source = tmp_path / "marker", tmp_path / "in.wav"
    marker.write_bytes(b"token")
    assert look(marker, b"token", source, "native", "cpu").fault == (
        f"cannot read {source}; inputs are to be under the same paths on all machines")
    source.touch()
    assert look(marker, b"token", source, "native", "cpu").fault == ""
    gone, elsewhere = tmp_path / "gone", look(marker, b"other", source, "native", "cpu")
    assert elsewhere.fault == f"has another folder at {tmp_path} than this machine"
    assert look(gone / "marker", b"token", source, "native", "cpu").fault == (
        f"does not see the output folder {gone}; it is to be under the same path on all machines")
    assert look(marker, b"token", source, "torch", "cuda:77").fault.startswith("has no CUDA device (")
