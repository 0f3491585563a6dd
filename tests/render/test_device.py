"""Devices and engines: what may be asked, what is refused and how, without waiting for torch."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings

import pytest
from rendering import plan_of, stages_of

from torchfx_cli.errors import UsageError
from torchfx_cli.kernel.load import load
from torchfx_cli.render import choose, device
from torchfx_cli.render.choose import check_engine, open_engine
from torchfx_cli.render.device import DeviceInfo, choose_device, describe_devices


@pytest.fixture
def _two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "why_no_cuda", lambda: "")
    monkeypatch.setattr(device, "_cuda_names", lambda: (["NVIDIA A", "NVIDIA B"], ""))
    monkeypatch.setattr(device, "why_it_fails", lambda number: "")
    monkeypatch.setattr(device, "torch_version", lambda: "9.9.9")


@pytest.fixture
def _no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (device, choose):
        monkeypatch.setattr(module, "torch_version", lambda: None)


@pytest.mark.parametrize("text", ["auto", "cpu"])
def test_auto_is_the_cpu(text: str) -> None:
    assert choose_device(text) == "cpu"


WRONG = ["tpu", "", "CPU", "cuda:", "cuda:-1", "cuda:x", "cuda:0 ", "cpu:0", "cuda:0\n", "cuda:٣"]


@pytest.mark.parametrize("text", WRONG)
def test_anything_else_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(UsageError, match="allowed are auto, cpu, cuda or cuda:0"):
        choose_device(text)


@pytest.mark.usefixtures("_two_gpus")
def test_cuda_is_taken_where_it_is_there() -> None:
    assert [choose_device(text) for text in ("cuda", "cuda:0", "cuda:1")] == ["cuda", "cuda:0", "cuda:1"]


@pytest.mark.usefixtures("_two_gpus")
def test_a_gpu_that_is_not_there_is_refused_with_those_that_are() -> None:
    there = re.escape("cuda:0 (NVIDIA A), cuda:1 (NVIDIA B)")
    with pytest.raises(UsageError, match=f"^no CUDA device cuda:7; there is {there}$"):
        choose_device("cuda:7")


@pytest.mark.usefixtures("_no_torch")
def test_without_torch_cuda_says_how_to_install_it() -> None:
    install = re.escape("pip install torch")
    with pytest.raises(UsageError, match=f"^no CUDA device .torch is not installed: {install}.; use --device cpu$"):
        choose_device("cuda")
    with pytest.raises(UsageError, match=f"^--engine torch: torch is not installed; {install}$"):
        check_engine("torch")


def test_a_cpu_build_of_torch_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "torch_version", lambda: "2.13.0+cpu")
    for text in ("cuda", "cuda:7"):
        with pytest.raises(UsageError, match=r"^no CUDA device \(torch 2.13.0\+cpu is a CPU build\); use"):
            choose_device(text)


def test_a_machine_without_a_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "torch_version", lambda: "2.13.0+cu130")
    monkeypatch.setattr(device, "DRIVER_FILES", ("/nowhere",))
    with pytest.raises(UsageError, match=r"^no CUDA device \(no NVIDIA driver\); use --device cpu$"):
        choose_device("cuda")


def test_a_driver_without_a_device_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "torch_version", lambda: "2.13.0+cu130")
    monkeypatch.setattr(device, "why_no_cuda", lambda: "")
    monkeypatch.setattr(device, "_cuda_names", lambda: ([], ""))
    with pytest.raises(UsageError, match=r"^no CUDA device \(torch 2.13.0\+cu130 finds none\); use --device cpu$"):
        choose_device("cuda")


@pytest.mark.parametrize("hidden", ["", "-1", " "])
def test_gpus_that_the_environment_hides_are_named(monkeypatch: pytest.MonkeyPatch, hidden: str) -> None:
    monkeypatch.setattr(device, "torch_version", lambda: "2.13.0+cu130")
    monkeypatch.setattr(device, "DRIVER_FILES", ("/",))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    with pytest.raises(UsageError, match=rf"^no CUDA device \(CUDA_VISIBLE_DEVICES='{hidden}' hides every GPU\); use"):
        choose_device("cuda")


TOO_OLD = "CUDA initialization: The NVIDIA driver on your system is too old (found version 11040). Please update"


def test_what_torch_warns_of_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")

    def warn() -> bool:
        warnings.warn(TOO_OLD, UserWarning, stacklevel=1)
        return False

    monkeypatch.setattr(device, "why_no_cuda", lambda: "")
    monkeypatch.setattr(torch.cuda, "is_available", warn)
    words = re.escape(TOO_OLD.removesuffix(". Please update"))
    with pytest.raises(UsageError, match=rf"^no CUDA device \({words}\); use --device cpu$"):
        choose_device("cuda")
    assert describe_devices()[1].detail == TOO_OLD.removesuffix(". Please update")


@pytest.mark.usefixtures("_two_gpus")
def test_a_gpu_that_does_not_compute_is_refused_with_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "why_it_fails", lambda number: f"CUDA error: number {number} is busy")
    with pytest.raises(UsageError, match=r"^cuda:1 \(NVIDIA B\) does not work: CUDA error: number 1 is busy;"):
        choose_device("cuda:1")


def test_a_gpu_is_tried_before_it_is_believed_to_work(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    ones = torch.ones

    def on_the_cpu(*shape: int, dtype: object, device: str) -> object:
        assert device == "cuda:1"
        return ones(*shape, dtype=dtype)

    def no_kernel(*shape: int, dtype: object, device: str) -> object:
        kind = getattr(torch, "AcceleratorError", RuntimeError)  # new in torch 2.8
        raise kind("CUDA error: no kernel image is available for execution on the device\nCompile")

    monkeypatch.setattr(torch, "ones", on_the_cpu)
    assert device.why_it_fails(1) == ""
    monkeypatch.setattr(torch, "ones", no_kernel)
    assert device.why_it_fails(1) == "CUDA error: no kernel image is available for execution on the device"


def test_the_cpu_is_described_with_its_kernel_and_no_gpu_with_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "torch_version", lambda: "2.13.0+cpu")
    cpu, cuda = describe_devices()
    assert (cpu.name, cpu.usable, cpu.engine) == ("cpu", True, "native")
    assert cpu.detail.startswith(f"kernel: {load().name}")
    assert cuda == DeviceInfo("cuda", False, "torch", "torch 2.13.0+cpu is a CPU build")


@pytest.mark.usefixtures("_two_gpus")
def test_every_gpu_is_described() -> None:
    assert describe_devices()[1:] == [
        DeviceInfo("cuda:0", True, "torch", "NVIDIA A, torch 9.9.9"),
        DeviceInfo("cuda:1", True, "torch", "NVIDIA B, torch 9.9.9"),
    ]


@pytest.mark.usefixtures("_two_gpus")
def test_auto_is_native_on_the_cpu_and_torch_on_a_gpu() -> None:
    assert check_engine() == ("native", "cpu")
    assert check_engine("auto", "cuda:1") == ("torch", "cuda:1")


@pytest.mark.parametrize("engine", ["native", "scipy"])
def test_an_engine_of_the_cpu_on_a_gpu_is_a_contradiction(engine: str) -> None:
    with pytest.raises(UsageError, match=f"^--engine {engine} runs on the CPU only; leave it out for --device cuda:0$"):
        check_engine(engine, "cuda:0")


def test_an_unknown_engine_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"^--engine 'cuda': allowed are auto, native, torch, scipy$"):
        check_engine("cuda")


@pytest.mark.parametrize("asked", ["auto", "native", "torch", "scipy"])
def test_the_engine_that_was_asked_for_is_opened(asked: str) -> None:
    if asked == "torch":
        pytest.importorskip("torch")
    opened = "native" if asked == "auto" else asked
    assert open_engine(plan_of(stages_of("gain")), asked).name == opened


def test_torch_is_loaded_neither_for_the_cpu_nor_to_refuse_a_gpu() -> None:
    script = """
import sys
from importlib import metadata
from torchfx_cli.render import choose, device
device.torch_version = lambda: "2.13.0+cpu"
choose.check_engine("auto", "auto")
device.describe_devices()
try:
    choose.check_engine("auto", "cuda")
except choose.UsageError as error:
    print(error, "torch" in sys.modules, "scipy" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "no CUDA device (torch 2.13.0+cpu is a CPU build); use --device cpu False False"
