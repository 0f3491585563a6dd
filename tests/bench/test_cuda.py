"""What a GPU is asked: events around the work, waited for, and its memory; a stand-in where there is none."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest

from torchfx_cli.bench import accuracy, torch_backend
from torchfx_cli.bench.backends import Prepared, backend_of
from torchfx_cli.bench.loads import load_of
from torchfx_cli.bench.measure import Rule, measure
from torchfx_cli.bench.suites import suite_of
from torchfx_cli.bench.torch_backend import Torch

torch = pytest.importorskip("torch")


class Gpu:
    """Work is given out at once and done later: only `synchronize` lets the clock, in ms, go on to its end."""

    def __init__(self) -> None:
        self.clock_ms, self.given_ms = 5.0, 0.0
        self.events: list[Any] = []

    def synchronize(self, device: object = None) -> None:
        self.clock_ms += self.given_ms
        self.given_ms = 0.0

    def event(self, enable_timing: bool) -> Any:
        gpu = self

        class Event:
            at_ms: float

            def record(self) -> None:
                self.at_ms = gpu.clock_ms + gpu.given_ms

            def elapsed_time(self, end: Any) -> float:
                assert not gpu.given_ms, "asked before the work was done"
                return float(end.at_ms - self.at_ms)

        assert enable_timing
        return Event()


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    gpu = Gpu()
    monkeypatch.setattr(torch.cuda, "synchronize", gpu.synchronize)
    monkeypatch.setattr(torch.cuda, "Event", gpu.event)
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    return gpu


def test_the_time_is_that_of_the_work_and_not_of_giving_it_out(gpu: Gpu) -> None:
    def run(between: object) -> str:
        gpu.given_ms += 250.0
        return "result"

    gpu.given_ms = 40.0  # of somebody else, still under way
    assert Torch("cuda").timed(Prepared(run, lambda *a: None)) == (0.25, "result")  # type: ignore[arg-type, return-value]


def test_memory_of_the_device_is_asked_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: asked.append("empty"))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (asked.append(device), (3 << 30, 9 << 30))[1])
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: asked.append("reset"))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 250_000_000)
    one = backend_of("cuda:1")
    one.forget_peak()
    assert one.device_free_bytes() == float(3 << 30)
    assert one.peak_mb() == 250.0
    assert asked == ["reset", "empty", "cuda:1"]


def test_the_cpu_has_no_device_memory() -> None:
    load = load_of(suite_of("fir"), 1.0, 2)
    assert backend_of("cpu").peak_mb() is None
    assert backend_of("cpu").device_bytes(load) == 0.0
    assert backend_of("cuda").device_bytes(load) > 8.0 * load.samples, "the sound and the result"
    assert backend_of("cuda").host_bytes(load) == 4.0 * load.samples


def test_a_gpu_that_is_not_there_is_said_without_telling_to_use_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_backend, "torch_version", lambda: None)
    assert backend_of("cuda").why_not().startswith("torch is not installed; pip install")


def test_on_a_real_gpu_the_result_is_right_and_the_memory_known() -> None:
    backend = backend_of("cuda")
    if reason := backend.why_not():
        pytest.skip(reason)
    load = load_of(suite_of("iir"), 10.0, 2)
    found = measure(backend, load, lambda: accuracy.truth_of(load), Rule(reps=3))
    assert (found.status, len(found.times_s)) == ("ok", 3), found
    assert found.device_mb is not None
    assert found.device_mb > 8e-6 * load.samples
