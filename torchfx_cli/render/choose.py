"""Which engine on which device: `auto` is the native one on the CPU and torch on CUDA."""

from __future__ import annotations

from torchfx_cli.errors import UsageError
from torchfx_cli.plan.assemble import RenderPlan
from torchfx_cli.render.device import INSTALL, choose_device, torch_version
from torchfx_cli.render.engine import Engine

ENGINES = ("auto", "native", "torch", "scipy")


def check_engine(engine: str = "auto", device: str = "auto") -> tuple[str, str]:
    """The engine and the device meant, both definite; raises UsageError where they are unknown, missing or disagree."""
    if engine not in ENGINES:
        raise UsageError(f"--engine {engine!r}: allowed are {', '.join(ENGINES)}")
    if engine in ("native", "scipy") and device.startswith("cuda"):
        raise UsageError(f"--engine {engine} runs on the CPU only; leave it out for --device {device}")
    chosen = choose_device(device)
    if engine == "auto":
        return ("native" if chosen == "cpu" else "torch"), chosen
    if engine == "torch" and torch_version() is None:
        raise UsageError(f"--engine torch: torch is not installed; {INSTALL}")
    return engine, chosen


def open_engine(plan: RenderPlan, engine: str = "auto", device: str = "auto") -> Engine:
    """A fresh engine for one file; see `check_engine`."""
    engine, device = check_engine(engine, device)
    if engine == "torch":
        from torchfx_cli.render.torch_engine import TorchEngine

        return TorchEngine(plan, device)
    if engine == "scipy":
        from torchfx_cli.render.scipy_engine import ScipyEngine

        return ScipyEngine(plan)
    from torchfx_cli.render.native import NativeEngine

    return NativeEngine(plan)
