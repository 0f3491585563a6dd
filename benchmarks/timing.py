"""Whole processes, timed in turn (see `torchfx_cli.bench.timings`), and what is said of their runs."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from torchfx_cli.bench import timings

LONGEST_S = 3600.0


@dataclass(frozen=True)
class Runs:
    """All runs of one command, in order."""

    runs: list[timings.Run]

    @property
    def median_s(self) -> float:
        return statistics.median(run.seconds for run in self.runs)

    @property
    def peak_mb(self) -> float:
        return max(run.peak_mb for run in self.runs)

    def ratio_to(self, other: Runs) -> float:
        """Median of the pairwise ratios: each run against the run of `other` beside it."""
        return statistics.median(a.seconds / b.seconds for a, b in zip(self.runs, other.runs, strict=True))


def run_once(command: list[str]) -> timings.Run:
    """A failing command is an error here."""
    return timings.run_process(command, longest_s=LONGEST_S)


def in_turn(commands: Mapping[str, list[str]], repeats: int, before: Callable[[str], object] = lambda name: None
            ) -> dict[str, Runs]:
    """Run each command once to warm up, then all of them in turn `repeats` times; `before(name)` is not timed."""
    calls = {name: partial(run_once, command) for name, command in commands.items()}
    return {name: Runs(runs) for name, runs in timings.in_turn(calls, repeats, before).items()}
