"""`torchfx diff`: do two files hold the same sound, and how far apart are they?"""

from __future__ import annotations

import json
import math
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from torchfx_cli.cli import options, show, signals
from torchfx_cli.errors import UsageError

if TYPE_CHECKING:
    from torchfx_cli.analysis.difference import Difference, Residual
    from torchfx_cli.stream.facts import FileFacts

BEYOND = 1  # the exit code of files that differ
BAND_DB = 0.05  # a change that is shown as one
NAME_WIDTH = 9  # of the first column
EXPLAINED_DB = 3.0  # by how much a gain has to lower the error to be worth a line


def diff(
    a: Annotated[str, typer.Argument(metavar="A", hidden=True)],
    b: Annotated[str, typer.Argument(metavar="B", hidden=True)],
    max_error: Annotated[str | None, typer.Option(
        metavar="DB", help="The largest error of a sample that is no difference: -90dB. Without it, none.")] = None,
    align: Annotated[bool, typer.Option(
        "--align", help="Take back a shift in time before the error counts; only what both have is compared.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON record.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing; the exit code tells.")] = False,
) -> None:
    """Compare two files sample for sample: error, shift, gain, spectrum.

    \b
      torchfx diff a.wav b.wav --max-error -90dB
      torchfx diff master.wav master.mp3 --align

    B is held against A: it is later, longer, louder. A shift of up to 131072 frames is found.

    Exit codes: 0 no sample differs by more, 1 some do, or rate, channels or length differ, 2 a wrong option, 3 a file
    could not be read.
    """
    bound = -math.inf if max_error is None else _decibels(max_error)
    from torchfx_cli.analysis.samples import opened

    with signals.promptly(), opened(a) as first, opened(b) as second:
        apart = _not_comparable(first.facts, second.facts)
        found = None
        if not apart:
            from torchfx_cli.analysis.difference import difference

            found = difference(first, second)
        facts = first.facts, second.facts
        for name, source in ((a, first), (b, second)) if not quiet else ():
            show.tell_warnings(name, source.warnings)
    is_within = found is not None and found.is_within(bound, aligned=align)
    if as_json:
        show.say(json.dumps(_record(a, b, found, apart, is_within)))
    elif not quiet:
        lines = [apart] if found is None else _lines(found, facts, bound, align=align, is_within=is_within)
        show.say_wrapped(*lines, hang=NAME_WIDTH + 1)
    raise typer.Exit(0 if is_within else BEYOND)


def _decibels(text: str) -> float:
    words = text.strip().lower().replace("\u2212", "-")
    try:
        value = float(words.removesuffix("fs").removesuffix("db"))
    except ValueError:
        value = math.nan
    if not -1000.0 <= value <= 0.0:
        raise UsageError(f"--max-error: found {options.quoted(text)}; allowed is a level from -1000 to 0 dB of full "
                         "scale, such as -90dB")
    return value


def _not_comparable(a: FileFacts, b: FileFacts) -> str:
    """Why they cannot be compared sample for sample; "" where they can."""
    if a.fs != b.fs:
        return f"the sample rates differ: {a.fs} and {b.fs} Hz (resample one: torchfx process B --rate {a.fs})"
    if a.channels != b.channels:
        return f"the numbers of channels differ: {a.channels} and {b.channels}"
    return ""


def _lines(found: Difference, facts: tuple[FileFacts, FileFacts], bound: float, *, align: bool,
           is_within: bool) -> list[str]:
    fs = facts[0].fs
    if is_within and found.residual.peak_db == -math.inf and found.frames[0] == found.frames[1]:
        return [f"every sample is the same, of {show.count(found.frames[0], 'frame')}"]
    longer = found.frames[1] - found.frames[0]
    rows = [("length", "the same" if not longer else
             f"B is {_amount(abs(longer), fs)} {'longer' if longer > 0 else 'shorter'}")]
    if found.shift is None:
        rows.append(("shift", "nothing in B resembles A"))
    else:
        rows.append(("shift", "none" if not found.shift else
                     f"B is {_amount(abs(found.shift), fs)} {'later' if found.shift > 0 else 'earlier'}"))
    rows += _residual_rows(found.residual, fs, "error")
    if found.aligned:
        rows += _residual_rows(found.aligned, fs, "aligned")
    if found.bands:
        rows.append(("spectrum", _bands(found.bands)))
    hint = "" if is_within or align or not found.aligned else " (--align takes the shift back)"
    rows.append(("result", _verdict(bound, is_within=is_within) + hint))
    return [f"{name:{NAME_WIDTH}} {words}" for name, words in rows]


def _verdict(bound: float, *, is_within: bool) -> str:
    if bound == -math.inf:
        return "the same" if is_within else "different"
    return f"{'no sample differs' if is_within else 'samples differ'} by more than {bound:g} dBFS"


def _residual_rows(residual: Residual, fs: int, name: str) -> list[tuple[str, str]]:
    if residual.peak_db == -math.inf:
        return [(name, "none")]
    place = f"at {show.moment(residual.peak_frame / fs)} in channel {residual.peak_channel + 1}"
    rows = [(name, f"at most {_level(residual.peak_db)}, {place}; RMS {_level(residual.rms_db)}, "
                   f"SNR {residual.snr_db:.1f} dB")]
    if residual.gain_db is not None and residual.rms_db - residual.matched_db > EXPLAINED_DB:
        turned = " and the polarity" if residual.is_inverted else ""
        rows.append(("", f"with a gain of {residual.gain_db:+.2f} dB{turned} taken back: RMS "
                         f"{_level(residual.matched_db)}"))
    return rows


def _level(decibels: float) -> str:
    return f"{round(decibels, 1) + 0.0:.1f} dBFS"  # never -0.0


def _amount(frames: int, fs: int) -> str:
    return f"{show.count(frames, 'frame')} ({frames / fs * 1000.0:.1f} ms)"


def _bands(bands: tuple[tuple[float, float], ...]) -> str:
    """The third octaves that changed; neighbours of the same change together."""
    changed = [(hz, round(db, 1)) for hz, db in bands if abs(db) >= BAND_DB]
    if not changed:
        return f"the same within {BAND_DB:g} dB in all thirds of an octave"
    groups = [list(group) for _, group in groupby(changed, lambda band: band[1])]
    words = [f"{_hertz(group[0][0])}{f' to {_hertz(group[-1][0])}' if len(group) > 1 else ''} {group[0][1]:+.1f}"
             for group in groups]
    rest = "" if len(changed) == len(bands) else f"; within {BAND_DB:g} dB elsewhere"
    return f"{', '.join(words)} dB{rest}"


def _hertz(hz: float) -> str:
    """The nominal frequency of a third octave."""
    from torchfx_cli.effects.graphic_eq import THIRDS

    nominal = min(THIRDS, key=lambda centre: abs(math.log(centre / hz)))
    return f"{nominal:g}" if nominal < 1000.0 else f"{nominal / 1000.0:g}k"


def _record(a: str, b: str, found: Difference | None, apart: str, is_within: bool) -> dict[str, Any]:
    """As JSON, whose numbers are finite: null for the level of what is not there."""
    record: dict[str, Any] = {"a": a, "b": b, "status": "same" if is_within else "different"}
    if found is None:
        return record | {"reason": apart}
    return record | {
        "frames": list(found.frames), "shift": found.shift, "error": _finite(found.residual),
        "aligned": None if found.aligned is None else _finite(found.aligned),
        "third_octaves": [{"hz": round(hz, 3), "change_db": round(db, 4)} for hz, db in found.bands]}


def _finite(residual: Residual) -> dict[str, Any]:
    from dataclasses import asdict

    return {name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(residual).items()}
