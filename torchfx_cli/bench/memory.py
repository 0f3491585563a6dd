"""Memory: what is free, and by how much this process grew at most.

Linux keeps the high-water mark of the resident memory and lets it be set back (proc(5), /proc/PID/clear_refs). Where
that cannot be done nothing is said: the mark of `getrusage` never falls, so it would show the largest cell so far.
"""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress
from pathlib import Path
from types import TracebackType

MB = 1e6
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
CGROUP = Path("/sys/fs/cgroup")


def free_bytes() -> float:
    """What this process may still take: of the machine, and of its control group; inf where that is not known."""
    return min(_available(Path("/proc/meminfo")), _group_room(CGROUP))


def total_bytes() -> float:
    """Of the machine; 0 where it is not known."""
    return _kilobytes(Path("/proc/meminfo"), "MemTotal:") or 0.0


class HostPeak:
    """By how many megabytes (10^6) the process was larger within a `with` than when it began; None where unknown."""

    megabytes: float | None = None

    def __enter__(self) -> HostPeak:
        _give_back()
        try:
            CLEAR.write_text("5")
            self._before = _kilobytes(STATUS, "VmRSS:")
        except OSError:
            self._before = None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        peak = _kilobytes(STATUS, "VmHWM:")
        if self._before is not None and peak is not None:
            self.megabytes = max(0.0, peak - self._before) / MB


def _give_back() -> None:
    """Hand freed memory to the system (glibc keeps it), so that what is taken from here on is seen."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _available(meminfo: Path) -> float:
    found = _kilobytes(meminfo, "MemAvailable:")
    return float("inf") if found is None else found


def _group_room(folder: Path) -> float:
    try:
        limit = (folder / "memory.max").read_text().strip()
        used = (folder / "memory.current").read_text().strip()
        return float("inf") if limit == "max" else max(0.0, float(limit) - float(used))
    except (OSError, ValueError):
        return float("inf")


def _kilobytes(file: Path, key: str) -> float | None:
    """The line `key  N kB` of a file in /proc, in bytes."""
    try:
        line = next(line for line in file.read_text().splitlines() if line.startswith(key))
    except (OSError, StopIteration):
        return None
    return 1024.0 * float(line.split()[1])
