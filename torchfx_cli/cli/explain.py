"""`torchfx explain`: what a chain does, stage by stage, in words and in numbers."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from torchfx_cli.cli import choices, options, show

if TYPE_CHECKING:
    from torchfx_cli.analysis.explain import Explained, StageFacts

BACKENDS = {"native": "the C kernel", "cpu": "torch on the CPU", "cuda": "torch on CUDA"}

MOST_PLACES = 12  # at -3 dB that are shown; a room passes through them hundreds of times


def explain(
    chains: Annotated[list[str] | None, typer.Argument(metavar="[CHAIN]...", hidden=True)] = None,
    effect: choices.Effect = None,
    rate: Annotated[str, typer.Option(metavar="HZ", help="Sample rate of the input.")] = "48000",
    channels: Annotated[str, typer.Option(metavar="N", help="Channels of the input.")] = "2",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON record.")] = False,
) -> None:
    """Tell what a chain does: formulas, sections, -3 dB points, noise, cost.

    \b
      torchfx explain podcast-voice --rate 44100
      torchfx explain -e "highpass:cutoff=80,order=4"

    CHAIN is a file or a preset; several are applied in a row.
    """
    from torchfx_cli.analysis.explain import explain as explained
    from torchfx_cli.cli.process_options import chain_of

    fs = options.whole_rate(rate)
    count = options.whole("--channels", channels, options.MAX_CHANNELS)
    chain = chain_of(chains or [], effect or [])
    found = explained(chain, fs, count)
    if as_json:
        show.say(json.dumps(_finite({"chain": chain.name, "fs": fs, "channels": count} | asdict(found))))
    else:
        show.say_wrapped(*_lines(found, fs, count))


def _finite(value: Any) -> Any:
    """`value` with null for numbers that JSON has not."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _lines(found: Explained, fs: int, channels: int) -> list[str]:
    lines = []
    for number, stage in enumerate(found.stages, 1):
        lines += [f"{number}. {stage.label or stage.kind}", *(f"   {line}" for line in _stage_lines(stage)), ""]
    placed = zip(found.computed, found.places, strict=False)
    lines += [f"In all, at {fs} Hz and {show.count(channels, 'channel')}:",
              *(f"  computed as {words}{'' if place == 'cuda' else ' (on the CPU with --device cuda, too)'}"
                for words, place in placed)]
    if (found.output.fs, found.output.channels) != (fs, channels):
        lines.append(f"  output of {found.output.fs:g} Hz, {show.count(found.output.channels, 'channel')}")
    lines += [f"  a steady tone comes out at {found.tone_gain_db:+.2f} dB at most, the worst input there is at "
              f"{found.worst_gain_db:+.2f} dB",
              f"  delay that is removed: {_milliseconds(found.latency_s)}; sounds on for {show.clock(found.tail_s)} "
              "(--tail)"]
    if found.passes > 1:
        lines.append(f"  the file is read {found.passes} times")
    costs = [f"{ns:.2g} ns with {BACKENDS[name]}" for name, ns in found.ns_a_sample.items() if name in BACKENDS]
    lines.append(f"  a sample of a channel takes about {', '.join(costs)}, besides reading and writing")
    return lines


def _stage_lines(stage: StageFacts) -> list[str]:
    lines = [" ".join(paragraph.split()) for paragraph in stage.how.split("\n\n") if paragraph]
    if stage.sections:
        lines.append(f"{show.count(len(stage.sections), 'section')}: b0 b1 b2, a1 a2")
        lines += [f" {b0:17.12f} {b1:17.12f} {b2:17.12f}, {a1:17.12f} {a2:17.12f}"
                  for b0, b1, b2, _, a1, a2 in stage.sections]
    if stage.taps:
        lines.append(show.count(stage.taps, "tap"))
    if stage.half_power_hz:
        more = len(stage.half_power_hz) - MOST_PLACES
        lines.append(f"-3 dB at {', '.join(f'{hz:.5g}' for hz in stage.half_power_hz[:MOST_PLACES])} Hz"
                     + (f", and in {show.count(more, 'more place')}" if more > 0 else ""))
    if stage.pole_radius is not None and stage.noise_db is not None:
        lines.append(f"outermost pole at {stage.pole_radius:.9g}, {1.0 - stage.pole_radius:.3g} inside the unit "
                     f"circle; rounding adds {stage.noise_db:.0f} dBFS at most")
    if stage.latency_s:
        lines.append(f"its delay of {_milliseconds(stage.latency_s)} is removed")
    if stage.waits:
        lines.append("needs the whole file before anything comes out")
    return [*lines, *stage.remarks, f"written in {stage.origin}"]


def _milliseconds(seconds: float) -> str:
    return f"{1000.0 * seconds:.1f} ms" if seconds else "none"
