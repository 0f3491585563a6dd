"""`torchfx report merge`: the reports of several runs as one."""

from __future__ import annotations

from typing import Annotated

import typer

from torchfx_cli.cli import options, show
from torchfx_cli.cli.helping import PLACE, TELLING, option
from torchfx_cli.errors import FileError, UsageError


def report(
    action: Annotated[str, typer.Argument(metavar="merge", hidden=True)],
    reports: Annotated[list[str], typer.Argument(metavar="REPORT", hidden=True)],
    output: Annotated[str | None, option(PLACE,
        "--output", "-o", metavar="FILE", help="The report of all: .html a page, .csv, .jsonl or JSON.")] = None,
    overwrite: Annotated[bool, option(PLACE,
        "--overwrite", help="Replace FILE also where it is no report.")] = False,
    quiet: Annotated[bool, option(TELLING,
        "--quiet", "-q", help="Tell only of what is missing or does not fit.")] = False,
) -> int:
    """Put the reports of several runs together, such as those of --shard.

    \b
      torchfx report merge clean/shard-*.json -o report.html

    REPORT is what --report wrote as .json or .jsonl. With --shard it keeps levels and pictures, so that the page of all
    is that of one run; a plain .json leaves them blank. A file that several reports name, as after --resume, is told
    as the last of them has it: by the time when they were written, or, where one is plain, in the order given.

    Exit codes: 0 every file was done, 1 a report cannot be read, 2 a wrong option, 3 some file failed or was not done,
    or a shard has no report among them.
    """
    if action != "merge":
        raise UsageError(f"torchfx report {options.quoted(action)}: expected merge")
    if output is None:
        raise UsageError("--output FILE says where the report of all goes, such as -o report.html")
    from torchfx_cli.tasks.conflicts import Named
    from torchfx_cli.tasks.merging import merged
    from torchfx_cli.tasks.reportfiles import is_own, pieces
    from torchfx_cli.tasks.sidefile import SideFile, check_together

    file = SideFile("--output", output, is_own)
    check_together([file], overwrite=overwrite, read=[Named(f"the report {name}", name) for name in reports])
    found = merged(reports)
    with file:
        file.save(pieces(output, found.told()))
    if not quiet:
        counts = [f"{number} {kind}" for kind, number in found.counts.counts.items()]
        counts += [f"{found.not_done} not done"] if found.not_done else []
        show.tell(f"{show.count(len(reports), 'report')}: {', '.join(counts)} -> {output}")
    for remark in found.remarks:
        show.tell(f"torchfx: warning: {remark}", "yellow")
    return 0 if found.is_whole else FileError.exit_code
