"""Other programs over the same samples and the same filters, each with its error beside its time.

Files are 32-bit float, so that the error is the program's own. What comes out is read back and held against float64
SciPy; the delay that SoX takes out of an FIR is allowed for. What a program cannot express is a row that says so.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from torchfx_cli.bench import probe
from torchfx_cli.bench.accuracy import snr_db
from torchfx_cli.bench.records import Cell, Measurement
from torchfx_cli.bench.rivals import CannotSayError, Rival, Sound, Work, backends
from torchfx_cli.chain.spec import ChainSpec, design_chain
from torchfx_cli.design.stages import Taps
from torchfx_cli.errors import RunError
from torchfx_cli.render.choose import open_engine
from torchfx_cli.samples import SampleFormat, block_frames
from torchfx_cli.stream.formats import choose_output
from torchfx_cli.stream.reader import open_source
from torchfx_cli.stream.writer import Output

__all__ = ["Reading", "backends", "measure", "rows"]

Array = npt.NDArray[np.float64]

LEAST_DB = 60.0  # float32 states at low cut-offs keep 64 dB and more; below it the filter is another one
HEADROOM = 0.25  # SoX computes in 32-bit integers and clips: the noise is a quarter of full scale
CHECKED_FRAMES = 1 << 18  # of the output are held against SciPy


@dataclass(frozen=True)
class Reading:
    """`error_db` is the signal-to-error ratio, None where nothing came back; `reason` says why nothing was timed."""

    name: str
    times_s: tuple[float, ...] = ()
    error_db: float | None = None
    reason: str = ""

    @property
    def measurement(self) -> Measurement:
        """A filter that is another one has no speed; how exact the right one is, is for the reader to see."""
        if self.reason:
            return Measurement("unavailable", reason=self.reason)
        if self.error_db is None or self.error_db < LEAST_DB:
            return Measurement("wrong", self.times_s, reason="another filter came out", error_db=self.error_db)
        return Measurement("ok", self.times_s, error_db=self.error_db)


def measure(chain: ChainSpec, fs: int, channels: int, frames: int, repeats: int = 3, longest_s: float = 60.0,
            rivals: Sequence[Rival] | None = None) -> list[Reading]:
    """Every rival over one file of noise, in turn after one run to warm up, so that a drifting clock is fair to all."""
    rivals = backends() if rivals is None else rivals
    noise = np.random.default_rng(1).uniform(-HEADROOM, HEADROOM, (frames, channels)).astype(np.float32)
    work = Work(chain, design_chain(chain, fs), fs, noise)
    with TemporaryDirectory(prefix="torchfx-bench-") as name:
        folder = Path(name)
        source = write_float(folder / "in.wav", noise, fs)
        entries = [_Entry(rival, work, source, folder / f"{n}" / "out.wav") for n, rival in enumerate(rivals)]
        for _ in range(repeats):
            for entry in entries:
                entry.run(longest_s)
        return [entry.reading() for entry in entries]


def rows(suite: str, chain: ChainSpec, duration_s: float, channels: int, fs: int = 44_100, repeats: int = 3
         ) -> list[tuple[Cell, Measurement]]:
    """`measure` as rows of results, the programs in the place of backends."""
    readings = measure(chain, fs, channels, max(1, round(duration_s * fs)), repeats)
    return [(Cell(suite, reading.name, duration_s, channels, fs), reading.measurement) for reading in readings]


class _Entry:
    """One rival in the race: its call, its times, or the reason why it has left."""

    def __init__(self, rival: Rival, work: Work, source: Path, output: Path) -> None:
        self._rival, self._work, self._output = rival, work, output
        self._times: list[float] = []
        self._error_db: float | None = None
        self._reason = rival.why_not()
        if self._reason:
            return
        output.parent.mkdir()
        try:
            self._call = rival.prepare(work, source, output)
            self._error_db = self._check(self._call())
        except CannotSayError as error:
            self._reason = f"{rival.name} has no words for: {error}"
        except RunError as error:
            self._reason = str(error)

    def run(self, longest_s: float) -> None:
        if self._reason or sum(self._times) > longest_s:
            return
        started = time.perf_counter()
        self._call()
        self._times.append(time.perf_counter() - started)

    def reading(self) -> Reading:
        return Reading(self._rival.name, tuple(self._times), self._error_db, self._reason)

    def _check(self, result: object) -> float:
        got = result if isinstance(result, np.ndarray) else read_float(self._output, CHECKED_FRAMES)
        delay = self._rival.delay_frames(self._work.stages)
        frames = min(len(self._work.noise) - delay, CHECKED_FRAMES)
        return snr_db(got[:frames], truth(self._work, frames, delay))


def truth(work: Work, frames: int, delay_frames: int) -> Array:
    """The first `frames` frames of the output by SciPy in float64, `delay_frames` earlier."""
    undelayed = tuple(Taps(stage.taps) if isinstance(stage, Taps) else stage for stage in work.stages)
    plan = replace(probe.plan_for(undelayed, work.fs, work.noise.shape[1]), sink=SampleFormat("float64"))
    engine = open_engine(plan, "scipy")
    heard = work.noise[: frames + delay_frames]
    silence = np.zeros((frames + delay_frames - len(heard), heard.shape[1]), np.float32)
    return np.asarray(engine.process(np.concatenate([heard, silence]))[delay_frames:], dtype=np.float64)


class _FloatFacts(probe.NoiseFacts):
    subtype = "FLOAT"


def write_float(path: Path, noise: Sound, fs: int) -> Path:
    """`noise` [frames, channels] as a 32-bit float WAV."""
    form = choose_output(path, _FloatFacts(fs, noise.shape[1]))
    with Output(path, fs, noise.shape[1], form, None, noise.nbytes) as output:
        output.write(noise)
        output.commit()
    return path


def read_float(path: Path, frames: int) -> Array:
    """The first `frames` frames [frames, channels] of a float file. Raises ReadError."""
    found: list[npt.NDArray[Any]] = []
    with open_source(path) as source:
        for block in source.blocks(block_frames(source.facts.channels)):
            found.append(block)
            if sum(map(len, found)) >= frames:
                break
    return np.concatenate(found)[:frames].astype(np.float64)
