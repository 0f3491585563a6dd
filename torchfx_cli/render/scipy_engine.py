"""The same plan by scipy.signal in float64, stage by stage: the truth of the tests and the baseline of the bench."""

from __future__ import annotations

import numpy as np

from torchfx_cli.design.stages import Gain, Sections, Stage, Taps
from torchfx_cli.render.engine import HostEngine
from torchfx_cli.render.runner import Samples


class ScipyEngine(HostEngine):
    """See the module and `Engine`."""

    name = "scipy"

    def _filters(self, stages: tuple[Stage, ...], channels: int) -> _Filters:
        return _Filters(stages, channels)


class _Filters:
    def __init__(self, stages: tuple[Stage, ...], channels: int) -> None:
        self._stages, self._state = stages, [_rest(stage, channels) for stage in stages]

    def process(self, samples: Samples) -> Samples:
        if not len(samples):  # sosfilt refuses an empty block
            return samples
        for i, stage in enumerate(self._stages):
            samples, self._state[i] = _run(stage, samples, self._state[i])
        return np.ascontiguousarray(samples)  # sosfilt works, and answers, along the other axis


def _rest(stage: Stage, channels: int) -> Samples:
    if isinstance(stage, Sections):
        return np.zeros((len(stage.sos), 2, channels))
    return np.zeros((len(stage.taps) - 1 if isinstance(stage, Taps) else 0, channels))


def _run(stage: Stage, samples: Samples, state: Samples) -> tuple[Samples, Samples]:
    import scipy.signal

    if isinstance(stage, Sections):
        writable = stage.sos.copy()  # sosfilt refuses a read-only array
        return scipy.signal.sosfilt(writable, samples, axis=0, zi=state)
    if isinstance(stage, Taps):
        heard = np.concatenate([state, samples])
        return scipy.signal.oaconvolve(heard, stage.taps[:, None], "valid", axes=0), heard[len(samples) :]
    if isinstance(stage, Gain):
        return samples * stage.factor, state
    raise TypeError(f"{stage} is no linear stage that this engine knows")
