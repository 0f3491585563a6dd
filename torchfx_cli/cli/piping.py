"""What cannot be asked for together with `-`, the standard input or output as audio."""

from __future__ import annotations

from collections.abc import Sequence

from torchfx_cli.cli.process_options import ProcessOptions
from torchfx_cli.errors import UsageError
from torchfx_cli.stream.stdio import STDIO, check_stdin, check_stdout
from torchfx_cli.tasks.inputs import STDIN
from torchfx_cli.tasks.job import Job


def check_words(given: ProcessOptions) -> None:
    """Raise UsageError for options that make no sense with a pipe."""
    reads, writes = STDIN in given.inputs, _writes(given)
    if given.inputs.count(STDIN) + (given.files_from == STDIN) > 1:
        raise UsageError("the standard input can be read once, but - is given twice")
    if writes and given.as_json and not given.dry_run:
        raise UsageError("--json and audio cannot both go to the standard output; give a file with --output, or "
                         "--report FILE instead of --json")
    for option, is_set in (("--resume", given.settings.resume), ("--in-place", given.backup is not None),
                           ("--album", given.settings.album), ("--shard", given.settings.shard is not None)):
        if is_set and (reads or writes):
            raise UsageError(f"{option} is for files; - is a pipe, which nobody can read again")


def check_streams(jobs: Sequence[Job], *, writes: bool) -> None:
    """Raise UsageError where a person sits at the other end of a pipe; `writes`: they will be written."""
    if any(job.source == STDIO for job in jobs):
        check_stdin()
    if writes and any(job.output == STDIO for job in jobs):
        check_stdout()


def _writes(given: ProcessOptions) -> bool:
    return given.output == STDIN or (given.output is None and STDIN in given.inputs)
