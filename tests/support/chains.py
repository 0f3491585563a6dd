"""Seeded chain files: right ones from the examples of every stage, with other numbers, words and damage put in."""

from __future__ import annotations

import random
import re

from torchfx_cli.chain.parse import parse_chain
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.effects.table import KINDS
from torchfx_cli.errors import ChainError, DesignError

FS = 48_000

NUMBER = re.compile(r"(?<![\w.])-?\d+(\.\d+)?")
NUMBERS = ("0", "-0", "1", "-1", "2", "3", "0.5", "1e3", "1.0e+3", "20", "440", "23999", "24000", "1e9", "1e308",
           "1e400", ".nan", ".inf", "-.inf", "010", "0x3E8", "1_000", "1:30", "1,5", "no", "null", "~", "[]", "{}",
           "'80'", "80 Hz", "3.2 kHz", "-3 dB", "5 ms", "8191", "1000001", "99999999999999999999999")  # fmt: skip
SNIPPETS = ("\t", "\n", "  ", "- ", ": ", ":", ",", "[", "]", "{", "}", "'", '"', "#", "&a ", "*a", "!!x ", "? ", "|",
            ">", "%", "---\n", "\ufeff", "\x00", "\u2028", "\\", "\x1b[31m", "chain:", "order: 3", "family: elliptic",
            "family: bessel", "- preset: telephone\n", "- fir: {file: /}\n", "é", "\U0001f600")  # fmt: skip


def chain_file(number: int) -> str:
    """The chain file of that number, always the same: as in the examples but for numbers, every third one damaged."""
    rng = random.Random(number)
    entries = [kind.example for kind in KINDS.values()]
    stages = [_other_numbers(rng, rng.choice(entries)) for _ in range(rng.randrange(1, 5))]
    text = "name: x\nchain:\n" + "".join(f"  {stage}\n" for stage in stages)
    for _ in range(rng.choice((0, 0, 0, 0, 1, 3))):
        at, cut = rng.randrange(len(text) + 1), rng.choice((0, 0, 1, 5))
        text = text[:at] + rng.choice(SNIPPETS) + text[at + cut :]
    return text


def _other_numbers(rng: random.Random, stage: str) -> str:
    return NUMBER.sub(lambda found: rng.choice(NUMBERS) if rng.random() < 0.1 else found[0], stage)


def fate_of_chain(text: str) -> str:
    """What comes of reading and designing it; any other error than those for users is a fault, and so is a message
    that drives a terminal."""
    problems: tuple[str, ...] = ()
    try:
        design_chain(parse_chain(text), FS)
        fate = "designed"
    except ChainError as error:
        fate, problems = "refused", error.problems
    except DesignError as error:
        fate, problems = "cannot be designed", (str(error),)
    assert all(line.isprintable() for line in problems), problems
    return fate
