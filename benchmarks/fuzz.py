"""Thousands of damaged files, chain files and command lines, always the same ones (HAZARDS 4 H).

    python benchmarks/fuzz.py [--files 2000] [--chains 2000] [--lines 500] [--attacks 100] [--start 0] [--minutes 10]

To hold: each file ends in a clear error or a whole output, each chain file in a design or a complaint, each command
line in exit code 0 to 3; no signal, no traceback, no hang, inputs untouched, nothing left behind. Of the attacks, see
tests/support/attacks.py. With --minutes all goes on with other numbers for so long.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from support import oddfiles
from support.attacks import fate_of_attack
from support.chains import chain_file, fate_of_chain
from support.children import Fate, Work, fates
from support.command_lines import command_line, fate_of_line, something_to_work_on
from support.invariants import is_whole, nothing_lost
from support.mutations import mutant

HANG_S = 60
CHAIN_S = 1.0
AT_A_TIME = 200  # files of a kind that lie on the disk together


def fuzz_files(numbers: range, folder: Path) -> tuple[Counter[str], list[str]]:
    """What came of mutants of sound files, and what must not have come of them."""
    counts: Counter[str] = Counter()
    faults: list[str] = []
    for first in range(numbers.start, numbers.stop, AT_A_TIME):
        with tempfile.TemporaryDirectory(dir=folder) as name:
            some = range(first, min(numbers.stop, first + AT_A_TIME))
            for fate, story in _fates_of(some, Path(name)):
                counts[fate.status] += 1
                if not _is_right(fate):
                    faults.append(f"mutant {fate.work.source.name} ({story}): {fate.status}: {fate.words}")
    return counts, faults


def _fates_of(numbers: range, folder: Path) -> list[tuple[Fate, str]]:
    (folder / "out").mkdir()
    works, stories = [], []
    for number in numbers:
        name, content, story = mutant(number)
        path = oddfiles.put(folder, content, f"{number}_{name}")
        works.append(Work(path, folder / "out" / path.name))
        stories.append(story)
    inputs, outputs = [work.source for work in works], {work.output: None for work in works}
    with nothing_lost(inputs, outputs, killed=True):  # a child that crashed leaves its temporary file
        return list(zip(fates(works), stories, strict=True))


def _is_right(fate: Fate) -> bool:
    there = fate.work.output.exists()
    return fate.is_fine and (is_whole(fate.work.output) if fate.status == "ok" else not there)


def fuzz_chains(numbers: range, folder: Path) -> tuple[Counter[str], list[str]]:
    """The same of chain files, read and designed."""
    return _each(numbers, lambda number: fate_of_chain(chain_file(number)), CHAIN_S)


def fuzz_lines(numbers: range, folder: Path) -> tuple[Counter[str], list[str]]:
    """The same of command lines."""
    here = os.getcwd()
    with something_to_work_on(folder):
        os.chdir(folder)
        try:
            return _each(numbers, lambda number: fate_of_line(command_line(number)), HANG_S)
        finally:
            os.chdir(here)


def fuzz_attacks(numbers: range, folder: Path) -> tuple[Counter[str], list[str]]:
    """The same of attacks on whole commands."""

    def fate(number: int) -> str:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            return fate_of_attack(number, Path(place)).split()[0]

    return _each(numbers, fate, 4 * HANG_S)


def _each(numbers: range, fate_of: Callable[[int], str], limit_s: float) -> tuple[Counter[str], list[str]]:
    counts: Counter[str] = Counter()
    faults = []
    for number in numbers:
        faulthandler.dump_traceback_later(max(HANG_S, 2 * limit_s), exit=True)
        started = time.perf_counter()
        try:
            counts[fate_of(number)] += 1
        except Exception as error:
            faults.append(f"number {number}: {error!r}")
        if time.perf_counter() - started > limit_s:
            faults.append(f"number {number}: took {time.perf_counter() - started:.1f} s")
    faulthandler.cancel_dump_traceback_later()
    return counts, faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--chains", type=int, default=2000)
    parser.add_argument("--lines", type=int, default=500)
    parser.add_argument("--attacks", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--start", type=int, default=0, help="the first number; others make other damage")
    asked = parser.parse_args()
    end_s, bad, start = time.monotonic() + 60.0 * asked.minutes, _round(asked, asked.start), asked.start
    while time.monotonic() < end_s:
        start += max(asked.files, asked.chains, asked.lines, asked.attacks)
        bad += _round(asked, start)
    return int(bad > 0)


def _round(asked: argparse.Namespace, start: int) -> int:
    """All kinds, from the number `start` on; how many faults were found."""
    bad = 0
    for kind, count, fuzz in (("attacks", asked.attacks, fuzz_attacks), ("files", asked.files, fuzz_files),
                              ("chains", asked.chains, fuzz_chains), ("lines", asked.lines, fuzz_lines)):  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            counts, faults = fuzz(range(start, start + count), Path(folder))
        told = ", ".join(f"{number} {fate}" for fate, number in sorted(counts.items()))
        print(f"{count} {kind}: {told}; {len(faults)} faults; {time.perf_counter() - started:.0f} s")
        print(*faults, sep="\n", end="\n" if faults else "")
        bad += len(faults)
    return bad


if __name__ == "__main__":
    sys.exit(main())
