"""`torchfx process`: the main job."""

from __future__ import annotations

from typing import Annotated

from torchfx_cli.cli import options, show
from torchfx_cli.cli.helping import BATCH, CHAIN, FORM, PLACE, TELLING, option
from torchfx_cli.errors import UsageError
from torchfx_cli.later import Later

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typer

    from torchfx_cli.cli import choices
else:
    typer, choices = Later("typer"), Later("torchfx_cli.cli.choices")


def process(
    inputs: Annotated[list[str] | None, typer.Argument(metavar="INPUT", hidden=True)] = None,
    chain: choices.Chain = None,
    effect: choices.Effect = None,
    mono: choices.Mono = False,
    rate: choices.Rate = None,
    normalize: choices.Normalize = None,
    loudness: choices.Loudness = None,
    album: Annotated[bool, option(CHAIN,
        "--album", help="With these two: one gain for all files of a folder.")] = False,
    output: choices.Output = None,
    name: choices.Name = None,
    include: choices.Include = None,
    exclude: choices.Exclude = None,
    files_from: Annotated[str | None, option(BATCH,
        metavar="FILE", help="Names of inputs, a line each; - is the standard input.")] = None,
    null: Annotated[bool, option(BATCH,
        "--null", "-0", help="Names in lists end with a NUL (find -print0).")] = False,
    jobs: choices.Jobs = None,
    cluster: Annotated[str | None, option(BATCH,
        metavar="ADDRESS", help="Dask scheduler whose workers do the files: tcp://host:8786, or local:4.")] = None,
    resume: Annotated[bool, option(BATCH,
        "--resume", help="Go on with a batch: do what is missing, changed, or made by another chain.")] = False,
    shard: Annotated[str | None, option(BATCH,
        metavar="I/N|auto", help="Do the files of one of N shares, by a hash of their names; "
        "auto: that of a Slurm array task.")] = None,
    hashes: Annotated[bool, option(BATCH,
        "--hash", help="Tell changes by content, not by size and time alone; with --resume later.")] = False,
    fail_fast: Annotated[bool, option(BATCH, "--fail-fast", help="Stop at the first file that fails.")] = False,
    timeout: choices.Timeout = None,
    scratch: Annotated[str | None, option(BATCH,
        metavar="SIZE", help="Of inputs and outputs with a URL, hold so much here at a time: 20GB.")] = None,
    report: Annotated[str | None, option(BATCH,
        metavar="FILE", help="Write what came of each file: .html a page to look at, .csv, .jsonl or JSON.")] = None,
    failed: Annotated[str | None, option(BATCH,
        metavar="FILE", help="Write the names of files that failed, a line each.")] = None,
    in_place: Annotated[bool, option(PLACE, "--in-place", help="Replace the inputs; needs --backup.")] = False,
    backup: Annotated[str | None, option(PLACE,
        metavar="SUFFIX", help="With --in-place: old files keep their name and this.")] = None,
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
    tags_from: Annotated[str | None, option(FORM,
        metavar="FILE", help="Tags of each input, from a CSV: a column file, and one for each tag.")] = None,
    overwrite: choices.Overwrite = False,
    skip_existing: choices.SkipExisting = False,
    strict: choices.Strict = False,
    dry_run: Annotated[bool, option(TELLING, "--dry-run", help="Show what would be done; write nothing.")] = False,
    as_json: choices.Json = False,
    quiet: choices.Quiet = False,
    verbose: choices.Verbose = False,
) -> int:
    """Apply a chain to audio files; in.wav becomes processed/in.wav.

    \b
      torchfx process in.wav -c podcast-voice
      torchfx process in.wav -c hum-removal-50hz -c mine.yaml -o out.flac
      torchfx process *.wav -e "highpass:cutoff=80,order=4" -e "gain:-3" -o out/
      torchfx process voice.wav -o voice.flac
      torchfx process in/ -o out/ --rate 16000 --mono --format flac --subtype 16
      torchfx process recordings/ -c podcast-voice -o clean/     (and --resume)
      torchfx process 'raw/**/*.flac' names.txt@ -c eq.yaml -o out/ --jobs 8
      torchfx process recordings/ -c eq.yaml -o clean/ --shard 3/16 --resume
      find . -print0 | torchfx process --files-from - -0 -c eq.yaml -o out/
      cat in.wav | torchfx process - -c eq.yaml -o - > out.wav

    INPUT is a file, a folder, a pattern in quotes, a list of names (names.txt@),
    or - for the standard input.

    --mono, --rate, --normalize and --loudness are stages behind the chain, in this order. With one of them, another
    format, or a name of another extension, no chain is needed.

    --album keeps the relative levels of a folder: the files that lie in one (each folder of a tree by itself) are all
    measured first, their loudness as that of one programme, their peak as the highest. With --resume they are measured
    again, and what another set of files gave another gain is done anew.

    Exit codes: 0 every output was written and read back, 1 the run could not go on, 2 a wrong option or chain,
    3 some file failed, 130 and 143 interrupted.
    """
    from torchfx_cli.cli.batch import run
    from torchfx_cli.cli.process_options import ProcessOptions, asked_of, check_album, settings_of, shard_asked
    from torchfx_cli.cli.shorthands import is_conversion, meant_as_output
    from torchfx_cli.cli.tagging import changes_of

    options.check_together({
        "--quiet": quiet, "--verbose": verbose, "--overwrite": overwrite, "--skip-existing": skip_existing,
        "--resume": resume, "--in-place": in_place, "--output": output, "--name": name, "--format": format,
        "--bitrate": bitrate, "--quality": quality, "--normalize": normalize, "--loudness": loudness,
        "--album": album, "--cluster": cluster, "--jobs": jobs,
    })
    if in_place != (backup is not None):
        raise UsageError("--in-place and --backup SUFFIX belong together: a file is replaced only where its old "
                         "bytes are kept")
    if verbose:
        show.be_verbose()
    hint = meant_as_output(inputs or [], output)
    asked = asked_of(chain or [], effect or [], hint=hint, mono=mono, rate=rate, normalize=normalize, loudness=loudness,
                     converts=is_conversion(inputs or [], output, name, format, subtype, bitrate, quality, cover,
                                            tags_from, *(tag or [])))
    settings = settings_of(
        asked.spec, device=device, engine=engine, chunk=chunk, format=format,
        subtype=subtype, bitrate=bitrate, quality=quality, dither=dither, tail=tail, start=start,
        on_nan=on_nan, on_truncated=on_truncated, on_clip=on_clip,
        keep_mtime=keep_mtime, tags=not no_tags, changes=changes_of(tag or [], cover),
        overwrite=overwrite, skip_existing=skip_existing, strict=strict,
        resume=resume, shard=shard_asked(shard), cluster=options.cluster_address(cluster), hashes=hashes,
        fail_fast=fail_fast, timeout_s=options.timeout_seconds(timeout), album=album,
        scratch_bytes=options.byte_count("--scratch", scratch))
    check_album(settings, in_place=in_place)
    given = ProcessOptions(
        settings=settings,
        inputs=inputs or [], files_from=files_from, null=null, include=include or [], exclude=exclude or [],
        output=output, name=name, chain_word=asked.word, backup=backup,
        tags_from=tags_from, jobs=options.job_count(jobs), report=report, failed=failed,
        dry_run=dry_run, as_json=as_json, quiet=quiet, verbose=verbose)
    if hint and not quiet:
        show.tell(f"torchfx: warning: {hint}", "yellow")
    return run(given)
