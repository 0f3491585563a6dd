"""The filters of the Python library, each a torch module [..., channels, frames]; see `library.designed.Filter`.

    chain = fx.filter.HiButterworth(80, order=4) | fx.filter.Notch(50) | fx.effect.Gain(-3)
    wave | chain                            # takes the wave's rate
    fx.filter.LoButterworth(1000, fs=48000)(x)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy.typing as npt
import torch

from torchfx_cli.effects.fir import FirSpec
from torchfx_cli.effects.kind import Origin
from torchfx_cli.library.designed import Filter

FIR_KINDS = ("lowpass", "highpass", "bandpass", "bandstop")


class Cut(Filter):
    """Base of the high- and low-passes of a classical family: `cutoff` in Hz, `order`; `fs` in Hz if known."""

    kind = family = ""

    def __init__(self, cutoff: float, order: int = 2, fs: float | None = None, **more: float) -> None:
        super().__init__(self.kind, fs, cutoff=cutoff, order=order, family=self.family, **more)


class LoButterworth(Cut):
    """Maximally flat low-pass, -3 dB at the cut-off."""

    kind, family = "lowpass", "butterworth"


class HiButterworth(Cut):
    """Maximally flat high-pass, -3 dB at the cut-off."""

    kind, family = "highpass", "butterworth"


class RippledCut(Cut):
    """Base of those with `ripple` in dB in the pass-band."""

    def __init__(self, cutoff: float, order: int = 2, ripple: float = 0.5, fs: float | None = None,
                 **more: float) -> None:
        super().__init__(cutoff, order, fs=fs, ripple=ripple, **more)


class LoChebyshev1(RippledCut):
    """Steep low-pass with ripple in the pass-band."""

    kind, family = "lowpass", "chebyshev1"


class HiChebyshev1(RippledCut):
    """Steep high-pass with ripple in the pass-band."""

    kind, family = "highpass", "chebyshev1"


class AttenuatingCut(Cut):
    """Base of those whose cut-off is where the stop-band begins, `attenuation` dB down."""

    def __init__(self, cutoff: float, order: int = 2, attenuation: float = 60.0, fs: float | None = None) -> None:
        super().__init__(cutoff, order, fs=fs, attenuation=attenuation)


class LoChebyshev2(AttenuatingCut):
    """Low-pass, flat where it passes, with ripple in the stop-band."""

    kind, family = "lowpass", "chebyshev2"


class HiChebyshev2(AttenuatingCut):
    """High-pass, flat where it passes, with ripple in the stop-band."""

    kind, family = "highpass", "chebyshev2"


class EllipticCut(RippledCut):
    """Base of those with ripple on both sides of the edge."""

    def __init__(self, cutoff: float, order: int = 2, ripple: float = 0.5, attenuation: float = 60.0,
                 fs: float | None = None) -> None:
        super().__init__(cutoff, order, ripple, fs=fs, attenuation=attenuation)


class LoElliptic(EllipticCut):
    """The steepest low-pass of its order."""

    kind, family = "lowpass", "elliptic"


class HiElliptic(EllipticCut):
    """The steepest high-pass of its order."""

    kind, family = "highpass", "elliptic"


class LinkwitzRiley(Cut):
    """Crossover half, -6 dB at the cut-off: `kind` "lowpass" or "highpass", even order; both halves sum flat."""

    family = "linkwitz_riley"

    def __init__(self, cutoff: float, order: int = 4, kind: str = "lowpass", fs: float | None = None) -> None:
        if kind not in ("lowpass", "highpass"):
            raise ValueError(f"kind is lowpass or highpass, not {kind!r}")
        self.kind = kind
        super().__init__(cutoff, order, fs=fs)


class Peaking(Filter):
    """Raises or lowers the band around `frequency` in Hz by `gain` in dB."""

    def __init__(self, frequency: float, gain: float, q: float = 1.0, fs: float | None = None) -> None:
        super().__init__("peaking", fs, frequency=frequency, gain=gain, q=q)


ParametricEQ = Peaking


class Shelving(Filter):
    """Base of the shelves: `gain` in dB beyond `frequency` in Hz, half of it there."""

    kind = ""

    def __init__(self, frequency: float, gain: float, q: float = 0.5**0.5, fs: float | None = None) -> None:
        super().__init__(self.kind, fs, frequency=frequency, gain=gain, q=q)


class LoShelving(Shelving):
    """Raises or lowers what lies below a frequency."""

    kind = "low_shelf"


class HiShelving(Shelving):
    """Raises or lowers what lies above a frequency."""

    kind = "high_shelf"


class Notch(Filter):
    """Removes `frequency` in Hz."""

    def __init__(self, frequency: float, q: float = 30.0, fs: float | None = None) -> None:
        super().__init__("notch", fs, frequency=frequency, q=q)


class AllPass(Filter):
    """Turns the phase around `frequency` in Hz and leaves the level alone."""

    def __init__(self, frequency: float, q: float = 0.5**0.5, fs: float | None = None) -> None:
        super().__init__("allpass", fs, frequency=frequency, q=q)


class BandPass(Filter):
    """Passes the band around `frequency` in Hz; 0 dB at its peak."""

    def __init__(self, frequency: float, q: float = 0.5**0.5, fs: float | None = None) -> None:
        super().__init__("bandpass", fs, frequency=frequency, q=q)


class FIR(Filter):
    """Convolution with `taps` [N]: for any rate, or where `fs` is given for that one alone.

    `align` removes the delay of half of them.
    """

    def __init__(self, taps: npt.ArrayLike, align: bool = False, fs: float | None = None) -> None:
        numbers = tuple(float(tap) for tap in _flat(taps))
        super().__init__(FirSpec(kind="fir", origin=Origin("FIR", 0, "taps"), taps=numbers, align=align), fs)


class DesignableFIR(Filter):
    """Low-pass of `num_taps` taps by window, -6 dB at `cutoff` in Hz; `kind` may be highpass, bandpass or bandstop.

    The last two take two cut-offs.
    """

    def __init__(self, num_taps: int, cutoff: float | Sequence[float], fs: float | None = None, window: str = "hamming",
                 kind: str = "lowpass", align: bool = False) -> None:
        if kind not in FIR_KINDS:
            raise ValueError(f"kind is one of {', '.join(FIR_KINDS)}, not {kind!r}")
        super().__init__("fir", fs, **{kind: cutoff}, taps=num_taps, window=window, align=align)


class SOS(Filter):
    """Raw second-order sections [K, 6], as in scipy.signal: for any rate, or where `fs` is given for that one alone."""

    def __init__(self, sos: npt.ArrayLike, fs: float | None = None) -> None:
        rows = torch.as_tensor(sos, dtype=torch.float64)
        if rows.ndim != 2 or rows.shape[-1] != 6:
            raise ValueError(f"sos is [K, 6], rows of b0, b1, b2, a0, a1, a2; got shape {tuple(rows.shape)}")
        super().__init__("sos", fs, sections=rows)


def _flat(taps: npt.ArrayLike) -> list[float]:
    values = torch.as_tensor(taps, dtype=torch.float64)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"taps are [N], at least one; got shape {tuple(values.shape)}")
    if not values.isfinite().all():
        raise ValueError("taps are finite numbers; some are not")
    return values.tolist()
