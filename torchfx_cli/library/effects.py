"""Stages that are no filters as torch modules: what changes rate, channels, length or level.

They are computed by their own processors on the CPU, which gives the command line's numbers; no gradient passes.
"""

from __future__ import annotations

from inspect import Parameter, Signature
from keyword import iskeyword
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from torchfx_cli.chain.schema import describe_kinds
from torchfx_cli.design.stage import Stage
from torchfx_cli.effects.kind import StageSpec
from torchfx_cli.errors import TorchfxError
from torchfx_cli.library.combine import Module
from torchfx_cli.library.rates import checked_rate, take_wave_rate
from torchfx_cli.library.settings import parsed, settings_of
from torchfx_cli.plan.assemble import RenderPlan, assemble
from torchfx_cli.render.native import NativeEngine
from torchfx_cli.samples import FLOAT64, Signal, block_frames


class Effect(Module):
    """One such stage; `spec` is what a chain file would say.

    `Effect("compressor", threshold=-20, ratio=4)`, with the settings of a chain file, or `Effect("resample:16 kHz")`,
    as written after -e. `fs` in Hz comes from the first wave where it is not given.
    """

    spec: StageSpec
    fs: float | None

    def __init__(self, stage: str | StageSpec, fs: float | None = None, **settings: object) -> None:
        super().__init__()
        self._keep("spec", stage if isinstance(stage, StageSpec) else parsed(stage, settings, type(self).__name__))
        self._keep("fs", None)
        if fs is not None:
            self.take_rate(fs)

    def take_rate(self, fs: float, device: torch.device | None = None) -> None:
        """Work at `fs` in Hz, for life; ValueError where that is another rate than before."""
        fs = checked_rate(fs)
        if self.fs not in (None, fs):
            raise ValueError(f"{self._name()} was made for {self.fs:g} Hz, not {fs:g} Hz; make one for each rate")
        self._keep("fs", fs)

    def stage(self, channels: int) -> Stage:
        """The designed stage; ValueError where there is no rate yet, or it cannot exist."""
        if self.fs is None:
            raise ValueError(f"{self._name()} has no sample rate: give fs=..., or apply it to a Wave")
        try:
            return self.spec.design(Signal(self.fs, channels))
        except TorchfxError as error:
            raise ValueError(str(error)) from None

    def rate_out(self, channels: int) -> float:
        """The sample rate in Hz of what comes out."""
        stage = self.stage(channels)
        return stage.output(Signal(self.fs or 0.0, channels)).fs

    def forward(self, x: Tensor) -> Tensor:
        """`x` [channels, frames], or [frames] of one channel, from rest; floating point, whose type comes back."""
        self._check(x)
        take_wave_rate(self)
        if x.ndim not in (1, 2):
            raise ValueError(f"{self._name()} takes [channels, frames], not {list(x.shape)}")
        rows = x.reshape(-1, x.shape[-1])
        stage, samples = self.stage(len(rows)), np.ascontiguousarray(rows.detach().double().cpu().numpy().T)
        plan = assemble((stage,), int(self.fs or 1), len(rows), FLOAT64, FLOAT64)
        try:
            plan = plan.measured_by(lambda measuring: [_rendered(measuring, samples)])
        except TorchfxError as error:
            raise ValueError(f"{self._name()}: {error}") from None
        made = torch.from_numpy(np.ascontiguousarray(_rendered(plan, samples).T)).to(x)
        return made[0] if x.ndim == 1 and len(made) == 1 else made

    def extra_repr(self) -> str:
        rate = [] if self.fs is None else [f"fs={self.fs:g}"]
        return ", ".join([self.spec.kind, *settings_of(self.spec), *rate])


def _rendered(plan: RenderPlan, samples: np.ndarray) -> np.ndarray:
    engine, step = NativeEngine(plan), block_frames(plan.channels)
    blocks = [engine.process(samples[at : at + step]) for at in range(0, len(samples), step)]
    return np.concatenate([*blocks, *engine.flush()] or [samples])


def effect_class(kind: str, name: str) -> type[Effect]:
    """A class for one kind: `Compressor(threshold=-20)`, or `Resample("16 kHz")` where a bare value has a meaning."""
    (entry,) = (entry for entry in describe_kinds() if entry["kind"] == kind)
    signature = _signature(entry)

    def __init__(self: Effect, *values: object, **settings: object) -> None:
        try:
            given = signature.bind(self, *values, **settings).arguments
        except TypeError as error:
            raise TypeError(f"{name}: {error}") from None
        given.pop("self")
        Effect.__init__(self, kind, given.pop("fs", None), **{key.rstrip("_"): value for key, value in given.items()})

    __init__.__signature__ = signature  # type: ignore[attr-defined]
    return type(name, (Effect,), {"__init__": __init__, "__doc__": _doc(entry)})


def _signature(entry: dict[str, Any]) -> Signature:
    """The bare value by place or by name, everything else by name; a key that is a word of Python's gets a _ behind."""
    ours = [Parameter("self", Parameter.POSITIONAL_ONLY)]
    for param in sorted(entry["params"], key=lambda param: param["key"] != entry["shorthand"]):
        how = Parameter.POSITIONAL_OR_KEYWORD if param["key"] == entry["shorthand"] else Parameter.KEYWORD_ONLY
        default = Parameter.empty if param["required"] else param["default"]
        ours.append(Parameter(param["key"] + "_" * iskeyword(param["key"]), how, default=default))
    return Signature([*ours, Parameter("fs", Parameter.KEYWORD_ONLY, default=None)])


def _doc(entry: dict[str, Any]) -> str:
    lines = [f"{param['key']}: {param['doc']}; {param['allowed']}" for param in entry["params"]]
    return "\n\n".join([
        entry["doc"],
        "\n".join([*lines, "fs: sample rate in Hz; that of the first wave where it is not given."]),
        "Takes floating-point tensors [channels, frames]. Raises ValueError for what no chain file may say either.",
    ])


def has_effects(module: nn.Module) -> bool:
    """Whether anything in `module` may change the rate or the number of channels."""
    return any(isinstance(part, Effect) for part in module.modules())
