"""A run from the names on the command line to its summary: gather, plan, do, report."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torchfx_cli.cli import options, piping, show, signals
from torchfx_cli.cli.process_options import ProcessOptions, settled
from torchfx_cli.cli.reporter import ConsoleReporter
from torchfx_cli.errors import FileError, UsageError, printable
from torchfx_cli.render.choose import check_engine, named_engine
from torchfx_cli.render.device import has_driver
from torchfx_cli.stream.stdio import STDIO
from torchfx_cli.tasks import inputs as finding
from torchfx_cli.tasks import journal, lists, naming
from torchfx_cli.tasks.conflicts import Named
from torchfx_cli.tasks.folders import make_root
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.local import run_jobs
from torchfx_cli.tasks.planning import plan_in_place, plan_jobs, unrated
from torchfx_cli.tasks.preflight import estimated_work
from torchfx_cli.tasks.report import Report
from torchfx_cli.tasks.sidefile import SideFile, check_together, save_all


def run(given: ProcessOptions) -> int:
    """Do what is asked; returns the exit code."""
    settings = given.settings
    if given.name is not None:
        naming.check_template(given.name)
    if settings.cluster:
        named_engine(settings.engine, settings.device)
    else:
        check_engine(settings.engine, settings.device)
    piping.check_words(given)
    gathered = _gathered(given)
    undecoded_code = FileError.exit_code if gathered.skipped.undecoded else 0
    all_jobs = _tagged(_jobs(given, gathered.inputs), given)
    if settings.cluster:
        from torchfx_cli.tasks.clusterpool import root_of

        root_of(all_jobs)
    numbers = [number for number, found in enumerate(gathered.inputs) if not found.is_elsewhere]
    inputs, jobs = [gathered.inputs[number] for number in numbers], [all_jobs[number] for number in numbers]
    piping.check_streams(jobs, writes=not given.dry_run)
    if not given.quiet and settings.format is None:
        _tell_formats(jobs)
    if not given.quiet and (remark := unrated(jobs, settings)):
        show.tell(f"torchfx: warning: {remark}", "yellow")
    report_file = SideFile("--report", given.report, _is_report)
    failed_file = SideFile("--failed", given.failed, lists.is_own)
    _check_files((report_file, failed_file), given, gathered, all_jobs)
    if given.report is not None:
        from torchfx_cli.tasks import reportfiles

        reportfiles.check_name(given.report)
        settings = reportfiles.asking(settings, given.report)
    settings = settled(settings, *_computer(jobs, settings, verbose=given.verbose), given.jobs,
                       remote=any(job.is_remote for job in jobs))
    computing = f"{settings.engine} on {settings.device}"
    if given.dry_run:
        from torchfx_cli.cli.dryrun import show_plans

        with signals.promptly():
            return show_plans(jobs, settings, computing, as_json=given.as_json) or undecoded_code
    _make_roots((report_file, failed_file), all_jobs)
    with report_file, failed_file:
        report = Report(keeps_all=given.report is not None)
        reporter = ConsoleReporter(jobs, computing, quiet=given.quiet, verbose=given.verbose, as_json=given.as_json,
                                   shard=settings.shard)
        is_batch = (len(all_jobs) > 1 or settings.resume or bool(settings.cluster)
                    or any(found.root is not None for found in gathered.inputs))
        try:
            run_jobs(jobs, replace(settings, is_batch=is_batch), reporter, report)
        finally:
            reporter.stop()
            reporter.summary(report)
            failures = _failed(report, inputs, zero=given.null)
            told = () if given.report is None else reportfiles.content(given.report, report, settings, numbers)
            save_all(((report_file, told), (failed_file, failures)))
    return report.exit_code or undecoded_code


def _is_report(head: bytes) -> bool:
    from torchfx_cli.tasks import reportfiles

    return reportfiles.is_own(head)


def _check_files(files: Sequence[SideFile], given: ProcessOptions, gathered: finding.Gathered, jobs: Sequence[Job]
                 ) -> None:
    """Raise UsageError where what is written beside the audio would destroy something, or be destroyed."""
    piped = {"--json": given.as_json and not given.dry_run, "--output": any(job.output == STDIO for job in jobs)}
    read = [*(Named(f"the list {name}", name) for name in gathered.lists),
            *(Named(f"{name}, which the chain is read from", name) for name in given.settings.chain.files)]
    read += [] if given.tags_from is None else [Named(f"the table {given.tags_from}", given.tags_from)]
    made = [job.output for job in jobs if job.output != STDIO]
    made += [job.backup for job in jobs if job.backup is not None]
    made += [root / journal.name_of(given.settings.shard) for root in {job.root for job in jobs} if root is not None]
    check_together(files, overwrite=given.settings.overwrite, to_stdout=[option for option in piped if piped[option]],
                   read=read, inputs=(str(job.source) for job in jobs), made=map(str, made))


def _make_roots(files: Sequence[SideFile], jobs: Sequence[Job]) -> None:
    """An output folder that is still to be made may hold a report of its files."""
    roots = {job.root for job in jobs}
    for file in files:
        if file.name is not None and (folder := Path(file.name).parent) in roots:
            make_root(folder)


def _computer(jobs: list[Job], settings: Settings, *, verbose: bool) -> tuple[str, str]:
    """The engine and the device, both definite. What the work is matters only where there may be a GPU."""
    if settings.cluster:
        return named_engine(settings.engine, settings.device)
    explain = show.tell if verbose else _keep_quiet
    work = None
    if settings.device == "auto" and has_driver():
        work = estimated_work(jobs, settings)
    elif settings.device == "auto":
        explain("cpu: no driver of a GPU is installed")
    return check_engine(settings.engine, settings.device, work, explain)


def _keep_quiet(line: str) -> None:
    """What only --verbose tells."""


def _gathered(given: ProcessOptions) -> finding.Gathered:
    if not given.inputs and given.files_from is None:
        raise UsageError("no input: name files, folders, patterns or lists, or give --files-from (see --help)")
    gathered = finding.gather(
        given.inputs, files_from=given.files_from, zero=given.null, include=given.include, exclude=given.exclude,
        output=given.output, stdin=None if sys.stdin is None else sys.stdin.buffer,
        left_out=_tell_left_out if given.verbose else None)
    if given.settings.shard is not None:
        from torchfx_cli.tasks.shards import divided

        gathered.inputs = divided(gathered.inputs, given.settings.shard, by_folder=given.settings.album)
    left_out = gathered.skipped.undecoded if given.quiet else gathered.skipped
    if not given.quiet:
        for remark in gathered.remarks:
            show.tell(f"torchfx: warning: {printable(remark)}", "yellow")
    if any(left_out.values()):
        way_out = "; --exclude leaves them out on purpose" if gathered.skipped.undecoded else ""
        counted = ", ".join(f"{number} {reason}" for reason, number in left_out.items() if number)
        show.tell(f"left out: {counted}{way_out}")
    return gathered


def _tell_formats(jobs: Sequence[Job]) -> None:
    line = naming.told_instead((job.source, job.output) for job in jobs)
    if line:
        show.tell(line)


def _tell_left_out(path: str, reason: str) -> None:
    show.tell(f"left out: {path} ({reason})")


def _jobs(given: ProcessOptions, inputs: list[finding.Input]) -> list[Job]:
    settings = given.settings
    if given.backup is not None:
        options.check_suffix(given.backup)
        return plan_in_place(inputs, given.backup, settings, resume=settings.resume)
    return plan_jobs(inputs, given.output, settings, template=given.name, chain=given.chain_word,
                     resume=settings.resume)


def _tagged(jobs: list[Job], given: ProcessOptions) -> list[Job]:
    """`jobs` with their tags of --tags-from."""
    if given.tags_from is None:
        return jobs
    from torchfx_cli.tasks.tagtable import read_table, tagged

    jobs, remarks = tagged(jobs, read_table(given.tags_from))
    for remark in remarks if not given.quiet else ():
        show.tell(f"torchfx: warning: {remark}", "yellow")
    return jobs


def _failed(report: Report, inputs: Sequence[finding.Input], *, zero: bool) -> bytes:
    """A list that gives the same outputs when it is fed back; no pipe, and no folder that could not be searched."""
    failed = [inputs[number] for number in report.failed if not os.path.isdir(inputs[number].path)]
    return lists.as_list([finding.in_list(one) for one in failed if one.path != finding.STDIN], zero=zero)
