"""What every backend is: a name, whether it is here, a preparation, a timed run, and what it holds in memory."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

from torchfx_cli.bench.accuracy import Array
from torchfx_cli.bench.loads import Load


@dataclass(frozen=True)
class Prepared:
    """`run` is what is timed; `part(result, first, end)` is a piece of its result, [channels, end - first] float64."""

    run: Callable[[], Any]
    part: Callable[[Any, int, int], Array]


class Backend(ABC):
    """One column of the matrix."""

    host_bytes_a_sample = 0.0

    def __init__(self, name: str) -> None:
        self.name = name

    def why_not(self) -> str:
        """Why it is not there, "" where it is."""
        return ""

    @abstractmethod
    def prepare(self, load: Load, label: str = "") -> Prepared:
        """All that comes before the computation itself."""

    def timed(self, prepared: Prepared) -> tuple[float, Any]:
        """Seconds of one run, all of it done when they end; and the result."""
        started = time.perf_counter()
        result = prepared.run()
        return time.perf_counter() - started, result

    def host_bytes(self, load: Load, label: str = "") -> float:
        """What the host's memory must hold, with the sound; an estimate."""
        return self.host_bytes_a_sample * load.samples

    def device_bytes(self, load: Load, label: str = "") -> float:
        """The same of the device's own memory; 0 where it has none."""
        return 0.0

    def device_free_bytes(self) -> float:
        return inf

    def forget_peak(self) -> None:  # noqa: B027 - nothing to forget where there is no device
        """Count `peak_mb` from here on."""

    def peak_mb(self) -> float | None:
        """What was held on the device at most, in megabytes (10^6)."""
        return None
