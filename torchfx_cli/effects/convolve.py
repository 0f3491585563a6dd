"""The sound of a room, a loudspeaker or a device: convolution with an impulse response from a sound file.

A response of one channel is an FIR filter like any other. One with as many channels as the signal is taken channel by
channel, and one of four on stereo is "true stereo": left to left, left to right, right to left, right to right. Those
are computed here, by the kernel's overlap-save, each pair of channels by itself. A response of another sample rate is
resampled by libsoxr; what then rings before its first frame is kept, as delay that is removed again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from typing import ClassVar

import numpy as np

from torchfx_cli.design import fir
from torchfx_cli.design.stage import Array, Processor, Stage
from torchfx_cli.design.stages import Taps
from torchfx_cli.effects.kind import Kind, StageSpec, param
from torchfx_cli.errors import DesignError
from torchfx_cli.kernel.base import FftFir, fft_bytes
from torchfx_cli.kernel.load import load
from torchfx_cli.samples import Signal, block_frames, hertz

FILES = (".wav", ".flac", ".aif", ".aiff", ".w64", ".caf")
RINGING_FRAMES = 256  # of the lower rate, on each side: libsoxr's very high quality lasts about half of that
MAX_RATIO = 1 << 12
MAX_FRAMES = 1 << 23  # of the file and of the response: three minutes at 48 kHz; memory decides before the run
TRUE_STEREO = ((0, 0), (1, 0), (0, 1), (1, 1))  # (output, input) of its four channels


@dataclass(frozen=True, kw_only=True)
class ConvolveSpec(StageSpec):
    """Convolves with an impulse response from a sound file: a room, a cabinet, a correction.

    `content` is what `file` held when the chain was read, see `FirSpec`.
    """

    is_filter, files, max_file_bytes = False, FILES, 1 << 27

    file: str = param("impulse response of one channel, as many as the signal, or four on stereo (LL, LR, RL, RR)",
                      form="path")
    mix: float = param("share of the convolved sound, the rest is the sound as it was", default=1.0,
                       form="share", low=0.0, high=1.0)
    normalize: str = param("scales the response: its highest sample, or its loudest channel's energy, becomes 1",
                           default="none", form="word", choices=("none", "peak", "energy"))
    content: bytes = field(default=b"", repr=False)

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        try:
            response, delay = self._response(source)
        except ValueError as error:
            raise DesignError(f"{self.origin}.file: {self.file}: {error}") from None
        label = f"convolve {os.path.basename(self.file)}, {(len(response) - delay) / source.fs:.3g} s"
        channels = response.shape[1]
        response = response * self.mix
        if channels == 1:
            response[delay] += 1.0 - self.mix
            return Taps(response[:, 0], delay, label)
        ways = TRUE_STEREO if (channels, source.channels) == (4, 2) else [(n, n) for n in range(channels)]
        for column, (made, heard) in zip(response.T, ways, strict=True):
            column[delay] += (1.0 - self.mix) * (made == heard)
        return Convolution(tuple((made, heard, np.ascontiguousarray(column))
                                 for column, (made, heard) in zip(response.T, ways, strict=True)), delay, label)

    def content_problem(self) -> str:
        """See `StageSpec`."""
        try:
            self._read()
        except ValueError as error:
            return str(error)
        return ""

    def _read(self) -> tuple[int, int, Array]:
        """As `fir.read_sound`."""
        fs, frames, response = fir.read_sound(self.content, MAX_FRAMES)
        if not len(response):
            raise ValueError("it is empty")
        if not np.isfinite(response).all():
            raise ValueError("it holds samples that are not finite")
        if not response.any():
            raise ValueError("it is silent")
        return fs, frames, response

    def _response(self, source: Signal) -> tuple[Array, int]:
        """[frames, channels] at the signal's rate, and how many frames lie before its first. Raises ValueError."""
        fs, frames, response = self._read()
        channels = response.shape[1]
        if channels not in (1, source.channels) and (channels, source.channels) != (4, 2):
            hint = "; `- channels: [1, 1]` in front makes it stereo" if (source.channels, channels) == (1, 2) else ""
            raise ValueError(f"it has {channels} channels, the signal has {source.channels} here{hint}")
        longest_s = MAX_FRAMES / max(source.fs, fs)
        if frames / fs > longest_s:
            raise ValueError(f"it lasts {frames / fs:.4g} s; at {hertz(source.fs)} at most {longest_s:.4g} s are "
                             "possible")
        response, delay = at_rate(response, fs, source.fs)
        if self.normalize != "none":
            size = np.abs(response).max() if self.normalize == "peak" else np.sqrt((response**2).sum(axis=0).max())
            response = response / size
        return response, delay


KIND = Kind(ConvolveSpec, "file", "- convolve: {file: hall.wav, mix: 0.3, normalize: energy}")


def at_rate(response: Array, fs: float, wanted: float) -> tuple[Array, int]:
    """`response` [frames, channels] at the rate `wanted`, its spectrum unchanged; how many frames precede its first."""
    if fs == wanted:
        return response, 0
    if not 1 / MAX_RATIO <= wanted / fs <= MAX_RATIO:
        raise ValueError(f"its sample rate is {hertz(fs)}, more than {MAX_RATIO} times off the signal's "
                         f"{hertz(wanted)}")
    import soxr

    # Silence in front, and behind, of a whole number of frames at both rates, so that the first one stays on the grid.
    ratio = Fraction(wanted) / Fraction(fs)
    units = ceil(RINGING_FRAMES / min(ratio.numerator, ratio.denominator))
    silence = np.zeros((units * ratio.denominator, response.shape[1]))
    made: Array = soxr.resample(np.concatenate([silence, response, silence]), fs, wanted, "VHQ")
    first, rings = units * ratio.numerator, ceil(RINGING_FRAMES * max(1.0, wanted / fs))
    before = min(first, rings)
    return made[first - before : first + ceil(len(response) * ratio) + rings] * (fs / wanted), before


@dataclass(frozen=True, eq=False)
class Convolution(Stage):
    """The sum of `ways`, each (channel made, channel heard, taps [N]); `delay_frames` are removed from the output."""

    ways: tuple[tuple[int, int, Array], ...]
    delay_frames: int
    label: str
    cost_ns: ClassVar[float] = 15.0  # type: ignore[misc]

    @property
    def peak_gain(self) -> float:  # type: ignore[override]
        made = [way[0] for way in self.ways]
        return float(np.bincount(made, [np.abs(taps).sum() for *_, taps in self.ways]).max())

    def tail_frames(self, source: Signal) -> int:
        """See `Stage`: all of the response."""
        return len(self.ways[0][2]) - 1 - self.delay_frames

    def memory_bytes(self, source: Signal) -> int:
        """See `Stage`."""
        return fft_bytes(len(self.ways[0][2]), 1, len(self.ways))

    def open(self, source: Signal) -> Processor:
        """See `Stage`."""
        return _Convolving(self, source.channels)


class _Convolving:
    """Ways that leave each channel to itself are one convolution; others have as many taps, so their bursts meet."""

    def __init__(self, stage: Convolution, channels: int) -> None:
        kernel = load()
        self._each = None
        self._ways: list[tuple[int, int, FftFir]] = []
        if [(made, heard) for made, heard, _ in stage.ways] == [(n, n) for n in range(channels)]:
            self._each = kernel.fft_fir(np.stack([taps for *_, taps in stage.ways], axis=1), channels)
        else:
            for made, heard, taps in stage.ways:
                self._ways.append((made, heard, kernel.fft_fir(taps, 1, self._ways[0][2] if self._ways else None)))
        self._channels, self._to_skip, self._owed = channels, stage.delay_frames, 0

    def process(self, samples: Array) -> Array:
        """See `Processor`."""
        self._owed += len(samples)
        return self._due(samples)

    def flush(self) -> Iterator[Array]:
        """What is owed: it comes out when silence follows."""
        while self._owed:
            yield self._due(np.zeros((block_frames(self._channels), self._channels)))

    def _due(self, samples: Array) -> Array:
        total = self._mixed(samples) if self._each is None else self._each.process(np.ascontiguousarray(samples))
        first = min(self._to_skip, len(total))
        self._to_skip -= first
        due = total[first : first + self._owed]
        self._owed -= len(due)
        return due

    def _mixed(self, samples: Array) -> Array:
        parts: list[list[Array]] = [[] for _ in range(self._channels)]
        for at, heard, convolution in self._ways:
            parts[at].append(convolution.process(np.ascontiguousarray(samples[:, heard : heard + 1])))
        total = np.empty((len(parts[0][0]), self._channels))
        for channel, (first_part, *others) in zip(total.T, parts, strict=True):
            channel[:] = first_part[:, 0]
            for part in others:
                channel += part[:, 0]
        return total
