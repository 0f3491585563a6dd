"""One effect at work on a whole sound, without an engine around it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from torchfx_cli.chain.parse import join
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.design.stage import Array
from torchfx_cli.kernel.base import Kernel
from torchfx_cli.kernel.load import available
from torchfx_cli.samples import Signal

FS = 48_000
SIZES = (1, 17, 509, 44_100)


def processed(effect: str, x: Array, size: int = 1 << 20, fs: int = FS) -> Array:
    """`x` [frames, channels] through an effect as `-e` writes it, in blocks of `size`."""
    (stage,) = design_chain(join([], [effect]), fs, x.shape[1])
    processor = stage.open(Signal(fs, x.shape[1]))
    made = [processor.process(x[at : at + size].copy()) for at in range(0, len(x), size)]
    return np.concatenate([np.empty((0, x.shape[1])), *made, *processor.flush()])


def assert_cut_anywhere(effect: str, x: Array) -> None:
    """Bit for bit the same in blocks of any size, for short sounds too."""
    for frames in (0, 1, 2, 300, len(x)):
        whole = processed(effect, x[:frames])
        assert whole.shape == x[:frames].shape
        for size in SIZES:
            assert processed(effect, x[:frames], size).tobytes() == whole.tobytes(), f"{frames} in blocks of {size}"


def assert_kernels_agree(effect: str, x: Array, monkeypatch: pytest.MonkeyPatch, *modules: str, atol: float = 1e-12
                         ) -> None:
    """Every clone and the twin give the same; `modules` are those of effects that load a kernel."""

    def made_by(kernel: Kernel) -> Any:
        for module in modules:
            monkeypatch.setattr(f"torchfx_cli.effects.{module}.load", lambda: kernel)
        return processed(effect, x, 999)

    *native, twin = available()
    wanted = made_by(twin)
    for kernel in native:
        np.testing.assert_allclose(made_by(kernel), wanted, rtol=0, atol=atol, err_msg=kernel.name)
