"""Damaged files end in a clear error or a whole output; never in a signal, a hang or a traceback."""

from __future__ import annotations

from pathlib import Path

import soundfile
from support import oddfiles
from support.children import Work, fates
from support.invariants import is_whole, nothing_lost
from support.mutations import SEEDS, mutant, seed
from support.rounds import ROUNDS

MUTANTS = 80 * ROUNDS


def test_the_seeds_themselves_are_sound(tmp_path: Path) -> None:
    for fate in fates([Work(oddfiles.put(tmp_path, seed(name), name), tmp_path / "out" / name) for name in SEEDS]):
        assert (fate.status, fate.words) == ("ok", ""), fate
        assert is_whole(fate.work.output)


def test_mutants_end_in_a_clear_error_or_in_a_whole_output(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    works, stories = [], {}
    for number in range(MUTANTS):
        name, content, story = mutant(number)
        path = oddfiles.put(tmp_path, content, f"{number}_{name}")
        works.append(Work(path, out / path.name))
        stories[path] = story
    with nothing_lost(stories, {work.output: None for work in works}):
        results = list(fates(works))
    for fate in results:
        story = f"{fate}: {stories[fate.work.source]}"
        assert fate.is_fine, story
        if fate.status == "failed":
            assert fate.words.isprintable(), story
            assert not fate.work.output.exists(), story
        else:
            assert is_whole(fate.work.output), story
            assert soundfile.info(fate.work.output).frames == fate.frames, story
    counts = [fate.status for fate in results]
    assert min(counts.count("ok"), counts.count("failed")) > MUTANTS / 10, "the damage is neither too mild nor too wild"
