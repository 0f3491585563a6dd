"""Rows of results against a clock: a row that fails does not end the run, a late one is left out and says so."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from torchfx_cli.bench.backends import Prepared, backend_of
from torchfx_cli.bench.timings import repeat

WARM_UPS, REPEATS = 2, 10


@dataclass
class Check:
    """One run on `device`. `small` is where there is no GPU: less of everything.

    done   rows of an earlier run that was cut, by group and name: they are not done again.
    saved  is called after each row.
    """

    device: str
    budget_s: float
    started_s: float = field(default_factory=time.monotonic)
    rows: list[dict[str, Any]] = field(default_factory=list)
    done: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    saved: Callable[[Check], object] = lambda check: None

    @property
    def small(self) -> bool:
        return self.device == "cpu"

    @property
    def failed(self) -> list[str]:
        return [f"{row['group']}: {row['name']}" for row in self.rows if row["status"] == "failed"]

    def row(self, group: str, name: str, work: Callable[[], dict[str, Any]], needs_cuda: bool = False) -> None:
        """Do `work` and keep what it measured. "ok" False among it, or an exception, is a failure."""
        row: dict[str, Any] = {"group": group, "name": name, "status": "ok"}
        if (group, name) in self.done:
            self.rows.append(self.done[group, name])
            return
        if needs_cuda and self.small:
            row |= {"status": "skipped", "reason": "no CUDA here"}
        elif time.monotonic() - self.started_s > self.budget_s:
            row |= {"status": "skipped", "reason": f"the budget of {self.budget_s:g} s is spent"}
        else:
            row |= self._done(work)
        self.rows.append(row)
        self.saved(self)
        facts = "  ".join(f"{key} {_short(value)}" for key, value in row.items() if key not in ("group", "name", "ok"))
        print(f"{group:9} {name:52} {facts}", flush=True)

    def _done(self, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        try:
            found = work()
        except Exception as error:
            return {"status": "failed", "reason": f"{type(error).__name__}: {error}".splitlines()[0][:300]}
        plain = {key: value.item() if isinstance(value, np.generic) else value for key, value in found.items()}
        return plain if plain.get("ok", True) else {**plain, "status": "failed"}

    def seconds(self, work: Callable[[], object]) -> float:
        """Median seconds of `work()`, after a warm-up: by events on the GPU, which is idle before and after."""
        backend, prepared = backend_of(self.device), Prepared(lambda between: work(), lambda *piece: np.zeros(0))
        times = repeat(lambda: backend.timed(prepared)[0], 0.0, WARM_UPS + REPEATS)
        return statistics.median(times[WARM_UPS:])


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
