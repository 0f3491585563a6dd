"""The stages of a chain as a page of the manual, from the table of kinds: keys, example, formula and its source, plot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torchfx_cli.analysis.explain import how
from torchfx_cli.chain.schema import describe_kinds
from torchfx_cli.cli.filters import inline, key_rows
from torchfx_cli.effects.beside import BESIDE

GROUPS = {
    "Filters": ("highpass", "lowpass", "bandpass", "bandstop", "peaking", "low_shelf", "high_shelf", "notch", "allpass",
                "dc_block", "tilt", "analog", "sos", "fir", "graphic_eq", "eq_curve"),
    "Level": ("gain", "invert", "normalize", "loudness"),
    "Dynamics": ("compressor", "limiter", "gate", "expander", "deesser", "multiband"),
    "Restoration": ("hum", "declick"),
    "Colour and space": ("saturate", "tremolo", "delay", "reverb", "convolve"),
    "Channels and rate": ("mono", "stereo", "downmix", "mix", "pan", "balance", "width", "swap", "mid_side", "channels",
                          "crossover", "resample"),
    "Time": ("trim", "trim_silence", "fade", "pad", "reverse"),
    "Chains in chains": ("parallel", "repeat"),
}


def grouped() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """(title, kinds as `describe_kinds` has them); a kind that no group names stands under "More"."""
    records = {record["kind"]: record for record in describe_kinds()}
    for title, kinds in GROUPS.items():
        yield title, [records.pop(kind) for kind in kinds if kind in records]
    if records:
        yield "More", list(records.values())


def markdown(plots: dict[str, str]) -> str:
    """The page; `plots` has the picture of a kind."""
    lines = ["# Stages", "", "All that may stand in a chain. `torchfx filters KIND` shows the same in the terminal.", ""]
    groups = list(grouped())
    for title, records in groups:
        names = " · ".join(f"[{record['kind']}](#{slug(record['kind'])})" for record in records)
        lines += [f"**{title}**: {names}", ""]
    lines += ["## Beside any stage", "", "They stand beside the kind, as in "
              "`- {compressor: -30 dBFS, mix: 0.4, channels: [1, 2]}`, and apply from the inside out: copies first, "
              "then `mix`, then `channels`.", "", *_table(("key", "what it does"),
                                                          [(f"`{key}`", escaped(param.doc)) for key, param in BESIDE.items()])]
    for title, records in groups:
        lines += [f"## {title}", ""]
        for record in records:
            lines += _stage(record, plots.get(record["kind"], ""))
    return "\n".join(lines)


def slug(kind: str) -> str:
    """The anchor of a kind."""
    return f"stage-{kind.replace('_', '-')}"


def _stage(record: dict[str, Any], plot: str) -> Iterator[str]:
    kind = record["kind"]
    yield from (f"({slug(kind)})=", f"### {kind}", "", escaped(record["doc"]), "", "```yaml", record["example"], "```", "")
    yield f"On the command line: `-e \"{inline(record['example'])}\"`"
    yield f"A bare value is its `{record['shorthand']}`.\n" if record["shorthand"] else ""
    rows = [(f"`{key}`", unit, escaped(allowed), escaped(default), escaped(meaning))
            for key, unit, allowed, default, meaning in key_rows(record)]
    if rows:
        yield from _table(("key", "unit", "allowed", "default", "meaning"), rows)
    if plot:
        yield from (f"![What the example of {kind} does]({plot})", "")
    for paragraph in how(kind).split("\n\n"):
        yield from (escaped(" ".join(paragraph.split())), "")


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (heads, ("---",) * len(heads), *rows)] + [""]


def escaped(text: str) -> str:
    """`text` as Markdown that shows it as it is, apart from `code`."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([\\*_<>|\[\]{}$~^#])", r"\\\1", part) for part in parts)


def draw(folder: Path) -> dict[str, str]:
    """A picture of each kind's example in `folder`: kind -> its name."""
    return {}
