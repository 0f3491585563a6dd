"""The silence behind a sound in which what rings is heard to its end.

It comes in front of the stages that ring, and behind those in front of them that mind where the sound ends: what is cut
off or faded out is the sound's end, and not the end of a tail that stands for nothing yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from torchfx_cli.design.silence import Padding
from torchfx_cli.design.stage import Processor, Stage, output_of
from torchfx_cli.design.stages import ringing_s
from torchfx_cli.records import dataclass
from torchfx_cli.samples import Signal

MAX_TAIL_S = 60.0


@dataclass(frozen=True)
class Tail(Stage):
    """Adds `frames` of silence to a sound that is not empty."""

    frames: int
    label: str
    cost_ns: ClassVar[float] = 0.5  # type: ignore[misc]

    def frames_out(self, frames: int, source: Signal) -> int:
        """See `Stage`."""
        return frames + self.frames if frames else 0

    def open(self, source: Signal) -> Processor:
        """See `Stage`."""
        return Padding(0, self.frames, source.channels)


def with_tail(stages: Sequence[Stage], source: Signal, tail_s: float | Literal["auto"]
              ) -> tuple[int, tuple[Stage, ...], tuple[str, ...]]:
    """The frames of silence in front of all of `stages`, these with the `Tail`s between them, and what to warn of.

    "auto": what the stages up to each that minds the end, and those behind the last, need to fall below -120 dB, at
    most a minute each. A time: all of it in front of the last of these parts that rings.
    """
    parts = _parts(stages)
    signals = [source]
    for part in parts:
        signals.append(output_of(part, signals[-1]))
    rings_s = [ringing_s(part, signal) for part, signal in zip(parts, signals, strict=False)]
    silence_s = [min(s, MAX_TAIL_S) for s in rings_s]
    warned = [f"--tail auto: what rings takes {s:.0f} s to fall to -120 dB; its tail ends after {MAX_TAIL_S:.0f} s"
              for s in rings_s if s > MAX_TAIL_S and tail_s == "auto"]
    if tail_s != "auto":
        last = max((n for n, ringing in enumerate(silence_s) if ringing), default=0)
        silence_s = [tail_s * (n == last) for n in range(len(parts))]
    frames = [round(s * signal.fs) for s, signal in zip(silence_s, signals, strict=False)]
    placed: list[Stage] = list(parts[0])
    for count, s, part in zip(frames[1:], silence_s[1:], parts[1:], strict=True):
        placed += [Tail(count, f"tail of {s:.3f} s")] if count else []
        placed += part
    return frames[0], tuple(placed), tuple(warned)


def _parts(stages: Sequence[Stage]) -> list[tuple[Stage, ...]]:
    """Each but the last ends with a stage that minds the end."""
    ends = [n + 1 for n, stage in enumerate(stages) if stage.minds_end]
    return [tuple(stages[first:end]) for first, end in zip([0, *ends], [*ends, len(stages)], strict=True)]
