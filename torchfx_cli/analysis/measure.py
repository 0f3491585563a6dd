"""What a stage does, found by letting its own processor hear a test signal: no kind needs to say its formula here.

response  an impulse for each channel that goes in, -240 dB so that nothing that minds levels wakes up. Where the rate
          changes from M f to L f, M impulses a sample apart: their responses interleaved are that of the interpolation
          filter at L M f, which shows what lies beyond half of either rate (Crochiere and Rabiner, "Multirate Digital
          Signal Processing", 1983, 2.3).
levels    tones that grow louder in steps, each held until the level behind the stage stays.
envelope  a constant.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import numpy as np

from torchfx_cli.analysis.curve import Array, Curve, of_impulse
from torchfx_cli.design.stage import Stage, output_of
from torchfx_cli.design.stages import ringing_s
from torchfx_cli.plan.assemble import assemble
from torchfx_cli.render.native import NativeEngine
from torchfx_cli.samples import FLOAT64, Signal, block_frames

# (channel that comes out, channel that goes in), both from 0.
Path = tuple[int, int]

QUIET = 2.0**-40  # a power of two, so that dividing by it loses nothing
MARGIN_FRAMES = 1024  # heard beside the tail, before the impulse and behind it, of the lower rate
MAX_SAMPLES = 1 << 20  # in all channels, before an impulse and behind it
NOTHING = 1e-13  # of the highest sample of a response
MAX_INTERLEAVED_SAMPLES = 1 << 22  # the same of all interleaved impulses together
MOST_POINTS = 4000  # of an envelope
TONES_HZ = (100.0, 1000.0, 8000.0)
LEVELS_DB = (*range(-80, -12, 2), *range(-12, 1))  # denser where limiters begin
SILENT_DB = -200.0
ALIKE_DB = 1.0  # as far as tones of different frequencies may differ where a stage does not mind their frequency
HELD_S, MAX_HELD_S = 0.02, 3.0
SETTLED_DB = 0.002  # from one `HELD_S` to the next


def heard_s(stages: Sequence[Stage], source: Signal) -> float | None:
    """How much of a response is measured, in s; None where it ends before."""
    most_s = MAX_SAMPLES // max(source.channels, output_of(stages, source).channels) / source.fs
    return most_s if ringing_s(stages, source) > most_s else None


@dataclass(frozen=True, eq=False)
class Impulse:
    """What comes out for an impulse at the time 0: `values` [N], from `first_s` on in steps of `step_s`."""

    values: Array
    first_s: float
    step_s: float
    gain: float  # of its sum on the way to a frequency response

    @property
    def key(self) -> tuple[float, bytes]:
        """Equal for equal ones; 0 and -0 are."""
        return self.first_s, (self.values + 0.0).tobytes()

    def curve(self, frequencies_hz: Array) -> Curve:
        """Its frequency response."""
        return of_impulse(self.values * self.gain, (self.first_s, self.step_s), frequencies_hz)

    @property
    def times_s(self) -> Array:
        return self.first_s + self.step_s * np.arange(len(self.values), dtype=np.float64)


def played(stages: Sequence[Stage], source: Signal, sound: Iterable[Array]) -> Array:
    """All that comes out of `stages`, [frames, channels]."""
    engine = _engine(stages, source)
    made = [engine.process(block) for block in sound]
    return np.concatenate([*made, *engine.flush()])


def _engine(stages: Sequence[Stage], source: Signal) -> NativeEngine:
    return NativeEngine(assemble(stages, source.fs, source.channels, FLOAT64, FLOAT64))  # type: ignore[arg-type]


def impulses(stages: Sequence[Stage], source: Signal, interleaved: bool = True,
             going_in: Iterable[int] | None = None) -> dict[Path, Impulse]:
    """The impulse responses of `stages` in a row, for each way from channel to channel on which something comes; of
    ways from the channels `going_in` only, where these are given."""
    target = output_of(stages, source)
    slot = _Slot.of(stages, source, interleaved)
    rate = float(target.fs) * slot.phases
    found: dict[Path, Impulse] = {}
    for heard in range(source.channels) if going_in is None else going_in:
        sound = (slot.sound(phase, heard, source.channels) for phase in range(slot.phases))
        made = played(stages, source, sound) / QUIET
        for place in range(target.channels):
            first, values = _trimmed(slot.woven(made[:, place]))
            if len(values):
                found[place, heard] = Impulse(values, (first - slot.origin) / rate, 1.0 / rate, source.fs / rate)
    return found


def highest_hz(stage: Stage, source: Signal) -> float:
    """Up to which frequency the response of a stage can be measured: half of the higher rate where impulses can be
    interleaved, and of the lower one where two rates have too little in common."""
    rates = source.fs, stage.output(source).fs
    slot = _Slot.of([stage], source, True)
    return float(max(rates) if slot.phases == slot.ratio.denominator else min(rates)) / 2.0


@dataclass(frozen=True)
class _Slot:
    """The part of a test signal that belongs to one impulse, which comes `before` frames and its phase behind its
    beginning. It is twice as long, and a whole number of frames at both rates."""

    ratio: Fraction
    phases: int
    before: int

    @classmethod
    def of(cls, stages: Sequence[Stage], source: Signal, interleaved: bool) -> _Slot:
        """For `stages` to ring in; with one impulse only, where more would take too long."""
        target = output_of(stages, source)
        ratio = Fraction(float(target.fs)) / Fraction(float(source.fs))
        channels = max(source.channels, target.channels)
        margin = MARGIN_FRAMES * ceil(max(1.0, source.fs / target.fs))
        before = min(ceil(ringing_s(stages, source) * source.fs), MAX_SAMPLES // channels) + margin
        phases = ratio.denominator
        if not interleaved or phases * before * channels > MAX_INTERLEAVED_SAMPLES:
            phases = 1
        return cls(ratio, phases, ceil(before / phases) * phases)

    @property
    def origin(self) -> float:
        """Where the impulse lies in what is woven, in its steps."""
        return float(self.before * self.ratio * self.phases)

    def sound(self, phase: int, channel: int, channels: int) -> Array:
        block = np.zeros((2 * self.before, channels))
        block[self.before + phase, channel] = QUIET
        return block

    def woven(self, made: Array) -> Array:
        """The responses to all phases in one, at `phases` times the rate: that of phase k begins k frames earlier."""
        rows = np.zeros((self.phases, int(2 * self.before * self.ratio)))
        rows.ravel()[: len(made)] = made[: rows.size]
        if self.phases == 1:
            return rows[0]
        many = self.ratio.numerator
        woven = np.zeros(rows.size)
        for phase, row in enumerate(rows):
            at = np.arange(len(row)) * self.phases - phase * many
            woven[at[at >= 0]] = row[at >= 0]
        return woven


def _trimmed(values: Array) -> tuple[int, Array]:
    """Without what is nothing at both ends, and where the rest begins."""
    heard = np.flatnonzero(np.abs(values) > NOTHING * np.abs(values).max(initial=0.0))
    return (int(heard[0]), values[heard[0] : heard[-1] + 1]) if len(heard) else (0, values[:0])


@dataclass(frozen=True, eq=False)
class Levels:
    """The level `out_db` [L] behind a stage of a tone of `tone_hz` with the level `in_db` [L], on `channel` from 0.

    A tone of 0 Hz is a constant. The level in front is that of the highest sample, in dBFS; that behind it has changed
    as the power has, -inf for silence.
    """

    tone_hz: float
    channel: int
    in_db: Array
    out_db: Array

    @property
    def gain_db(self) -> Array:
        return np.maximum(self.out_db, SILENT_DB) - self.in_db


def levels(stage: Stage, source: Signal) -> list[Levels]:
    """Of tones that lie below half of both rates, on each channel that comes out.

    Of a constant alone, where tones do not differ among themselves: it shows the curve itself, where a tone's swing
    through zero lets a gain recover a little. Not where it does less than they, as behind a high-pass.
    """
    highest_hz = 0.45 * min(source.fs, stage.output(source).fs)
    tones = [_stepped(stage, source, tone) for tone in TONES_HZ if tone < highest_hz]
    constant = _stepped(stage, source, 0.0)
    changes = np.array([[np.abs(one.gain_db - one.gain_db[0]) for one in tone] for tone in (constant, *tones)])
    is_alike = np.all(np.ptp(changes[1:], axis=0) < ALIKE_DB) if tones else True
    if is_alike and np.all(changes[0] >= 0.75 * changes.max(axis=0) - ALIKE_DB):
        return constant
    return [one for tone in tones for one in tone]


def _stepped(stage: Stage, source: Signal, tone_hz: float) -> list[Levels]:
    """The highest samples of the tone lie at its peaks: its period is an even number of frames."""
    engine = _engine([stage], source)
    period = 2 * max(1, round(source.fs / tone_hz / 2.0)) if tone_hz else 1
    tone = np.cos(2.0 * np.pi * np.arange(period * ceil(HELD_S * source.fs / period)) / period)
    block = np.repeat(tone[:, None], source.channels, axis=1)
    made = [level_db + _settled_db(engine, 10.0 ** (level_db / 20.0) * block) for level_db in LEVELS_DB]
    return [Levels(tone_hz, channel, np.array(LEVELS_DB, np.float64), out)
            for channel, out in enumerate(np.array(made).T)]


def _settled_db(engine: NativeEngine, block: Array) -> Array:
    """By how much the power of each channel changes, once it stays, while `block` comes again and again."""
    ratio = engine.plan.output.fs / engine.plan.fs
    wanted, power = round(len(block) * ratio), float(np.vdot(block, block) / block.size)
    held = (engine.frames_in - engine.frames_out / ratio) / len(block)  # of the level before this one
    count = 2 + ceil(held)
    heard = np.zeros((2 * wanted, engine.plan.output.channels))  # silent as long as nothing comes out
    blocks = np.tile(block, (count, 1))
    for _ in range(ceil(MAX_HELD_S / HELD_S)):
        heard = np.concatenate([heard, engine.process(blocks)])[-2 * wanted :]
        halves = heard.reshape(2, wanted, -1)
        with np.errstate(divide="ignore"):
            last, found = 10.0 * np.log10(np.einsum("hfc,hfc->hc", halves, halves) / (wanted * power))
        if all(one == other or abs(one - other) < SETTLED_DB for one, other in zip(last, found, strict=True)):
            break
        blocks = block
    return np.asarray(found)


def envelope(stage: Stage, source: Signal) -> tuple[Array, Array]:
    """The times in s [N], and the gain [N, channels] that a constant meets at each."""
    frames, step = stage.envelope_frames(source), block_frames(source.channels)
    sound = (np.ones((min(step, frames - at), source.channels)) for at in range(0, frames, step))
    made = played([stage], source, sound)
    shown = np.unique(np.linspace(0, max(0, len(made) - 1), min(len(made), MOST_POINTS)).astype(int))
    return shown / stage.output(source).fs, made[shown]
