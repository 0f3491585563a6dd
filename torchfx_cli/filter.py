"""The filters of the Python library, each a torch module [..., channels, frames]; see `library.designed.Filter`::

    chain = fx.filter.HiButterworth(80, order=4) | fx.filter.Notch(50) | fx.effect.Gain(-3)
    wave | chain
    fx.filter.LoButterworth(1000, fs=48000)(x)

A filter without `fs` takes the rate of the first wave that goes through it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from torchfx_cli.effects.fir import FirSpec
from torchfx_cli.effects.kind import Origin
from torchfx_cli.library.designed import Filter
from torchfx_cli.library.settings import refuse_gradient

FIR_KINDS = ("lowpass", "highpass", "bandpass", "bandstop")


class Cut(Filter):
    """Base of the high- and low-passes of a classical family.

    `cutoff` in Hz lies above 0 and below fs / 2; `order` is 1 to 40, 6 dB an octave each; `fs` is in Hz, or None until
    the first wave gives it. Input and output: floating point [..., frames]. Raises ValueError for what cannot be
    designed.
    """

    kind = family = ""

    def __init__(self, cutoff: float, order: int = 2, fs: float | None = None) -> None:
        super().__init__(self.kind, fs, cutoff=cutoff, order=order, family=self.family)


class LoButterworth(Cut):
    """Maximally flat low-pass, -3 dB at `cutoff` in Hz; `order` 1 to 40.

    After S. Butterworth, "On the Theory of Filter Amplifiers" (1930), by the bilinear transform, prewarped. See `Cut`.
    """

    kind, family = "lowpass", "butterworth"


class HiButterworth(Cut):
    """Maximally flat high-pass, -3 dB at `cutoff` in Hz; `order` 1 to 40. See `LoButterworth`, its mirror."""

    kind, family = "highpass", "butterworth"


class RippledCut(Filter):
    """Base of those with `ripple` in dB in the pass-band, which ends at `cutoff`. For the rest see `Cut`."""

    kind = family = ""

    def __init__(self, cutoff: float, order: int = 2, ripple: float = 0.5, fs: float | None = None) -> None:
        super().__init__(self.kind, fs, cutoff=cutoff, order=order, family=self.family, ripple=ripple)


class LoChebyshev1(RippledCut):
    """Steep low-pass whose pass-band, up to `cutoff` in Hz, varies by `ripple` in dB (0.0001 to 20); `order` 1 to 40.

    After R. W. Daniels, "Approximation Methods for Electronic Filter Design" (1974), Chebyshev type I. See `Cut`.
    """

    kind, family = "lowpass", "chebyshev1"


class HiChebyshev1(RippledCut):
    """Steep high-pass whose pass-band, from `cutoff` in Hz on, varies by `ripple` in dB. See `LoChebyshev1`."""

    kind, family = "highpass", "chebyshev1"


class AttenuatingCut(Filter):
    """Base of those whose cut-off is where the stop-band begins, `attenuation` in dB down. For the rest see `Cut`."""

    kind = family = ""

    def __init__(self, cutoff: float, order: int = 2, attenuation: float = 60.0, fs: float | None = None) -> None:
        super().__init__(self.kind, fs, cutoff=cutoff, order=order, family=self.family, attenuation=attenuation)


class LoChebyshev2(AttenuatingCut):
    """Low-pass, flat where it passes; from `cutoff` in Hz on at least `attenuation` dB down (3.1 to 200).

    Chebyshev type II, the inverse of type I. See `Cut`.
    """

    kind, family = "lowpass", "chebyshev2"


class HiChebyshev2(AttenuatingCut):
    """High-pass, flat where it passes; up to `cutoff` in Hz at least `attenuation` dB down. See `LoChebyshev2`."""

    kind, family = "highpass", "chebyshev2"


class EllipticCut(Filter):
    """Base of those with `ripple` in dB up to the edge and `attenuation` in dB beyond. For the rest see `Cut`."""

    kind = family = ""

    def __init__(self, cutoff: float, order: int = 2, ripple: float = 0.5, attenuation: float = 60.0,
                 fs: float | None = None) -> None:
        super().__init__(self.kind, fs, cutoff=cutoff, order=order, family=self.family, ripple=ripple,
                         attenuation=attenuation)


class LoElliptic(EllipticCut):
    """The steepest low-pass of its `order`: `ripple` in dB up to `cutoff` in Hz, at least `attenuation` dB down beyond.

    The filter of W. Cauer; S. J. Orfanidis, "Lecture Notes on Elliptic Filter Design" (2006). See `Cut`.
    """

    kind, family = "lowpass", "elliptic"


class HiElliptic(EllipticCut):
    """The steepest high-pass of its `order`. See `LoElliptic`."""

    kind, family = "highpass", "elliptic"


class LinkwitzRiley(Filter):
    """Crossover half, -6 dB at `cutoff` in Hz: `kind` "lowpass" or "highpass", even `order`.

    Both halves sum flat: those of order 4, 8, 12, ... as they are, those of order 2, 6, 10, ... with one turned over.

    Two equal Butterworth filters in a row: S. Linkwitz, "Active Crossover Networks" (JAES 24, 1976). See `Cut`.
    """

    def __init__(self, cutoff: float, order: int = 4, kind: str = "lowpass", fs: float | None = None) -> None:
        if kind not in ("lowpass", "highpass"):
            raise ValueError(f"kind is lowpass or highpass, not {kind!r}")
        super().__init__(kind, fs, cutoff=cutoff, order=order, family="linkwitz_riley")


class Peaking(Filter):
    """Raises or lowers the band around `frequency` in Hz by `gain` in dB; `q` is `frequency` over the bandwidth.

    R. Bristow-Johnson, "Cookbook formulae for audio equalizer biquad filter coefficients", as are the shelves, `Notch`,
    `AllPass` and `BandPass`. `fs` in Hz, or None until the first wave gives it. Input and output: floating point
    [..., frames]. Raises ValueError for what cannot be designed.
    """

    def __init__(self, frequency: float, gain: float, q: float = 1.0, fs: float | None = None) -> None:
        super().__init__("peaking", fs, frequency=frequency, gain=gain, q=q)


ParametricEQ = Peaking


class LoShelving(Filter):
    """Raises or lowers what lies below `frequency` in Hz by `gain` in dB, half of it there; see `Peaking`."""

    def __init__(self, frequency: float, gain: float, q: float = 0.5**0.5, fs: float | None = None) -> None:
        super().__init__("low_shelf", fs, frequency=frequency, gain=gain, q=q)


class HiShelving(Filter):
    """Raises or lowers what lies above `frequency` in Hz by `gain` in dB, half of it there; see `Peaking`."""

    def __init__(self, frequency: float, gain: float, q: float = 0.5**0.5, fs: float | None = None) -> None:
        super().__init__("high_shelf", fs, frequency=frequency, gain=gain, q=q)


class Notch(Filter):
    """Removes `frequency` in Hz; `q` is that over the width of the notch at -3 dB. See `Peaking`."""

    def __init__(self, frequency: float, q: float = 30.0, fs: float | None = None) -> None:
        super().__init__("notch", fs, frequency=frequency, q=q)


class AllPass(Filter):
    """Turns the phase around `frequency` in Hz, by 180 degrees there, and leaves the level alone. See `Peaking`."""

    def __init__(self, frequency: float, q: float = 0.5**0.5, fs: float | None = None) -> None:
        super().__init__("allpass", fs, frequency=frequency, q=q)


class BandPass(Filter):
    """Passes the band around `frequency` in Hz, whose width at -3 dB is `frequency / q`; 0 dB there. See `Peaking`."""

    def __init__(self, frequency: float, q: float = 0.5**0.5, fs: float | None = None) -> None:
        super().__init__("bandpass", fs, frequency=frequency, q=q)


class FIR(Filter):
    """Convolution with `taps` [N], finite: for any rate, or where `fs` is given for that one alone.

    `align` removes the delay of half of them, (N - 1) // 2 frames. Input and output: floating point [..., frames].
    """

    def __init__(self, taps: npt.ArrayLike, align: bool = False, fs: float | None = None) -> None:
        numbers = tuple(float(tap) for tap in _flat(taps))
        super().__init__(FirSpec(kind="fir", origin=Origin("FIR", 0, "taps"), taps=numbers, align=align), fs)


class DesignableFIR(Filter):
    """Low-pass of `num_taps` taps by window, -6 dB at `cutoff` in Hz; `kind` may be highpass, bandpass or bandstop.

    The last two take two cut-offs. The ideal response times `window`: Oppenheim & Schafer, "Discrete-Time Signal
    Processing", 7.5. For `align` see `FIR`. Raises ValueError for what cannot be designed at `fs`.
    """

    def __init__(self, num_taps: int, cutoff: float | Sequence[float], fs: float | None = None, window: str = "hamming",
                 kind: str = "lowpass", align: bool = False) -> None:
        refuse_gradient(cutoff, "DesignableFIR: cutoff")
        if kind not in FIR_KINDS:
            raise ValueError(f"kind is one of {', '.join(FIR_KINDS)}, not {kind!r}")
        super().__init__("fir", fs, **{kind: cutoff}, taps=num_taps, window=window, align=align)


class SOS(Filter):
    """Raw second-order sections `sos` [K, 6], rows of b0, b1, b2, a0, a1, a2, as in scipy.signal.

    They serve any rate, or where `fs` is given that one alone. Raises ValueError where a pole is not inside the circle.
    """

    def __init__(self, sos: npt.ArrayLike, fs: float | None = None) -> None:
        refuse_gradient(sos, "SOS: sos")
        try:
            rows = torch.as_tensor(sos if isinstance(sos, Tensor) else np.asarray(sos, np.float64), dtype=torch.float64)
        except ValueError:  # rows of different lengths
            raise ValueError("sos is [K, 6], not (b, a): scipy.signal.tf2sos(b, a) gives sections") from None
        if rows.ndim != 2 or rows.shape[-1] != 6:
            raise ValueError(f"sos is [K, 6], rows of b0, b1, b2, a0, a1, a2; got shape {tuple(rows.shape)}")
        super().__init__("sos", fs, sections=rows)


def _flat(taps: npt.ArrayLike) -> list[float]:
    refuse_gradient(taps, "FIR: taps")
    values = torch.as_tensor(taps, dtype=torch.float64)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"taps are [N], at least one; got shape {tuple(values.shape)}")
    if not values.isfinite().all():
        raise ValueError("taps are finite numbers; some are not")
    return values.tolist()
