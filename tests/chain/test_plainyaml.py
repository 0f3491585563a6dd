"""What is read without PyYAML is read as PyYAML reads it; what is not plain is left to it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from torchfx_cli.chain.anyyaml import read_any
from torchfx_cli.chain.document import Mistake, Node
from torchfx_cli.chain.plainyaml import read_plain

PRESETS = sorted((Path(__file__).parents[2] / "presets").glob("*.yaml"))
# What lines are put together of; much of it is no chain, and some no YAML.
WORDS = ("chain", "highpass", "80 Hz", "-3 dB", "-.5", "0.7", "null", "~", "3.2 kHz", "1/3 octave", "a,b", "x  y", "-",
         "- ", "--- ", "...", "'q'", '"q"', "3:1", "a: b", "# no", "a#b", "&a", "*a", "!t", "|", ">", "%", "@", "?", "",
         "é", "()")
PARTS = (*WORDS, "chain:", "gain: ", "peaking:", "- ", "  ", "    ", "{", "}", "[", "]", ", ", ",", ": ", ":", " # c",
         "#", " ", "{frequency: 200, gain: -3, q: 1.2}", "[1, 2.5, a b]", "{a: [1, {b: c}], d: e,}", "\n", "\n", "\n  ",
         "\n  - ", "\n    ", "\n      - ")


def by_pyyaml(text: str) -> Node | str | None:
    try:
        return read_any(text)
    except Mistake as error:
        return str(error)


def test_text_at_random_is_read_as_pyyaml_reads_it() -> None:
    chance, plain = random.Random(17), 0
    for _ in range(12_000):
        text = "".join(chance.choices(PARTS, k=chance.randrange(1, 9)))
        found = read_plain(text)
        plain += found is not None
        assert found is None or found == by_pyyaml(text), text
    assert plain > 200


def test_trees_at_random_are_plain_and_read_as_pyyaml_reads_them() -> None:
    chance = random.Random(3)
    for _ in range(600):
        text = "\n".join(_lines(chance, 0, 0)) + "\n" * chance.randrange(2)
        found = read_plain(text)
        assert found is not None, text
        assert found == by_pyyaml(text), text


def _lines(chance: random.Random, column: int, depth: int) -> list[str]:
    """A block map at `column`."""
    lines = []
    for _ in range(chance.randrange(1, 4)):
        key, form = f"{' ' * column}{chance.choice(('chain', 'gain', 'a_b', 'x-y'))}:", chance.randrange(5)
        if form == 0 and depth < 4:
            lines += [f"{key} # map", *_lines(chance, column + chance.randrange(1, 5), depth + 1)]
        elif form == 1 and depth < 4:
            place = column + chance.randrange(3)
            rows = [_lines(chance, place + 2, depth + 1) for _ in range(chance.randrange(1, 4))]
            lines += [key, *(f"{' ' * place}- {first.lstrip()}" if not number else first
                             for row in rows for number, first in enumerate(row))]
        else:
            lines.append(f"{key} {_flow(chance, 0)}".rstrip())
        lines += chance.choice(([], [], ["", "   # a remark: {"]))
    return lines


def _flow(chance: random.Random, depth: int) -> str:
    form = chance.randrange(4) if depth < 3 else 2
    inner = [_flow(chance, depth + 1) for _ in range(chance.randrange(4) if form < 2 else 0)]
    if form == 0:
        return "[" + ", ".join(text or "null" for text in inner) + "]"
    if form == 1:
        return "{" + " , ".join(f"k{number}: {text or 'null'}" for number, text in enumerate(inner)) + "}"
    return chance.choice(("80 Hz", "-3", "1e-3", "null", "+4 dBu", "a.wav", "/tmp/x.wav", "yes", "(1+2)", "q=1"))


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_presets_are_read_alike(path: Path) -> None:
    text = path.read_text()
    assert read_plain(text) in (None, by_pyyaml(text))


def test_nearly_all_presets_are_plain() -> None:
    assert sum(read_plain(path.read_text()) is not None for path in PRESETS) >= len(PRESETS) - 4


@pytest.mark.parametrize("text", [
    "", "# nothing", "80", "- ", "a:\tb", "a: b\n c", "a: 'b'", "a: b\n---\nc: d", "a: &x 1", "{a: 1}\n- b", "a: {b: 1",
    "a: [1\n]", "a: b: c", "a: - b", "? a", "a:\n  - b\n c: d", "a: [1, , 2]", "a: " + "[" * 30 + "]" * 30, "a: b\r\n",
    "a: " + "1, " * 9000,
])  # fmt: skip
def test_any_other_text_is_left_to_pyyaml(text: str) -> None:
    assert read_plain(text) is None
