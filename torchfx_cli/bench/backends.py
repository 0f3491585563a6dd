"""What computes: each backend takes the same float32 sound in memory and leaves its result in memory.

    cuda, cuda:N   the torch modules on a GPU, the sound already there
    cpu            the torch modules on the CPU
    native         the C kernel, float32 in and out
    scipy          one `lfilter` for each filter as designed, in float64: what people write, and the baseline
    scipy-sos      sosfilt and oaconvolve over the fused filters, in float64: the best that SciPy can do

Design and transfer lie in `prepare`, outside of what is timed; the memory of the result is taken in each run, by all.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from torchfx_cli.bench.accuracy import Array
from torchfx_cli.bench.loads import Load
from torchfx_cli.design.stages import Gain, Sections, Sum, Taps, linear
from torchfx_cli.errors import UsageError
from torchfx_cli.render.engine import Engine
from torchfx_cli.samples import block_frames

Call = Callable[[Any], Any]  # of a sound [channels, frames]
Between = Callable[[], object]
NAMES = ("cuda", "native", "cpu", "scipy", "scipy-sos")


def nothing() -> None:
    """Between the pieces of a run that nothing ends."""


@dataclass(frozen=True)
class Prepared:
    """`run(between)` is what is timed; it calls `between` now and then, which may raise to end it.

    `part(result, first, end)` is a piece of its result, [channels, end - first] float64.
    """

    run: Callable[[Between], Any]
    part: Callable[[Any, int, int], Array]


class Backend(ABC):
    """One column of the matrix: whether it is here, a preparation, a timed run, and what it holds in memory."""

    host_bytes_a_sample = 0.0

    def __init__(self, name: str) -> None:
        self.name = name

    def why_not(self) -> str:
        """Why it is not there, "" where it is."""
        return ""

    def load(self) -> None:
        """Import the packages that it and the truth compute with, so that no cell pays for it."""
        import scipy.signal  # noqa: F401

    def lacks(self, load: Load) -> str:
        """What of `load` it cannot compute, "" where it can."""
        return ""

    @abstractmethod
    def prepare(self, load: Load, label: str = "") -> Prepared:
        """All that comes before the computation itself."""

    def timed(self, prepared: Prepared, between: Between = nothing) -> tuple[float, Any]:
        """Seconds of one run, all of it done when they end; and the result."""
        started = time.perf_counter()
        result = prepared.run(between)
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


class Scipy(Backend):
    """Filters alone, as calls over rows [channels, frames]."""

    @property
    def host_bytes_a_sample(self) -> float:  # type: ignore[override]
        """The sound, and in float64 of each step input, output and a copy; oaconvolve holds blocks and spectra too."""
        return 4.0 + (3 if self.name == "scipy" else 8) * 8

    def lacks(self, load: Load) -> str:
        return next((f"SciPy has nothing for it: {stage.label}" for stage in load.stages if not stage.is_linear), "")

    def prepare(self, load: Load, label: str = "") -> Prepared:
        filters = self._filters(load)

        def run(between: Between) -> Any:
            y: Any = load.sound
            for one in filters:
                y = one(y)
                between()
            return y

        return Prepared(run, lambda result, first, end: np.asarray(result[:, first:end], np.float64))

    def _filters(self, load: Load) -> list[Call]:
        if self.name == "scipy":
            return [stage.build(_Lfilter()) for stage in linear(load.stages)]
        return [stage.build(_Best()) for stage in linear(load.plan.stages)]


class _Lfilter:
    """A `Builder` of calls: every stage by one `lfilter`."""

    def sections(self, stage: Sections) -> Call:
        import scipy.signal

        return self._call(*scipy.signal.sos2tf(stage.sos))

    def taps(self, stage: Taps) -> Call:
        return self._call(stage.taps, np.ones(1))

    def gain(self, stage: Gain) -> Call:
        return self._call(np.array([stage.factor]), np.ones(1))

    def sum(self, stage: Sum) -> Call:
        raise TypeError(f"{stage.label} is no single filter")

    def _call(self, b: Array, a: Array) -> Call:
        import scipy.signal

        return lambda y: scipy.signal.lfilter(b, a, y, axis=-1)


class _Best:
    """A `Builder` of calls: every stage by what is fastest for it."""

    def sections(self, stage: Sections) -> Call:
        import scipy.signal

        sos = stage.sos.copy()  # the stage's is read-only, which sosfilt refuses
        return lambda y: scipy.signal.sosfilt(sos, y)

    def taps(self, stage: Taps) -> Call:
        import scipy.signal

        taps = stage.taps[None]
        # float64, or it would transform in float32: 137 dB
        return lambda y: scipy.signal.oaconvolve(np.asarray(y, np.float64), taps, axes=-1)[:, : y.shape[1]]

    def gain(self, stage: Gain) -> Call:
        return lambda y: y * stage.factor

    def sum(self, stage: Sum) -> Call:
        raise TypeError(f"{stage.label} is no single filter")


class Native(Backend):
    host_bytes_a_sample = 3 * 4  # the sound, the sound in file order, the result

    def prepare(self, load: Load, label: str = "") -> Prepared:
        from torchfx_cli.render.native import NativeEngine

        return through_engine(NativeEngine(load.plan), load)


def through_engine(engine: Engine, load: Load) -> Prepared:
    """All of `load` through an engine, in blocks of the usual length, from rest each time."""
    sound = np.ascontiguousarray(load.sound.T)
    shape = load.plan.frames_out(load.frames), load.plan.output.channels
    step = block_frames(load.channels)

    def blocks() -> Iterator[Any]:
        for start in range(0, load.frames, step):
            yield engine.process(sound[start : start + step])
        yield from engine.flush()

    def run(between: Between) -> Any:
        engine.reset()
        out, at = np.empty(shape, np.float32), 0
        for block in blocks():  # an FIR gives whole transforms, so they are not as long as those that went in
            out[at : at + len(block)] = block
            at += len(block)
            between()
        return out[:at]

    return Prepared(run, lambda result, first, end: np.asarray(result[first:end].T, np.float64))


def backend_of(name: str) -> Backend:
    """One of `NAMES`, or a certain GPU ("cuda:1"), whether it is here or not."""
    from torchfx_cli.bench.torch_backend import Torch

    if name in ("cpu", "cuda") or (name.startswith("cuda:") and name[5:].isascii() and name[5:].isdigit()):
        return Torch(name)
    if name == "native":
        return Native(name)
    if name in ("scipy", "scipy-sos"):
        return Scipy(name)
    raise UsageError(f"--backends: found {name!r}; allowed are {', '.join(NAMES)}")


def is_torch(name: str) -> bool:
    """Whether the backend `name` runs the torch modules, which alone can write a chain in several ways."""
    return name.partition(":")[0] in ("cpu", "cuda")
