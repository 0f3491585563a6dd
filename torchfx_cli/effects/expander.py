"""A downward expander: the compressor's curve turned over below the threshold, its gain smoothed in dB.

Giannoulis, Massberg and Reiss, JAES 60 (2012), as `compressor`; the attack is that of the gain coming up. The level is
that of the sample, so the release should be longer than the periods of the sound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torchfx_cli.design.stage import Stage
from torchfx_cli.effects.following import Follower, kept, knee, threshold, time_constant
from torchfx_cli.effects.kind import Kind, StageSpec, param
from torchfx_cli.kernel.following import Curve
from torchfx_cli.samples import Signal


@dataclass(frozen=True, kw_only=True)
class ExpanderSpec(StageSpec):
    """Turns down what is softer than a threshold, all channels alike."""

    is_filter = False

    threshold_db: float = threshold("level below which it works")
    ratio: float = param("dB out for one dB in, below the threshold", unit="ratio", default=2.0, low=1.0, high=1000.0)
    knee_db: float = knee()
    range_db: float = param("how far it turns down at most", default=40.0, unit="dB", low=0.0, high=300.0)
    attack_s: float = time_constant("coming up", 0.001)
    release_s: float = time_constant("turning down", 0.1)

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        curve = Curve(self.threshold_db, 1.0 - self.ratio, self.knee_db, kept(self.release_s, source.fs),
                      kept(self.attack_s, source.fs), lowest_db=-self.range_db, sign=-1.0)
        return Expander(curve, f"expander {self.threshold_db:g} dBFS 1:{self.ratio:g}")


KIND = Kind(ExpanderSpec, "threshold_db", "- expander: {threshold: -45 dBFS, ratio: 2}")


@dataclass(frozen=True)
class Expander(Follower):
    """See the module."""

    cost_ns: ClassVar[float] = 6.0  # type: ignore[misc]
