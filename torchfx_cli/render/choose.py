"""Which engine on which device: `auto` is native on the CPU or torch on CUDA, wherever the work ends sooner."""

from __future__ import annotations

from collections.abc import Callable

from torchfx_cli.errors import UsageError
from torchfx_cli.plan.assemble import RenderPlan
from torchfx_cli.render.costs import Work
from torchfx_cli.render.device import INSTALL, check_device_word, choose_device, torch_version
from torchfx_cli.render.engine import Engine

ENGINES = ("auto", "native", "torch", "scipy")


def check_engine(
    engine: str = "auto",
    device: str = "auto",
    work: Work | None = None,
    explain: Callable[[str], object] = lambda reason: None,
) -> tuple[str, str]:
    """The engine and the device meant, both definite; raises UsageError where they are unknown, missing or disagree.

    `device` "auto" is settled by the `work`, and why it was is a line for `explain`; without work it is the CPU.
    """
    _check_words(engine, device)
    if engine == "torch" and torch_version() is None:
        raise UsageError(f"--engine torch: torch is not installed; {INSTALL}")
    if device == "auto" and work is not None and engine in ("auto", "torch"):
        chosen = _settled(engine, work, explain)
    else:
        chosen = choose_device(device)
    return _engine_on(chosen, engine), chosen


def named_engine(engine: str, device: str) -> tuple[str, str]:
    """The same for other machines: nothing of this one is asked, and "auto" is the CPU."""
    _check_words(engine, device)
    check_device_word(device)
    chosen = "cpu" if device == "auto" else device
    return _engine_on(chosen, engine), chosen


def _check_words(engine: str, device: str) -> None:
    if engine not in ENGINES:
        raise UsageError(f"--engine {engine!r}: allowed are {', '.join(ENGINES)}")
    if engine in ("native", "scipy") and device.startswith("cuda"):
        raise UsageError(f"--engine {engine} runs on the CPU only; leave it out for --device {device}")


def _engine_on(device: str, engine: str) -> str:
    if engine == "auto":
        return "native" if device == "cpu" else "torch"
    return engine


def _settled(engine: str, work: Work, explain: Callable[[str], object]) -> str:
    from torchfx_cli.render.auto import decide

    decision = decide(work, on_cpu="cpu" if engine == "torch" else "native", complain=explain)
    explain(decision.reason)
    return decision.device


def open_engine(plan: RenderPlan, engine: str = "auto", device: str = "auto") -> Engine:
    """A fresh engine for one file; see `check_engine`."""
    engine, device = check_engine(engine, device)
    if engine == "torch" and not plan.is_linear:
        from torchfx_cli.render.mixed_engine import MixedEngine

        return MixedEngine(plan, device)
    if engine == "torch":
        from torchfx_cli.render.torch_engine import TorchEngine

        return TorchEngine(plan, device)
    if engine == "scipy":
        from torchfx_cli.render.scipy_engine import ScipyEngine

        return ScipyEngine(plan)
    from torchfx_cli.render.native import NativeEngine

    return NativeEngine(plan)
