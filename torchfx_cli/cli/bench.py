"""`torchfx bench`: the matrix of backends, and what follows from it."""

from __future__ import annotations

from typing import Annotated

import typer

from torchfx_cli.cli import choices
from torchfx_cli.cli.helping import MEASURING, RESULTS, RUNS, option
from torchfx_cli.errors import UsageError


def bench(
    suite: Annotated[str | None, option(MEASURING,
        metavar="LIST", help="Suites: fir, iir, api, io, chain. Without it fir and iir at few sizes.")] = None,
    backends: Annotated[str | None, option(MEASURING,
        metavar="LIST", help="Backends: cuda, native, cpu, scipy, scipy-sos. Without it all.")] = None,
    durations: Annotated[str | None, option(MEASURING,
        metavar="LIST", help="Lengths of the audio in seconds: 5,60,600.")] = None,
    channels: Annotated[str | None, option(MEASURING, metavar="LIST", help="Numbers of channels: 1,8.")] = None,
    chain: choices.Chain = None,
    effect: choices.Effect = None,
    input: Annotated[str | None, option(MEASURING,
        metavar="FILE", help="Compute this file instead of noise; with --chain or --effect.")] = None,
    reps: Annotated[str | None, option(MEASURING,
        metavar="N", help="Repeat exactly N times; without it, until the median is known to 3 %.")] = None,
    budget: Annotated[str | None, option(MEASURING,
        metavar="SECONDS",
        help="Time to measure in, else 90; with --reps no limit. What does not fit is skipped.")] = None,
    versus: Annotated[bool, option(MEASURING,
        "--versus", help="Run SoX, ffmpeg, pedalboard and a SciPy script over the same chains, file to file.")] = False,
    csv: Annotated[str | None, option(RESULTS, metavar="FILE", help="Write a row a cell.")] = None,
    json: Annotated[str | None, option(RESULTS,
        metavar="FILE", help="Write everything, for --resume and --compare.")] = None,
    markdown: Annotated[str | None, option(RESULTS, metavar="FILE", help="Write the tables as Markdown.")] = None,
    plot: Annotated[str | None, option(RESULTS,
        metavar="FILE", help="Draw time against duration, .png or .svg.")] = None,
    resume: Annotated[str | None, option(RUNS,
        metavar="FILE", help="Go on with the run whose --json this is; it is kept there.")] = None,
    compare: Annotated[str | None, option(RUNS,
        metavar="FILE", help="Measure the cells of an earlier --json again: what became faster or slower?")] = None,
    advise: Annotated[bool, option(RUNS,
        "--advise", help="Which device, chunk and jobs for this chain and these files? Measured here.")] = False,
    files: Annotated[str | None, option(RUNS, metavar="N", help="With --advise: number of such files.")] = None,
    calibrate: Annotated[bool, option(RUNS,
        "--calibrate", help="Measure what each backend costs, for process --device auto.")] = False,
    profile: Annotated[str | None, option(RUNS,
        metavar="FILE", help="Profile the torch modules; write a trace for chrome://tracing.")] = None,
    overwrite: Annotated[bool, option(RESULTS,
        "--overwrite", help="Replace files that torchfx bench did not write.")] = False,
    quiet: choices.Quiet = False,
) -> None:
    """Measure backends: GPU, C kernel, torch, SciPy; time and error.

    \b
      torchfx bench                     a useful answer in under two minutes
      torchfx bench --suite fir --reps 50 --csv fir.csv --plot fir.png
      torchfx bench -c eq.yaml --durations 60 --channels 2 --versus
      torchfx bench -c eq.yaml --input in.wav --advise
      torchfx bench --compare old.json

    Times are of the computation alone, sound and result in memory, forced and waited for; a result below 140 dB
    against float64 SciPy is wrong and shows no speed.

    Exit codes: 0 measured, or skipped with a reason, 2 a wrong option, 3 some result was wrong or a backend failed,
    130 interrupted: what was measured is written.
    """
    from torchfx_cli.cli import bench_modes, bench_run
    from torchfx_cli.cli.bench_options import BenchOptions

    asked = BenchOptions(
        suite=suite, backends=backends, durations=durations, channels=channels, chain=chain or [], effect=effect or [],
        input=input, reps=reps, budget=budget, versus=versus, csv=csv, json=json, markdown=markdown, plot=plot,
        resume=resume, compare=compare, files=files, profile=profile, overwrite=overwrite, quiet=quiet)
    modes = {"--advise": advise, "--calibrate": calibrate, "--profile": profile is not None}
    chosen = [name for name, wanted in modes.items() if wanted]
    if len(chosen) > 1:
        raise UsageError(f"{chosen[0]} and {chosen[1]} are runs of their own; give one of them")
    if not chosen:
        asked.refuse("", "--files")
        raise typer.Exit(bench_run.run(asked))
    asked.refuse(chosen[0], *bench_modes.FOREIGN[chosen[0]])
    if advise:
        bench_modes.advise(asked)
    elif calibrate:
        bench_modes.calibrate(asked)
    else:
        bench_modes.profile(asked)
