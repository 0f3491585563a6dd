"""The machine and the programs that a run was measured on."""

from __future__ import annotations

import os
import platform
import re
import time
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from torchfx_cli.bench import memory
from torchfx_cli.bench.records import Environment
from torchfx_cli.kernel.load import load

BUSY = 0.1  # of its time that a program waits for a core: above it times are too long


def describe(gpu: str = "") -> Environment:
    """This machine, now. `gpu` is the device that is used, such as "cuda:0"; torch is imported for it only."""
    name, driver = _gpu(gpu) if gpu else ("", "")
    kernel = load()
    return Environment(
        cpu=_cpu(), cores=cores(), threads=_threads(), memory_mb=round(memory.total_bytes() / memory.MB), gpu=name,
        gpu_driver=driver, system=f"{platform.system()} {platform.release()}", python=platform.python_version(),
        torchfx=_version("torchfx-cli"), numpy=_version("numpy"), scipy=_version("scipy"), torch=_version("torch"),
        kernel=kernel.name + (f" ({kernel.reason})" if kernel.reason else ""), clock=_clock(),
        when=datetime.now(timezone.utc).isoformat(timespec="seconds"))


class Waiting:
    """How long this thread waits for a core from here on: Linux counts it in ns beside the time that it runs."""

    def __init__(self, file: Path = Path("/proc/thread-self/schedstat")) -> None:
        self._file = file
        self._begun = self._counts()

    def words(self) -> str:
        """`31 % of the time for a core`; "" where it is little, or the system does not tell."""
        (ran, waited), (ran_before, waited_before) = self._counts(), self._begun
        total = ran + waited - ran_before - waited_before
        share = (waited - waited_before) / total if total > 0 else 0.0
        return f"{share:.0%} of the time for a core".replace("%", " %") if share > BUSY else ""

    def _counts(self) -> tuple[int, int]:
        try:
            ran, waited, *_ = map(int, self._file.read_text().split())
        except (OSError, ValueError):
            return 0, 0
        return ran, waited


def _cpu() -> str:
    found = _cpuinfo("model name")
    return found if found is not None else platform.processor() or platform.machine()


def _clock() -> str:
    """What measures on the host, and how fast the processor ran at that moment."""
    timer = f"perf_counter, {1e9 * time.get_clock_info('perf_counter').resolution:g} ns"
    rate_mhz = _cpuinfo("cpu MHz")
    return timer if rate_mhz is None else f"{timer}; processor at {float(rate_mhz) / 1e3:.1f} GHz"


def _cpuinfo(key: str, file: Path = Path("/proc/cpuinfo")) -> str | None:
    try:
        found = re.search(rf"^{key}\s*:\s*(.+)$", file.read_text(errors="replace"), re.MULTILINE)
    except OSError:
        return None
    return " ".join(found[1].split()) if found else None


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _threads() -> int:
    """What OMP_NUM_THREADS says, else the cores: torch and the libraries below NumPy go by it."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    return int(said) if said.isascii() and said.isdigit() and int(said) else cores()


def _gpu(device: str) -> tuple[str, str]:
    """Name with memory, and driver with the CUDA that torch was built for."""
    import torch

    try:
        found = torch.cuda.get_device_properties(device)
    except (RuntimeError, AssertionError, ValueError):
        return "", ""
    memory_gb = found.total_memory / 1e9
    return f"{found.name}, {memory_gb:.0f} GB", f"driver {_driver()}, CUDA {torch.version.cuda}"


def _driver(file: Path = Path("/proc/driver/nvidia/version")) -> str:
    try:
        found = re.search(r"Kernel Module.*?\s(\d+(?:\.\d+)+)", file.read_text())
    except OSError:
        return "unknown"
    return found[1] if found else "unknown"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
