"""The bandwidth in use: up to which frequency a file holds sound, whatever its sample rate would allow.

It is read from the long-term spectrum (see spectrum.py), as people do who look for an MP3 in a lossless file: the
highest frequency around which there is more than a floor. The floor is 90 dB below the loudest bin, where the aliases
of an MP3's filter bank lie (96 dB, ISO 11172-3), and the images of resamplers; or 10 dB above the noise of rounding to
the bits in use, where that is higher: its dither may have three times its power (4.8 dB), noise-shaped dither more.
"""

from __future__ import annotations

import numpy as np

from torchfx_cli.analysis.spectrum import SpectrumMeter
from torchfx_cli.analysis.waveform import BitsMeter, BlockMeter
from torchfx_cli.design.stage import Array
from torchfx_cli.render.engine import Block

WINDOW_FRAMES = 1 << 12
SMOOTHED_HZ = 100.0
BELOW_LOUDEST = 10.0 ** (-90.0 / 10.0)
ABOVE_ROUNDING = 10.0 ** (10.0 / 10.0)


def bandwidth_hz(frequencies_hz: Array, power: Array, rounding: float) -> float:
    """The highest frequency in use of `power` [F, channels] in the channel where it is highest; 0 of silence.

    rounding  the power of the noise of rounding, all frequencies together.
    """
    step_hz = frequencies_hz[1]
    bins = max(1, round(SMOOTHED_HZ / step_hz) | 1)
    smooth = np.stack([np.convolve(channel, np.full(bins, 1.0 / bins), "same") for channel in power.T])
    floor = np.maximum(power.max(axis=0) * BELOW_LOUDEST, ABOVE_ROUNDING * rounding / len(power))
    used = np.flatnonzero((smooth > floor[:, None]).any(axis=0))
    return float(min(frequencies_hz[used[-1]], frequencies_hz[-1])) if len(used) else 0.0


class BandwidthMeter(BlockMeter):
    """See the module. Its windows do not overlap: each part of a sound counts, if not for the same."""

    def __init__(self, fs: float, channels: int, *, is_integer: bool) -> None:
        self._spectrum = SpectrumMeter(fs, channels, WINDOW_FRAMES, hop=WINDOW_FRAMES)
        self._bits = BitsMeter() if is_integer else None

    def hear(self, block: Block, samples: Array) -> None:
        """See `BlockMeter`."""
        self._spectrum.process(samples)
        if self._bits is not None:
            self._bits.hear(block, samples)

    def reading(self) -> float:
        """In Hz."""
        rounding = 0.0 if self._bits is None else 4.0 ** (1 - self._bits.reading()) / 12.0
        return bandwidth_hz(self._spectrum.frequencies_hz, self._spectrum.power(), rounding)
