"""What a chain file says, as frozen records: one class a stage kind, and the one table of kinds.

A field's name carries its unit; the YAML key is the field without it (`cutoff_hz` is written `cutoff`).
What is allowed for a field stands once, in its `param(...)`; the parser, `torchfx filters` and the YAML
schema all read it from there. Nothing here knows a sample rate.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any

FAMILIES = ("butterworth", "chebyshev1", "chebyshev2", "elliptic", "bessel", "linkwitz_riley")
WINDOWS = ("hamming", "hann", "blackman", "blackmanharris", "kaiser", "rectangular")

Q_BUTTERWORTH = 0.5**0.5
MAX_ORDER = 40
MAX_TAPS = 1 << 20
MAX_HZ = 1e9  # beyond any audio file; what fits below half of *this* file's rate is design's question


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a stage was written: `eq.yaml:7` and `chain[2].highpass`, for messages."""

    file: str
    line: int
    path: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.path}" if self.line else f"{self.file}: {self.path}"


@dataclass(frozen=True, slots=True)
class Param:
    """What may be written for one key.

    unit      "Hz", "dB", "dBFS", "s" or "" (a pure number, a word, a list): the unit a bare number is read in.
    low/high  the allowed range, both ends included unless `open_low`.
    choices   the allowed words, for a word.
    form      "number", "integer", "word", "bool", "numbers" (a list), "rows" (list of lists of 6),
              "path", "taps" (an odd or even integer, or a list of numbers), "band" (two frequencies).
    """

    doc: str
    unit: str = ""
    form: str = "number"
    low: float | None = None
    high: float | None = None
    open_low: bool = False
    choices: tuple[str, ...] = ()


def param(doc: str, *, default: Any = MISSING, **allowed: Any) -> Any:
    """A record field whose allowed values are described by `Param(doc, **allowed)`."""
    extra = {} if default is MISSING else {"default": default}
    return field(metadata={"param": Param(doc, **allowed)}, **extra)


def _frequency(doc: str, default: Any = MISSING) -> Any:
    return param(doc, default=default, unit="Hz", low=0.0, high=MAX_HZ, open_low=True)


def _gain(doc: str, default: Any = MISSING) -> Any:
    return param(doc, default=default, unit="dB", low=-300.0, high=300.0)


def _q(doc: str, default: Any = MISSING) -> Any:
    return param(doc, default=default, low=1e-3, high=1e4)


def _order(doc: str, default: int, high: int = MAX_ORDER) -> Any:
    return param(doc, default=default, form="integer", low=1, high=high)


@dataclass(frozen=True, kw_only=True)
class StageSpec:
    """One stage as written. `kind` is its name in the table, `origin` where it stands."""

    kind: str
    origin: Origin = field(compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class CutSpec(StageSpec):
    """Passes what lies above (highpass) or below (lowpass) the cut-off."""

    cutoff_hz: float = _frequency("cut-off: -3 dB (butterworth, bessel), -6 dB (linkwitz_riley), "
                                  "edge of the ripple (chebyshev1, elliptic) or of the stop band (chebyshev2)")
    order: int = _order("order; 6 dB per octave each (linkwitz_riley: even)", 2)
    family: str = param("classical design", default="butterworth", form="word", choices=FAMILIES)
    ripple_db: float = param("pass-band ripple (chebyshev1, elliptic)", default=0.5, unit="dB", low=1e-4, high=20.0)
    attenuation_db: float = param("stop-band attenuation (chebyshev2, elliptic)", default=60.0, unit="dB",
                                  low=3.1, high=200.0)
    q: float | None = _q("use the second-order cookbook section of this Q instead", None)


@dataclass(frozen=True, kw_only=True)
class BandSpec(StageSpec):
    """Passes (bandpass) or removes (bandstop) what lies between two edges, or around one frequency with a Q."""

    low_hz: float | None = _frequency("lower edge", None)
    high_hz: float | None = _frequency("upper edge", None)
    order: int = _order("order of each edge", 2)
    family: str = param("classical design", default="butterworth", form="word", choices=FAMILIES[:5])
    ripple_db: float = param("pass-band ripple (chebyshev1, elliptic)", default=0.5, unit="dB", low=1e-4, high=20.0)
    attenuation_db: float = param("stop-band attenuation (chebyshev2, elliptic)", default=60.0, unit="dB",
                                  low=3.1, high=200.0)
    frequency_hz: float | None = _frequency("centre, for the cookbook section (with q, instead of low and high)", None)
    q: float | None = _q("Q of the cookbook section; its peak gain is 0 dB", None)


@dataclass(frozen=True, kw_only=True)
class PeakingSpec(StageSpec):
    """Raises or lowers the band around a frequency (RBJ cookbook)."""

    frequency_hz: float = _frequency("centre")
    gain_db: float = _gain("gain at the centre")
    q: float = _q("centre over bandwidth", 1.0)


@dataclass(frozen=True, kw_only=True)
class ShelfSpec(StageSpec):
    """Raises or lowers everything below (low_shelf) or above (high_shelf) a frequency."""

    frequency_hz: float = _frequency("middle of the slope: half of the gain in dB")
    gain_db: float = _gain("gain on the shelf")
    q: float = _q("steepness (order 2 only)", Q_BUTTERWORTH)
    order: int = _order("1 or 2", 2, high=2)


@dataclass(frozen=True, kw_only=True)
class NotchSpec(StageSpec):
    """Removes one frequency (RBJ cookbook)."""

    frequency_hz: float = _frequency("what is removed")
    q: float = _q("frequency over bandwidth", 30.0)


@dataclass(frozen=True, kw_only=True)
class AllpassSpec(StageSpec):
    """Turns the phase around a frequency, leaves the level alone."""

    frequency_hz: float = _frequency("-90 degrees (order 1) or -180 degrees (order 2) here")
    q: float = _q("steepness (order 2 only)", Q_BUTTERWORTH)
    order: int = _order("1 or 2", 2, high=2)


@dataclass(frozen=True, kw_only=True)
class DcBlockSpec(StageSpec):
    """Removes a constant offset with a first-order high-pass."""

    cutoff_hz: float = _frequency("-3 dB", 5.0)


@dataclass(frozen=True, kw_only=True)
class AnalogSpec(StageSpec):
    """A curve given by the corner frequencies of its analogue circuit: RIAA, de-emphasis, weightings.

    Real poles and zeros, in Hz; a zero at 0 Hz is a differentiator. The digital filter keeps the analogue
    magnitude up to half the sample rate (matched poles, and zeros added so that the top octaves fit).
    """

    poles_hz: tuple[float, ...] = param("pole corner frequencies", unit="Hz", form="numbers", low=0.0,
                                        high=MAX_HZ, open_low=True)
    zeros_hz: tuple[float, ...] = param("zero corner frequencies, no more than poles", default=(), unit="Hz",
                                        form="numbers", low=0.0, high=MAX_HZ)
    unity_hz: float = param("where the gain is 0 dB", default=1000.0, unit="Hz", low=0.0, high=MAX_HZ)


@dataclass(frozen=True, kw_only=True)
class SosSpec(StageSpec):
    """Raw second-order sections, for one sample rate only."""

    sections: tuple[tuple[float, ...], ...] = param("rows of b0, b1, b2, a0, a1, a2", form="rows")
    rate_hz: float | None = _frequency("the sample rate they were made for; other files are refused", None)


@dataclass(frozen=True, kw_only=True)
class FirSpec(StageSpec):
    """A finite impulse response: designed by window, or taps listed here or read from a file.

    `content` is what `file` held when the chain was read, so that no later change of it reaches one output and not
    the next.
    """

    lowpass_hz: float | None = _frequency("pass below (-6 dB here)", None)
    highpass_hz: float | None = _frequency("pass above (-6 dB here)", None)
    bandpass_hz: tuple[float, float] | None = param("pass between", default=None, unit="Hz", form="band", low=0.0,
                                                    high=MAX_HZ, open_low=True)
    bandstop_hz: tuple[float, float] | None = param("remove between", default=None, unit="Hz", form="band", low=0.0,
                                                    high=MAX_HZ, open_low=True)
    taps: int | tuple[float, ...] | None = param("number of taps of the design, or the taps themselves", default=None,
                                                 form="taps", low=1, high=MAX_TAPS)
    window: str = param("window of the design", default="hamming", form="word", choices=WINDOWS)
    beta: float = param("shape of the kaiser window", default=8.6, low=0.0, high=50.0)
    file: str | None = param("taps from a .txt, .npy or .wav file, relative to the chain file", default=None,
                             form="path")
    align: bool = param("remove the delay of half the taps", default=False, form="bool")
    content: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, kw_only=True)
class GainSpec(StageSpec):
    """Makes everything louder or quieter."""

    gain_db: float = _gain("how much")


@dataclass(frozen=True, kw_only=True)
class InvertSpec(StageSpec):
    """Turns the polarity over."""


@dataclass(frozen=True, kw_only=True)
class NormalizeSpec(StageSpec):
    """Brings the highest peak of the whole file, over all channels, to a level. Reads the file twice."""

    peak_db: float = param("level of the highest sample", default=-1.0, unit="dBFS", low=-300.0, high=60.0)


@dataclass(frozen=True, slots=True)
class Kind:
    """A row of the table: the record, and the field that `kind: value` sets (None where a map is due)."""

    record: type[StageSpec]
    shorthand: str | None = None
    doc: str = ""


KINDS: dict[str, Kind] = {
    "highpass": Kind(CutSpec, "cutoff_hz", "Passes what lies above the cut-off."),
    "lowpass": Kind(CutSpec, "cutoff_hz", "Passes what lies below the cut-off."),
    "bandpass": Kind(BandSpec, None, "Passes what lies between two edges, or around one frequency."),
    "bandstop": Kind(BandSpec, None, "Removes what lies between two edges, or around one frequency."),
    "peaking": Kind(PeakingSpec),
    "low_shelf": Kind(ShelfSpec, None, "Raises or lowers everything below a frequency."),
    "high_shelf": Kind(ShelfSpec, None, "Raises or lowers everything above a frequency."),
    "notch": Kind(NotchSpec, "frequency_hz"),
    "allpass": Kind(AllpassSpec, "frequency_hz"),
    "dc_block": Kind(DcBlockSpec, "cutoff_hz"),
    "analog": Kind(AnalogSpec),
    "sos": Kind(SosSpec),
    "fir": Kind(FirSpec),
    "gain": Kind(GainSpec, "gain_db"),
    "invert": Kind(InvertSpec),
    "normalize": Kind(NormalizeSpec, "peak_db"),
}

_UNIT_SUFFIXES = ("_hz", "_db", "_s")


def key_of(name: str) -> str:
    """The YAML key of a field: its name without the unit."""
    for suffix in _UNIT_SUFFIXES:
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


def params_of(record: type[StageSpec]) -> dict[str, tuple[Field[Any], Param]]:
    """YAML key -> (field, what it may hold), in the order of the record."""
    return {key_of(f.name): (f, f.metadata["param"]) for f in fields(record) if "param" in f.metadata}


@dataclass(frozen=True, slots=True)
class ChainSpec:
    """A chain as written, presets already put in their places.

    `digest` is the SHA-256 of everything that was read to make it (chain files, presets, taps files), `files` where
    that was read.
    """

    name: str
    stages: tuple[StageSpec, ...]
    description: str = ""
    digest: str = ""
    files: tuple[str, ...] = field(default=(), compare=False, repr=False)
