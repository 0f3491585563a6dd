"""`--device auto`: whether a GPU pays, from the work and from what it costs here and there.

Importing torch and waking a GPU takes seconds, a CPU filters minutes of audio in a tenth of one: so torch is imported
only where there may be a GPU and the costs (see `costs`) say that the work ends sooner there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torchfx_cli.render import costs as known
from torchfx_cli.render.costs import BackendCost, Work, predict
from torchfx_cli.render.device import cuda_devices, why_it_fails, why_no_cuda


@dataclass(frozen=True)
class Decision:
    """The device to use, "cpu" or "cuda", and one line that says why."""

    device: str
    reason: str


def decide(
    work: Work,
    costs: Mapping[str, BackendCost] | None = None,
    on_cpu: str = "native",
    complain: Callable[[str], object] = lambda note: None,
) -> Decision:
    """Where `work` ends sooner by `costs` (default: this user's, of which a bad file is a note to `complain`).

    `on_cpu` is the backend that would do it here. "cuda" is answered only where the first device was seen to work.
    """
    if problem := why_no_cuda():
        return Decision("cpu", f"cpu: {problem}")
    table = known.load(complain) if costs is None else costs
    here, there = predict(table[on_cpu], work), predict(table["cuda"], work, device=True)
    if here <= there:
        return Decision("cpu", f"cpu: {_size(work)} would take about {_s(here)} here, {_s(there)} with CUDA"
                        f" ({_s(table['cuda'].start_s)} of it to start)")
    names, problem = cuda_devices()
    if problem := (why_it_fails(0) if names else problem):
        return Decision("cpu", f"cpu: {problem}")
    return Decision("cuda", f"cuda: {_size(work)} would take about {_s(there)} on {names[0]}, {_s(here)} on the CPU")


def _size(work: Work) -> str:
    files = f" in {work.files} files" if work.files != 1 else ""
    for limit, word in ((1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if work.samples >= limit:
            return f"{work.samples / limit:.3g} {word} samples{files}"
    return f"{work.samples} samples{files}"


def _s(seconds: float) -> str:
    if seconds < 0.1:
        return "0.1 s"
    if seconds < 120.0:
        return f"{seconds:.1f} s"
    return f"{seconds / 60.0:.0f} min" if seconds < 7200.0 else f"{seconds / 3600.0:.1f} h"
