"""What a chain does to a signal, in numbers: its frequency and impulse response, and what each stage has to show.

The response is that of all stages which have one, in a row; those which are not linear but are at rest, such as a
multiband compressor for a soft sound, count with that. A stage that only minds levels or time stands by itself, with
its own picture, and is named in `left_out`. All is NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from torchfx_cli.analysis import measure
from torchfx_cli.analysis.curve import Array, Curve, bends_hz, flat, of_linear
from torchfx_cli.analysis.measure import SILENT_DB, Impulse, Levels, Path
from torchfx_cli.chain.spec import ChainSpec, design_chain
from torchfx_cli.design.stage import Picture, Stage, output_of
from torchfx_cli.design.stages import linear
from torchfx_cli.samples import Signal, hertz

LOWEST_HZ = 10.0
LOG_POINTS, EVEN_POINTS = 600, 400
A_RIPPLE = 4  # points in the narrowest ripple that a long impulse response may have
NEAREST = 0.002  # of a frequency: nearer to each other they are one place in a picture
GOLDEN = 0.618034
SAME = 1e-9  # of the highest value: what differs less is drawn as one line
SAME_DB = 0.05
NAMED_WAYS = 3
MOST_WAYS = 32  # between channels that are unlike each other; of more only those from the first channel are shown

Paths = dict[Path, Curve]
Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(frozen=True, eq=False)
class Line:
    """A frequency response. `name` says which channels it is for, "" where each has this one."""

    name: str
    curve: Curve


@dataclass(frozen=True, eq=False)
class Trace:
    """`y` over `x`, both [N]; `name` says for which tone and channel, "" for all."""

    name: str
    x: Array
    y: Array


@dataclass(frozen=True, eq=False)
class StageView:
    """What there is to see of a stage.

    lines      its frequency response, of the chain's frequencies; () for none.
    levels     level in dBFS of a tone behind it, over that in front of it.
    envelope   gain over the time in s.
    heard_s    of what rings for longer, as much as is drawn; None where that is all.
    """

    label: str
    pictures: tuple[Picture, ...]
    source: Signal
    target: Signal
    lines: tuple[Line, ...] = ()
    levels: tuple[Trace, ...] = ()
    envelope: tuple[Trace, ...] = ()
    heard_s: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to see of it without a sound."""
        return not self.pictures


@dataclass(frozen=True, eq=False)
class ChainView:
    """What there is to see of a chain for the signal `source`.

    lines     the frequency response of all stages that have one, at `frequencies_hz` [F].
    impulses  what comes out of these for an impulse at the time 0: the value over the time in s.
    left_out  the labels of the others, which are not in `lines` and `impulses`.
    ways_left_out  how many ways from channel to channel are not, see MOST_WAYS; nor are they in lines of stages.
    """

    name: str
    source: Signal
    target: Signal
    frequencies_hz: Array
    lines: tuple[Line, ...]
    impulses: tuple[Trace, ...]
    stages: tuple[StageView, ...]
    left_out: tuple[str, ...]
    ways_left_out: int = 0


def view(chain: ChainSpec, name: str, fs: float, channels: int) -> ChainView:
    """Of `chain`, called `name`. Raises DesignError where it cannot exist for such a signal."""
    source = Signal(fs, channels)
    stages = design_chain(chain, fs, channels)
    placed = list(_placed(stages, source))
    frequencies_hz = grid_hz(placed, source)
    every = _measured([stage for stage in stages if "response" in stage.pictures], source)
    shown = channels if len({impulse.key for impulse in every.values()}) <= MOST_WAYS else 1
    impulses = {path: impulse for path, impulse in every.items() if path[1] < shown}
    total = {(channel, channel): flat(frequencies_hz) for channel in range(shown)}
    views = []
    for stage, heard in placed:
        going_in = sorted({place for place, _ in total}) if shown < channels else range(heard.channels)
        paths = _paths(stage, heard, frequencies_hz, going_in)
        total = total if paths is None else _product(total, paths)
        views.append(_view(stage, heard, paths))
    return ChainView(name, source, output_of(stages, source), frequencies_hz, _lines(total, channels),
                     _impulses(impulses, channels), tuple(views),
                     tuple(stage.label for stage in stages if "response" not in stage.pictures),
                     len(every) - len(impulses))


def grid_hz(placed: Sequence[tuple[Stage, Signal]], source: Signal) -> Array:
    """Frequencies up to half of the highest rate on the way: some for each octave, some evenly, and all bends.

    Of echoes, rooms and FIRs so many that their ripples are drawn and not others in their place.
    """
    responding = [(stage, heard) for stage, heard in placed if "response" in stage.pictures]
    highest = source.fs / 2.0
    for stage, heard in responding:
        end = stage.output(heard).fs
        if end != heard.fs:
            known = measure.highest_hz(stage, heard)
            highest = max(highest, known) if known >= max(end, heard.fs) / 2.0 else known
    lowest = min(LOWEST_HZ, highest / 1000.0)
    bends = [bends_hz(linear([part]), heard.fs) for stage, heard in responding for part in _linear_parts(stage)]
    longest_s = max((_rippling_s(stage, heard) for stage, heard in responding), default=0.0)
    is_rippled = longest_s * highest > EVEN_POINTS / A_RIPPLE
    rippled = _rippled_hz(lowest, highest, longest_s) if is_rippled else np.empty(0)
    found = np.concatenate([np.geomspace(lowest, highest, LOG_POINTS), np.linspace(lowest, highest, EVEN_POINTS),
                            rippled, *bends])
    found[LOG_POINTS - 1] = highest
    made: Array = np.unique(found[(found >= lowest) & (found <= highest)])
    return made


def _rippled_hz(lowest_hz: float, highest_hz: float, length_s: float) -> Array:
    """So near to each other as the ripples need which an impulse response of `length_s` may have; above, where that is
    nearer than a picture shows, unevenly, as even ones would draw slower ripples that are not there."""
    step_hz = 1.0 / (A_RIPPLE * length_s)
    turn_hz = min(max(step_hz / NEAREST, lowest_hz), highest_hz)
    count = np.arange(np.log(highest_hz / turn_hz) / NEAREST)
    above = turn_hz * np.exp(NEAREST * (count + count * GOLDEN % 1.0))
    return np.concatenate([np.arange(lowest_hz, turn_hz, step_hz), above])


def _rippling_s(stage: Stage, source: Signal) -> float:
    """How long its impulse response is, where that is no sum of few decays, whose bends are known."""
    if stage.is_linear:
        return sum(part.span_frames() for part in linear([stage])) / source.fs
    return stage.tail_frames(source) / source.fs


def _linear_parts(stage: Stage) -> Iterator[Stage]:
    if stage.is_linear:
        yield stage
    for inner in stage.inner:
        yield from _linear_parts(inner)


def _placed(stages: Iterable[Stage], source: Signal) -> Iterator[tuple[Stage, Signal]]:
    for stage in stages:
        yield stage, source
        source = stage.output(source)


def _paths(stage: Stage, source: Signal, frequencies_hz: Array, going_in: Sequence[int]) -> Paths | None:
    """The response of a stage from each of these channels to any; None where it has none."""
    if "response" not in stage.pictures:
        return None
    if stage.is_linear:
        curve = of_linear(linear([stage]), frequencies_hz, source.fs)
        return {(channel, channel): curve for channel in going_in}
    curves: dict[object, Curve] = {}  # channels that are treated alike share one
    made: Paths = {}
    for path, impulse in measure.impulses([stage], source, going_in=going_in).items():
        key = impulse.key
        if key not in curves:
            curves[key] = impulse.curve(frequencies_hz)
        made[path] = curves[key]
    return made


def _product(first: Paths, then: Paths) -> Paths:
    """The response from channel to channel of two stages in a row."""
    made: Paths = {}
    for (place, middle), behind in then.items():
        for (reached, heard), before in first.items():
            if reached == middle:
                curve = before.then(behind)
                made[place, heard] = made[place, heard].plus(curve) if (place, heard) in made else curve
    return made


def _lines(paths: Paths, channels: int) -> tuple[Line, ...]:
    """Ways whose responses are the same in one line."""
    def is_same(one: Curve, other: Curve) -> bool:
        return one is other or np.allclose(one.h, other.h, rtol=0.0, atol=SAME * np.abs(one.h).max(initial=0.0))

    sizes = {path: float(np.abs(curve.h).max(initial=0.0)) for path, curve in paths.items()}
    heard = [(path, paths[path]) for path in sorted(paths) if sizes[path] > SAME * max(sizes.values())]
    groups = _grouped(heard, is_same)
    return tuple(Line(_ways(ways, groups, channels), curve) for curve, ways in groups)


def _measured(stages: Sequence[Stage], source: Signal) -> dict[Path, Impulse]:
    """What comes out of the chain for an impulse; linear stages treat all channels alike, and hear one."""
    if all(stage.is_linear for stage in stages):
        found = measure.impulses(stages, Signal(source.fs, 1), interleaved=False)
        return {(channel, channel): impulse for impulse in found.values() for channel in range(source.channels)}
    return measure.impulses(stages, source, interleaved=False)


def _impulses(found: dict[Path, Impulse], channels: int) -> tuple[Trace, ...]:
    alike: dict[object, list[Path]] = {}
    for path in sorted(found):
        alike.setdefault(found[path].key, []).append(path)
    groups = [(found[ways[0]], ways) for ways in alike.values()]
    return tuple(Trace(_ways(ways, groups, channels), impulse.times_s, impulse.values) for impulse, ways in groups)


def _levels(stage: Stage, source: Signal) -> tuple[Trace, ...]:
    def is_same(one: Levels, other: Levels) -> bool:
        return bool(np.allclose(np.maximum(one.out_db, SILENT_DB), np.maximum(other.out_db, SILENT_DB), 0.0, SAME_DB))

    groups = _grouped([((one.tone_hz, one.channel), one) for one in measure.levels(stage, source)], is_same)
    return tuple(Trace(_tones(keys, groups), found.in_db, found.out_db) for found, keys in groups)


def _envelope(stage: Stage, source: Signal) -> tuple[Trace, ...]:
    times_s, gains = measure.envelope(stage, source)
    groups = _grouped(list(enumerate(gains.T)), np.array_equal)
    return tuple(Trace(_channels(channels) if len(groups) > 1 else "", times_s, gain) for gain, channels in groups)


def _grouped(items: Iterable[tuple[Key, Value]], is_same: Callable[[Value, Value], bool]
             ) -> list[tuple[Value, list[Key]]]:
    """The first of all that are the same, with the keys of all of them."""
    groups: list[tuple[Value, list[Key]]] = []
    for key, value in items:
        keys = next((keys for first, keys in groups if is_same(first, value)), None)
        if keys is None:
            groups.append((value, [key]))
        else:
            keys.append(key)
    return groups


def _ways(ways: Sequence[Path], groups: Sequence[tuple[object, list[Path]]], channels: int) -> str:
    """Such as "1 to 1, 2 to 2"; "" where each channel goes only to itself, and all are treated alike."""
    if len(groups) == 1 and ways == [(channel, channel) for channel in range(channels)]:
        return ""
    named = ", ".join(f"{heard + 1} to {place + 1}" for place, heard in ways[:NAMED_WAYS])
    return named if len(ways) <= NAMED_WAYS else f"{named} and {len(ways) - NAMED_WAYS} more"


def _tones(keys: Sequence[tuple[float, int]], groups: Sequence[tuple[object, list[tuple[float, int]]]]) -> str:
    """Such as "100 Hz, 1 kHz, channel 2", without what makes no difference."""
    every = [key for _, others in groups for key in others]
    tones, channels = (list(dict.fromkeys(part)) for part in zip(*keys, strict=True))
    all_tones, all_channels = (set(part) for part in zip(*every, strict=True))
    words = [", ".join(map(hertz, tones))] * (len(tones) < len(all_tones))
    return ", ".join(words + [_channels([int(one) for one in channels])] * (len(channels) < len(all_channels)))


def _channels(channels: Sequence[int]) -> str:
    return f"channel{'s' * (len(channels) > 1)} {', '.join(str(channel + 1) for channel in channels)}"


def _view(stage: Stage, source: Signal, paths: Paths | None) -> StageView:
    return StageView(
        stage.label or stage.describe(), stage.pictures, source, stage.output(source),
        () if paths is None else _lines(paths, source.channels),
        _levels(stage, source) if "levels" in stage.pictures else (),
        _envelope(stage, source) if "envelope" in stage.pictures else (),
        None if paths is None or stage.is_linear else measure.heard_s([stage], source))
