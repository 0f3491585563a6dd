"""A noise gate: open from a threshold on, closed once the level stayed below a lower one for a while.

The level is the highest sample of a frame; `hold` bridges its way through zero, so it should be longer than half the
longest period. Attack and release are time constants of the gain itself (not in dB), so that a gate opens in a smooth
exponential from whatever range.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from torchfx_cli.design.stage import Array, Processor, Stage
from torchfx_cli.effects.following import kept, threshold, time_constant
from torchfx_cli.effects.kind import Kind, StageSpec, param
from torchfx_cli.kernel.following import Gate
from torchfx_cli.kernel.load import load
from torchfx_cli.samples import Signal


@dataclass(frozen=True, kw_only=True)
class GateSpec(StageSpec):
    """Closes where there is only noise, all channels alike."""

    is_filter = False

    threshold_db: float = threshold("level from which on it opens")
    hysteresis_db: float = param("how far below the threshold it closes", default=6.0, unit="dB", low=0.0, high=60.0)
    attack_s: float = time_constant("opening", 0.001)
    hold_s: float = param("how long it stays open after the last sample that was loud enough", default=0.05, unit="s",
                          low=0.0, high=10.0)
    release_s: float = time_constant("closing", 0.1)
    range_db: float = param("how far it turns down when closed", default=80.0, unit="dB", low=0.0, high=300.0)

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        opening, closing = (10.0 ** (db / 20.0) for db in (self.threshold_db, self.threshold_db - self.hysteresis_db))
        gate = Gate(opening, closing, kept(self.attack_s, source.fs), kept(self.release_s, source.fs),
                    10.0 ** (-self.range_db / 20.0), round(self.hold_s * source.fs))
        return GateStage(gate, f"gate {self.threshold_db:g} dBFS")


KIND = Kind(GateSpec, "threshold_db", "- gate: {threshold: -50 dBFS, hold: 50 ms, range: 40 dB}")


@dataclass(frozen=True)
class GateStage(Stage):
    """See the module."""

    gate: Gate
    label: str
    cost_ns: ClassVar[float] = 5.0  # type: ignore[misc]
    pictures = ("levels",)

    def open(self, source: Signal) -> Processor:
        """See `Stage`."""
        return _Gating(self.gate)


class _Gating:
    def __init__(self, gate: Gate) -> None:
        self._kernel, self._gate = load(), gate
        self._state = np.array([gate.closed, 0.0])  # closed until something is heard

    def process(self, samples: Array) -> Array:
        """See `Processor`."""
        self._kernel.gate(samples, self._gate, self._state)
        return samples

    def flush(self) -> Iterator[Array]:
        """Nothing is held."""
        return iter(())
