"""What a GPU's failures mean: out of memory can be helped, anything else ends the file, and CUDA in this process.

An error inside a kernel is reported by some later call, and from then on every call fails ("sticky"): the driver takes
the process's context away. So no file of this process can use the device any more; another process can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from torchfx_cli.errors import DeviceError
from torchfx_cli.render.device import first_line

T = TypeVar("T")

# How libraries that keep memory of their own say that there is none left. That of CUDA has an exception.
NO_MEMORY = (
    "DefaultCPUAllocator: can't allocate",
    "CUFFT_ALLOC_FAILED",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_NOT_INITIALIZED",
)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether a smaller block may still succeed."""
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in NO_MEMORY)


class Allowance:
    """How much a device is given at a time, in frames or samples (`unit`): half as much once its memory runs out.

    `size` is a multiple of `grid`, and stays one.
    """

    def __init__(self, device: torch.device, size: int, unit: str, note: Callable[[], object] = lambda: None,
                 grid: int = 1) -> None:
        self.device, self.size, self._unit, self._grid = device, size, unit, grid
        self._note: Callable[[], object] | None = note

    def attempt(self, step: Callable[[], T], least: int) -> T | None:
        """What `step` gives; None where memory ran out: the error and what it kept alive are gone, `size` is halved.

        Raises DeviceError where that would be less than `least`.
        """
        try:
            return step()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        self._halve(least)
        return None

    def _halve(self, least: int) -> None:
        if self.size < 2 * least:
            raise DeviceError(f"not enough memory on {self.device} for {self.size} {self._unit}")
        self.size = -(-self.size // 2 // self._grid) * self._grid
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if self._note is not None:
            self._note()
            self._note = None


@contextmanager
def failing_as_one(device: torch.device) -> Iterator[None]:
    """Failures of a GPU, wherever they come up, as a DeviceError of one line; those of the CPU stay what they are."""
    try:
        yield
    except RuntimeError as error:
        if device.type == "cpu":
            raise
        if is_out_of_memory(error):
            raise DeviceError(f"not enough memory on {device} to begin; --device cpu needs none of it") from None
        raise DeviceError(f"{device} failed: {first_line(str(error))}; try --device cpu") from error
