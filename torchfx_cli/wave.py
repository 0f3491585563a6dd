"""A sound in memory: samples [channels, frames] and their rate. `wave | module` filters it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from torchfx_cli.errors import FileError, RunError, WriteError
from torchfx_cli.library.combine import Pipeline, steps_of
from torchfx_cli.library.effects import Effect, has_effects
from torchfx_cli.library.rates import checked_rate, set_rate, wave_rate
from torchfx_cli.plan.assemble import Dither, assemble
from torchfx_cli.render.native import NativeEngine
from torchfx_cli.samples import SampleFormat, block_frames
from torchfx_cli.stream.formats import choose_output
from torchfx_cli.stream.reader import open_source
from torchfx_cli.stream.writer import Output

MAX_CHANNELS = 1024
A_FEW_CHANNELS = 64  # more than frames only where the sound is a moment
FLOAT32_BITS = 24  # integers of so many bits are exact in float32


@dataclass(frozen=True)
class _InMemory:
    """What `choose_output` asks of a source, for samples that come from no file."""

    fs: int
    channels: int
    dtype: np.dtype[Any]
    container: str = "WAV"
    channel_map: tuple[int, ...] = ()

    @property
    def subtype(self) -> str:
        return "DOUBLE" if self.dtype == np.float64 else "FLOAT"


class Wave:
    """`ys` [channels, frames], floating point, 1 = full scale; `fs` in Hz.

    A one-dimensional array is one channel. Integers are refused: their scale would be a guess; so is what looks like
    [frames, channels]: more than 1,024 channels, or more than 64 and more than frames. Raises TypeError, ValueError.
    """

    def __init__(self, samples: npt.ArrayLike | Tensor, fs: float) -> None:
        ys = torch.as_tensor(_plain(samples) if isinstance(samples, np.ndarray) else samples)
        if not ys.is_floating_point():
            raise TypeError(f"Wave holds floating-point samples, not {ys.dtype}: scale integers to +-1 first")
        if ys.ndim not in (1, 2):
            raise ValueError(f"Wave holds [channels, frames], not {list(ys.shape)}")
        self.ys = ys.unsqueeze(0) if ys.ndim == 1 else ys
        if len(self.ys) > MAX_CHANNELS or len(self.ys) > max(self.frames, A_FEW_CHANNELS):
            raise ValueError(f"Wave holds [channels, frames]; {list(self.ys.shape)} would be {self.channels} channels "
                             f"of {self.frames} frames: turn it over, with .T")
        self.fs = checked_rate(fs)
        self.tags: Mapping[str, str] = {}

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Wave:
        """Read a whole file: float64 where the file has more than 24 bits, else float32. Raises ReadError.

        What `torchfx process` would warn of, such as a file that is cut off, is a Python warning.
        """
        with _named(path), open_source(Path(path)) as source:
            facts = source.facts
            wide = facts.sample_format.dtype == "float64" or facts.sample_format.bits > FLOAT32_BITS
            sink = SampleFormat("float64" if wide else "float32")
            plan = assemble((), facts.fs, facts.channels, facts.sample_format, sink)
            engine = NativeEngine(plan)
            blocks = [engine.process(block) for block in source.blocks(block_frames(facts.channels))]
        empty = np.empty((0, facts.channels), sink.dtype)
        wave = cls(np.ascontiguousarray(np.concatenate([empty, *blocks]).T), facts.fs)
        wave.tags = facts.tags
        _warn(path, source.warnings)
        return wave

    @property
    def channels(self) -> int:
        return len(self.ys)

    @property
    def frames(self) -> int:
        return self.ys.shape[-1]

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.frames / self.fs

    def to(self, device: str | torch.device) -> Wave:
        """Move this wave and return it."""
        self.ys = self.ys.to(device)
        return self

    def __or__(self, module: nn.Module) -> Wave:
        """What `module` makes of it, computed now; filters that have no rate yet take this wave's.

        Filters that follow each other in an `nn.Sequential` are computed as one chain, as in `wave | (a | b)`.
        """
        if not isinstance(module, nn.Module):
            return NotImplemented
        ys, fs = self.ys, self.fs
        for part in steps_of(module):
            if isinstance(part, Pipeline | nn.Sequential) and has_effects(part):
                raise ValueError(f"{type(part).__name__} has hooks or a forward of its own around effects that may "
                                 "change the rate: apply its parts one by one")
            set_rate(part, fs, ys.device)
            rate = part.rate_out(len(ys)) if isinstance(part, Effect) else fs
            with wave_rate(fs, ys.device):
                ys = part(ys)
            fs = rate
        return self._tagged(ys, fs)

    def transform(self, function: Callable[..., Tensor], *arguments: Any, **named: Any) -> Wave:
        """What `function` makes of the samples, as in `wave.transform(torch.roll, 48, dims=-1)`; the rate stays."""
        return self._tagged(function(self.ys, *arguments, **named), self.fs)

    def get_channel(self, index: int) -> Wave:
        """One channel, counted from 0, or from the end below; the samples are shared. Raises IndexError."""
        return self._tagged(self.ys[index], self.fs)

    @classmethod
    def merge(cls, waves: Sequence[Wave], split_channels: bool = False) -> Wave:
        """All waves at once: their sum, or with `split_channels` their channels beside each other.

        All have one rate and device; shorter ones end in silence. In a sum a wave of one channel is heard in all
        channels. The tags are those of the first. Raises ValueError.
        """
        if not waves:
            raise ValueError("merge takes one wave or more, not none")
        first = waves[0]
        for what, found in (("rates", {f"{wave.fs:g} Hz" for wave in waves}),
                            ("devices", {str(wave.ys.device) for wave in waves})):
            if len(found) > 1:
                raise ValueError(f"waves of different {what} do not merge: {', '.join(sorted(found))}")
        counts = sorted({wave.channels for wave in waves} - {1})
        if not split_channels and len(counts) > 1:
            raise ValueError(f"waves of {' and '.join(map(str, counts))} channels have no sum; "
                             "with split_channels they stand beside each other")
        frames, dtype = max(wave.frames for wave in waves), reduce(torch.promote_types, (w.ys.dtype for w in waves))
        padded = [pad(wave.ys.to(dtype), (0, frames - wave.frames)) for wave in waves]
        return first._tagged(torch.cat(padded) if split_channels else reduce(add, padded), first.fs)

    def _tagged(self, ys: Tensor, fs: float) -> Wave:
        wave = Wave(ys, fs)
        wave.tags = self.tags
        return wave

    def blocks(self, seconds: float) -> Iterator[Wave]:
        """The wave in pieces of `seconds`, the last one shorter; the samples are shared, not copied."""
        if not seconds > 0:
            raise ValueError(f"a block lasts more than 0 s, not {seconds!r}")
        for piece in self.ys.split(max(1, round(seconds * self.fs)), dim=-1):
            yield Wave(piece, self.fs)

    def save(self, path: str | os.PathLike[str], subtype: str | int | None = None, dither: Dither = "auto", *,
             overwrite: bool = False) -> None:
        """Write a file, whole and verified or not at all; the extension says the container.

        Without `subtype` (16, 24, "float", ...) the container's nearest to the samples' type. Clipped samples and
        tags that the format cannot hold are a Python warning. Raises WriteError.
        """
        if dither not in get_args(Dither):
            raise ValueError(f"dither is one of {', '.join(get_args(Dither))}, not {dither!r}")
        target, word = Path(path), None if subtype is None else str(subtype)
        with _named(target):
            fs, dtype = int(self.fs), torch.float64 if self.ys.dtype == torch.float64 else torch.float32
            if fs != self.fs:
                raise WriteError(f"a file has a whole sample rate, not {self.fs} Hz")
            samples = np.ascontiguousarray(self.ys.detach().to("cpu", dtype).numpy().T)
            source = SampleFormat("float64" if dtype == torch.float64 else "float32")
            form = choose_output(target, _InMemory(fs, self.channels, samples.dtype), None, word)
            engine = NativeEngine(assemble((), fs, self.channels, source, form.sample_format, dither))
            size = samples.size * form.bytes_per_sample
            with Output(target, fs, self.channels, form, self.tags, size, overwrite=overwrite) as output:
                step = block_frames(self.channels)
                for start in range(0, len(samples), step):
                    output.write(engine.process(samples[start : start + step]))
                _warn(target, [*output.warnings, *engine.levels.warnings])
                output.commit()

    def __repr__(self) -> str:
        where = "" if self.ys.device.type == "cpu" else f" on {self.ys.device}"
        plural = "s" * (self.channels != 1)
        return f"Wave({self.channels} channel{plural}, {self.duration:.3f} s, {self.fs} Hz{where})"


def _plain(samples: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """`samples`, copied where torch could not share them: read-only, running backwards, or of the other byte order."""
    shared = samples.flags.writeable and samples.dtype.isnative and all(stride >= 0 for stride in samples.strides)
    return samples if shared else samples.astype(samples.dtype.newbyteorder("="), order="C")


def _warn(path: str | os.PathLike[str], lines: Iterable[str]) -> None:
    for line in lines:
        warnings.warn(f"{Path(path)}: {line}", stacklevel=3)  # of the user's own line


@contextmanager
def _named(path: str | os.PathLike[str]) -> Iterator[None]:
    """What is wrong with a file names it: the command line says the name in front of the line."""
    try:
        yield
    except (FileError, RunError) as error:
        name, kind = str(Path(path)), type(error) if isinstance(error, FileError) else WriteError
        raise error if name in str(error) and kind is type(error) else kind(f"{name}: {error}") from None
