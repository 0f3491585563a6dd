"""Pages of the manual as blocks that can be run, and how each is run, in the folder that a reader would be in.

A ```sh block is lines to type; a ```console block has `$ ` before them, and what they print: `...` stands for anything,
lines may come in another order, times are not compared. A ```yaml block that begins with `# name.yaml` becomes that
file. `<!-- not run: reason -->` in front of a block leaves it out, apart from its options, which have to exist.
"""

from __future__ import annotations

import glob
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^(?:<!-- not run: (?P<reason>[^\n]*) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$", re.S | re.M)
# What must not, cannot or need not happen in a test; bench is run by tests/bench, with every option.
LEFT_OUT = ("--device cuda", "--install-completion", "torchfx bench", "torchfx warm", "pip install", "make ",
            "TORCHFX_WARM", "docs/practice.py", "benchmarks/")
OTHERS = ("sox", "ffmpeg", "soxi", "ffprobe", "mkdir loop")  # programs of others, held against ours by test_recipes
TIMES = (re.compile(r"in [\d.]+ s \([\d.]+x\)"), re.compile(r"about [\d.]+ (?:s|ms|min)\b"))


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    line: int
    reason: str | None

    @property
    def commands(self) -> Iterator[tuple[str, list[str]]]:
        """(a command line, what it is said to print)."""
        lines = re.sub(r"\\\n\s*", "", self.text).splitlines()
        if self.language == "sh":
            typed = [re.split(r"(?:^|\s+)# ", line)[0].strip() for line in lines]
            yield from ((line, []) for line in typed if line)
            return
        starts = [n for n, line in enumerate(lines) if line.startswith("$ ")]
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            yield lines[start][2:], [line for line in lines[start + 1 : end] if line]

    @property
    def compares(self) -> bool:
        """Whether it shows what to type in other programs."""
        return self.language == "sh" and self.text.startswith(OTHERS)

    @property
    def file(self) -> str | None:
        """The name of the file that a block of YAML shows."""
        named = re.match(r"(?:# |chain: +# )([\w.-]+\.yaml)$", self.text.partition("\n")[0])
        return named.group(1) if named else None


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [Block(found["language"], found["text"], text.count("\n", 0, found.start("language")) + 1, found["reason"])
            for found in FENCE.finditer(text)]


def is_left_out(command: str) -> bool:
    return any(word in command for word in LEFT_OUT) or (" watch " in command and "--once" not in command)


def words_of(command: str) -> list[str] | None:
    """The words of a command line of torchfx alone, patterns filled in as a shell does; None where it takes a shell."""
    words = list(shlex.shlex(command, posix=True, punctuation_chars=True))
    if words[0] != "torchfx" or any(set(word) <= set("();<>|&") for word in words) or "$" in command:
        return None
    found: list[str] = []
    for word in command.split() if not re.search("[\"']", command) else shlex.split(command):
        is_pattern = "*" in word and f"'{word}'" not in command and f'"{word}"' not in command
        found += sorted(glob.glob(word)) if is_pattern else [word]
    return found[1:]


def in_shell(command: str) -> tuple[int, str]:
    """`command` as bash reads it, with the torchfx of this checkout."""
    function = f'torchfx() {{ {shlex.quote(sys.executable)} -m torchfx_cli "$@"; }}'
    done = subprocess.run(["bash", "-c", f"{function}\nset -o pipefail; {command}"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL, timeout=60,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    return done.returncode, done.stdout


def unlike(printed: str, wanted: list[str]) -> list[str]:
    """The lines that only one of both has."""
    patterns = [re.escape(_timeless(line)).replace(r"\.\.\.", ".*") for line in wanted]
    lines = [_timeless(line) for line in printed.splitlines() if line.strip()]
    missing = [line for line, pattern in zip(wanted, patterns, strict=True)
               if line != "..." and not any(re.fullmatch(pattern, found) for found in lines)]
    more = [] if "..." in wanted else [found for found in lines
                                       if not any(re.fullmatch(pattern, found) for pattern in patterns)]
    return [*(f"missing: {line}" for line in missing), *(f"more: {line}" for line in more)]


def _timeless(line: str) -> str:
    for pattern in TIMES:
        line = pattern.sub("in no time", line)
    return line.rstrip()


def check_options(command: str, commands: Any) -> None:
    """Raise where a command line that is not run has an option that does not exist."""
    words = re.sub(r".*?\btorchfx ", "", command.partition(" && ")[0].partition(" | ")[0]).split()
    known = {name: {option for parameter in commands[name].params for option in parameter.opts} for name in commands}
    assert words[0] in known, f"no command {words[0]}: {command}"
    unknown = {word.partition("=")[0] for word in words if re.match("--?[a-z]", word)} - known[words[0]]
    assert not unknown, f"{unknown}: {command}"
