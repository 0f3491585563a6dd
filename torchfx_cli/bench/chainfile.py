"""Designed stages as a chain file, so that a new process computes the very same filters at the same sample rate."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from torchfx_cli.design.stages import Gain, Sections, Stage, Taps
from torchfx_cli.effects.normalize import Normalize


def write_chain(stages: Iterable[Stage], fs: float, path: Path) -> Path:
    """Write `stages`, designed for `fs`, as the chain `path`, with files of taps beside it."""
    lines = [_line(stage, fs, path.with_name(f"{path.stem}-{n}.npy")) for n, stage in enumerate(stages)]
    path.write_text("chain:\n" + "".join(f"  - {line}\n" for line in lines or ["gain: 0 dB"]), encoding="utf-8")
    return path


def _line(stage: Stage, fs: float, taps_file: Path) -> str:
    if isinstance(stage, Sections):
        return f"sos: {{rate: {fs!r}, sections: {stage.sos.tolist()}}}"
    if isinstance(stage, Taps):
        np.save(taps_file, stage.taps)
        if stage.delay_frames not in (0, (len(stage.taps) - 1) // 2):
            raise ValueError(f"a chain file cannot say: remove {stage.delay_frames} frames of {len(stage.taps)} taps")
        return f'fir: {{file: "{taps_file.name}", align: {"true" if stage.delay_frames else "false"}}}'
    if isinstance(stage, Normalize):
        return f"normalize: {_db(stage.peak)!r}"
    if isinstance(stage, Gain):
        return f"gain: {_db(stage.factor)!r}" if stage.factor > 0.0 else f"gain: {_db(-stage.factor)!r}\n  - invert"
    raise ValueError(f"a chain file of numbers cannot say: {stage.label}")


def _db(factor: float) -> float:
    return 20.0 * math.log10(factor)
