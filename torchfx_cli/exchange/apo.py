"""Equalizer APO's configuration, in which AutoEq and Room EQ Wizard write their filters too.

Source: Equalizer APO, "Configuration reference", and the readings of it by its own parser: a shelf without slope or Q
has S = 0.9; LS and HS with one mean the corner, which lies |gain| / 80 S decades beside the middle of the slope.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from torchfx_cli.design.biquad import q_of_slope
from torchfx_cli.exchange.reading import Reading, RefusedError, Value, number
from torchfx_cli.samples import PLAIN_SIGNS

KINDS = {
    "PK": "peaking", "PEQ": "peaking", "MODAL": "peaking", "LP": "lowpass", "LPQ": "lowpass", "HP": "highpass",
    "HPQ": "highpass", "BP": "bandpass", "NO": "notch", "AP": "allpass", "LS": "low_shelf", "LSC": "low_shelf",
    "LSQ": "low_shelf", "HS": "high_shelf", "HSC": "high_shelf", "HSQ": "high_shelf", "LP1": "lowpass",
    "HP1": "highpass",
}
DEFAULT_Q = {"lowpass": 0.5**0.5, "highpass": 0.5**0.5, "bandpass": 0.5**0.5, "notch": 30.0}
SHELF_SLOPE = 0.9
SIDES = {"L": "left", "R": "right"}

_LINE = re.compile(r"\s*([A-Za-z][A-Za-z ]*?)\s*[0-9]*\s*:\s*(.*)")
_TYPE = re.compile(r"(ON|OFF)\s+([A-Za-z]+1?)\s*(?:([0-9.,]+)\s*dB\b)?(.*)", re.IGNORECASE)
_NUMBER = r"\s*([-+]?[0-9][0-9.,]*(?:[eE][-+]?[0-9]+)?)"
_PARTS = {key: re.compile(pattern, re.IGNORECASE) for key, pattern in {
    "Fc": rf"\bFc{_NUMBER}\s*Hz", "Gain": rf"\bGain{_NUMBER}\s*dB", "Q": rf"\bQ{_NUMBER}",
    "BW": rf"\bBW\s+Oct{_NUMBER}"}.items()}
_REST = re.compile(r"[\s]|T60\s+target\s+[0-9.,]+\s*m?s|\(.*\)", re.IGNORECASE)


def read_apo(text: str, reading: Reading) -> None:
    """Lines of a configuration."""
    _read(text, reading, lambda line, words: reading.refuse(line, f"'{words[:60]}' is no command"))


def read_rew(text: str, reading: Reading) -> None:
    """A filter settings file: what stands above the first filter is about the measurement."""
    def beside(line: int, words: str) -> None:
        if re.search(r"^\s*Filter\s+[0-9]", "\n".join(text.splitlines()[:line]), re.MULTILINE):
            reading.refuse(line, f"'{words[:60]}' is no filter")

    _read(text, reading, beside)


def _read(text: str, reading: Reading, beside: Callable[[int, str], None]) -> None:
    unknown = ""  # the channels that what follows is for, where these are not known here
    for line, raw in enumerate(text.translate({**PLAIN_SIGNS, 0xA0: None}).splitlines(), 1):
        words = raw.partition("#")[0].strip()
        if not words:
            continue
        match = _LINE.fullmatch(words)
        command = match[1].lower() if match else ""
        with reading.refusing(line):
            if match and command == "channel":
                unknown = ""
                try:
                    reading.channels = _channels(match[2])
                except RefusedError:
                    unknown = match[2].strip()[:60]
                    raise
            elif match and command in _COMMANDS:
                if unknown:
                    raise RefusedError(f"'{words[:60]}' is for channel {unknown} alone")
                _COMMANDS[command](match[2], line, reading)
            else:
                beside(line, words)


def _channels(words: str) -> tuple[int | str, ...]:
    """Those of a chain file: all of them, the sides of a stereo signal, or numbers from 1."""
    names = words.split()
    if [name.lower() for name in names] == ["all"]:
        return ()
    if not names or not all(name.upper() in SIDES or re.fullmatch("[1-9][0-9]{0,2}", name) for name in names):
        raise RefusedError(f"Channel: {words.strip()[:60]}: known here are all, L, R and the numbers of channels")
    return tuple(dict.fromkeys(SIDES[name.upper()] if name.upper() in SIDES else int(name) for name in names))


def _filter(words: str, line: int, reading: Reading) -> None:
    match = _TYPE.fullmatch(words)
    if match and (match[1].upper() == "OFF" or match[2].upper() == "NONE"):
        return None
    if match and match[2].upper() == "IIR":
        return _iir(match[4], line, reading)
    kind = KINDS.get(match[2].upper()) if match else None
    if match is None or kind is None:
        raise RefusedError(f"filter '{words[:60]}' is not known here; known are ON or OFF and {', '.join(KINDS)}, IIR")
    has = _parts(match[4], kind)
    if "Fc" not in has:
        raise RefusedError("no frequency (Fc ... Hz)")
    if kind in ("peaking", "low_shelf", "high_shelf") and "Gain" not in has:
        raise RefusedError("no gain (Gain ... dB)")
    if kind in ("low_shelf", "high_shelf"):
        return _shelf(kind, match[2].upper(), match[3], has, line, reading)
    if match[2].endswith("1"):
        return reading.take(line, kind, cutoff=has["Fc"], order=1)
    values: dict[str, Value] = {"cutoff" if kind in ("lowpass", "highpass") else "frequency": has["Fc"]}
    if kind == "peaking":
        values["gain"] = has["Gain"]
    if "BW" in has and kind not in ("lowpass", "highpass"):
        values["bandwidth"] = has["BW"]
    elif "BW" in has:
        raise RefusedError(f"a {kind} takes no bandwidth here, write its Q")
    elif "Q" in has or kind in DEFAULT_Q:
        values["q"] = has.get("Q", DEFAULT_Q.get(kind, 0.0))
    else:
        raise RefusedError("no Q and no bandwidth (Q ..., or BW Oct ...)")
    return reading.take(line, kind, **values)


def _shelf(kind: str, name: str, slope: str | None, has: dict[str, float], line: int, reading: Reading) -> None:
    gain_db, hz = has["Gain"], has["Fc"]
    steepness = _number(slope, "slope") / 12.0 if slope else None
    if steepness is None and "Q" not in has:
        return reading.take(line, kind, frequency=hz, gain=gain_db, slope=SHELF_SLOPE)
    a = 10.0 ** (gain_db / 40.0)
    inverse = 1.0 / steepness if steepness else (1.0 / has["Q"] ** 2 - 2.0) / (a + 1.0 / a) + 1.0
    if (a + 1.0 / a) * (inverse - 1.0) + 2.0 <= 0.0:
        raise RefusedError(f"a slope of {slope} dB is too steep for a gain of {gain_db:g} dB")
    if name in ("LS", "HS"):
        hz *= 10.0 ** (abs(gain_db) / 80.0 * inverse * (1 if kind == "low_shelf" else -1))
    if steepness is not None and steepness <= 1.0:
        return reading.take(line, kind, frequency=hz, gain=gain_db, slope=steepness)
    q = q_of_slope(steepness, gain_db) if steepness else has["Q"]
    return reading.take(line, kind, frequency=hz, gain=gain_db, q=q)


def _parts(words: str, kind: str) -> dict[str, float]:
    """The numbers behind a type. Raises RefusedError for words among them that would be lost."""
    found = {}
    for key, pattern in _PARTS.items():
        if match := pattern.search(words):
            found[key] = _number(match[1], key)
            words = words[: match.start()] + " " + words[match.end() :]
    if rest := _REST.sub("", words):
        raise RefusedError(f"'{rest[:60]}' is not understood")
    if "Q" in found and found["Q"] <= 0:
        raise RefusedError("a Q must be above 0")
    return found


def _iir(words: str, line: int, reading: Reading) -> None:
    match = re.fullmatch(r"\s*Order\s+([0-9]+)\s+Coefficients\s+(.*)", words, re.IGNORECASE)
    numbers = [number(word, "IIR") for word in match[2].split()] if match else []
    if not match or match[1] not in ("1", "2") or len(numbers) != 2 * (int(match[1]) + 1):
        raise RefusedError("an IIR is taken with Order 1 or 2 and as many coefficients, b0 b1 b2 a0 a1 a2")
    pad = [0.0] * (2 - int(match[1]))
    half = len(numbers) // 2
    rate: dict[str, Value] = {} if reading.rate_hz is None else {"rate": reading.rate_hz}
    reading.take(line, "sos", sections=[[*numbers[:half], *pad, *numbers[half:], *pad]], **rate)


def _preamp(words: str, line: int, reading: Reading) -> None:
    match = re.fullmatch(rf"{_NUMBER}\s*(?:dB)?\s*", words, re.IGNORECASE)
    if not match:
        raise RefusedError(f"'{words[:60]}' is no gain; write it like -6 dB")
    reading.take(line, "gain", gain=_number(match[1], "Preamp"))


def _graphic(words: str, line: int, reading: Reading) -> None:
    pairs = [pair.split() for pair in words.split(";") if pair.strip()]
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise RefusedError("GraphicEQ: pairs of frequency and gain are due, with a semicolon between them")
    points = [[number(hz.replace(",", "."), "frequency"), number(db.replace(",", "."), "gain")] for hz, db in pairs]
    reading.take(line, "eq_curve", points=points, phase="minimum")


def _device(words: str, line: int, reading: Reading) -> None:
    if words.strip().lower() != "all":
        raise RefusedError(f"Device: {words[:60]}: a chain knows no devices; write Device: all, or leave it out")


def _refused(name: str) -> Callable[[str, int, Reading], None]:
    def refuse(words: str, line: int, reading: Reading) -> None:
        raise RefusedError(f"{name}: {words[:60]} is not taken")

    return refuse


def _number(text: str, what: str) -> float:
    """A comma may be the decimal one; three digits behind it are thousands, as Room EQ Wizard writes them."""
    if what == "Fc" and re.fullmatch(r"[0-9]+\.[0-9]{3}", text):
        raise RefusedError(f"Fc {text} Hz: Equalizer APO reads {text.replace('.', '')} Hz here; write {text}0 or that")
    if what == "Fc" and re.fullmatch(r"[0-9]+,[0-9]{3}(\.[0-9]+)?", text):
        return number(text.replace(",", ""), what)
    return number(text.replace(",", "."), what)


_COMMANDS: dict[str, Callable[[str, int, Reading], None]] = {
    "filter": _filter, "preamp": _preamp, "graphiceq": _graphic, "device": _device,
    **{name.lower(): _refused(name) for name in (
        "Include", "Copy", "Delay", "Convolution", "Stage", "If", "ElseIf", "Else", "EndIf", "Eval", "VSTPlugin",
        "LoudnessCorrection")}}
