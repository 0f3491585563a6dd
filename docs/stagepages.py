"""The stages as a page of the manual, from the table of kinds: keys, example, formula and its source, plot."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

import torchfx_cli
from torchfx_cli.analysis.explain import how
from torchfx_cli.chain.parse import load_chain
from torchfx_cli.chain.schema import describe_kinds
from torchfx_cli.chain.spec import ChainSpec
from torchfx_cli.cli.filters import inline, key_rows
from torchfx_cli.effects.beside import BESIDE
from torchfx_cli.effects.table import KINDS

FS = 48_000
# The colours of the program's own plots on the two pages of the manual.
LIGHT = {"#ffffff": "none"}
DARK = {"#ffffff": "none", "#222222": "#d0d0d0", "#ececec": "#2c2c2e", "#c4c4c4": "#5a5a5e", "#1f5fbf": "#6ba3f5",
        "#8a8a8a": "#9a9a9a", "#666666": "#a0a0a0", "#b3366b": "#e0709f", "#7a4fbf": "#ab88e6"}

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
    lines = ["# Stages", "", "All that may stand in a chain. `torchfx filters KIND` says the same in the terminal, "
             "`torchfx plot -e` draws it.", ""]
    groups = list(grouped())
    for title, records in groups:
        names = " · ".join(f"[{record['kind']}](#{slug(record['kind'])})" for record in records)
        lines += [f"**{title}**: {names}", ""]
    beside = [(f"`{key}`", escaped(param.doc)) for key, param in BESIDE.items()]
    lines += ["## Beside any stage", "", "They stand beside the kind, as in "
              "`- {compressor: -30 dBFS, mix: 0.4, channels: [1, 2]}`, and apply from the inside out: copies first, "
              "then `mix`, then `channels`.", "", *_table(("key", "what it does"), beside)]
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
    yield from (f"({slug(kind)})=", f"### {kind}", "", escaped(record["doc"]), "")
    yield from ("```yaml", record["example"], "```", "")
    yield f"On the command line: `-e \"{inline(record['example'])}\"`."
    yield f"A bare value is its `{record['shorthand']}`.\n" if record["shorthand"] else ""
    rows = [(f"`{key}`", unit, escaped(allowed), escaped(default), escaped(meaning))
            for key, unit, allowed, default, meaning in key_rows(record)]
    if rows:
        yield from _table(("key", "unit", "allowed", "default", "meaning"), rows)
    if plot:
        for page, suffix in (("light", ""), ("dark", "-dark")):
            yield from (f"```{{figure}} {plot}{suffix}.svg", f":alt: what the example of {kind} does",
                        f":figclass: drawing only-{page}", "```", "")
    for paragraph in how(kind).split("\n\n"):
        yield from (escaped(" ".join(paragraph.split())), "")


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (heads, ("---",) * len(heads), *rows)] + [""]


def escaped(text: str) -> str:
    """`text` as Markdown that shows it as it is, apart from `code`."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([\\*_<>|\[\]{}$~^#])", r"\\\1", part) for part in parts)


def draw(folder: Path, kinds: Collection[str] = KINDS) -> dict[str, str]:
    """A picture of the example of each of `kinds` in `folder`, one for light pages and one for dark: kind -> its name.

    None of a kind that only minds the sound at hand, as `hum`: there is nothing to draw. A picture that is newer than
    the program is kept.
    """
    from torchfx_cli.analysis.drawing import MAKER, figure_of
    from torchfx_cli.analysis.panels import panels_of
    from torchfx_cli.analysis.picture import encoded
    from torchfx_cli.analysis.response import view

    folder.mkdir(parents=True, exist_ok=True)
    newest = max(source.stat().st_mtime for source in Path(torchfx_cli.__file__).parent.rglob("*.py"))
    for kind, chain in _examples(folder, kinds):
        light = folder / f"{kind}.svg"
        if light.exists() and light.stat().st_mtime > newest:
            continue
        panels = panels_of([view(chain, kind, FS, 2)])
        drawn = encoded(figure_of(panels, [kind]), light.name, MAKER).decode() if panels else ""
        for name, colours in ((f"{kind}-dark.svg", DARK), (light.name, LIGHT)):
            (folder / name).write_text(_coloured(drawn, colours), encoding="utf-8")
    return {kind: f"plots/{kind}" for kind in kinds if (folder / f"{kind}.svg").stat().st_size}


def _examples(folder: Path, kinds: Collection[str]) -> Iterator[tuple[str, ChainSpec]]:
    """Each kind's example as a chain; the room that `convolve` names is noise that dies away."""
    time_s = np.arange(round(0.2 * FS)) / FS
    room = np.random.default_rng(1).standard_normal((len(time_s), 2)) * np.exp(-time_s / 0.03)[:, None]
    soundfile.write(folder / "hall.wav", 0.05 * room, FS, "PCM_24")
    for kind in kinds:
        example = folder / "example.yaml"
        example.write_text(f"chain:\n{textwrap.indent(KINDS[kind].example, '  ')}\n", encoding="utf-8")
        yield kind, load_chain(str(example))


def _coloured(svg: str, colours: dict[str, str]) -> str:
    return re.sub("|".join(colours), lambda found: colours[found[0]], svg)
