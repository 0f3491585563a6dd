"""What the modules ask of a GPU's memory, counted without one: on a "meta" device, which computes shapes only.

The goal for 600 s x 12 channels is 15 copies of the tensor. A copy reads and writes every sample once; so does each of
the operations counted here. What a GPU makes of it in milliseconds is for `make gpu-check` to say.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_leaves  # noqa: E402

import torchfx_cli as fx  # noqa: E402
from torchfx_cli.bench.suites import FIR, IIR  # noqa: E402
from torchfx_cli.chain.parse import join  # noqa: E402
from torchfx_cli.library.units import MOST_SAMPLES  # noqa: E402

FS = 44_100
COPIES = 15.0
# cuFFT takes contiguous input, and overwrites it on the way back from a spectrum: torch copies it before.
HIDDEN_PASSES = {"_fft_r2c": 1, "_fft_c2r": 1}


class Traffic(TorchDispatchMode):
    """Bytes that operations read and write, by name; views cost nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes, self.operations = Counter[str](), 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            read, written = _bytes((args, kwargs)), _bytes(out)
            name = func.overloadpacket.__name__
            self.bytes[name] += read + written + HIDDEN_PASSES.get(name, 0) * 2 * read
            self.operations += 1
        return out


def _bytes(tree: Any) -> int:
    return sum(t.numel() * t.element_size() for t in tree_leaves(tree) if isinstance(t, torch.Tensor))


def traffic(module: Any, seconds: float, dtype: torch.dtype) -> tuple[float, int]:
    """Copies of 12 channels of `dtype`, and operations."""
    x = torch.empty(12, round(seconds * FS), dtype=dtype, device="meta")
    with torch.no_grad(), Traffic() as counted:
        module(x)
    return counted.bytes.total() / (2 * _bytes(x)), counted.operations


@pytest.mark.parametrize("effects", [FIR, IIR], ids=["fir", "iir"])
def test_ten_minutes_in_twelve_channels_move_fewer_bytes_than_fifteen_copies(
    effects: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torchfx_cli.library.units.UNIT_SAMPLES", MOST_SAMPLES)  # a large GPU's
    chain = fx.load_chain(join([], [*effects]), FS).to("meta")
    copies, operations = traffic(chain, 600, torch.float64)
    assert copies < 0.7 * COPIES  # no operation is as fast as a copy
    assert operations < 130 * math.ceil(600 * FS * 12 / MOST_SAMPLES)
