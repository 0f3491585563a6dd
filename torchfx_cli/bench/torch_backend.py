"""The torch modules as a backend, on the CPU or a GPU, given the sound in units, as the engines do it."""

from __future__ import annotations

from functools import cached_property
from importlib.util import find_spec
from typing import Any

from torchfx_cli.bench.backends import Backend, Between, Prepared, nothing, through_engine
from torchfx_cli.bench.loads import Load
from torchfx_cli.bench.memory import MB
from torchfx_cli.errors import UsageError
from torchfx_cli.render.choose import open_engine
from torchfx_cli.render.device import INSTALL, choose_device, torch_version

UNIT_TEMPORARIES = {"cpu": 64 << 20, "cuda": 768 << 20}  # bytes that the modules need for a unit, generously


class Torch(Backend):
    """The modules on the device that it is named after. A label is a variant of the `api` suite.

    Chains that are not linear throughout go through the engine, whose other stages are computed on the host.
    """

    @property
    def kind(self) -> str:
        return self.name.partition(":")[0]

    def why_not(self) -> str:
        return self._reason

    @cached_property
    def _reason(self) -> str:
        if torch_version() is None or find_spec("torch") is None:
            return f"torch is not installed; {INSTALL}"
        try:
            choose_device(self.name)
        except UsageError as error:
            return str(error).partition("; use --device")[0]
        return ""

    def load(self) -> None:
        super().load()
        import torchfx_cli.bench.api_variants  # noqa: F401

    def prepare(self, load: Load, label: str = "") -> Prepared:
        import torch

        from torchfx_cli.bench.api_variants import in_units, whole

        if not load.plan.is_linear:
            return through_engine(open_engine(load.plan, "torch", self.name), load)
        sound = torch.from_numpy(load.sound).to(self.name)
        run = whole(load, label, sound) if label else in_units(load, sound)
        return Prepared(run, lambda result, first, end: result[:, first:end].double().cpu().numpy())

    def timed(self, prepared: Prepared, between: Between = nothing) -> tuple[float, Any]:
        """On a GPU between two events of its stream, waited for; on the CPU as everywhere."""
        if self.kind == "cpu":
            return super().timed(prepared, between)
        import torch

        with torch.cuda.device(self.name):
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            torch.cuda.synchronize()
            begin.record()
            result = prepared.run(between)
            end.record()
            torch.cuda.synchronize()
        return begin.elapsed_time(end) / 1e3, result

    def host_bytes(self, load: Load, label: str = "") -> float:
        return 4.0 * load.samples + (self._computing_bytes(load, label) if self.kind == "cpu" else 0.0)

    def device_bytes(self, load: Load, label: str = "") -> float:
        return 0.0 if self.kind == "cpu" else 4.0 * load.samples + self._computing_bytes(load, label)

    def device_free_bytes(self) -> float:
        import torch

        torch.cuda.empty_cache()
        return float(torch.cuda.mem_get_info(self.name)[0])

    def forget_peak(self) -> None:
        if self.kind != "cpu":
            import torch

            torch.cuda.reset_peak_memory_stats(self.name)

    def peak_mb(self) -> float | None:
        if self.kind == "cpu":
            return None
        import torch

        return float(torch.cuda.max_memory_allocated(self.name)) / MB

    def _computing_bytes(self, load: Load, label: str) -> float:
        """Beside the sound: the result, and what a unit needs; in one piece, some ten arrays of float64."""
        return 80.0 * load.samples if label else 4.0 * load.samples + UNIT_TEMPORARIES[self.kind]
