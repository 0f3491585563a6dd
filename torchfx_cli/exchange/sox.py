"""A line of SoX effects, alone or with the whole command in front.

Source: sox(1), 14.4.2. Units of a width: h Hz, k kHz, q Q, o octaves, s slope; what a bare number means is each
effect's own.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from math import log10

import numpy as np

from torchfx_cli.exchange.cookbook import take_one_pole, take_rows, take_section, take_skirt_gain
from torchfx_cli.exchange.reading import Reading, RefusedError, number

# Every effect there is, so that one which is not taken ends the arguments of the one before it.
EFFECTS = frozenset(re.findall("[a-z]+", """
allpass band bandpass bandreject bass bend biquad chorus channels compand contrast dcshift deemph delay dither divide
downsample earwax echo echos equalizer fade fir firfit flanger gain highpass hilbert input ladspa loudness lowpass
mcompand mixer noiseprof noisered norm oops output overdrive pad phaser pitch rate remix repeat resample reverb reverse
riaa silence sinc spectrogram speed splice stat stats stretch swap synth tempo treble tremolo trim upsample vad vol
"""))
PROGRAMS = ("sox", "play", "rec")
Words = list[str]


def read_sox(text: str, reading: Reading) -> None:
    """The effects in `text`; each is told by the line that its name stands in."""
    words = [(line, word) for line, raw in enumerate(text.splitlines(), 1) for word in _split(raw, line, reading)]
    if words and words[0][1] in PROGRAMS:
        first = next((at for at, (_, word) in enumerate(words) if word in EFFECTS), len(words))
        words = words[first:]
    while words:
        line, name = words.pop(0)
        arguments = []
        while words and words[0][1] not in EFFECTS:
            arguments.append(words.pop(0)[1])
        with reading.refusing(line, " ".join([name, *arguments])[:80]):
            if name not in _TAKEN:
                raise RefusedError("is not taken" if name in EFFECTS else "is no effect of SoX")
            _TAKEN[name](name, arguments, line, reading)


def _split(raw: str, line: int, reading: Reading) -> Words:
    try:
        return [word for word in shlex.split(raw.rstrip("\\"), comments=True) if word != ":"]
    except ValueError as error:
        reading.refuse(line, str(error))
        return []


def _width(word: str, default: str, allowed: str) -> tuple[str, float]:
    """The unit and the number of `707`, `0.7q`, `2o`, `1.5k`."""
    unit = word[-1] if word[-1:].isalpha() else default
    if unit not in allowed:
        raise RefusedError(f"a width in '{unit}' is not taken here; allowed are {', '.join(allowed)}")
    return unit, number(word[:-1] if word[-1:].isalpha() else word, "width")


def _counted(words: Words, least: int, most: int) -> Words:
    if not least <= len(words) <= most:
        raise RefusedError(f"has {len(words)} arguments; {least} to {most} are due")
    return words


def _cut(name: str, words: Words, line: int, reading: Reading) -> None:
    poles = words.pop(0) if words[:1] in (["-1"], ["-2"]) else "-2"
    if poles == "-1":
        return take_one_pole(reading, line, name, number(_counted(words, 1, 1)[0], "frequency"))
    _counted(words, 1, 2)
    unit, width = _width(words[1], "q", "qohk") if len(words) == 2 else ("q", 0.5**0.5)
    return take_section(reading, line, name, number(words[0], "frequency"), unit, width)


def _band(name: str, words: Words, line: int, reading: Reading) -> None:
    skirt = words[:1] == ["-c"] and name == "bandpass"
    hz, width_word = _counted(words[skirt:], 2, 2)
    unit, width = _width(width_word, "h", "hkqo")
    if skirt:
        return take_skirt_gain(reading, line, number(hz, "frequency"), unit, width)
    return take_section(reading, line, {"bandreject": "notch"}.get(name, name), number(hz, "frequency"), unit, width)


def _equalizer(name: str, words: Words, line: int, reading: Reading) -> None:
    hz, width_word, gain = _counted(words, 3, 3)
    unit, width = _width(width_word, "q", "qohk")
    take_section(reading, line, "peaking", number(hz, "frequency"), unit, width, number(gain, "gain"))


def _tone(name: str, words: Words, line: int, reading: Reading) -> None:
    _counted(words, 1, 3)
    hz = number(words[1], "frequency") if len(words) > 1 else 100.0 if name == "bass" else 3000.0
    unit, width = _width(words[2], "s", "shkqo") if len(words) > 2 else ("s", 0.5)
    kind = "low_shelf" if name == "bass" else "high_shelf"
    take_section(reading, line, kind, hz, unit, width, number(words[0], "gain"))


def _gain(name: str, words: Words, line: int, reading: Reading) -> None:
    flags = [word for word in words if re.fullmatch("-[A-Za-z]+", word)]
    level = [word for word in words if word not in flags]
    if name == "norm" or flags == ["-n"]:
        return reading.take(line, "normalize", peak=number(level[0], "level") if level else 0.0)
    if flags:
        raise RefusedError(f"{' '.join(flags)} is not taken, only -n")
    return reading.take(line, "gain", gain=number(_counted(level, 1, 1)[0], "gain"))


def _vol(name: str, words: Words, line: int, reading: Reading) -> None:
    match = re.fullmatch(r"([-+0-9.eE]+)(dB|amplitude|power)?", "".join(words), re.IGNORECASE)
    if not match:
        raise RefusedError("a number is due, with dB, amplitude or power behind it if you like")
    value, unit = number(match[1], "volume"), (match[2] or "amplitude").lower()
    if unit == "db":
        return reading.take(line, "gain", gain=value)
    return take_factor(reading, line, value if unit == "amplitude" else float(np.sign(value)) * abs(value) ** 0.5)


def take_factor(reading: Reading, line: int, factor: float) -> None:
    """A gain by its factor; below 0 it turns the polarity over. Raises RefusedError for 0."""
    if factor == 0.0:
        raise RefusedError("nothing would be left to hear")
    if factor < 0.0:
        reading.take(line, "invert")
    if abs(factor) != 1.0:
        reading.take(line, "gain", gain=20.0 * log10(abs(factor)))


def _biquad(name: str, words: Words, line: int, reading: Reading) -> None:
    take_rows(reading, line, np.array([[number(word, "coefficient") for word in _counted(words, 6, 6)]]))


def _fir(name: str, words: Words, line: int, reading: Reading) -> None:
    """SoX takes half of the taps away for delay; `align` does so for symmetric ones."""
    if len(words) == 1 and not re.fullmatch(r"[-+0-9.eE]+", words[0]):
        raise RefusedError(f"its coefficients lie in a file; write fir: {{file: {words[0]}, align: true}}")
    taps = [number(word, "coefficient") for word in words]
    if not taps or not np.allclose(np.abs(taps), np.abs(taps[::-1]), rtol=0.0, atol=1e-9 * max(map(abs, taps))):
        raise RefusedError("SoX takes half of the taps away for delay, which is done here for symmetric taps only")
    reading.take(line, "fir", taps=taps, align=True)


_TAKEN: dict[str, Callable[[str, Words, int, Reading], None]] = {
    "lowpass": _cut, "highpass": _cut, "bandpass": _band, "bandreject": _band, "allpass": _band,
    "equalizer": _equalizer, "bass": _tone, "treble": _tone, "gain": _gain, "norm": _gain, "vol": _vol,
    "biquad": _biquad, "fir": _fir,
}
