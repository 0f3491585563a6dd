"""Backends that take a time of their own choosing, on a clock that only they turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from torchfx_cli.bench.accuracy import reference
from torchfx_cli.bench.backend import Backend, Prepared
from torchfx_cli.bench.loads import Load


class Clock:
    """Seconds that pass where `pass_` is called."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def pass_(self, seconds: float) -> None:
        self.now_s += seconds


class Fake(Backend):
    """SciPy's result, `spoil`ed, in `seconds(load)` on the clock; `error` is raised instead."""

    def __init__(self, name: str = "native", seconds: Callable[[Load], float] = lambda load: 1e-3,
                 clock: Clock | None = None, spoil: Callable[[Any], Any] = lambda result: result,
                 error: BaseException | None = None, absent: str = "") -> None:
        super().__init__(name)
        self._seconds, self._clock, self._spoil = seconds, clock or Clock(), spoil
        self._error, self._absent = error, absent
        self.runs: list[int] = []  # frames of each

    def why_not(self) -> str:
        return self._absent

    def prepare(self, load: Load, label: str = "") -> Prepared:
        result = self._spoil(reference(load.stages, load.sound))

        def run() -> Any:
            if self._error is not None:
                raise self._error
            self.runs.append(load.frames)
            self._clock.pass_(self._seconds(load))
            return result

        return Prepared(run, lambda found, first, end: np.asarray(found[:, first:end]))

    def timed(self, prepared: Prepared) -> tuple[float, Any]:
        started = self._clock()
        result = prepared.run()
        return self._clock() - started, result
