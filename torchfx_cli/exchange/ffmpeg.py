"""An audio filter line of ffmpeg: what stands behind -af, alone or with the whole command around it.

Source: ffmpeg-filters(1). Every section is the cookbook's, except that `bass` and `treble` (not `lowshelf` and
`highshelf`) have the Q that they are given times the root of 2: both were measured on ffmpeg itself.
"""

from __future__ import annotations

import re
import shlex

import numpy as np

from torchfx_cli.exchange.cookbook import take_one_pole, take_rows, take_section, take_skirt_gain
from torchfx_cli.exchange.reading import Reading, RefusedError, number
from torchfx_cli.exchange.sox import take_factor
from torchfx_cli.exchange.words import COLUMNS

Options = dict[str, str]
SHORT = {"f": "frequency", "t": "width_type", "w": "width", "g": "gain", "p": "poles", "m": "mix", "c": "channels",
         "n": "normalize", "o": "order", "a": "transform", "r": "precision", "b": "blocksize"}
PLACES = ("frequency", "width_type", "width")  # of values without a name
HOW = ("transform", "precision", "blocksize")  # to compute, which changes nothing but rounding
SHELVES = {"bass": "low_shelf", "lowshelf": "low_shelf", "treble": "high_shelf", "highshelf": "high_shelf"}
# Without a width: its unit and number, and without a frequency.
DEFAULTS = {"lowpass": ("q", 0.707, 500.0), "highpass": ("q", 0.707, 3000.0), "bandpass": ("q", 0.5, 3000.0),
            "bandreject": ("q", 0.5, 3000.0), "allpass": ("q", 0.707, 3000.0), "equalizer": ("q", 1.0, 0.0),
            "bass": ("q", 0.5, 100.0), "lowshelf": ("q", 0.5, 100.0), "treble": ("q", 0.5, 3000.0),
            "highshelf": ("q", 0.5, 3000.0)}
_OPTION = re.compile(r"(?:^|\s)(?:-af|-filter:a|-filter_complex)\s")
_PIECE = r"""(?:\\.|'[^']*'|[^%s'\\])+"""


def read_ffmpeg(text: str, reading: Reading) -> None:
    """The filters in `text`, which may go over several lines."""
    line = 1
    if _OPTION.search(text):
        words = shlex.split(text.replace("\\\n", " "))
        at = next(n for n, word in enumerate(words) if word in ("-af", "-filter:a", "-filter_complex"))
        line += text[: _OPTION.search(text).end() - 1].count("\n")  # type: ignore[union-attr]
        text = words[at + 1] if at + 1 < len(words) else ""
    for match in re.finditer(_PIECE % ",", text):
        here = line + text[: match.start()].count("\n") + (match[0][: -len(match[0].lstrip())].count("\n"))
        entry_text = match[0].strip().strip('"')
        if not entry_text:
            continue
        name, _, rest = entry_text.partition("=")
        with reading.refusing(here, entry_text[:80]):
            _take(name.partition("@")[0].strip(), rest, here, reading)


def _take(name: str, rest: str, line: int, reading: Reading) -> None:
    if re.search(r"[\[\];]", name + rest):
        raise RefusedError("a graph with branches is not taken, only a row of filters")
    pieces = [re.sub(r"\\(.)|'", r"\1", piece) for piece in re.findall(_PIECE % ":", rest)]
    if name in ("anull", "acopy"):
        return None
    if name == "volume":
        return _volume(_options(pieces, ("volume",)), line, reading)
    if name == "biquad":
        options = _options(pieces, ("a0", "a1", "a2", "b0", "b1", "b2"))
        _plain(options)
        values = {"a0": "1", **options}
        return take_rows(reading, line, np.array([[number(values.get(key, "0"), key) for key in COLUMNS]]))
    if name not in DEFAULTS:
        raise RefusedError("is not taken")
    return _section(name, _options(pieces, PLACES), line, reading)


def _options(pieces: list[str], places: tuple[str, ...]) -> Options:
    options: Options = {}
    for at, piece in enumerate(pieces):
        key, equals, value = piece.partition("=")
        if not equals and at >= len(places):
            raise RefusedError(f"'{piece[:40]}' has no name; write name=value")
        options[SHORT.get(key, key) if equals else places[at]] = value if equals else piece
    return options


def _plain(options: Options) -> None:
    """Refuse what makes another sound of a section."""
    for key, usual in (("mix", "1"), ("channels", "all"), ("normalize", "0")):
        if options.pop(key, usual) not in (usual, "1.0" if key == "mix" else "false"):
            raise RefusedError(f"{key} is not taken")
    for key in HOW:
        options.pop(key, None)


def _section(name: str, options: Options, line: int, reading: Reading) -> None:
    _plain(options)
    unit, width, hz = DEFAULTS[name]
    hz = number(options.pop("frequency", str(hz)), "frequency")
    unit, width = options.pop("width_type", unit), number(options.pop("width", str(width)), "width")
    unit = {"1": "h", "2": "o", "3": "q", "4": "s", "5": "k"}.get(unit, unit)
    gain_db = number(options.pop("gain", "0"), "gain") if name in SHELVES or name == "equalizer" else None
    order = options.pop("order" if name == "allpass" else "poles", "2") if name not in (
        "equalizer", "bandpass", "bandreject") else "2"
    skirt = name == "bandpass" and options.pop("csg", "0") in ("1", "true")
    if options:
        raise RefusedError(f"{', '.join(options)} is not taken")
    kind = {"equalizer": "peaking", "bandreject": "notch", **SHELVES}.get(name, name)
    if order != "1":
        if name in ("bass", "treble"):
            return _tone(kind, line, hz, unit, width, gain_db or 0.0, reading)
        if skirt:
            return take_skirt_gain(reading, line, hz, unit, width)
        return take_section(reading, line, kind, hz, unit, width, gain_db)
    if name in ("lowpass", "highpass"):
        return take_one_pole(reading, line, name, hz)
    if gain_db is not None:
        return reading.take(line, kind, frequency=hz, gain=gain_db, order=1)
    return reading.take(line, kind, frequency=hz, order=1)


def _tone(kind: str, line: int, hz: float, unit: str, width: float, gain_db: float, reading: Reading) -> None:
    """`bass` and `treble`: the Q that the width says, times the root of 2."""
    within = Reading(reading.rate_hz)
    take_section(within, line, kind, hz, unit, width, gain_db)
    reading.refused += within.refused
    for entry in within.entries:
        if "q" not in entry.values:
            raise RefusedError("a width in octaves is not taken here; write a Q")
        reading.take(line, kind, **{**entry.values, "q": float(str(entry.values["q"])) * 2.0**0.5})


def _volume(options: Options, line: int, reading: Reading) -> None:
    options.pop("precision", None)
    text = options.pop("volume", "1.0")
    if options:
        raise RefusedError(f"{', '.join(options)} is not taken")
    if text.lower().endswith("db"):
        return reading.take(line, "gain", gain=number(text[:-2], "volume"))
    return take_factor(reading, line, number(text, "volume"))
