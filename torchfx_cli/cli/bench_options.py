"""What `torchfx bench` is asked for: options in words -> suites, numbers, files; every mistake before anything runs."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TypeVar

from torchfx_cli.bench import plot, profile, stored, suites, tables
from torchfx_cli.bench.backends import NAMES, backend_of
from torchfx_cli.bench.matrix import BUDGET_S
from torchfx_cli.bench.suites import Suite
from torchfx_cli.cli.options import MAX_CHANNELS, listed, wait_seconds, whole
from torchfx_cli.cli.process_options import chain_of, chain_word
from torchfx_cli.errors import DesignError, FileError, UsageError, printable
from torchfx_cli.tasks.conflicts import Named
from torchfx_cli.tasks.sidefile import SideFile, check_together

QUICK = {"fir": ((5.0, 60.0), (1, 8)), "iir": ((5.0, 60.0), (1, 8))}
CHAIN_SIZES = (5.0, 60.0), (1, 2)
MAX_REPS, MAX_FILES = 1_000_000, 10_000_000
T = TypeVar("T")


@dataclass(frozen=True)
class BenchOptions:
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
        if self.durations is None:
            return None
        return listed("--durations", self.durations, lambda word: wait_seconds("--durations", word))

    def channel_counts(self) -> tuple[int, ...] | None:
        if self.channels is None:
            return None
        return listed("--channels", self.channels, lambda word: whole("--channels", word, MAX_CHANNELS))

    def repetitions(self) -> int | None:
        return None if self.reps is None else whole("--reps", self.reps, MAX_REPS)

    def budget_s(self) -> float:
        if self.budget is None:
            return math.inf if self.reps is not None else BUDGET_S
        return wait_seconds("--budget", self.budget)

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
        words = tuple(word for option, values in (("-c", self.chain), ("-e", self.effect))
                      for value in values for word in (option, value))
        if self.input is None:
            return Suite(name, chain, words, *CHAIN_SIZES)
        self.refuse("--input", "--durations", "--channels")
        path = Path(self.input)
        fs, channels, frames = _facts(path)
        return Suite(name, chain, words, (frames / fs,), (channels,), fs=fs, source=path)

    def matrix_files(self) -> tuple[SideFile, SideFile, SideFile, SideFile]:
        """Those of --csv, --json (or --resume), --markdown and --plot; raises UsageError."""
        if self.plot is not None:
            plot.check(self.plot)
        json = SideFile("--json", self.json, stored.is_json)
        if self.json is None:  # the run that --resume goes on with is read whole before anything is written
            json = SideFile("--resume", self.resume, lambda head: True)
        files = (SideFile("--csv", self.csv, stored.is_csv), json,
                 SideFile("--markdown", self.markdown, tables.is_markdown), SideFile("--plot", self.plot, plot.is_own))
        check_together(files, overwrite=self.overwrite, read=list(self._read()))
        return files

    def profile_file(self) -> SideFile:
        """That of --profile; raises UsageError."""
        trace = SideFile("--profile", self.profile, profile.is_trace)
        check_together([trace], overwrite=self.overwrite, read=list(self._read()))
        return trace

    def _read(self) -> Iterator[Named]:
        """The files that are read and must not be written."""
        if self.input is not None:
            yield Named(f"the input {self.input}", self.input)
        if self.compare is not None:
            yield Named(f"the file of --compare {self.compare}", self.compare)
        if self.resume is not None and self.json is not None and not _is_one_file(self.resume, self.json):
            yield Named(f"the file of --resume {self.resume}", self.resume)
        if self.chain or self.effect:
            for name in chain_of(self.chain, self.effect).files:
                yield Named(f"{name}, which the chain is read from", name)

    def _resized(self, suite: Suite) -> Suite:
        if suite.source is not None:
            return suite
        channels = self.channel_counts()
        if channels is None:  # those of the usual ones that the chain can be for
            channels = tuple(count for count in suite.channels if _can_be(suite, count)) or suite.channels
        return replace(suite, durations_s=self.durations_s() or suite.durations_s, channels=channels)


def _is_one_file(first: str, second: str) -> bool:
    return os.path.realpath(first) == os.path.realpath(second)


def tables_beside(files: Iterable[SideFile]) -> AbstractContextManager[object]:
    """Within, tables go to the standard error where one of `files` is the standard output."""
    return redirect_stdout(sys.stderr) if any(file.is_stdout for file in files) else nullcontext()


def _designed(suite: Suite) -> None:
    """Design now, so that what cannot be is told before anything runs."""
    try:
        for channels in suite.channels:
            suite.stages(channels)
    except DesignError as error:
        raise UsageError(str(error)) from None


def _can_be(suite: Suite, channels: int) -> bool:
    try:
        suite.stages(channels)
    except DesignError:
        return False
    return True


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


def one(option: str, values: Iterable[T] | None, default: T) -> T:
    """The only one of `values`; `default` where nothing was said."""
    found = [default] if values is None else list(values)
    if len(found) > 1:
        raise UsageError(f"{option}: one value is enough here, not {len(found)}")
    return found[0]
