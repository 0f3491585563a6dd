"""A chain's numbers as a record for JSON: what is not a number there (silence, no delay) is null."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from torchfx_cli.analysis.curve import Array
from torchfx_cli.analysis.response import ChainView, Line, StageView, Trace
from torchfx_cli.design.decay import FLOOR


def record_of(view: ChainView) -> dict[str, Any]:
    """All of `view`; curves are lists at `frequencies_hz`, `channels` says for which ways a line is."""
    return {
        "chain": view.name,
        "rate": view.source.fs, "channels": view.source.channels,
        "output_rate": view.target.fs, "output_channels": view.target.channels,
        "frequencies_hz": _numbers(view.frequencies_hz),
        "response": [_line(line) for line in view.lines],
        "impulse": [_trace(_cut(trace), "time_s", "value") for trace in view.impulses],
        "not_in_response": list(view.left_out),
        "stages": [_stage(stage) for stage in view.stages],
    }


def _stage(stage: StageView) -> dict[str, Any]:
    return {
        "stage": stage.label,
        "response": [_line(line) for line in stage.lines],
        "levels": [_trace(trace, "in_dbfs", "out_dbfs") for trace in stage.levels],
        "envelope": [_trace(trace, "time_s", "gain") for trace in stage.envelope],
    }


def _line(line: Line) -> dict[str, Any]:
    curve = line.curve
    return {"channels": line.name, "magnitude_db": _numbers(curve.magnitude_db), "phase_deg": _numbers(curve.phase_deg),
            "group_delay_ms": _numbers(1000.0 * curve.group_delay_s)}


def _trace(trace: Trace, x: str, y: str) -> dict[str, Any]:
    return {"for": trace.name, x: _numbers(trace.x), y: _numbers(trace.y)}


def _cut(trace: Trace) -> Trace:
    """An impulse response as far as it is above -120 dB of its peak."""
    heard = np.flatnonzero(np.abs(trace.y) > FLOOR * np.abs(trace.y).max(initial=0.0))
    part = slice(heard[0], heard[-1] + 1) if len(heard) else slice(0)
    return Trace(trace.name, trace.x[part], trace.y[part])


def _numbers(values: Array) -> Sequence[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]
