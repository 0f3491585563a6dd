"""The filters of the Python library: torch modules [..., channels, frames], designed when the sample rate is known.

    chain = fx.filter.HiButterworth(80, order=4) | fx.filter.Notch(50) | fx.effect.Gain(-3)
    wave | chain                            # takes the wave's rate
    fx.filter.LoButterworth(1000, fs=48000)(x)

Each class only writes the stage that a chain file would hold; parsing, design and filtering are those of the command
line (`chain`, `design`, `render.modules`). Computation is in float64 whatever the input's type, which comes back;
`forward` starts from rest, like scipy.signal, and is differentiable in the signal. What is wrong is a ValueError or
TypeError.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor, nn

from torchfx_cli.chain.parse import parse_effect
from torchfx_cli.chain.spec import FirSpec, GainSpec, InvertSpec, NormalizeSpec, Origin, StageSpec
from torchfx_cli.combine import Linear
from torchfx_cli.design.design import design
from torchfx_cli.design.stages import Gain, Sections, Stage, Taps
from torchfx_cli.errors import TorchfxError
from torchfx_cli.render import modules
from torchfx_cli.render.torch_engine import module_of

SHOWN_NUMBERS = 4  # of a tuple, in a filter's representation


class Filter(Linear):
    """One stage of a chain as a module; `spec` is what a chain file would say.

    The coefficients are a buffer, `coefficients`: [K, 6] sections or [N] taps; they exist once the rate is known,
    from `fs` or from the first wave. `Filter("highpass:cutoff=80,order=4")` takes any stage as written after -e.
    """

    coefficients: Tensor

    def __init__(self, stage: str | StageSpec, fs: float | None = None) -> None:
        super().__init__()
        self.spec = stage if isinstance(stage, StageSpec) else _parsed(stage, type(self).__name__)
        if isinstance(self.spec, NormalizeSpec):
            raise ValueError("normalize needs the whole recording: use effect.Normalize")
        self.fs: float | None = None
        self.stage: Stage | None = None
        self.core: modules.Filter | None = None
        if fs is not None or self._suits_any_rate():
            self.take_rate(fs or 1.0)

    def take_rate(self, fs: float, device: torch.device | None = None) -> None:
        """Design for `fs` in Hz, on `device`; a filter has one rate for its life, unless nothing in it needs one."""
        if self.stage is not None and self._suits_any_rate():
            return
        if self.fs is None:
            self.fs = fs
            self.compute_coefficients()
            self.to(device)
        elif self.fs != fs:
            raise ValueError(f"{self._name()} was designed for {self.fs:g} Hz, not {fs:g} Hz; make one for each rate")

    def compute_coefficients(self) -> Tensor:
        """Design for `fs` again and return the coefficients; ValueError where the rate is not known or impossible."""
        if self.fs is None:
            raise ValueError(self._needs_a_rate())
        device = self.coefficients.device if self.stage else None
        try:
            self.stage = design(self.spec, self.fs)
        except TorchfxError as error:
            raise ValueError(str(error)) from None
        self.core, values = None, _coefficients(self.stage)
        self.register_buffer("coefficients", torch.tensor(values, dtype=torch.float64, device=device))
        return self.coefficients

    def move_coeff(self, device: str | torch.device) -> None:
        """The same as `.to(device)`."""
        self.to(device)

    @property
    def delay_frames(self) -> int:
        return self.stage.delay_frames if isinstance(self.stage, Taps) else 0

    @property
    def stages(self) -> tuple[Stage]:
        if self.stage is None:
            raise ValueError(self._needs_a_rate())
        return (self.stage,)

    def rest(self, channels: int) -> Any:
        if self.core is None:
            self.core = module_of(*self.stages).to(self.coefficients.device)
        return self.core.rest(channels)

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        assert self.core is not None, "rest comes first"
        return self.core.step(x, state)

    def extra_repr(self) -> str:
        rate = [] if self.fs is None or self._suits_any_rate() else [f"fs={self.fs:g}"]
        return ", ".join([self.spec.kind, *_settings(self.spec), *rate])

    def __repr__(self) -> str:
        return f"{self._name()}({self.extra_repr()})"  # not what computes it, which is not there from the beginning

    def _needs_a_rate(self) -> str:
        return f"{self._name()} has no sample rate: give fs=..., or apply it to a Wave"

    def _suits_any_rate(self) -> bool:
        given_taps = isinstance(self.spec, FirSpec) and isinstance(self.spec.taps, tuple)
        return given_taps or isinstance(self.spec, GainSpec | InvertSpec)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Take over the rate of the filter that was saved; a filter is designed, so another one's is refused."""
        rate, saved = state.get(f"{prefix}_extra_state"), state.get(f"{prefix}coefficients")
        if self.fs is None and rate is not None:
            self.take_rate(rate)
        if self.stage is not None and saved is not None and not _alike(self.coefficients, saved):
            rest[-1].append(f"{prefix}coefficients are those of another filter than {self}")
            return
        super()._load_from_state_dict(state, prefix, *rest)

    def get_extra_state(self) -> float | None:
        return self.fs

    def set_extra_state(self, state: float | None) -> None:
        if state is not None:
            self.take_rate(state)


def set_rate(module: nn.Module, fs: float, device: torch.device | None = None) -> None:
    """Give `fs` in Hz to every filter inside `module`; ValueError where one was designed for another rate.

    Filters that had none are designed on `device`: before there were coefficients, `.to` had nothing to move.
    """
    for part in module.modules():
        if isinstance(part, Filter):
            part.take_rate(fs, device)


class Cut(Filter):
    """Base of the high- and low-passes of a classical family: `cutoff` in Hz, `order`; `fs` in Hz if known."""

    kind = family = ""

    def __init__(self, cutoff: float, order: int = 2, *, fs: float | None = None, **more: float) -> None:
        extra = "".join(f",{key}={value!r}" for key, value in more.items())
        super().__init__(f"{self.kind}:cutoff={cutoff!r},order={order!r},family={self.family}{extra}", fs)


class LoButterworth(Cut):
    """Maximally flat low-pass, -3 dB at the cut-off."""

    kind, family = "lowpass", "butterworth"


class HiButterworth(Cut):
    """Maximally flat high-pass, -3 dB at the cut-off."""

    kind, family = "highpass", "butterworth"


class RippledCut(Cut):
    """Base of those with `ripple` in dB in the pass-band."""

    def __init__(self, cutoff: float, order: int = 2, ripple: float = 0.5, *, fs: float | None = None,
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

    def __init__(self, cutoff: float, order: int = 2, attenuation: float = 60.0, *, fs: float | None = None) -> None:
        super().__init__(cutoff, order, fs=fs, attenuation=attenuation)


class LoChebyshev2(AttenuatingCut):
    """Low-pass, flat where it passes, with ripple in the stop-band."""

    kind, family = "lowpass", "chebyshev2"


class HiChebyshev2(AttenuatingCut):
    """High-pass, flat where it passes, with ripple in the stop-band."""

    kind, family = "highpass", "chebyshev2"


class EllipticCut(RippledCut):
    """Base of those with ripple on both sides of the edge."""

    def __init__(self, cutoff: float, order: int = 2, ripple: float = 0.5, attenuation: float = 60.0, *,
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

    def __init__(self, cutoff: float, order: int = 4, kind: str = "lowpass", *, fs: float | None = None) -> None:
        self.kind = kind
        super().__init__(cutoff, order, fs=fs)


class Peaking(Filter):
    """Raises or lowers the band around `frequency` in Hz by `gain` in dB."""

    def __init__(self, frequency: float, gain: float, q: float = 1.0, *, fs: float | None = None) -> None:
        super().__init__(f"peaking:frequency={frequency!r},gain={gain!r},q={q!r}", fs)


ParametricEQ = Peaking


class Shelving(Filter):
    """Base of the shelves: `gain` in dB beyond `frequency` in Hz, half of it there."""

    kind = ""

    def __init__(self, frequency: float, gain: float, q: float = 0.5**0.5, *, fs: float | None = None) -> None:
        super().__init__(f"{self.kind}:frequency={frequency!r},gain={gain!r},q={q!r}", fs)


class LoShelving(Shelving):
    """Raises or lowers what lies below a frequency."""

    kind = "low_shelf"


class HiShelving(Shelving):
    """Raises or lowers what lies above a frequency."""

    kind = "high_shelf"


class Notch(Filter):
    """Removes `frequency` in Hz."""

    def __init__(self, frequency: float, q: float = 30.0, *, fs: float | None = None) -> None:
        super().__init__(f"notch:frequency={frequency!r},q={q!r}", fs)


class AllPass(Filter):
    """Turns the phase around `frequency` in Hz and leaves the level alone."""

    def __init__(self, frequency: float, q: float = 0.5**0.5, *, fs: float | None = None) -> None:
        super().__init__(f"allpass:frequency={frequency!r},q={q!r}", fs)


class BandPass(Filter):
    """Passes the band around `frequency` in Hz; 0 dB at its peak."""

    def __init__(self, frequency: float, q: float = 0.5**0.5, *, fs: float | None = None) -> None:
        super().__init__(f"bandpass:frequency={frequency!r},q={q!r}", fs)


class FIR(Filter):
    """Convolution with `taps` [N]; good for any rate. `align` removes the delay of half of them."""

    def __init__(self, taps: npt.ArrayLike, align: bool = False) -> None:
        numbers = tuple(float(tap) for tap in _flat(taps))
        super().__init__(FirSpec(kind="fir", origin=Origin("FIR", 0, "taps"), taps=numbers, align=align))


class DesignableFIR(Filter):
    """Low-pass of `num_taps` taps by window, -6 dB at `cutoff` in Hz; `kind` may be highpass, bandpass or bandstop.

    The last two take two cut-offs.
    """

    def __init__(self, num_taps: int, cutoff: float | Sequence[float], fs: float | None = None, window: str = "hamming",
                 kind: str = "lowpass", align: bool = False) -> None:
        where = repr(cutoff) if isinstance(cutoff, float | int) else str(list(cutoff))
        super().__init__(f"fir:{kind}={where},taps={num_taps!r},window={window},align={str(align).lower()}", fs)


class SOS(Filter):
    """Raw second-order sections [K, 6], for the rate that they were made for."""

    def __init__(self, sos: npt.ArrayLike, fs: float | None = None) -> None:
        rows = ",".join(str([float(value) for value in row]) for row in torch.as_tensor(sos).tolist())
        super().__init__(f"sos:sections=[{rows}]", fs)


def _coefficients(stage: Stage) -> npt.ArrayLike:
    """[K, 6], [N] or [1]."""
    if isinstance(stage, Sections):
        return stage.sos
    if isinstance(stage, Taps):
        return stage.taps
    assert isinstance(stage, Gain)
    return [stage.factor]


def _settings(spec: StageSpec) -> Iterator[str]:
    """What was said and not left as it is anyway, such as "cutoff_hz=80"."""
    for field in fields(spec):
        value = getattr(spec, field.name)
        if field.name in ("kind", "origin") or value == field.default:
            continue
        is_long = isinstance(value, tuple) and len(value) > SHOWN_NUMBERS
        yield f"{field.name}=" + (f"{len(value)} values" if is_long else _shown(value))


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)


def _alike(ours: Tensor, theirs: Tensor) -> bool:
    return ours.shape == theirs.shape and torch.allclose(ours.cpu(), theirs.cpu(), rtol=1e-9, atol=1e-15)


def _parsed(text: str, where: str) -> StageSpec:
    try:
        (spec,) = parse_effect(text, where)
    except TorchfxError as error:
        raise ValueError(str(error)) from None
    return spec


def _flat(taps: npt.ArrayLike) -> list[float]:
    values = torch.as_tensor(taps, dtype=torch.float64)
    if values.ndim != 1 or not len(values) or not values.isfinite().all():
        raise ValueError(f"taps are [N], finite, at least one; got shape {tuple(values.shape)}")
    return values.tolist()
