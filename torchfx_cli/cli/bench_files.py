"""The files that `torchfx bench` writes, checked together with those that it reads."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext, redirect_stdout

from torchfx_cli.bench import plot, profile, stored, tables
from torchfx_cli.cli.bench_asked import Asked
from torchfx_cli.cli.process_options import chain_of
from torchfx_cli.tasks.conflicts import Named
from torchfx_cli.tasks.sidefile import SideFile, check_together


def of_matrix(asked: Asked) -> tuple[SideFile, SideFile, SideFile, SideFile]:
    """Those of --csv, --json (or --resume), --markdown and --plot; raises UsageError."""
    if asked.plot is not None:
        plot.check(asked.plot)
    files = (SideFile("--csv", asked.csv, stored.is_csv), _json(asked),
             SideFile("--markdown", asked.markdown, tables.is_markdown), SideFile("--plot", asked.plot, plot.is_own))
    check_together(files, overwrite=asked.overwrite, read=list(_read(asked)))
    return files


def of_profile(asked: Asked) -> SideFile:
    """That of --profile; raises UsageError."""
    trace = SideFile("--profile", asked.profile, profile.is_trace)
    check_together([trace], overwrite=asked.overwrite, read=list(_read(asked)))
    return trace


def _json(asked: Asked) -> SideFile:
    """The run that --resume goes on with is read whole before anything is written."""
    if asked.json is None:
        return SideFile("--resume", asked.resume, lambda head: True)
    return SideFile("--json", asked.json, stored.is_json)


def _read(asked: Asked) -> Iterator[Named]:
    if asked.input is not None:
        yield Named(f"the input {asked.input}", asked.input)
    if asked.compare is not None:
        yield Named(f"the file of --compare {asked.compare}", asked.compare)
    if asked.resume is not None and asked.json is not None and not _is_one_file(asked.resume, asked.json):
        yield Named(f"the file of --resume {asked.resume}", asked.resume)
    if asked.chain or asked.effect:
        for name in chain_of(asked.chain, asked.effect).files:
            yield Named(f"{name}, which the chain is read from", name)


def _is_one_file(first: str, second: str) -> bool:
    return os.path.realpath(first) == os.path.realpath(second)


def tables_beside(files: Iterable[SideFile]) -> AbstractContextManager[object]:
    """Within, tables go to the standard error where one of `files` is the standard output."""
    return redirect_stdout(sys.stderr) if any(file.is_stdout for file in files) else nullcontext()
