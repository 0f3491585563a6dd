"""Clicks found and mended by an autoregressive model of the sound around them: S. J. Godsill and P. J. W. Rayner,
"Digital Audio Restoration" (1998), chapter 5; see effects/autoregressive.py for the formulas.

A click is what neither the samples before it nor those behind it foretell, briefly: where the prediction errors of both
directions pass the threshold, times the usual error of the window and that of the samples on either side. A beat of a
drum goes on, and pulses in even steps are a tone: neither is a click. Where some are found, the model is made again
without them, and says where they begin and end. What lies there is replaced by what the model expects between its
neighbours, unless the change is so small that it might as well be the model's own error; all else stays bit for bit.

The windows lie on a grid from the first frame, as many are worked on at a time, and each channel by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from torchfx_cli.design.stage import Array, Processor, Stage, Telling
from torchfx_cli.effects.autoregressive import errors, interpolate, models
from torchfx_cli.effects.kind import Kind, StageSpec, param
from torchfx_cli.samples import Signal

ORDER = 32
HOP_S = 0.02  # at least; windows are two hops long, and speech and music are the same for about so long
HOPS = 8  # that are worked on at a time
EDGE = 0.35  # of the threshold: a click reaches as far as both errors pass it
BRIDGED_FRAMES = 4  # below that, within a click
SURE = 3.0  # times what the model is likely to be wrong by in between: a smaller change is not made
EVEN = 0.03  # of the steps between clicks: so much they differ by that are pulses of a tone
MARGIN_FRAMES = 1  # on either side of a click, mended too
FLOOR = 1e-5  # the usual error is taken as at least -100 dBFS, so that the last bit of silence is no click
OF_MEDIAN = 1.0 / 0.6745  # the standard deviation of a normal distribution from the median of its absolute values

Burst = tuple[int, int]  # first frame, and the first behind it


@dataclass(frozen=True, kw_only=True)
class DeclickSpec(StageSpec):
    """Finds clicks and crackle and mends them; tells how many. All else stays bit for bit."""

    is_filter = False

    threshold: float = param("how many times the usual prediction error a click has; lower finds more", default=8.0,
                             low=3.0, high=1000.0)
    max_length_s: float = param("the longest click", default=0.002, unit="s", low=0.0001, high=0.01)

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        return Declick(self.threshold, max(1, round(self.max_length_s * source.fs)),
                       f"declick, threshold {self.threshold:g}")


KIND = Kind(DeclickSpec, "threshold", "- declick: {threshold: 8, max_length: 2 ms}")


@dataclass(frozen=True)
class _Seen:
    """The usual error of a window, and its clicks."""

    usual: float
    clicks: list[Burst]


@dataclass(frozen=True)
class Declick(Stage):
    """See the module; `longest` in frames."""

    threshold: float
    longest: int
    label: str
    is_noted: ClassVar[bool] = True  # type: ignore[misc]
    cost_ns: ClassVar[float] = 400.0  # type: ignore[misc]
    pictures = ()

    def open(self, source: Signal) -> Processor:
        """See `Stage`."""
        return _Declicking(self, source)


class _Declicking(Telling):
    """`_sound` begins half a hop before the hops that are worked on, and ends half a hop behind them."""

    def __init__(self, stage: Declick, source: Signal) -> None:
        self._stage, self._label = stage, stage.label
        least = max(HOP_S * source.fs, 4 * stage.longest + 2 * ORDER + 4 * MARGIN_FRAMES)
        self._hop = 1 << int(np.ceil(np.log2(least)))
        self._step = HOPS * self._hop
        self._sound = np.zeros((self._step + self._hop, source.channels))
        self._filled = self._early = self._hop // 2
        self._first = -self._early  # the place of _sound[0] in the file
        self._end: int | None = None  # of the file, once it is known
        self._done = [0] * source.channels  # in _sound: where the last click of each channel ended
        self._clicks = self._samples = 0

    def process(self, samples: Array) -> Array:
        """See `Processor`."""
        made = []
        while len(samples):
            room = samples[: len(self._sound) - self._filled]
            self._sound[self._filled : self._filled + len(room)] = room
            self._filled += len(room)
            samples = samples[len(room) :]
            if self._filled == len(self._sound):
                made.append(self._worked())
        return np.concatenate(made) if made else samples

    def flush(self) -> Iterator[Array]:
        """See `Processor`."""
        self._end = self._first + self._filled
        while (left := self._end - max(0, self._first)) > 0:
            self._sound[self._filled :] = 0.0
            self._filled = len(self._sound)
            yield self._worked()[:left]

    def notes(self) -> tuple[str, ...]:
        """See `Telling`."""
        plural = "s" * (self._clicks != 1)
        return (f"{self._label}: {self._clicks} click{plural} mended, {self._samples} samples",)

    def _worked(self) -> Array:
        """The frames that are mended and leave."""
        for channel, column in enumerate(self._sound.T):
            sound = np.ascontiguousarray(column)
            self._done[channel] = max(0, self._mend(sound, self._done[channel]) - self._step)
            column[...] = sound
        made = self._sound[max(0, -self._first) : self._step].copy()
        self._sound[: self._hop] = self._sound[self._step :]
        self._filled = self._hop
        self._first += self._step
        return made

    def _mend(self, sound: Array, done: int) -> int:
        """Mend the clicks of a channel from `done` on; the end of the last."""
        windows = np.lib.stride_tricks.sliding_window_view(sound, 2 * self._hop)[:: self._hop].copy()
        for n, a, seen in self._looked_at(windows):
            begin, middle = n * self._hop, n * self._hop + self._hop // 2
            for group in _groups((begin + start, begin + end) for start, end in seen.clicks):
                mine = [click for click in group if click[0] >= done and self._is_inside(click)
                        and middle < click[1] and click[0] < middle + self._hop]
                if mine:
                    self._put(sound, group, mine, a, seen.usual)
                    done = mine[-1][1]
        return done

    def _is_inside(self, click: Burst) -> bool:
        """Whether the model reaches no further than the file; beyond its ends is silence, which foretells nothing."""
        end = self._end if self._end is not None else self._first + self._filled
        return self._first + click[0] >= ORDER and self._first + click[1] <= end - ORDER

    def _put(self, sound: Array, group: list[Burst], mine: list[Burst], a: Array, usual: float) -> None:
        """Mend `mine` of the clicks of `group`, none of which is known, unless what is gained is not sure."""
        low, frames = group[0][0] - ORDER, _frames(group)
        part = sound[low : group[-1][1] + ORDER].copy()
        variances = interpolate(part, frames - low, a)
        for start, end in mine:
            change = (sound[start:end] - part[start - low : end - low]) / usual
            doubt = variances[(start <= frames) & (frames < end)].sum()
            if change @ change > SURE**2 * doubt:
                sound[start:end] = part[start - low : end - low]
                self._clicks += 1
                self._samples += end - start

    def _looked_at(self, windows: Array) -> Iterator[tuple[int, Array, _Seen]]:
        """Of each window with clicks its number, the model without them, and the clicks that this sees."""
        models_of = models(windows, ORDER)
        for n, (a, seen) in enumerate(zip(models_of, self._seen(windows, models_of), strict=True)):
            if seen.clicks:
                clean = windows[n].copy()
                interpolate(clean, _frames(seen.clicks), a)
                again = models(clean[None], ORDER)
                yield n, again[0], self._seen(windows[n : n + 1], again)[0]

    def _seen(self, windows: Array, a: Array) -> list[_Seen]:
        """What `a` makes of each window."""
        ahead, back = (np.abs(error) for error in errors(windows, a))
        usual = np.maximum(OF_MEDIAN * _middle(ahead), FLOOR)
        return [_Seen(float(row[2]), self._clicks_of(*row)) for row in zip(ahead, back, usual, strict=True)]

    def _clicks_of(self, ahead: Array, back: Array, usual: float) -> list[Burst]:
        """Where both errors are large, in a window with this usual error."""
        longest, least = self._stage.longest, self._stage.threshold * usual
        clicks = []
        for start, end in _runs(np.minimum(ahead, back), EDGE * least, longest):
            peak = min(ahead[start:end].max(), back[start:end].max())
            if peak > least and start >= 2 * ORDER and end <= len(ahead) - 2 * ORDER:
                around = max(_middle(ahead[max(0, start - longest) : start]), _middle(back[end : end + longest]))
                if peak > self._stage.threshold * OF_MEDIAN * around:
                    clicks.append((start - MARGIN_FRAMES, end + MARGIN_FRAMES))
        return [] if _is_a_tone(clicks) else clicks


def _is_a_tone(clicks: list[Burst]) -> bool:
    """Whether they come in even steps, as the pulses of a voice, a brass instrument or a synthesiser do."""
    steps = np.diff([start for start, _ in clicks])
    return len(steps) > 1 and bool(np.ptp(steps) <= 2 + EVEN * steps.mean())


def _runs(errors: Array, edge: float, longest: int) -> Iterator[Burst]:
    """Where `errors` pass `edge`, short gaps bridged; of what is too long, the parts that stand out of it."""
    places = np.flatnonzero(errors > edge)
    if not len(places):
        return
    gaps = np.flatnonzero(np.diff(places) > BRIDGED_FRAMES + 1)
    for start, end in zip(places[[0, *(gaps + 1)]].tolist(), (places[[*gaps, -1]] + 1).tolist(), strict=True):
        if end - start <= longest:
            yield start, end
        else:
            yield from ((start + a, start + b) for a, b in _runs(errors[start:end], 4.0 * edge, longest))


def _middle(values: Array) -> Array:
    """The median along the last axis, of an even number the upper one of both in the middle."""
    half = values.shape[-1] // 2
    middle: Array = np.partition(values, half)[..., half]
    return middle


def _groups(clicks: Iterable[Burst]) -> list[list[Burst]]:
    """`clicks` in groups so far from each other that the model of one does not reach the next."""
    groups: list[list[Burst]] = []
    for click in clicks:
        if groups and click[0] - groups[-1][-1][1] <= ORDER:
            groups[-1].append(click)
        else:
            groups.append([click])
    return groups


def _frames(clicks: Iterable[Burst]) -> npt.NDArray[np.intp]:
    return np.fromiter(chain.from_iterable(range(*click) for click in clicks), np.intp)
