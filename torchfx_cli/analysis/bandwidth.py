"""The bandwidth in use: up to which frequency a file holds sound, whatever its sample rate would allow.

It is read from a long-term spectrum, as people do who look for an MP3 in a lossless file: the highest frequency around
which there is more than a floor. That is 90 dB below the loudest bin, where the aliases of an MP3's filter bank (96 dB,
ISO 11172-3) and the images of resamplers lie; or 10 dB above the noise of rounding to the bits in use, where that is
higher: dither makes three times its power of it (4.8 dB), and more where it shapes the noise.

A mean of powers (Welch, see spectrum.py) would hear little but the loudest moments at the top of the spectrum: clicks,
and what clipped when an MP3 was decoded. So fourth roots of the powers are averaged, of windows that are not silent.
"""

from __future__ import annotations

import numpy as np

from torchfx_cli.analysis.spectrum import SpectrumMeter, squares
from torchfx_cli.analysis.waveform import BitsMeter, BlockMeter
from torchfx_cli.design.stage import Array
from torchfx_cli.render.engine import Block

WINDOW_FRAMES = 1 << 12
# F. J. Harris, "On the use of windows", Proc. IEEE 66 (1978): side lobes 92 dB down, where a Hann window's reach far.
BLACKMAN_HARRIS = (0.35875, -0.48829, 0.14128, -0.01168)
SILENCE = 10.0 ** (-80.0 / 10.0)
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


class _UsualSpectrum(SpectrumMeter):
    """Powers as they are most of the time; windows that do not overlap: each part of a sound is heard once."""

    def __init__(self, fs: float, channels: int) -> None:
        super().__init__(fs, channels, WINDOW_FRAMES, hop=WINDOW_FRAMES)
        self._sum, self._heard = np.zeros((channels, WINDOW_FRAMES // 2 + 1)), np.zeros(channels)
        turns = 2.0 * np.pi * np.arange(WINDOW_FRAMES)[:, None] / WINDOW_FRAMES * np.arange(len(BLACKMAN_HARRIS))
        self._window = np.cos(turns) @ BLACKMAN_HARRIS
        self._window32 = self._window.astype(np.float32)  # whose transform is exact to 140 dB below the loudest

    def power(self) -> Array:
        """See `SpectrumMeter`; 0 of silence."""
        if not self._windows:
            return super().power()
        return self._scaled((self._sum / np.maximum(self._heard, 1.0)[:, None]) ** 4)

    def _add(self, frames: Array) -> None:
        power = squares(np.fft.rfft(frames.astype(np.float32) * self._window32))
        heard = power.mean(axis=-1) > SILENCE * np.square(self._window).sum()
        self._sum += (np.sqrt(np.sqrt(power)) * heard[..., None]).sum(axis=0)
        self._heard += heard.sum(axis=0)
        self._windows += len(frames)


class BandwidthMeter(BlockMeter):
    """See the module."""

    def __init__(self, fs: float, channels: int, *, is_integer: bool) -> None:
        self._spectrum = _UsualSpectrum(fs, channels)
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
