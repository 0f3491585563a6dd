"""One stage of a chain as a torch module, designed when the sample rate is known.

A filter only writes the stage that a chain file would hold; parsing, design and filtering are those of the command
line (`chain`, `design`, `render`). Computation is in float64 whatever the input's type, which comes back; `forward`
starts from rest, like scipy.signal, and is differentiable in the signal. What is wrong is a ValueError or TypeError.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from torchfx_cli.design import stages
from torchfx_cli.effects.kind import StageSpec
from torchfx_cli.errors import TorchfxError
from torchfx_cli.library.combine import Linear, home_of
from torchfx_cli.library.rates import checked_rate
from torchfx_cli.library.settings import parsed, settings_of
from torchfx_cli.samples import Signal


class Filter(Linear):
    """One stage of a chain as a module; `spec` is what a chain file would say.

    It is designed once its rate is known, from `fs` or from the first wave, and keeps that design: `coefficients`,
    `sos`, `b` and `a` are copies of it, and so is what a state dict holds, to be compared when it is loaded.

    Gradients pass through the signal alone; a parameter that asks for one is a ValueError. A learnable filter would
    take a design in torch, and a recursion that passes gradients to its coefficients.

    Any stage can be made: `Filter("highpass", 48000, cutoff=80, order=4)`, with the settings of a chain file, or
    `Filter("highpass:cutoff=80,order=4")`, as written after -e.
    """

    spec: StageSpec
    fs: float | None
    stage: stages.Linear | None

    def __init__(self, stage: str | StageSpec, fs: float | None = None, **settings: object) -> None:
        super().__init__()
        self._keep("spec", stage if isinstance(stage, StageSpec) else parsed(stage, settings, type(self).__name__))
        if self.spec.waits_for_end:
            raise ValueError(f"{self.spec.kind} needs the whole recording here: use fx.effect")
        self._keep("fs", None)
        self._keep("stage", None)
        self._suits_any_rate = self.spec.is_flat or (fs is None and self.spec.suits_any_rate)
        if fs is not None or self._suits_any_rate:
            self.take_rate(1.0 if fs is None else fs)

    def take_rate(self, fs: float, device: torch.device | None = None) -> None:
        """Design for `fs` in Hz, on `device`; a filter has one rate for its life, unless nothing in it needs one."""
        if self.stage is not None and self._suits_any_rate:
            return
        fs = checked_rate(fs)
        if self.fs is None:
            self._keep("fs", fs)
            self.compute_coefficients()
            self.to(device)
        elif self.fs != fs:
            raise ValueError(f"{self._name()} was designed for {self.fs:g} Hz, not {fs:g} Hz; make one for each rate")

    def compute_coefficients(self) -> None:
        """See `Linear`. ValueError where there is no such filter at this rate."""
        if self.fs is None:
            return
        try:
            (stage,) = stages.linear([self.spec.design(Signal(self.fs, 1))])
        except TorchfxError as error:
            raise ValueError(str(error)) from None
        home = self._buffers.get("coefficients")
        self._keep("stage", stage)
        self._buffers["coefficients"] = self._values(None if home is None else home.device)

    def _values(self, device: torch.device | str | None = None) -> Tensor:
        """The coefficients of the design, float64."""
        if self.stage is None:
            raise AttributeError
        return torch.tensor(self.stage.build(_Coefficients()), dtype=torch.float64, device=device)

    @property
    def coefficients(self) -> Tensor:
        """A copy of the sections [K, 6], the taps [N] or the factor [1]."""
        return self._values(home_of(self).device)

    @property
    def sos(self) -> Tensor:
        """A copy of the sections [K, 6], rows of b0, b1, b2, 1, a1, a2, of what consists of such."""
        if not isinstance(self.stage, stages.Sections):
            raise AttributeError
        return self.coefficients

    @property
    def b(self) -> Tensor:
        """The numerator in powers of 1/z, as of scipy.signal; many sections in a row are not exact in this form."""
        return self._polynomials()[0]

    @property
    def a(self) -> Tensor:
        """The denominator, from 1 on; see `b`."""
        return self._polynomials()[1]

    def __getattr__(self, name: str) -> Any:
        """What the properties above do not have: torch looks for all of them, so it is an AttributeError."""
        if name in ("coefficients", "sos", "b", "a"):
            raise AttributeError(f"{self._name()} has no sections" if self.stage else self._needs_a_rate())
        return super().__getattr__(name)

    def _polynomials(self) -> tuple[Tensor, Tensor]:
        values = self.coefficients
        if not isinstance(self.stage, stages.Sections):
            return values, torch.ones_like(values[:1])
        b, a = (reduce(np.convolve, half) for half in np.split(self.stage.sos, 2, axis=1))
        order = max(np.flatnonzero(b).max(initial=0), np.flatnonzero(a).max(initial=0))
        return torch.tensor(b[: order + 1]).to(values), torch.tensor(a[: order + 1]).to(values)

    @property
    def delay_frames(self) -> int:
        return self.stage.latency_frames if self.stage else 0

    @property
    def row(self) -> tuple[stages.Linear]:
        if self.stage is None:
            raise ValueError(self._needs_a_rate())
        return (self.stage,)

    def extra_repr(self) -> str:
        rate = [] if self.fs is None or self._suits_any_rate else [f"fs={self.fs:g}"]
        return ", ".join([self.spec.kind, *settings_of(self.spec), *rate])

    def _needs_a_rate(self) -> str:
        return f"{self._name()} has no sample rate: give fs=..., or apply it to a Wave"

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        """The design in the type of the buffer, into which somebody may have written."""
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if (home := destination.get(f"{prefix}coefficients")) is not None:
            destination[f"{prefix}coefficients"] = self._values("cpu").to(home)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, metadata: dict[str, Any], *rest: Any) -> None:
        """Take over the rate of the filter that was saved; a filter is designed, so another one's is refused.

        Nothing of ours is ever missing: what was saved before the model had this filter loads too.
        """
        rate, saved = state.get(f"{prefix}_extra_state"), state.get(f"{prefix}coefficients")
        if self.fs is None and rate is not None:
            self.take_rate(rate)
        if self.stage is not None and saved is not None:
            if not _alike(self._values("cpu"), saved):
                rest[-1].append(f"{prefix}coefficients are those of another filter than {self}")
            elif metadata.get("assign_to_params_buffers"):
                self._buffers["coefficients"] = self._values("cpu").to(saved)
        ours = f"{prefix}coefficients"
        state = {key: value for key, value in state.items() if key != ours}
        super()._load_from_state_dict({**state, f"{prefix}_extra_state": self.fs}, prefix, metadata, *rest)
        missing = rest[1]
        missing[:] = [key for key in missing if key != ours]

    def get_extra_state(self) -> float | None:
        return self.fs

    def set_extra_state(self, state: float | None) -> None:
        if state is not None:
            self.take_rate(state)


class _Coefficients:
    """A `Builder` of what a filter shows of itself: [K, 6], [N] or [1]."""

    def sections(self, stage: stages.Sections) -> npt.ArrayLike:
        return stage.sos

    def taps(self, stage: stages.Taps) -> npt.ArrayLike:
        return stage.taps

    def gain(self, stage: stages.Gain) -> npt.ArrayLike:
        return [stage.factor]

    def sum(self, stage: stages.Sum) -> npt.ArrayLike:
        raise TypeError(f"{stage.label} has no coefficients of its own")


def _alike(ours: Tensor, theirs: Tensor) -> bool:
    """To the precision of the type in which `theirs` were saved."""
    kept = torch.finfo(theirs.dtype)
    rtol, atol = max(1e-9, 2 * kept.eps), max(1e-15, 2 * kept.smallest_normal * kept.eps)
    if ours.shape != theirs.shape:
        return False
    return torch.allclose(ours.to(theirs.dtype).double(), theirs.cpu().double(), rtol, atol)
