"""What designing a chain may cost, estimated from what was written: no file of a megabyte may keep a machine busy.

Most stages are designed in a fraction of a millisecond. What takes long are impulse responses (about 0.2 us a tap, and
8 bytes), and elliptic filters, whose design takes about 2 ms an order; others of one form are designed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torchfx_cli.effects.parallel import every

if TYPE_CHECKING:
    from torchfx_cli.effects.kind import StageSpec

MAX_CHAIN_TAPS = 1 << 22
MAX_CHAIN_ORDER = 100_000  # of all recursive stages together: 50,000 sections
MAX_ELLIPTIC_ORDER = 2_000
MAX_MEASURED = 100  # each reads the whole file once more


def first_beyond(stages: Sequence[StageSpec]) -> str:
    """The complaint about the first of `stages` with which the chain costs too much; "" where there is none."""
    taps = order = elliptic = measured = 0
    known = set()
    for stage in every(stages):
        taps += _taps(stage)
        order += _order(stage)
        measured += stage.is_measured
        if getattr(stage, "family", "") == "elliptic":
            form = (_order(stage), getattr(stage, "ripple_db", 0.0), getattr(stage, "attenuation_db", 0.0))
            elliptic += form[0] if form not in known else 0
            known.add(form)
        for found, most, what in (
            (taps, MAX_CHAIN_TAPS, "taps of impulse responses"),
            (order, MAX_CHAIN_ORDER, "orders of recursive stages"),
            (elliptic, MAX_ELLIPTIC_ORDER, "orders of different elliptic designs"),
            (measured, MAX_MEASURED, "stages that measure the whole file, each of which reads it once more"),
        ):
            if found > most:
                return f"{stage.origin}: up to here the chain has {found} {what}; at most {most} are allowed"
    return ""


def _taps(stage: StageSpec) -> int:
    """How many taps, as far as that is known before the file of them is read: two bytes make one, at least."""
    taps = getattr(stage, "taps", None)
    if isinstance(taps, int):
        return taps
    return len(taps) if taps is not None else min(MAX_CHAIN_TAPS // 4, len(getattr(stage, "content", b"")) // 2)


def _order(stage: StageSpec) -> int:
    """Two a second-order section; other stages than those of one order or of many corners are one section."""
    corners = 2 * len(getattr(stage, "sections", ())) or len(getattr(stage, "poles_hz", ()))
    edges = 2 if stage.kind in ("bandpass", "bandstop") else (len(getattr(stage, "frequencies_hz", ())) + 1) ** 2
    return corners or edges * int(getattr(stage, "order", 2))
