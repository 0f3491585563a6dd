"""Keys that stand beside any stage: bypass, channels, mix and repeat; what they make of it.

Whatever their order in the file, they apply from the inside out: `repeat` puts copies in series, `mix` adds the sound
as it came to all of them together, `channels` names where that happens, `bypass` leaves all of it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Any

from torchfx_cli.design.stage import Stage, output_of
from torchfx_cli.design.stages import Gain
from torchfx_cli.effects.channels import MAX_CHANNELS
from torchfx_cli.effects.kind import Origin, Param, StageSpec
from torchfx_cli.effects.layout import OF_BITS, layout_of
from torchfx_cli.effects.onchannels import OnChannels
from torchfx_cli.effects.parallel import added, cuts_by_sound, designed, lengths_of
from torchfx_cli.errors import DesignError
from torchfx_cli.records import dataclass
from torchfx_cli.samples import Signal, hertz

SIDES = {"left": "FL", "right": "FR"}
MAX_STAGES = 10_000
BESIDE = {
    "bypass": Param("true: the stage is read and checked, and left out", form="bool"),
    "channels": Param("where it works, like 1, [1, 3] or left; the other channels pass",
                      form="channels", low=1, high=MAX_CHANNELS, choices=tuple(SIDES)),
    "mix": Param("share of its sound, like 0.3 or 30 %; the rest is the sound as it came",
                 form="share", low=0.0, high=1.0),
    "repeat": Param("how many of it stand in series", form="integer", low=1, high=MAX_STAGES),
}


def applied(stages: tuple[StageSpec, ...], keys: dict[str, Any], kind: str, origin: Origin) -> tuple[StageSpec, ...]:
    """`stages`, with the values of `BESIDE` in `keys`; see the module."""
    if keys.get("bypass"):
        return (BypassedSpec(kind=f"{kind}, bypassed", origin=origin, stages=stages),)
    stages *= keys.get("repeat", 1)
    mix, channels = keys.get("mix", 1.0), keys.get("channels", ())
    if mix == 1.0 and not channels:
        return stages
    return (PartSpec(kind=f"{kind}, in part", origin=origin, stages=stages, channels=channels, mix=mix),)


@dataclass(frozen=True, kw_only=True)
class BypassedSpec(StageSpec):
    """Stages that are left out."""

    is_filter = False
    is_bypassed = True

    stages: tuple[StageSpec, ...] = field(repr=False)

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        return Nothing(1.0, remarks=(f"{self.origin} is bypassed",))


@dataclass(frozen=True)
class Nothing(Gain):
    """A gain of 1, with a word to the user."""

    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PartSpec(StageSpec):
    """Stages in a row on `channels` (none: on all), whose output is `mix` of their sound and the rest as it came."""

    is_filter = False

    stages: tuple[StageSpec, ...] = field(repr=False)
    channels: tuple[int | str, ...] = ()
    mix: float = 1.0

    @property
    def chains(self) -> tuple[tuple[StageSpec, ...], ...]:
        """See `StageSpec`."""
        return (self.stages,)

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        places = self._places(source)
        heard = Signal(source.fs, len(places), _mask_of(places, source))
        stages = designed(self.stages, heard)
        if self.channels or self.mix != 1.0:
            self._check(stages, heard)
        if self.mix != 1.0:
            stages = (added(((*stages, Gain(self.mix, f"mix {self.mix:g}")), (Gain(1.0 - self.mix, "dry"),)), heard),)
        if len(places) == source.channels and list(places) == sorted(places):
            return stages[0] if len(stages) == 1 else added((stages,), source)
        return OnChannels((stages,), (places,), source)

    def _places(self, source: Signal) -> tuple[int, ...]:
        """The indices of `channels` in `source`, all of them where none is named."""
        if not self.channels:
            return tuple(range(source.channels))
        speakers, _ = layout_of(source, "")
        have = f"the signal has {source.channels} channel{'s' * (source.channels != 1)} here"
        places: list[int] = []
        for channel in self.channels:
            if isinstance(channel, int):
                at = channel - 1
            else:
                at = speakers.index(SIDES[channel]) if SIDES[channel] in speakers else source.channels
            if at >= source.channels:
                raise DesignError(f"{self.origin}: channels: there is no channel {channel}; {have}")
            if at in places:
                raise DesignError(f"{self.origin}: channels: {channel} is channel {at + 1}, which is named already")
            places.append(at)
        return tuple(places)

    def _check(self, stages: Sequence[Stage], source: Signal) -> None:
        """Raise DesignError where what comes out does not fit to the sound as it came."""
        key, rest = ("channels", "the other channels") if self.channels else ("mix", "the sound as it came")
        end, lengths = output_of(stages, source), lengths_of(stages, source)
        wanted, cuts = lengths_of((), source), cuts_by_sound(stages)
        length = next((f"{made} frames of {frames}" for frames, made in zip(wanted, lengths, strict=True)
                       if made != frames), f"as many frames as {cuts} leaves" if cuts else "")
        for what, before, behind in (("sample rate", hertz(source.fs), hertz(end.fs)),
                                     ("number of channels", source.channels, end.channels),
                                     ("length", "", length)):
            if before != behind:
                change = f"{behind} of {before}" if before else behind
                raise DesignError(f"{self.origin}: {key} cannot stand beside a stage that changes the {what}; "
                                  f"this one makes {change}, which would no longer fit to {rest}")


def _mask_of(places: Sequence[int], source: Signal) -> int:
    """The speakers of some channels, where all are told and they come in their order."""
    bits = [bit for bit in range(len(OF_BITS)) if source.mask >> bit & 1]
    if len(bits) != source.channels or list(places) != sorted(places):
        return 0
    return sum(1 << bits[place] for place in places)
