"""Whether a GPU pays: decided from costs, said in one line, and without torch where there is none."""

from __future__ import annotations

import subprocess
import sys

import pytest

from torchfx_cli.render import auto, choose, costs
from torchfx_cli.render.auto import decide
from torchfx_cli.render.choose import check_engine
from torchfx_cli.render.costs import BackendCost, Work

COSTS = {
    "native": BackendCost(start_s=0.2, sample_s=10e-9),
    "cpu": BackendCost(start_s=2.0, sample_s=20e-9),
    "cuda": BackendCost(start_s=4.0, sample_s=1e-9),
}


@pytest.fixture
def _a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto, "why_no_cuda", lambda: "")
    monkeypatch.setattr(auto, "cuda_devices", lambda: (["NVIDIA A"], ""))
    monkeypatch.setattr(auto, "why_it_fails", lambda number: "")
    monkeypatch.setattr(costs, "load", lambda complain=None: COSTS)


@pytest.mark.usefixtures("_a_gpu")
def test_the_device_changes_where_the_costs_cross() -> None:
    crossing = (4.0 - 0.2) / 9e-9  # samples
    assert decide(Work(round(crossing * 0.99))).device == "cpu"
    assert decide(Work(round(crossing * 1.01))).device == "cuda"
    assert decide(Work(round(crossing * 0.99)), on_cpu="cpu").device == "cuda"


@pytest.mark.usefixtures("_a_gpu")
def test_the_reason_is_one_line_with_both_times() -> None:
    assert decide(Work(21_168_000)).reason == (
        "cpu: 21.2 million samples would take about 0.4 s here, 4.0 s with CUDA (4.0 s of it to start)"
    )
    assert decide(Work(10**12, files=300)).reason == (
        "cuda: 1e+03 billion samples in 300 files would take about 17 min on NVIDIA A, 2.8 h on the CPU"
    )
    assert decide(Work(1)).reason.startswith("cpu: 1 samples would take about 0.2 s here")


@pytest.mark.usefixtures("_a_gpu")
def test_costs_of_the_caller_are_taken_instead_of_the_users() -> None:
    dear = {**COSTS, "native": BackendCost(start_s=100.0)}
    assert decide(Work(1), dear).device == "cuda"


@pytest.mark.usefixtures("_a_gpu")
def test_a_gpu_that_does_not_work_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto, "why_it_fails", lambda number: "CUDA error: out of memory")
    assert decide(Work(10**12)) == auto.Decision("cpu", "cpu: CUDA error: out of memory")
    monkeypatch.setattr(auto, "cuda_devices", lambda: ([], "torch 9.9.9 finds none"))
    assert decide(Work(10**12)) == auto.Decision("cpu", "cpu: torch 9.9.9 finds none")


@pytest.mark.usefixtures("_a_gpu")
def test_the_engine_follows_the_device_and_the_reason_is_told() -> None:
    told: list[str] = []
    assert check_engine("auto", "auto", Work(10**12), told.append) == ("torch", "cuda")
    assert check_engine("auto", "auto", Work(10), told.append) == ("native", "cpu")
    assert check_engine("torch", "auto", Work(10**9), told.append) == ("torch", "cuda")
    assert [reason.split(":")[0] for reason in told] == ["cuda", "cpu", "cuda"]


@pytest.mark.usefixtures("_a_gpu")
@pytest.mark.parametrize(("engine", "device"), [("native", "auto"), ("scipy", "auto"), ("auto", "cpu")])
def test_where_the_user_has_decided_nothing_is_weighed(engine: str, device: str) -> None:
    told: list[str] = []
    assert check_engine(engine, device, Work(10**12), told.append)[1] == "cpu"
    assert not told


def test_a_bad_calibration_is_told_beside_the_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = costs.costs_file()
    assert path is not None
    path.parent.mkdir()
    path.write_text("{")
    monkeypatch.setattr(auto, "why_no_cuda", lambda: "")
    told: list[str] = []
    assert choose.check_engine("auto", "auto", Work(10), told.append) == ("native", "cpu")
    assert [line.split(": ")[0] for line in told] == [str(path), "cpu"]


@pytest.mark.parametrize("problem", ["", "no NVIDIA driver"])
def test_torch_is_not_loaded_for_little_work_or_without_a_gpu(problem: str) -> None:
    script = f"""
import sys
from torchfx_cli.render import auto, choose
from torchfx_cli.render.costs import Work
auto.why_no_cuda = lambda: {problem!r}
work = Work(1000 if not {problem!r} else 10**15)
print(choose.check_engine("auto", "auto", work), "torch" in sys.modules, "scipy" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "('native', 'cpu') False False"
