"""The first of the seeded chain files and command lines; `benchmarks/fuzz.py` goes through thousands."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from support.chains import chain_file, fate_of_chain
from support.command_lines import command_line, fate_of_line, something_to_work_on


def test_chain_files_are_designed_or_refused_and_nothing_else() -> None:
    counts = Counter(fate_of_chain(chain_file(number)) for number in range(300))
    assert min(counts["designed"], counts["refused"]) > 50


def test_command_lines_end_in_a_known_code_without_a_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with something_to_work_on(tmp_path):
        counts = Counter(fate_of_line(command_line(number)) for number in range(100))
    assert len(counts) >= 3
