"""A chain's numbers as a record for JSON: what is not a number there (silence, no delay) is null.

Numbers have the digits that are of use to a curve: a microhertz, a ten-thousandth of a dB, a nanosecond, 140 dB below
a peak.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isfinite, log10
from typing import Any

import numpy as np

from torchfx_cli.analysis.curve import Array, extremes
from torchfx_cli.analysis.response import ChainView, Line, StageView, Trace
from torchfx_cli.design.decay import FLOOR

MOST_COLUMNS = 2000  # of an impulse response
FREQUENCY, LEVEL, DELAY, TIME, GAIN = 6, 4, 6, 9, 7  # decimals; of values of an impulse, below its peak


def record_of(view: ChainView) -> dict[str, Any]:
    """All of `view`; curves are lists at `frequencies_hz`, `channels` says for which ways a line is.

    Of a long impulse response the lowest and the highest of neighbouring samples are there, which draws the same; it
    is `thinned`, and `samples` says how many it has. `ways_not_shown` are from other channels than the first.
    """
    return {
        "chain": view.name,
        "rate": view.source.fs, "channels": view.source.channels,
        "output_rate": view.target.fs, "output_channels": view.target.channels,
        "frequencies_hz": _numbers(view.frequencies_hz, FREQUENCY),
        "response": [_line(line) for line in view.lines],
        "impulse": [_impulse(trace) for trace in view.impulses],
        "ways_not_shown": view.ways_left_out,
        "not_in_response": list(view.left_out),
        "stages": [_stage(stage) for stage in view.stages],
    }


def _stage(stage: StageView) -> dict[str, Any]:
    return {
        "stage": stage.label,
        "response": [_line(line) for line in stage.lines],
        "levels": [_trace(trace, "in_dbfs", "out_dbfs", LEVEL) for trace in stage.levels],
        "envelope": [_trace(trace, "time_s", "gain", GAIN) for trace in stage.envelope],
    }


def _line(line: Line) -> dict[str, Any]:
    curve = line.curve
    return {"channels": line.name, "magnitude_db": _numbers(curve.magnitude_db, LEVEL),
            "phase_deg": _numbers(curve.phase_deg, LEVEL),
            "group_delay_ms": _numbers(1000.0 * curve.group_delay_s, DELAY)}


def _trace(trace: Trace, x: str, y: str, decimals: int) -> dict[str, Any]:
    return {"for": trace.name, x: _numbers(trace.x, TIME), y: _numbers(trace.y, decimals)}


def _impulse(trace: Trace) -> dict[str, Any]:
    """As far as it is above -120 dB of its peak."""
    peak = float(np.abs(trace.y).max(initial=0.0))
    heard = np.flatnonzero(np.abs(trace.y) > FLOOR * peak)
    part = slice(heard[0], heard[-1] + 1) if len(heard) else slice(0)
    x, y = trace.x[part], trace.y[part]
    places = extremes(y, MOST_COLUMNS)
    made = _trace(Trace(trace.name, x[places], y[places]), "time_s", "value", GAIN - ceil(log10(peak or 1.0)))
    return made | {"samples": len(y), "thinned": len(places) < len(y)}


def _numbers(values: Array, decimals: int) -> Sequence[float | None]:
    return [value if isfinite(value) else None for value in np.round(values, decimals).tolist()]
