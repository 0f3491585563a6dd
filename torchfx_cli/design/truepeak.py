"""The filter that finds the wave between the samples, for true peaks: ITU-R BS.1770-5, annex 2.

A polyphase filter: phase k of N gives the values k / N of a frame behind each sample. The standard asks for four times
48 kHz; a tone of 0.45 fs may then be read 0.55 dB too low, with the eight times taken here 0.14 dB. It is a sinc in a
Kaiser window, flat within 0.04 dB up to 0.45 fs; the 12 taps a phase of the standard's example are not.
"""

from __future__ import annotations

import numpy as np

from torchfx_cli.design.stage import Array

TAPS = 32  # a phase
BETA = 5.0  # of the Kaiser window
EIGHTFOLD_BELOW_HZ = 64_000.0


def phases(fs: float) -> Array:
    """The phases 1 to N - 1, [N - 1, TAPS], for a file of `fs` Hz; phase 0 is the samples.

    The sum over i of taps[i] x[n - i] lies behind sample n - TAPS / 2.
    """
    times = 8 if fs < EIGHTFOLD_BELOW_HZ else 4
    behind = np.arange(1, times)[:, None] / times
    at = np.arange(TAPS) - TAPS // 2 + behind
    taps: Array = np.sinc(at) * np.i0(BETA * np.sqrt(np.maximum(0.0, 1.0 - (at / (TAPS / 2)) ** 2)))
    return taps / taps.sum(axis=1, keepdims=True)
