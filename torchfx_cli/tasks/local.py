"""Does jobs one after another on this machine; a bad file never stops the rest."""

from __future__ import annotations

from collections.abc import Sequence

from torchfx_cli.stream.writer import remove_stale
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.onefile import Listener, process_file
from torchfx_cli.tasks.report import FileResult, Report


def run_jobs(jobs: Sequence[Job], settings: Settings, listener: Listener, report: Report | None = None) -> Report:
    """Do `jobs` in order. What was done is in `report` also when an error or a signal ends the run."""
    report = Report() if report is None else report
    for folder in {job.output.parent for job in jobs}:
        remove_stale(folder)  # what a killed run has left there
    for job in jobs:
        listener.started(job)
        if job.skip:
            result = FileResult("skipped", str(job.source), str(job.output), warnings=(job.skip,))
        else:
            result = process_file(job, settings, listener)
        report.results.append(result)
        listener.finished(job, result)
    return report
