"""`torchfx process`: the main job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from torchfx_cli.cli import complete, options, show
from torchfx_cli.errors import UsageError

if TYPE_CHECKING:
    from torchfx_cli.chain.spec import ChainSpec
    from torchfx_cli.cli.listener import Teller
    from torchfx_cli.tasks.job import Job, Settings

NO_CHAIN = (
    "nothing to apply: give a chain (-c podcast-voice, -c eq.yaml) or an effect (-e highpass:80); "
    "`torchfx presets` lists chains, `torchfx filters` effects"
)


def process(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT", hidden=True)],
    chain: Annotated[list[str] | None, typer.Option(
        "--chain", "-c", metavar="FILE|PRESET", autocompletion=complete.preset_names,
        help="Chain to apply: a YAML file or the name of a preset. Several are applied in a row.")] = None,
    effect: Annotated[list[str] | None, typer.Option(
        "--effect", "-e", metavar="EFFECT", autocompletion=complete.effects,
        help='One stage, after the chains: "highpass:cutoff=80,order=4", "gain:-3".')] = None,
    output: Annotated[str | None, typer.Option(
        "--output", "-o", metavar="PATH",
        help="Output file or folder; without it, processed/ beside each input.")] = None,
    device: Annotated[str, typer.Option(
        metavar="auto|cpu|cuda[:N]", autocompletion=complete.words("auto", "cpu", "cuda"),
        help="Where to compute.")] = "auto",
    engine: Annotated[str, typer.Option(
        metavar="|".join(options.ENGINES), autocompletion=complete.words(*options.ENGINES),
        help="What to compute with.")] = "auto",
    chunk: Annotated[str | None, typer.Option(
        metavar="SECONDS", help="Audio held at a time; it never changes the result.")] = None,
    format: Annotated[str | None, typer.Option(
        metavar="NAME", help="Output format: wav, flac, ogg, ... Without it, that of the name.")] = None,
    subtype: Annotated[str | None, typer.Option(
        metavar="NAME", help="Output samples: 16, 24, 32, float, ... Without it, those of the input.")] = None,
    dither: Annotated[str, typer.Option(
        metavar="|".join(options.DITHERS), autocompletion=complete.words(*options.DITHERS),
        help="Dither to 16 bits and fewer; auto: where samples change.")] = "auto",
    tail: Annotated[str, typer.Option(
        metavar="SECONDS|auto", help="Let the chain ring out after the end of the input.")] = "0",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")] = False,
    skip_existing: Annotated[bool, typer.Option("--skip-existing", help="Leave outputs that exist alone.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Let a file with a warning fail.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done; write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON record a file on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Tell of failures only.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Tell the plan of each file too.")] = False,
) -> None:
    """Apply a chain to audio files; in.wav becomes processed/in.wav.

    \b
      torchfx process in.wav -c podcast-voice
      torchfx process in.wav -c hum-removal-50hz -c mine.yaml -o out.flac
      torchfx process *.wav -e "highpass:cutoff=80,order=4" -e "gain:-3" -o out/

    Exit codes: 0 every output was written and read back, 1 the run could not go on, 2 a wrong option or chain,
    3 some file failed, 130 and 143 interrupted.
    """
    from torchfx_cli.cli.listener import Teller
    from torchfx_cli.render.choose import check_engine
    from torchfx_cli.tasks.job import Settings, plan_jobs

    if quiet and verbose:
        raise options.contradiction("--quiet", "--verbose")
    if overwrite and skip_existing:
        raise options.contradiction("--overwrite", "--skip-existing")
    if verbose:
        show.be_verbose()
    settings = Settings(
        chain=_chain(chain or [], effect or []),
        device=device,
        engine=engine,
        chunk_s=options.chunk_seconds(chunk),
        format=format,
        subtype=subtype,
        dither=options.one_of("--dither", dither, options.DITHERS),  # type: ignore[arg-type]
        tail_s=options.tail_seconds(tail),
        overwrite=overwrite,
        skip_existing=skip_existing,
        strict=strict,
    )
    computing = "{} on {}".format(*check_engine(settings.engine, settings.device))
    jobs = plan_jobs(inputs, output, settings)
    if dry_run:
        from torchfx_cli.cli.dryrun import show_plans

        raise typer.Exit(show_plans(jobs, settings, computing, as_json=as_json))
    teller = Teller(len(jobs), computing, quiet=quiet, verbose=verbose, as_json=as_json)
    raise typer.Exit(_run(jobs, settings, teller))


def _chain(names: list[str], effects: list[str]) -> ChainSpec:
    from torchfx_cli.chain.parse import join, load_chain
    from torchfx_cli.chain.presets import find

    if not names and not effects:
        raise UsageError(NO_CHAIN)
    return join([load_chain(find(name)) for name in names], effects)


def _run(jobs: list[Job], settings: Settings, teller: Teller) -> int:
    from torchfx_cli.tasks.local import run_jobs
    from torchfx_cli.tasks.report import Report

    report = Report()
    try:
        run_jobs(jobs, settings, teller, report)
    finally:
        teller.stop()
        teller.summary(report)
    return report.exit_code
