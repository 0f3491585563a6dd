"""A feed-forward compressor with one gain for all channels, its level smoothed in dB.

Giannoulis, Massberg and Reiss, "Digital Dynamic Range Compressor Design", JAES 60 (2012): static curve with a soft
knee (eq. 4) of the highest channel, then a smooth branching peak detector on the gain (eq. 16). The loop is one of the
kernel; its memory is the smoothed gain, and a mean square a channel where the level is an RMS.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import ClassVar

from torchfx_cli.design.stage import Stage
from torchfx_cli.effects.following import Follower, kept, knee, sidechain_sections, threshold, time_constant
from torchfx_cli.effects.kind import MAX_HZ, Complaint, Kind, StageSpec, gain, param
from torchfx_cli.kernel.following import Curve
from torchfx_cli.samples import Signal


@dataclass(frozen=True, kw_only=True)
class CompressorSpec(StageSpec):
    """Turns down what is louder than a threshold, all channels alike."""

    is_filter = False

    threshold_db: float = threshold("level from which on it works")
    ratio: float = param("dB in for one dB out, above the threshold", unit="ratio", default=4.0, low=1.0, high=1000.0)
    knee_db: float = knee()
    attack_s: float = time_constant("turning down", 0.005)
    release_s: float = time_constant("coming back", 0.1)
    makeup_db: float = gain("gain behind it", 0.0)
    detector: str = param("what the level is, that of the highest channel", default="peak", form="word",
                          choices=("peak", "rms"))
    rms_s: float = param("time constant of the mean square, for detector: rms", default=0.01, unit="s", low=0.0,
                         high=10.0, open_low=True)
    sidechain_hz: float | None = param("the level is heard above this frequency (Butterworth, 12 dB an octave)",
                                       default=None, unit="Hz", low=0.0, high=MAX_HZ, open_low=True)
    mix: float = param("part of the compressed sound; the rest stays as it is", default=1.0, form="share", low=0.0,
                       high=1.0)

    def problems(self, given: Collection[str]) -> Iterator[Complaint]:
        """See `StageSpec`."""
        if "rms" in given and self.detector != "rms":
            yield "rms", "does nothing for detector: peak; write detector: rms"

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        makeup = 10.0 ** (self.makeup_db / 20.0)
        averaging = kept(self.rms_s, source.fs) if self.detector == "rms" else 0.0
        curve = Curve(self.threshold_db, 1.0 / self.ratio - 1.0, self.knee_db, kept(self.attack_s, source.fs),
                      kept(self.release_s, source.fs), makeup * self.mix, 1.0 - self.mix, averaging=averaging)
        sections = sidechain_sections(self.sidechain_hz, source.fs, f"{self.origin}.sidechain")
        return Compressor(curve, f"compressor {self.threshold_db:g} dBFS {self.ratio:g}:1", sections)


KIND = Kind(CompressorSpec, "threshold_db", "- compressor: {threshold: -20 dBFS, ratio: 4}")


@dataclass(frozen=True)
class Compressor(Follower):
    """See the module."""

    cost_ns: ClassVar[float] = 7.0  # type: ignore[misc]

    @property
    def peak_gain(self) -> float:  # type: ignore[override]
        return self.curve.dry + self.curve.wet
