"""Other programs and libraries over the same filters: SoX, ffmpeg, pedalboard, and `torchfx process` beside them.

Filters cross as numbers: SoX and ffmpeg take second-order sections, SoX takes taps, pedalboard only the cookbook's
peaking and shelving filters. Programs are whole processes, file to file; pedalboard is a library, called in memory.
"""

from __future__ import annotations

import shutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from torchfx_cli.bench import probe
from torchfx_cli.bench.chainfile import write_chain
from torchfx_cli.chain.spec import ChainSpec
from torchfx_cli.design.stages import Gain, Sections, Stage, Taps
from torchfx_cli.effects.gain import GainSpec
from torchfx_cli.effects.peaking import PeakingSpec
from torchfx_cli.effects.shelves import ShelfSpec
from torchfx_cli.plan.fuse import fuse

Sound = npt.NDArray[np.float32]


class CannotSayError(Exception):
    """The program has no words for this chain; the text says for what."""


@dataclass(frozen=True)
class Work:
    """A chain as written and as designed for `fs`, and the noise [frames, channels] it runs over."""

    chain: ChainSpec
    stages: tuple[Stage, ...]
    fs: int
    noise: Sound


class Rival(ABC):
    """A program or library: is it here, can it say a chain, and a call that runs it."""

    name = ""

    @abstractmethod
    def why_not(self) -> str:
        """Why it cannot be used here; "" where it can."""

    @abstractmethod
    def prepare(self, work: Work, source: Path, output: Path) -> Callable[[], object]:
        """The call to be timed: it writes `output`, or gives [frames, channels]. Raises CannotSayError."""

    def delay_frames(self, stages: Sequence[Stage]) -> int:
        """Frames of delay that it takes out of the chain."""
        return sum(stage.delay_frames for stage in stages if isinstance(stage, Taps))


class Torchfx(Rival):
    name = "torchfx process"

    def why_not(self) -> str:
        return ""

    def prepare(self, work: Work, source: Path, output: Path) -> Callable[[], object]:
        chain = write_chain(work.stages, work.fs, output.with_name("chain.yaml"))
        return _process([sys.executable, "-m", "torchfx_cli", "process", str(source), "-o", str(output), "-c",
                         str(chain), "--overwrite", "--quiet"])


class Sox(Rival):
    name = "sox"

    def why_not(self) -> str:
        return "" if shutil.which("sox") else "sox is not installed"

    def prepare(self, work: Work, source: Path, output: Path) -> Callable[[], object]:
        words = [word for n, stage in enumerate(fuse(work.stages))
                 for word in self._words(stage, output.with_name(f"taps{n}.txt"))]
        return _process(["sox", "-D", str(source), str(output), *words])

    def delay_frames(self, stages: Sequence[Stage]) -> int:
        """Its `fir` takes half of the taps for delay. Several become one, or each would cut the others' beginnings."""
        return sum((len(stage.taps) - 1) // 2 for stage in fuse(stages) if isinstance(stage, Taps))

    def _words(self, stage: Stage, taps_file: Path) -> list[str]:
        if isinstance(stage, Sections):
            return [word for row in stage.sos for word in ("biquad", *map(repr, row.tolist()))]
        if isinstance(stage, Taps):
            taps_file.write_text("\n".join(map(repr, stage.taps.tolist())))
            return ["fir", str(taps_file)]
        if isinstance(stage, Gain):
            return ["vol", repr(stage.factor)]
        raise CannotSayError(stage.label)


class Ffmpeg(Rival):
    name = "ffmpeg"

    def why_not(self) -> str:
        return "" if shutil.which("ffmpeg") else "ffmpeg is not installed"

    def prepare(self, work: Work, source: Path, output: Path) -> Callable[[], object]:
        filters = ",".join(word for stage in work.stages for word in self._words(stage))
        return _process(["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", str(source), "-af", filters or "anull",
                         "-c:a", "pcm_f32le", str(output)])

    def _words(self, stage: Stage) -> list[str]:
        if isinstance(stage, Sections):
            names = "b0", "b1", "b2", "a0", "a1", "a2"
            return ["biquad=" + ":".join(f"{name}={value!r}" for name, value in zip(names, row, strict=True)) + ":r=f64"
                    for row in stage.sos.tolist()]
        if isinstance(stage, Gain):
            return [f"volume={stage.factor!r}:precision=double"]
        raise CannotSayError("an impulse response" if isinstance(stage, Taps) else stage.label)


class Pedalboard(Rival):
    name = "pedalboard"

    def why_not(self) -> str:
        return "" if find_spec("pedalboard") else "pedalboard is not installed"

    def prepare(self, work: Work, source: Path, output: Path) -> Callable[[], object]:
        board = self._board(work.chain)
        turned = np.ascontiguousarray(work.noise.T)
        return lambda: board(turned, work.fs).T

    def _board(self, chain: ChainSpec) -> Any:
        import pedalboard  # type: ignore[import-not-found, unused-ignore]

        board = pedalboard.Pedalboard()
        for spec in chain.stages:
            if isinstance(spec, PeakingSpec):
                board.append(pedalboard.PeakFilter(spec.frequency_hz, spec.gain_db, spec.q))
            elif isinstance(spec, ShelfSpec) and spec.order == 2:
                make = pedalboard.LowShelfFilter if spec.kind == "low_shelf" else pedalboard.HighShelfFilter
                board.append(make(spec.frequency_hz, spec.gain_db, spec.q))
            elif isinstance(spec, GainSpec):
                board.append(pedalboard.Gain(spec.gain_db))
            else:
                raise CannotSayError(spec.kind)
        return board


def backends() -> tuple[Rival, ...]:
    """All that this knows of, installed or not (`why_not`)."""
    return Torchfx(), Sox(), Ffmpeg(), Pedalboard()


def _process(command: list[str]) -> Callable[[], object]:
    return lambda: _ignored(probe.run_process(command, longest_s=600.0))


def _ignored(output: bytes) -> None:
    """What a program prints is not its result."""
