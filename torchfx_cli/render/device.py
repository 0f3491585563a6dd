"""Which device: `auto | cpu | cuda[:n]` chosen, checked and described.

`import torch` takes two seconds, so it is left to the end: a machine without an NVIDIA driver, or a torch built for the
CPU only, is known from files and from the package's version.
"""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path

from torchfx_cli.errors import UsageError
from torchfx_cli.kernel.load import load
from torchfx_cli.records import dataclass

ALLOWED = "auto, cpu, cuda or cuda:0, cuda:1, ..."
INSTALL = "pip install torch"
# What a driver leaves: NVIDIA on Linux, on WSL, on Jetson, and AMD, whose torch calls its GPUs cuda as well.
DRIVER_FILES = ("/dev/nvidiactl", "/proc/driver/nvidia", "/dev/dxg", "/dev/nvhost-gpu", "/dev/nvgpu", "/dev/kfd")


@dataclass(frozen=True)
class DeviceInfo:
    """One line of `torchfx devices`: a device, the engine that runs there, and what is to be known of it."""

    name: str
    usable: bool
    engine: str
    detail: str


def choose_device(text: str) -> str:
    """"cpu", "cuda" or "cuda:n" for what was asked; raises UsageError where that is nothing, or not here.

    `auto` is the CPU where nobody has looked at the work: see `auto.decide`.
    """
    number = check_device_word(text)
    if number is None:
        return "cpu"
    names, problem = cuda_devices()
    if not names:
        raise UsageError(f"no CUDA device ({problem}); use --device cpu")
    if number >= len(names):
        there = ", ".join(f"cuda:{n} ({name})" for n, name in enumerate(names))
        raise UsageError(f"no CUDA device {text}; there is {there}")
    if problem := why_it_fails(number):
        raise UsageError(f"{text} ({names[number]}) does not work: {problem}; use --device cpu")
    return text


def check_device_word(text: str) -> int | None:
    """The number of the CUDA device that is asked for, here or on another machine, or None; raises UsageError."""
    if text in ("auto", "cpu"):
        return None
    asked = re.fullmatch(r"cuda(?::([0-9]{1,3}))?", text)
    if not asked:
        raise UsageError(f"--device {text!r}: allowed are {ALLOWED}")
    return int(asked[1] or 0)


def describe_devices() -> list[DeviceInfo]:
    """The CPU, then each CUDA device, or one record that says why there is none."""
    kernel = load()
    reason = f" ({kernel.reason})" if kernel.reason else ""
    cpu = DeviceInfo("cpu", True, "native", f"kernel: {kernel.name}{reason}; {_cores()} cores")
    names, problem = cuda_devices()
    if not names:
        return [cpu, DeviceInfo("cuda", False, "torch", problem)]
    found = (DeviceInfo(f"cuda:{n}", True, "torch", f"{name}, torch {torch_version()}") for n, name in enumerate(names))
    return [cpu, *found]


def torch_version() -> str | None:
    """The installed torch, such as "2.13.0+cpu", or None; torch is not imported."""
    from importlib.metadata import PackageNotFoundError, version  # 15 ms that a run on the CPU need not wait for

    try:
        return version("torch")
    except PackageNotFoundError:
        return None


def why_no_cuda() -> str:
    """Why there can be no CUDA device, as far as that is known without torch; "" if there may be one."""
    installed = torch_version()
    if installed is None:
        return f"torch is not installed: {INSTALL}"
    if installed.endswith("+cpu"):
        return f"torch {installed} is a CPU build"
    if not has_driver():
        return "no NVIDIA driver"
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1"):
        return f"CUDA_VISIBLE_DEVICES={visible!r} hides every GPU"
    return ""


def has_driver() -> bool:
    """Whether a GPU's driver has left its files; asked first, as it costs next to nothing."""
    return os.name != "posix" or any(Path(file).exists() for file in DRIVER_FILES)


def cuda_devices() -> tuple[list[str], str]:
    """The names of the CUDA devices, and why there are none; imports torch where there may be some."""
    if problem := why_no_cuda():
        return [], problem
    names, said = _cuda_names()
    return names, said or f"torch {torch_version()} finds none"


def why_it_fails(number: int) -> str:
    """Why CUDA device `number` does not compute, in one line; "" where it does.

    A GPU that is listed may be too old or too new for this build of torch, in use by somebody else alone, or full.
    """
    import torch

    try:
        works = bool(torch.ones(1, dtype=torch.float64, device=f"cuda:{number}").add_(1.0).item() == 2.0)
    except (RuntimeError, AssertionError) as error:  # AcceleratorError and OutOfMemoryError are RuntimeErrors
        return first_line(str(error))
    return "" if works else "1 + 1 is not 2 there"


def _cuda_names() -> tuple[list[str], str]:
    """The names, and what torch says where there are none: it warns of a driver that is too old, for example."""
    import torch

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        if torch.cuda.is_available():
            return [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())], ""
    return [], first_line(str(said[0].message)) if said else ""


def first_line(text: str) -> str:
    """What fits into a message: the first sentence of what torch says."""
    line = (text.strip().splitlines() or ["no reason given"])[0]
    return line.split(". ")[0].rstrip(".")[:160]


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def name_of(device: str) -> str:
    """What reports call the torch engine on `device`."""
    return "torch" if device == "cpu" else f"torch {device}"
