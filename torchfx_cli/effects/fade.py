"""Fades at the beginning and at the end of the file.

The shapes are those of SoX's and ffmpeg's fades, gains over the way x from 0 to 1: linear x (SoX t), sine sin(pi x / 2)
(q), half_sine (1 - cos(pi x)) / 2 (h), parabola 1 - (1 - x)^2 (p), exponential 10^(5 (x - 1)), which is straight in dB
(l, and ffmpeg's exp), and log 1 + log10(x) / 5 (ffmpeg's log). The last blocks are held back, as they came, until the
end is known: copying their frames took longer than all else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from torchfx_cli.design.stage import Array, Processor, Stage
from torchfx_cli.effects.kind import Complaint, Kind, StageSpec, param
from torchfx_cli.samples import Signal

MAX_S = 120.0  # of the frames that are held back, and of the tables


def _log(x: Array) -> Array:
    with np.errstate(divide="ignore"):
        gains: Array = np.maximum(1.0 + np.log10(x) / 5.0, 0.0)
    return gains


CURVES: dict[str, Callable[[Array], Array]] = {
    "linear": lambda x: x,
    "sine": lambda x: np.sin(np.pi / 2.0 * x),
    "half_sine": lambda x: (1.0 - np.cos(np.pi * x)) / 2.0,
    "parabola": lambda x: 1.0 - (1.0 - x) ** 2,
    "exponential": lambda x: 10.0 ** (5.0 * (x - 1.0)),
    "log": _log,
}


@dataclass(frozen=True, kw_only=True)
class FadeSpec(StageSpec):
    """Fades in at the beginning and out at the end."""

    is_filter = False

    in_s: float = param("how long it fades in", default=0.0, unit="s", low=0.0, high=MAX_S)
    out_s: float = param("how long it fades out, up to the last frame", default=0.0, unit="s", low=0.0, high=MAX_S)
    curve: str = param("shape: exponential is straight in dB (SoX's l)", default="linear", form="word",
                       choices=tuple(CURVES))

    def problems(self, given: Collection[str]) -> Iterator[Complaint]:
        """See `StageSpec`."""
        if not {"in", "out"} & set(given):
            yield "", "nothing says how long to fade; write in, out or both"

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`; times are rounded to whole frames."""
        ways = [f"{way} {s:g} s" for way, s in (("in", self.in_s), ("out", self.out_s)) if s]
        return Fade(round(self.in_s * source.fs), round(self.out_s * source.fs), self.curve,
                    f"fade {' and '.join(ways) or 'of no length'}, {self.curve}")


KIND = Kind(FadeSpec, None, "- fade: {in: 20 ms, out: 0.5 s, curve: sine}")


@dataclass(frozen=True)
class Fade(Stage):
    """Over the first `fade_in` and the last `fade_out` frames; where a short file has both, they are multiplied.

    The first frame, and the last, are those of x = 0.
    """

    fade_in: int
    fade_out: int
    curve: str
    label: str
    cost_ns: ClassVar[float] = 1.0  # type: ignore[misc]
    pictures = ("envelope",)

    @property
    def minds_end(self) -> bool:  # type: ignore[override]
        return self.fade_out > 0

    def envelope_frames(self, source: Signal) -> int:
        """See `Stage`: both fades, and as much between them as lets them be told apart."""
        return max(2, round(1.25 * (self.fade_in + self.fade_out)))

    def open(self, source: Signal) -> Processor:
        """See `Stage`."""
        return _Fading(self)


class _Fading:
    """Both gains are tables: a sine of a part of a fade may differ in the last bit from that of the whole.

    Whole blocks leave, as soon as those behind them are as long as the fade out.
    """

    def __init__(self, stage: Fade) -> None:
        self._rise, self._fall = _table(stage, stage.fade_in), _table(stage, stage.fade_out)[::-1]
        self._at, self._held_frames, self._held = 0, 0, deque[Array]()

    def process(self, samples: Array) -> Array:
        """See `Processor`."""
        rising = self._rise[self._at : self._at + len(samples)]
        self._at += len(samples)
        samples[: len(rising)] *= rising[:, None]
        self._held.append(samples)
        self._held_frames += len(samples)
        ready = []
        while self._held and self._held_frames - len(self._held[0]) >= len(self._fall):
            ready.append(self._held.popleft())
            self._held_frames -= len(ready[-1])
        return ready[0] if len(ready) == 1 else np.concatenate([samples[:0], *ready])

    def flush(self) -> Iterator[Array]:
        """The end of the file, all of it where it is shorter than the fade."""
        left = self._held_frames
        for samples in self._held:
            falling = self._fall[max(0, len(self._fall) - left) :][: len(samples) - max(0, left - len(self._fall))]
            samples[len(samples) - len(falling) :] *= falling[:, None]
            left -= len(samples)
            yield samples


def _table(stage: Fade, frames: int) -> Array:
    return CURVES[stage.curve](np.arange(frames) / max(1, frames))
