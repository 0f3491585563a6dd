"""`torchfx watch`: a folder whose files are done as they come."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from torchfx_cli.cli import choices, options, show
from torchfx_cli.cli.helping import BATCH, PLACE, option
from torchfx_cli.errors import UsageError, printable

if TYPE_CHECKING:
    from torchfx_cli.tasks.job import Job, Settings
    from torchfx_cli.tasks.watch import Place


def watch(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", hidden=True)],
    chain: choices.Chain = None,
    effect: choices.Effect = None,
    mono: choices.Mono = False,
    rate: choices.Rate = None,
    normalize: choices.Normalize = None,
    loudness: choices.Loudness = None,
    output: Annotated[str | None, option(PLACE,
        "--output", "-o", metavar="FOLDER", help="Where outputs go, in the same tree; must be given.")] = None,
    name: choices.Name = None,
    include: choices.Include = None,
    exclude: choices.Exclude = None,
    poll: Annotated[str, option(BATCH, metavar="SECONDS", help="Time from one look to the next.")] = "1",
    settle: Annotated[str, option(BATCH,
        metavar="SECONDS", help="A file is taken when it has not changed for so long; 15 times as long where its "
                                "header says that it is not finished.")] = "2",
    once: Annotated[bool, option(BATCH, "--once", help="Do what is there, and leave.")] = False,
    jobs: choices.Jobs = None,
    timeout: choices.Timeout = None,
    keep_mtime: choices.KeepMtime = False,
    device: choices.Device = "auto",
    engine: choices.Engine = "auto",
    chunk: choices.Chunk = None,
    format: choices.Format = None,
    subtype: choices.Subtype = None,
    bitrate: choices.Bitrate = None,
    quality: choices.Quality = None,
    dither: choices.Dither = "auto",
    tail: choices.Tail = "0",
    start: choices.Start = None,
    on_nan: choices.OnNan = "fail",
    on_truncated: choices.OnTruncated = "keep",
    on_clip: choices.OnClip = "keep",
    no_tags: choices.NoTags = False,
    tag: choices.Tag = None,
    cover: choices.Cover = None,
    overwrite: Annotated[bool, option(PLACE,
        "--overwrite", help="Replace outputs that the watch did not make, or made by another chain, too.")] = False,
    strict: choices.Strict = False,
    as_json: choices.Json = False,
    quiet: choices.Quiet = False,
    verbose: choices.Verbose = False,
) -> None:
    """Apply a chain to what is put into FOLDER, once it is whole.

    \b
      torchfx watch incoming/ -c voice.yaml -o done/
      torchfx watch incoming/ -c voice.yaml -o done/ --once      (from cron)

    What was done is noted in the output folder, so it can be stopped (Ctrl-C) and started again. A file that changes
    is done again, one that fails is told of and tried again when it changes.
    """
    from torchfx_cli.cli.process_options import asked_of, settings_of, settled
    from torchfx_cli.cli.shorthands import is_conversion
    from torchfx_cli.cli.tagging import changes_of
    from torchfx_cli.render.choose import check_engine

    options.check_together({"--quiet": quiet, "--verbose": verbose, "--bitrate": bitrate, "--quality": quality,
                            "--normalize": normalize, "--loudness": loudness})
    if verbose:
        show.be_verbose()
    asked = asked_of(chain or [], effect or [], mono=mono, rate=rate, normalize=normalize, loudness=loudness,
                     converts=is_conversion([], None, name, format, subtype, bitrate, quality, cover, *(tag or [])))
    settings = settings_of(
        asked.spec, device=device, engine=engine, chunk=chunk, format=format,
        subtype=subtype, bitrate=bitrate, quality=quality, dither=dither, tail=tail, start=start,
        on_nan=on_nan, on_truncated=on_truncated, on_clip=on_clip,
        keep_mtime=keep_mtime, tags=not no_tags, changes=changes_of(tag or [], cover),
        overwrite=overwrite, strict=strict,
        poll_s=options.wait_seconds("--poll", poll), once=once, timeout_s=options.timeout_seconds(timeout))
    place = _place(folder, output, settings, name=name, include=include or [], exclude=exclude or [],
                   settle_s=options.wait_seconds("--settle", settle, zero=True),
                   chain=asked.word)
    at_a_time = options.job_count(jobs)
    settings = settled(settings, *check_engine(engine, device), at_a_time)
    raise typer.Exit(_run(place, settings, quiet=quiet, verbose=verbose, as_json=as_json))


def _place(folder: str, output: str | None, settings: Settings, *, name: str | None, include: Sequence[str],
           exclude: Sequence[str], settle_s: float, chain: str) -> Place:
    """What is watched; raises UsageError where that cannot be."""
    from torchfx_cli.stream.formats import check_words
    from torchfx_cli.tasks.naming import check_template
    from torchfx_cli.tasks.watch import Place

    shown = printable(folder)
    if not os.path.isdir(folder):
        raise UsageError(f"{shown} is not a folder; watch takes one" if os.path.lexists(folder)
                         else f"no such folder: {shown}")
    if output is None:
        raise UsageError("watch needs a folder for its outputs: give it with -o FOLDER")
    if os.path.lexists(output) and not os.path.isdir(output):
        raise UsageError(f"-o: {printable(output)} is a file; watch needs a folder")
    if os.path.realpath(output) == os.path.realpath(folder):
        raise UsageError(f"outputs cannot go into {shown}, which is watched; give another folder with -o")
    if name is not None:
        check_template(name)
    if settings.format is not None:
        check_words("-", settings.format, settings.subtype, settings.rate.option)
    return Place(folder, Path(output), settle_s, include, exclude, name, chain)


def _run(place: Place, settings: Settings, *, quiet: bool, verbose: bool, as_json: bool) -> int:
    """Watch until it is over; returns the exit code."""
    from torchfx_cli.cli.reporter import ConsoleReporter
    from torchfx_cli.tasks import watch as hot
    from torchfx_cli.tasks.report import KINDS

    reporters: list[ConsoleReporter] = []
    counts: Counter[str] = Counter()
    code = 0

    def listen(jobs: Sequence[Job]) -> ConsoleReporter:
        computing = f"{settings.engine} on {settings.device}"
        reporters[:] = [ConsoleReporter(jobs, computing, quiet=quiet, verbose=verbose, as_json=as_json)]
        return reporters[0]

    if not quiet and not settings.once:
        show.tell(f"watching {printable(place.folder)}; outputs go to {printable(str(place.root))}; Ctrl-C ends it")
    try:
        for result in hot.watch(place, settings, listen):
            counts[result.kind] += 1
            code = max(code, result.exit_code)
    finally:
        for reporter in reporters:
            reporter.stop()
        if not quiet:
            show.tell(", ".join(f"{counts[kind]} {kind}" for kind in KINDS))
    return code
