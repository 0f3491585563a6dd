"""Finite impulse responses: designed by window, listed, or from a file.

Designed ones are windowed sincs, the ideal response of the wanted bands times the window, scaled to exactly 1 in the
middle of the first band that passes; edges lie at -6 dB. Windows: F. J. Harris, "On the use of windows for harmonic
analysis with the discrete Fourier transform", Proc. IEEE 66, 1978.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from torchfx_cli.design import fir
from torchfx_cli.design.stages import Array, Stage, Taps
from torchfx_cli.effects.checks import check_frequencies
from torchfx_cli.effects.kind import MAX_HZ, Complaint, Kind, StageSpec, frequency, key_of, param
from torchfx_cli.errors import DesignError
from torchfx_cli.samples import Signal, hertz

WINDOWS = ("hamming", "hann", "blackman", "blackmanharris", "nuttall", "flattop", "bartlett", "parzen", "kaiser",
           "chebwin", "rectangular")
SHAPES = {"kaiser": "beta", "chebwin": "attenuation"}  # windows that have a parameter, and its key
MAX_TAPS = fir.MAX_TAPS
DESIGNS = ("lowpass_hz", "highpass_hz", "bandpass_hz", "bandstop_hz")
FILES = (".txt", ".csv", ".npy", ".wav")


@dataclass(frozen=True, kw_only=True)
class FirSpec(StageSpec):
    """A finite impulse response: designed by window, or taps listed here or read from a file.

    `content` is what `file` held when the chain was read, so that no later change of it reaches one output and not
    the next.
    """

    files = FILES

    lowpass_hz: float | None = frequency("pass below (-6 dB here)", None)
    highpass_hz: float | None = frequency("pass above (-6 dB here)", None)
    bandpass_hz: tuple[float, float] | None = param("pass between", default=None, unit="Hz", form="band", low=0.0,
                                                    high=MAX_HZ, open_low=True)
    bandstop_hz: tuple[float, float] | None = param("remove between", default=None, unit="Hz", form="band", low=0.0,
                                                    high=MAX_HZ, open_low=True)
    taps: int | tuple[float, ...] | None = param("number of taps of the design, or the taps themselves", default=None,
                                                 form="taps", low=1, high=MAX_TAPS)
    window: str = param("window of the design", default="hamming", form="word", choices=WINDOWS)
    beta: float = param("shape of the kaiser window", default=8.6, low=0.0, high=50.0)
    attenuation_db: float = param("how far below the main lobe all side lobes of the chebwin window lie", default=100.0,
                                  unit="dB", low=45.0, high=300.0)
    file: str | None = param("taps from a .txt, .npy or .wav file, relative to the chain file", default=None,
                             form="path")
    align: bool = param("remove the delay: half of the taps, or what precedes the highest where they are not symmetric",
                        default=False, form="bool")
    content: bytes = field(default=b"", repr=False)

    @property
    def suits_any_rate(self) -> bool:
        """See `StageSpec`."""
        return isinstance(self.taps, tuple)

    def problems(self, given: Collection[str]) -> Iterator[Complaint]:
        """See `StageSpec`."""
        sources = [key_of(name) for name in DESIGNS if getattr(self, name) is not None]
        designed = bool(sources)
        sources += ["file"] if self.file is not None else []
        sources += ["taps, as a list"] if isinstance(self.taps, tuple) else []
        if len(sources) != 1:
            what = f"{' and '.join(sources)} contradict each other" if sources else "nothing says what to filter"
            yield "", f"{what}; write exactly one of lowpass, highpass, bandpass, bandstop, file, taps (a list)"
        elif designed:
            yield from self._design_problems()
        else:
            yield from ((key, f"has no meaning for taps that are given ({sources[0]})")
                        for key in ("window", *SHAPES.values()) if key in given)
            if isinstance(self.taps, int):
                yield "taps", "a number of taps has no meaning for taps from a file"
        for window, key in SHAPES.items() if designed else ():
            if key in given and self.window != window:
                yield key, f"has no meaning for window {self.window}, only for {window}"

    def _design_problems(self) -> Iterator[Complaint]:
        if self.taps is None:
            yield "taps", "missing; write a whole number, like 511: more taps, steeper filter"
        elif isinstance(self.taps, int) and self.taps % 2 == 0 and (self.highpass_hz or self.bandstop_hz):
            yield "taps", (f"found {self.taps}; an even number of taps cannot pass half the sample rate, "
                           f"write {self.taps + 1}")

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        check_frequencies(self, source.fs)
        taps, label = self._impulse_response(source.fs)
        return Taps(taps, delay_of(taps) if self.align else 0, label, self._remarks(source.fs))

    def _remarks(self, fs: float) -> tuple[str, ...]:
        """That the taps are too few for the edges to be at -6 dB."""
        bands = self._passbands(fs)
        if bands is None or not isinstance(self.taps, int):
            return ()
        enough = fir.enough_taps(bands[0], self.taps, self.window, self._shape, fs)
        if enough == self.taps:
            return ()
        would_do = f"{enough} would do" if enough else f"not even {MAX_TAPS} would do"
        return (f"fir {bands[1]}: {self.taps} taps are too few, the edge is not at -6 dB; {would_do}",)

    def _impulse_response(self, fs: float) -> tuple[Array, str]:
        if self.file is not None:
            return self._from_file(fs)
        bands = self._passbands(fs)
        if isinstance(self.taps, tuple) and bands is None:
            return np.array(self.taps), f"fir {len(self.taps)} taps"
        if bands is None or not isinstance(self.taps, int):
            raise DesignError(f"{self.origin}: needs taps and one of lowpass, highpass, bandpass, bandstop, or file")
        bands_hz, label = bands
        if bands_hz[-1][1] == fs / 2.0 and self.taps % 2 == 0:
            raise DesignError(f"{self.origin}.taps: {self.taps} is even, so the gain at half the sample rate is 0; "
                              f"use {self.taps + 1}")
        shape = f"{self.window} {self._shape:g}" if self.window in SHAPES else self.window
        taps = fir.windowed_sinc(bands_hz, self.taps, self.window, self._shape, fs)
        if not np.isfinite(taps).all():
            raise DesignError(f"{self.origin}.taps: {self.taps} taps of a {self.window} window let nothing pass; "
                              "use more")
        return taps, f"fir {label} {self.taps} taps {shape}"

    @property
    def _shape(self) -> float:
        """The parameter of a window that has one."""
        return self.attenuation_db if self.window == "chebwin" else self.beta

    def _passbands(self, fs: float) -> tuple[list[tuple[float, float]], str] | None:
        """What passes, low to high, and its name."""
        nyquist_hz = fs / 2.0
        if self.lowpass_hz is not None:
            return [(0.0, self.lowpass_hz)], f"lowpass {hertz(self.lowpass_hz)}"
        if self.highpass_hz is not None:
            return [(self.highpass_hz, nyquist_hz)], f"highpass {hertz(self.highpass_hz)}"
        if self.bandpass_hz is not None:
            low, high = self.bandpass_hz
            return [(low, high)], f"bandpass {hertz(low)} to {hertz(high)}"
        if self.bandstop_hz is not None:
            low, high = self.bandstop_hz
            return [(0.0, low), (high, nyquist_hz)], f"bandstop {hertz(low)} to {hertz(high)}"
        return None

    def _from_file(self, fs: float) -> tuple[Array, str]:
        path = Path(str(self.file))
        try:
            taps = fir.read_taps(path.suffix, self.content, fs)
        except ValueError as error:
            raise DesignError(f"{self.origin}.file: {path}: {error}") from error
        return taps, f"fir {path.name} {len(taps)} taps"


def delay_of(taps: Array) -> int:
    """Half of symmetric (or antisymmetric) taps; of others what precedes the highest."""
    size = np.abs(taps)
    is_symmetric = np.allclose(size, size[::-1], rtol=0.0, atol=1e-9 * float(size.max()))
    return (len(taps) - 1) // 2 if is_symmetric else int(size.argmax())


KIND = Kind(FirSpec, "file", "- fir: {lowpass: 12 kHz, taps: 511, window: hamming}")
