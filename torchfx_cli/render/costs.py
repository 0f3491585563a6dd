"""What a run costs on each backend: seconds as a sum over processes, files, samples, sections and taps.

    seconds = start_s + files file_s + samples (sample_s + sections section_s + log2(1 + taps) octave_s + host)

`host` is what stages take that no device computes, and on a device the way there and back.

The defaults for "native" and "cpu" are rough, from runs on two cores of a server. **Those for "cuda" are estimates**
(a data-centre GPU behind PCIe 4, files in the page cache) until `make gpu-check` or `torchfx bench --calibrate` has run
where the GPU is; a calibration lies in the user's folder, as costs.json, and wins over the defaults.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from itertools import pairwise
from pathlib import Path

from torchfx_cli.chain.presets import config_folder
from torchfx_cli.design.stage import Stage
from torchfx_cli.plan.assemble import RenderPlan
from torchfx_cli.records import dataclass

FILE_NAME = "costs.json"
CROSSING_S = 2e-9  # a sample in float64 over PCIe 4, and its copies on the host


@dataclass(frozen=True)
class Work:
    """What is to be done: so many samples (all channels) in so many files, through sections and taps (all FIRs').

    host_ns    what a sample takes in all stages that are not linear: they run on the host, whatever the device.
    crossings  how often a sample goes from the device to such a stage, or back.
    """

    samples: int
    files: int = 1
    sections: float = 0
    taps: float = 0
    host_ns: float = 0.0
    crossings: float = 0.0

    @staticmethod
    def of(stages: tuple[Stage, ...], samples: int, files: int = 1) -> Work:
        """The work of linear `stages` on `samples`."""
        return Work(samples, files, sum(s.section_count for s in stages), sum(s.tap_count for s in stages))

    @staticmethod
    def of_plan(plan: RenderPlan, samples: int, files: int = 1) -> Work:
        """The work of `plan` on `samples` of its input, in all its passes, with what rate and channels become."""
        first = plan.signals[0]
        shares = [signal.fs * signal.channels / (first.fs * first.channels) for signal in plan.signals]
        placed = list(zip(plan.stages, shares, strict=False))
        return Work(
            samples * plan.passes, files,
            sum(stage.section_count * share for stage, share in placed),
            sum(stage.tap_count * share for stage, share in placed),
            sum(stage.cost_ns * share for stage, share in placed if not stage.is_linear),
            sum(share for (before, _), (stage, share) in pairwise(placed) if before.is_linear != stage.is_linear),
        )


@dataclass(frozen=True)
class BackendCost:
    """Seconds, all at least 0.

    start_s    once: the process, its imports, the device.
    file_s     each file: opening, renaming, filters made anew, transfers set up.
    sample_s   each sample of each channel: read, converted, moved to and from the device, written.
    section_s  each sample and second-order section.
    octave_s   each sample and doubling of an FIR's length, as transforms cost log2 N.
    """

    start_s: float = 0.0
    file_s: float = 0.0
    sample_s: float = 0.0
    section_s: float = 0.0
    octave_s: float = 0.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not isinstance(value, (int, float)) or not 0.0 <= value < math.inf:
                raise ValueError(f"{name} is {value!r}, not a number of seconds")


DEFAULTS: Mapping[str, BackendCost] = {
    "native": BackendCost(start_s=0.25, file_s=3e-3, sample_s=4e-9, section_s=1.1e-9, octave_s=0.6e-9),
    "cpu": BackendCost(start_s=2.3, file_s=8e-3, sample_s=8e-9, section_s=2e-9, octave_s=0.7e-9),
    "cuda": BackendCost(start_s=3.5, file_s=8e-3, sample_s=4e-9, section_s=0.02e-9, octave_s=0.01e-9),
}


def predict(cost: BackendCost, work: Work, *, device: bool = False) -> float:
    """Seconds that `work` takes; see the module. `device`: linear stages run elsewhere than the others."""
    host_s = work.host_ns * 1e-9 + (work.crossings * CROSSING_S if device else 0.0)
    of_sample = cost.sample_s + work.sections * cost.section_s + math.log2(1 + work.taps) * cost.octave_s + host_s
    return cost.start_s + work.files * cost.file_s + work.samples * of_sample


def load(complain: Callable[[str], object] = lambda note: None) -> dict[str, BackendCost]:
    """The costs of every backend, the user's over the defaults; a file that is no good is a note to `complain`."""
    path = costs_file()
    if path is None or not path.is_file():
        return dict(DEFAULTS)
    try:
        return {**DEFAULTS, **_stored(path)}
    except (OSError, ValueError) as error:
        complain(f"{path}: {error}; the built-in costs are used (torchfx bench --calibrate writes the file anew)")
        return dict(DEFAULTS)


def save(costs: Mapping[str, BackendCost]) -> Path:
    """Keep `costs` for this user, beside those of other backends that were kept before; the file. Raises OSError."""
    import json

    path = costs_file()
    if path is None:
        raise OSError("neither XDG_CONFIG_HOME nor a home folder is set")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        kept = _stored(path)
    except (OSError, ValueError):
        kept = {}
    text = json.dumps({name: asdict(cost) for name, cost in {**kept, **costs}.items()}, indent=1) + "\n"
    part = path.with_name(f"{FILE_NAME}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
    return path


def costs_file() -> Path | None:
    """Where the calibration lies, or is to lie; None where the user has no folder."""
    folder = config_folder()
    return folder / FILE_NAME if folder else None


def _stored(path: Path) -> dict[str, BackendCost]:
    """What the file holds; raises OSError, or ValueError where it is not what `save` writes."""
    import json

    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError("a mapping from backends to costs was expected")
    known = {field.name for field in fields(BackendCost)}
    for name, cost in document.items():
        if not isinstance(cost, dict) or set(cost) != known:
            raise ValueError(f"{name}: {', '.join(sorted(known))} were expected")
    return {name: BackendCost(**cost) for name, cost in document.items()}
