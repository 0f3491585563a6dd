"""The same plan by scipy.signal in float64, stage by stage: the truth of the tests and the baseline of the bench."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from torchfx_cli.design.stages import Gain, Linear, Sections, Sum, Taps
from torchfx_cli.render.engine import HostEngine
from torchfx_cli.render.runner import Samples

Step = Callable[[Samples], Samples]


class ScipyEngine(HostEngine):
    """See the module and `Engine`."""

    name = "scipy"

    def _filters(self, stages: tuple[Linear, ...], channels: int) -> _Row:
        return _Row(stages, channels)


class _Row:
    def __init__(self, stages: Iterable[Linear], channels: int) -> None:
        builder = _Builder(channels)
        self._steps = [stage.build(builder) for stage in stages]

    def process(self, samples: Samples) -> Samples:
        if not len(samples):  # sosfilt refuses an empty block
            return samples
        for step in self._steps:
            samples = step(samples)
        return np.ascontiguousarray(samples)  # sosfilt works, and answers, along the other axis


class _Builder:
    """See `Builder`: each stage becomes a step that keeps its state."""

    def __init__(self, channels: int) -> None:
        self._channels = channels

    def sections(self, stage: Sections) -> Step:
        import scipy.signal

        sos, state = stage.sos.copy(), np.zeros((len(stage.sos), 2, self._channels))  # sosfilt refuses a read-only one

        def step(samples: Samples) -> Samples:
            nonlocal state
            y, state = scipy.signal.sosfilt(sos, samples, axis=0, zi=state)
            return y

        return step

    def taps(self, stage: Taps) -> Step:
        import scipy.signal

        history = np.zeros((len(stage.taps) - 1, self._channels))

        def step(samples: Samples) -> Samples:
            nonlocal history
            heard = np.concatenate([history, samples])
            history = heard[len(samples) :]
            return scipy.signal.oaconvolve(heard, stage.taps[:, None], "valid", axes=0)

        return step

    def gain(self, stage: Gain) -> Step:
        return lambda samples: samples * stage.factor

    def sum(self, stage: Sum) -> Step:
        rows = [_Row(row, self._channels) for row in stage.rows]

        def step(samples: Samples) -> Samples:
            total = np.zeros_like(samples)
            for row in rows:
                total += row.process(samples)
            return total

        return step
