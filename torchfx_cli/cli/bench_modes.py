"""The runs of `torchfx bench` that are no matrix: --advise, --calibrate, --profile."""

from __future__ import annotations

from torchfx_cli.bench import suites
from torchfx_cli.bench.backends import backend_of, is_torch
from torchfx_cli.bench.loads import load_of
from torchfx_cli.bench.suites import Suite
from torchfx_cli.cli import show
from torchfx_cli.cli.bench_options import MAX_FILES, BenchOptions, one, tables_beside
from torchfx_cli.cli.bench_screen import show_columns
from torchfx_cli.cli.options import whole
from torchfx_cli.errors import UsageError

OUTPUTS = ("--csv", "--json", "--markdown", "--plot", "--resume", "--compare", "--versus", "--reps", "--budget")
FOREIGN = {  # options that say nothing to a mode
    "--advise": (*OUTPUTS, "--overwrite", "--suite", "--backends"),
    "--calibrate": (*OUTPUTS, "--overwrite", "--suite", "--backends", "--durations", "--channels", "--chain",
                    "--effect", "--input", "--files"),
    "--profile": (*OUTPUTS, "--files"),
}
TYPICAL = 60.0, 2  # seconds and channels, where nothing is said


def advise(asked: BenchOptions) -> None:
    """Which device, chunk and jobs; and whether an FIR would do."""
    from torchfx_cli.bench import advise as advising
    from torchfx_cli.bench import fir_for_iir

    suite = _suite(asked)
    files = 1 if asked.files is None else whole("--files", asked.files, MAX_FILES)
    question = advising.Question(suite.chain, suite.words, suite.fs, suite.channels[0], suite.durations_s[0], files)
    advice = advising.advise(question, lambda step: _measuring(asked, step))
    _measuring(asked, "FIR or IIR")
    try:
        weighed = fir_for_iir.weigh(suite.stages(suite.channels[0]), suite.fs, suite.channels[0]).words()
    except UsageError:  # nothing in the chain is recursive
        weighed = []
    _measuring(asked, "")
    if not asked.quiet:
        _table(advising.table(advice))
        show.say("")
    for line in (*advising.words(advice), *weighed):
        show.say(line)


def calibrate(asked: BenchOptions) -> None:
    """Measure every backend and keep what it costs."""
    from torchfx_cli.bench import calibrate as calibrating
    from torchfx_cli.render import costs

    found = calibrating.calibrate(lambda step: _measuring(asked, step))
    _measuring(asked, "")
    try:
        path = costs.save(calibrating.costs_of(found))
    except OSError as error:
        raise UsageError(f"--calibrate: {error.filename or 'the costs'} cannot be written: {error.strerror or error}"
                         ) from None
    if not asked.quiet:
        _table(calibrating.table(found))
    show.say(f"kept in {path}, for process --device auto")


def profile(asked: BenchOptions) -> None:
    """The longest operations of the torch modules, and a trace."""
    from torchfx_cli.bench import profile as profiling

    suite = _suite(asked)
    names = [name for name in asked.backend_names() if is_torch(name)]
    if not names:
        raise UsageError("--profile: looks into the torch modules; give --backends cuda or cpu")
    usable = [name for name in names if not backend_of(name).why_not()]
    _measuring(asked, (usable or names)[0])
    load = load_of(suite, suite.durations_s[0], suite.channels[0])
    with asked.profile_file() as file:
        operations, trace = profiling.run(load, (usable or names)[0])
        file.save(trace)
    _measuring(asked, "")
    with tables_beside([file]):
        if not asked.quiet:
            _table(profiling.table(operations))
        show.say(f"trace in {asked.profile}; chrome://tracing and ui.perfetto.dev show it")


def _suite(asked: BenchOptions) -> Suite:
    """One chain at one size: what was named, else the filters of iir."""
    if asked.chain or asked.effect:
        found: tuple[Suite, ...] = (asked.own_suite(),)
    else:
        found = asked.suites() if asked.suite is not None else (suites.suite_of("iir"),)
    suite = one("--suite", found, found[0])
    if suite.source is not None:
        return suite
    duration_s = one("--durations", asked.durations_s(), TYPICAL[0])
    channels = one("--channels", asked.channel_counts(), TYPICAL[1])
    return Suite(suite.name, suite.chain, suite.words, (duration_s,), (channels,))


def _table(rows: list[tuple[str, ...]]) -> None:
    show_columns(rows[0], rows[1:], left=1)


def _measuring(asked: BenchOptions, step: str) -> None:
    if not asked.quiet:
        show.tell_for_now(f"measuring: {step}" if step else "")
