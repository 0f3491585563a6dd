"""`torchfx info`: what a sound file is, by its header, and with --check or --stats what it really holds."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from torchfx_cli.cli import options, show, signals
from torchfx_cli.errors import UsageError, printable

if TYPE_CHECKING:
    from torchfx_cli.tasks.inspection import Asked
    from torchfx_cli.tasks.job import Job
    from torchfx_cli.tasks.onefile import RunObserver
    from torchfx_cli.tasks.report import FileResult
    from torchfx_cli.tasks.requirements import Requirement

NOWHERE = ""  # in the place of an output folder: all folders are searched, those of outputs, too


def info(
    files: Annotated[list[str], typer.Argument(metavar="FILE|FOLDER", hidden=True)],
    check: Annotated[bool, typer.Option("--check", help="Read every sample: real length, peak, damage.")] = False,
    stats: Annotated[bool, typer.Option(
        "--stats", help="Measure loudness, its range and loudest moments, true peak, peak, RMS, crest, noise floor "
                        "(the quietest half second), DC, clipped runs, samples that are no numbers, silence at both "
                        "ends, bandwidth and bits in use.")] = False,
    require: Annotated[list[str] | None, typer.Option(
        metavar="WHAT", help='Hold files to "loudness=-23±0.5,true_peak<=-1"; also loudness_range, max_momentary, '
                             "max_short_term, peak, rms, crest, noise_floor, dc_offset, clipped_runs, non_finite, "
                             "silence_start, silence_end, bandwidth, bits, rate, channels, duration.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON record a file.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a table for spreadsheets, a row a file.")] = False,
    jobs: Annotated[str | None, typer.Option(
        "--jobs", "-j", metavar="N", help="Files at a time, else one a core.")] = None,
    timeout: Annotated[str | None, typer.Option(metavar="SECONDS", help="A file that takes longer fails.")] = None,
) -> None:
    """Show format, length, tags and oddities of files and folders.

    \b
      torchfx info in.wav
      torchfx info album/ --stats --require "loudness=-16±1,true_peak<=-1 dBTP"
      torchfx info archive/ --csv > archive.csv

    --require tells what a file misses and the gain that it would need. ± may be written +-, and is 0.1 dB where a
    level has none; figures are compared as they are shown, levels to 0.01 dB.

    Exit code 3 where some file could not be read, misses something, or with --check is damaged.
    """
    requirements = _requirements(require or [])
    if as_json and as_csv:
        raise UsageError("--json and --csv contradict each other; give one of them")
    timeout_s = options.timeout_seconds(timeout)
    at_a_time = options.job_count(jobs) or options.usual_jobs("native")
    from torchfx_cli.cli.infoscreen import InfoScreen
    from torchfx_cli.tasks.inspection import Asked, job_of

    asked = Asked(check, _figures(requirements, all_of_them=stats), requirements)
    with signals.promptly():
        found = [job_of(path, fault) for path, fault in _found(files)]
    screen = InfoScreen(found, "json" if as_json else "csv" if as_csv else "stats" if stats else "")
    try:
        with closing(_results(found, asked, screen, at_a_time, timeout_s)) as results:
            for number, result in results:
                screen.done(number, result)
    finally:
        screen.stop()
    if requirements and len(found) > 1:
        verb = "does" if screen.bad == 1 else "do"
        who = f"{screen.bad} of {len(found)} files {verb} not" if screen.bad else f"all {len(found)} files"
        show.tell(f"{who} meet what is required")
    raise typer.Exit(screen.exit_code)


def _results(jobs: Sequence[Job], asked: Asked, observer: RunObserver, at_a_time: int,
             timeout_s: float | None) -> Generator[tuple[int, FileResult], None, None]:
    """The number and the result of each; the header of a single file needs no worker."""
    from torchfx_cli.tasks import inspection

    if len(jobs) == 1 and jobs[0].fault is None and asked == inspection.Asked() and timeout_s is None:
        with signals.promptly():
            yield 0, inspection.inspect_one(jobs[0], asked, observer)
        return
    yield from inspection.inspect_all(jobs, asked, observer, at_a_time, timeout_s)


def _found(words: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Each file that is meant, and why it cannot be read where that is known."""
    if all(map(os.path.isfile, words)):  # which need not be searched for
        yield from ((word, None) for word in words)
        return
    from torchfx_cli.tasks.inputs import gather
    from torchfx_cli.tasks.scan import UNDECODED_WORDS

    left_out: list[tuple[str, str]] = []
    found = gather(words, output=NOWHERE, left_out=lambda path, reason: left_out.append((path, reason)))
    for remark in found.remarks:
        show.tell(f"torchfx: warning: {printable(remark)}", "yellow")
    yield from ((one.path, one.fault) for one in found.inputs)
    yield from ((path, reason) for path, reason in left_out if reason.endswith(UNDECODED_WORDS))


def _requirements(texts: Sequence[str]) -> tuple[Requirement, ...]:
    if not texts:
        return ()
    from torchfx_cli.tasks.requirements import parse_requirements

    return parse_requirements(",".join(texts))


def _figures(requirements: Iterable[Requirement], *, all_of_them: bool) -> frozenset[str]:
    if not all_of_them:
        return frozenset(one.key for one in requirements if one.is_measured)
    from torchfx_cli.tasks.stats import FIGURES

    return frozenset(FIGURES)
