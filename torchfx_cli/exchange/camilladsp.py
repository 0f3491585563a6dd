"""A configuration of CamillaDSP: the filters that its pipeline uses, in that order.

Source: CamillaDSP's README, and its formulas for what is no cookbook section (general notch, Linkwitz transform).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from math import pi, tan

import numpy as np

from torchfx_cli.chain.document import Mapping, Mistake, Node, Scalar, Sequence, parse_document
from torchfx_cli.design.biquad import q_of_slope
from torchfx_cli.exchange.cookbook import take_rows
from torchfx_cli.exchange.reading import Reading, RefusedError, Value, number
from torchfx_cli.exchange.sox import take_factor

EDGES = {"Highpass": "highpass", "Lowpass": "lowpass"}
SHELVES = {"Highshelf": "high_shelf", "Lowshelf": "low_shelf"}
AROUND = {"Peaking": "peaking", "Notch": "notch", "Bandpass": "bandpass", "Allpass": "allpass"}
MAX_CHANNELS = 256


def read_camilladsp(text: str, reading: Reading) -> None:
    """The filters of the pipeline."""
    try:
        root = _keys(parse_document(text))
        filters, pipeline = _keys(root.get("filters")), root.get("pipeline")
        if not isinstance(pipeline, Sequence):
            raise RefusedError("there is no pipeline, so no filter is in use")
        devices = _keys(root.get("devices"))
        if reading.rate_hz is None and "samplerate" in devices:
            reading.rate_hz = number(_text(devices["samplerate"]), "samplerate")
        channels = int(number(_text(_keys(devices.get("capture")).get("channels")) or "0", "channels"))
        for line, name, places in _steps(pipeline, min(channels, MAX_CHANNELS), reading):
            reading.channels = places
            _take_named(name, line, filters, reading)
    except Mistake as mistake:
        reading.refuse(mistake.line, str(mistake))
    except RefusedError as error:
        reading.refuse(1, str(error))


def _steps(pipeline: Sequence, channels: int, reading: Reading) -> Iterable[tuple[int, str, tuple[int, ...]]]:
    """The line and name of each filter, and its channels, from 1; () for all, or where all have the same filters."""
    steps: list[tuple[int, str, tuple[int, ...]]] = []
    for step in pipeline.items:
        keys = _keys(step)
        if _text(keys.get("bypassed")) == "true":
            continue
        if _text(keys.get("type")) != "Filter":
            what = f"{_text(keys.get('type'))} {_text(keys.get('name'))}"
            reading.refuse(step.line, f"pipeline: {what}: only filters are taken")
            continue
        meant = {int(number(_text(item), "channel")) for item in
                 [*_items(keys.get("channels")), *_items(keys.get("channel"))]}
        if beyond := [channel for channel in meant if not 0 <= channel < MAX_CHANNELS]:
            raise RefusedError(f"pipeline: channel {beyond[0]}: those from 0 to {MAX_CHANNELS - 1} are taken")
        is_all = channels and meant >= set(range(channels))
        places = () if is_all else tuple(channel + 1 for channel in sorted(meant))
        steps += ((item.line, _text(item), places) for item in _items(keys.get("names")))
    count = channels or max((max(places, default=0) for _, _, places in steps), default=0)
    rows = [[name for _, name, places in steps if not places or channel in places] for channel in range(1, count + 1)]
    if any(row != rows[0] for row in rows):
        return steps
    return [(line, name, ()) for line, name, places in steps if not places or 1 in places]


def _take_named(name: str, line: int, filters: dict[str, Node], reading: Reading) -> None:
    if name not in filters:
        return reading.refuse(line, f"filter {name}: it is not among the filters")
    node = filters[name]
    keys = _keys(node)
    kind, given = _text(keys.get("type")), _keys(keys.get("parameters"))
    variant = _text(given.get("type"))
    with reading.refusing(node.line, f"filter {name} ({kind}{' ' * bool(variant)}{variant})"):
        if kind not in _TAKEN:
            raise RefusedError("is not taken")
        _TAKEN[kind](given, node.line, reading)
    return None


def _biquad(given: dict[str, Node], line: int, reading: Reading) -> None:
    kind = _text(given.get("type"))
    if kind in EDGES:
        return reading.take(line, EDGES[kind], cutoff=_number(given, "freq"), q=_number(given, "q"))
    if kind.removesuffix("FO") in EDGES:
        return reading.take(line, EDGES[kind.removesuffix("FO")], cutoff=_number(given, "freq"), order=1)
    if kind in SHELVES:
        return _shelf(SHELVES[kind], given, line, reading)
    if kind.removesuffix("FO") in SHELVES:
        return reading.take(line, SHELVES[kind.removesuffix("FO")], frequency=_number(given, "freq"),
                            gain=_number(given, "gain"), order=1)
    if kind == "AllpassFO":
        return reading.take(line, "allpass", frequency=_number(given, "freq"), order=1)
    if kind in AROUND:
        width = "bandwidth" if "bandwidth" in given else "q"
        gain: dict[str, Value] = {"gain": _number(given, "gain")} if kind == "Peaking" else {}
        return reading.take(line, AROUND[kind], frequency=_number(given, "freq"), **gain,
                            **{width: _number(given, width)})
    if kind not in _ROWS:
        raise RefusedError("is not taken")
    return take_rows(reading, line, np.array([_ROWS[kind](given, reading)]))


def _shelf(kind: str, given: dict[str, Node], line: int, reading: Reading) -> None:
    """`slope` in dB an octave, of which 12 are the steepest."""
    values = {"frequency": _number(given, "freq"), "gain": _number(given, "gain")}
    if "slope" not in given:
        return reading.take(line, kind, **values, q=_number(given, "q"))
    slope = _number(given, "slope") / 12.0
    if not 0.0 < slope <= 1.0:
        raise RefusedError("a slope lies above 0 and up to 12")
    return reading.take(line, kind, **values, q=0.5**0.5 if slope == 1.0 else q_of_slope(slope, values["gain"]))


def _free(given: dict[str, Node], reading: Reading) -> list[float]:
    reading.rate("a free biquad")
    return [*(_number(given, key) for key in ("b0", "b1", "b2")), 1.0, _number(given, "a1"), _number(given, "a2")]


def _general_notch(given: dict[str, Node], reading: Reading) -> list[float]:
    fs = reading.rate("a general notch")
    zero, pole = (tan(pi * _number(given, key) / fs) for key in ("freq_z", "freq_p"))
    gain = (pole / zero) ** 2 if _text(given.get("normalize_at_dc")) == "true" else 1.0
    alpha = pole / _number(given, "q_p")
    b0, a0 = gain * (1.0 + zero * zero), 1.0 + alpha + pole * pole
    return [b0, -2.0 * gain * (1.0 - zero * zero), b0, a0, -2.0 + 2.0 * pole * pole, 1.0 - alpha + pole * pole]


def _linkwitz_transform(given: dict[str, Node], reading: Reading) -> list[float]:
    """Both second-order high-passes through one bilinear transform, exact between their two frequencies."""
    fs = reading.rate("a Linkwitz transform")
    middle_hz = (_number(given, "freq_act") + _number(given, "freq_target")) / 2.0
    g = 2.0 * pi * middle_hz / tan(pi * middle_hz / fs)
    row: list[float] = []
    for which in ("act", "target"):
        w0 = 2.0 * pi * _number(given, f"freq_{which}")
        w1 = w0 / _number(given, f"q_{which}")
        row += [w0 * w0 + g * w1 + g * g, 2.0 * (w0 * w0 - g * g), w0 * w0 - g * w1 + g * g]
    return [value / row[3] for value in row]


_ROWS: dict[str, Callable[[dict[str, Node], Reading], list[float]]] = {
    "Free": _free, "GeneralNotch": _general_notch, "LinkwitzTransform": _linkwitz_transform}


def _combo(given: dict[str, Node], line: int, reading: Reading) -> None:
    kind = _text(given.get("type"))
    for family, name in (("Butterworth", "butterworth"), ("LinkwitzRiley", "linkwitz_riley")):
        if kind in (f"{family}Highpass", f"{family}Lowpass"):
            return reading.take(line, EDGES[kind.removeprefix(family)], cutoff=_number(given, "freq"),
                                order=_number(given, "order"), family=name)
    if kind == "Tilt":
        half_db = _number(given, "gain") / 2.0
        reading.take(line, "low_shelf", frequency=110, gain=-half_db, q=0.35)
        return reading.take(line, "high_shelf", frequency=3500, gain=half_db, q=0.35)
    if kind == "FivePointPeq":
        bands = (("low_shelf", "ls"), ("peaking", "p1"), ("peaking", "p2"), ("peaking", "p3"), ("high_shelf", "hs"))
        for stage, key in bands:
            reading.take(line, stage, frequency=_number(given, f"f{key}"), gain=_number(given, f"g{key}"),
                         q=_number(given, f"q{key}"))
        return None
    if kind != "GraphicEqualizer":
        raise RefusedError("is not taken")
    return _graphic(given, line, reading)


def _graphic(given: dict[str, Node], line: int, reading: Reading) -> None:
    """Equal parts of the logarithmic axis, a peak in the middle of each: in float32, as there."""
    gains = [number(_text(item), "gain") for item in _items(given.get("gains"))]
    low, high = (np.log2(np.float32(_number(given, key, usual))) for key, usual in (("freq_min", 20.0),
                                                                                   ("freq_max", 20000.0)))
    width = (high - low) / np.float32(len(gains) or 1)
    for band, gain_db in enumerate(gains):
        if abs(gain_db) > 0.001:
            centre = np.float32(2.0) ** (low + (np.float32(band) + np.float32(0.5)) * width)
            reading.take(line, "peaking", frequency=float(centre), gain=gain_db, bandwidth=float(width))


def _gain(given: dict[str, Node], line: int, reading: Reading) -> None:
    if _text(given.get("mute")) == "true":
        raise RefusedError("it mutes")
    factor = _number(given, "gain")
    if _text(given.get("scale")) == "linear":
        return take_factor(reading, line, -factor if _text(given.get("inverted")) == "true" else factor)
    if _text(given.get("inverted")) == "true":
        reading.take(line, "invert")
    return reading.take(line, "gain", gain=factor)


def _conv(given: dict[str, Node], line: int, reading: Reading) -> None:
    kind = _text(given.get("type"))
    if kind == "Values":
        return reading.take(line, "fir", taps=[number(_text(item), "value") for item in _items(given.get("values"))])
    file = _text(given.get("filename"))
    is_text = kind == "Raw" and _text(given.get("format") or Scalar(0, "TEXT")) == "TEXT" and not (
        {"skip_bytes_lines", "read_bytes_lines"} & set(given))
    is_first = kind == "Wav" and _text(given.get("channel")) in ("", "0")
    if not (is_text and file.endswith((".txt", ".csv"))) and not (is_first and file.endswith(".wav")):
        raise RefusedError(f"{file}: taken are values, text (.txt, .csv) and the first channel of a .wav")
    return reading.take(line, "fir", file=os.path.normpath(os.path.join(reading.folder, file)))


_TAKEN: dict[str, Callable[[dict[str, Node], int, Reading], None]] = {
    "Biquad": _biquad, "BiquadCombo": _combo, "Gain": _gain, "Conv": _conv}


def _keys(node: Node | None) -> dict[str, Node]:
    """The pairs of a mapping whose value is something."""
    pairs = node.pairs if isinstance(node, Mapping) else []
    return {_text(key): value for key, value in pairs if not (isinstance(value, Scalar) and value.is_null)}


def _items(node: Node | None) -> list[Node]:
    return node.items if isinstance(node, Sequence) else [] if node is None else [node]


def _text(node: Node | None) -> str:
    return node.text if isinstance(node, Scalar) else ""


def _number(given: dict[str, Node], key: str, usual: float | None = None) -> float:
    if key not in given:
        if usual is not None:
            return usual
        raise RefusedError(f"{key} is missing")
    return number(_text(given[key]), key)
