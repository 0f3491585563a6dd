"""What computes: each backend takes the same float32 sound in memory and leaves its result in memory.

    cuda, cuda:N   the torch modules on a GPU, the sound already there
    cpu            the torch modules on the CPU
    native         the C kernel, float32 in and out
    scipy          one `lfilter` for each filter as designed, in float64: what people write, and the baseline
    scipy-sos      sosfilt and oaconvolve over the fused filters, in float64: the best that SciPy can do

Design, transfer and allocation of the output lie in `prepare`, outside of what is timed. The modules are given the
sound in units, as the engines do it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from torchfx_cli.bench.accuracy import Array
from torchfx_cli.bench.backend import Backend, Prepared
from torchfx_cli.bench.loads import Load
from torchfx_cli.bench.torch_backend import Torch
from torchfx_cli.design.stages import Gain, Sections, Stage, Taps
from torchfx_cli.errors import UsageError


class Scipy(Backend):
    host_bytes_a_sample = 4 + 3 * 8  # the sound; of each step input, output, and a copy

    def prepare(self, load: Load, label: str = "") -> Prepared:
        import scipy.signal

        filters = [_transfer_function(stage) for stage in load.stages]
        sound = load.sound

        def run() -> Any:
            y: Any = sound
            for b, a in filters:
                y = scipy.signal.lfilter(b, a, y, axis=-1)
            return y

        return Prepared(run, _rows)


def _transfer_function(stage: Stage) -> tuple[Array, Array]:
    import scipy.signal

    one = np.ones(1)
    if isinstance(stage, Sections):
        b, a = scipy.signal.sos2tf(stage.sos)
        return b, a
    if isinstance(stage, Taps):
        return stage.taps, one
    if isinstance(stage, Gain):
        return one * stage.factor, one
    raise TypeError(f"{stage} is no filter")


class ScipySos(Backend):
    host_bytes_a_sample = 4 + 8 * 8  # oaconvolve holds the blocks, their spectra and their products

    def prepare(self, load: Load, label: str = "") -> Prepared:
        import scipy.signal

        stages, sound = load.plan.stages, load.sound
        sections = {n: stage.sos.copy() for n, stage in enumerate(stages) if isinstance(stage, Sections)}

        def run() -> Any:
            y: Any = sound
            for n, stage in enumerate(stages):
                if isinstance(stage, Sections):
                    y = scipy.signal.sosfilt(sections[n], y)
                elif isinstance(stage, Taps):
                    y = np.asarray(y, np.float64)  # or it would transform in float32: 137 dB
                    y = scipy.signal.oaconvolve(y, stage.taps[None], axes=-1)[:, : y.shape[1]]
                elif isinstance(stage, Gain):
                    y = y * stage.factor
                else:
                    raise TypeError(f"{stage.label} is no linear stage")
            return y

        return Prepared(run, _rows)


def _rows(result: Any, first: int, end: int) -> Array:
    return np.asarray(result[:, first:end], np.float64)


class Native(Backend):
    host_bytes_a_sample = 3 * 4  # the sound, the sound in file order, the result

    def prepare(self, load: Load, label: str = "") -> Prepared:
        from torchfx_cli.render.native import NativeEngine
        from torchfx_cli.samples import block_frames

        engine = NativeEngine(load.plan)
        sound = np.ascontiguousarray(load.sound.T)
        out, step = np.empty_like(sound), block_frames(load.channels)

        def blocks() -> Iterator[Any]:
            for start in range(0, load.frames, step):
                yield engine.process(sound[start : start + step])
            yield from engine.flush()

        def run() -> Any:
            engine.reset()
            at = 0
            for block in blocks():  # an FIR gives whole transforms, so they are not as long as those that went in
                out[at : at + len(block)] = block
                at += len(block)
            return out

        return Prepared(run, lambda result, first, end: np.asarray(result[first:end].T, np.float64))


NAMES = ("cuda", "native", "cpu", "scipy", "scipy-sos")


def backend_of(name: str) -> Backend:
    """One of `NAMES`, or a certain GPU ("cuda:1"), whether it is here or not."""
    if name in ("cpu", "cuda") or (name.startswith("cuda:") and name[5:].isascii() and name[5:].isdigit()):
        return Torch(name, name)
    if name == "native":
        return Native(name)
    if name in ("scipy", "scipy-sos"):
        return Scipy(name) if name == "scipy" else ScipySos(name)
    raise UsageError(f"--backends: found {name!r}; allowed are {', '.join(NAMES)}")
