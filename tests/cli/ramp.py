"""The sound that the tests of the command line work on."""

from __future__ import annotations

import numpy as np

FS = 8000


def samples() -> np.ndarray:
    """[FS, 2] int16: one second of even numbers that count up to 7998 on the left, down on the right."""
    left = np.arange(-FS, FS, 2, dtype=np.int16)
    return np.stack([left, -left], axis=1)
