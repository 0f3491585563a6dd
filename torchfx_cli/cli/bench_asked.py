"""What `torchfx bench` is asked for: options in words -> suites, cells, numbers; every mistake before anything runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from pathlib import Path

from torchfx_cli.bench import suites
from torchfx_cli.bench.backends import NAMES, backend_of
from torchfx_cli.bench.matrix import BUDGET_S
from torchfx_cli.bench.suites import Suite
from torchfx_cli.cli.bench_values import count_of_channels, listed, number, seconds, whole
from torchfx_cli.cli.process_options import chain_of, chain_word
from torchfx_cli.errors import DesignError, FileError, UsageError, printable

QUICK = {"fir": ((5.0, 60.0), (1, 8)), "iir": ((5.0, 60.0), (1, 8))}
CHAIN_SIZES = (5.0, 60.0), (1, 2)
MAX_REPS, MAX_BUDGET_S, MAX_FILES = 1_000_000, 1e7, 10_000_000


@dataclass(frozen=True)
class Asked:
    """The options as they were typed; see `torchfx bench --help`."""

    suite: str | None
    backends: str | None
    durations: str | None
    channels: str | None
    chain: list[str]
    effect: list[str]
    input: str | None
    reps: str | None
    budget: str | None
    versus: bool
    csv: str | None
    json: str | None
    markdown: str | None
    plot: str | None
    resume: str | None
    compare: str | None
    files: str | None
    profile: str | None
    overwrite: bool
    quiet: bool

    def given(self) -> list[str]:
        """The options that were typed."""
        return [f"--{field.name}" for field in fields(self) if getattr(self, field.name) not in (None, False, [])]

    def refuse(self, mode: str, *options: str) -> None:
        """Raise UsageError where one of `options` was given, which means nothing in `mode`."""
        for option in options:
            if option in self.given():
                raise UsageError(f"{option} says nothing to {mode or 'the matrix'}; leave it out")

    @property
    def kept_in(self) -> str | None:
        """Where the JSON goes."""
        return self.resume if self.json is None else self.json

    @property
    def names_sizes(self) -> bool:
        """Whether the matrix is said, and not left to a file or to this program."""
        return any(option in self.given() for option in
                   ("--suite", "--backends", "--durations", "--channels", "--versus"))

    def backend_names(self) -> tuple[str, ...]:
        names = NAMES if self.backends is None else listed("--backends", self.backends, str.lower)
        for name in names:
            backend_of(name)
        return names

    def durations_s(self) -> tuple[float, ...] | None:
        return None if self.durations is None else listed("--durations", self.durations, seconds)

    def channel_counts(self) -> tuple[int, ...] | None:
        return None if self.channels is None else listed("--channels", self.channels, count_of_channels)

    def repetitions(self) -> int | None:
        return None if self.reps is None else whole("--reps", self.reps, MAX_REPS)

    def budget_s(self) -> float:
        if self.budget is None:
            return math.inf if self.reps is not None else BUDGET_S
        return number("--budget", self.budget, MAX_BUDGET_S, "seconds")

    def suites(self) -> tuple[Suite, ...]:
        """Those that were named, the user's chain, or the quick ones; with the sizes that were said."""
        words = [] if self.suite is None else [*listed("--suite", self.suite, str.lower)]
        has_chain = bool(self.chain or self.effect)
        if "chain" in words and not has_chain:
            raise UsageError("--suite chain: give the chain with --chain FILE or --effect")
        if self.input is not None and not has_chain:
            raise UsageError("--input goes with --chain or --effect; the other suites compute noise")
        found = [suites.suite_of(word) for word in words if word != "chain"]
        if has_chain:
            found.append(self.own_suite())
        if not found:
            found = [replace(suites.suite_of(name), durations_s=sizes[0], channels=sizes[1])
                     for name, sizes in QUICK.items()]
        found = [self._resized(suite) for suite in found]
        for suite in found:
            _designed(suite)
        return tuple(found)

    def own_suite(self) -> Suite:
        """The chain of --chain and --effect."""
        chain, name = chain_of(self.chain, self.effect), f"chain {chain_word(self.chain, self.effect)}"
        if self.input is None:
            return Suite(name, chain, *CHAIN_SIZES)
        self.refuse("--input", "--durations", "--channels")
        path = Path(self.input)
        fs, channels, frames = _facts(path)
        return Suite(name, chain, (frames / fs,), (channels,), fs=fs, source=path)

    def _resized(self, suite: Suite) -> Suite:
        if suite.source is not None:
            return suite
        return replace(suite, durations_s=self.durations_s() or suite.durations_s,
                       channels=self.channel_counts() or suite.channels)


def _designed(suite: Suite) -> None:
    """Design now, so that what cannot be is told before anything runs."""
    try:
        _ = suite.stages
    except DesignError as error:
        raise UsageError(str(error)) from None


def _facts(path: Path) -> tuple[int, int, int]:
    """Rate, channels and frames of a file; UsageError where there is nothing to measure."""
    from torchfx_cli.stream.reader import open_source

    try:
        with open_source(path) as source:
            facts = source.facts
    except FileError as error:
        raise UsageError(f"--input {_told_once(path, str(error))}") from None
    if not facts.frames:
        raise UsageError(f"--input {printable(str(path))}: no audio in it, or its length is not known")
    return facts.fs, facts.channels, facts.frames


def _told_once(path: Path, message: str) -> str:
    return message if message.startswith(str(path)) else f"{printable(str(path))}: {message}"
