"""Finds the best kernel that runs here: the C clone for this processor's widest vectors, else the twin.

TORCHFX_KERNEL=twin forces the twin; avx512, avx2, sse2, neon or baseline force a clone.
"""

from __future__ import annotations

import ctypes
import os
from functools import lru_cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from torchfx_cli.kernel.base import Kernel
from torchfx_cli.kernel.native import Native, clones
from torchfx_cli.kernel.twin import Twin

__all__ = ["Kernel", "available", "load"]

VARIABLE = "TORCHFX_KERNEL"


@lru_cache(maxsize=1)
def load() -> Kernel:
    """The kernel to use; `reason` says why it is not a better one."""
    wanted = os.environ.get(VARIABLE, "")
    kernels, problem = _found()
    forced = f"forced by {VARIABLE}={wanted}" if wanted else ""
    if not wanted:
        return kernels[0] if kernels else Twin(problem)
    for kernel in kernels:
        if wanted in (kernel.name, kernel.clone):
            kernel.reason = forced
            return kernel
    if wanted == "twin":
        return Twin(forced)
    return Twin(f"{VARIABLE}={wanted}, but {problem or 'this processor has no such clone'}")


def available() -> list[Kernel]:
    """Every kernel that runs here, best first; the twin is always the last."""
    kernels, problem = _found()
    return [*kernels, Twin(problem)]


def named(name: str) -> Kernel:
    """The kernel of that name, or the best one where it does not run here."""
    return next((kernel for kernel in [load(), *available()] if kernel.name == name), load())


def _found() -> tuple[list[Native], str]:
    """The native kernels, or none and the reason."""
    for suffix in EXTENSION_SUFFIXES:
        path = Path(__file__).with_name(f"_kernel{suffix}")
        if path.is_file():
            try:
                library = ctypes.CDLL(str(path))
                return [Native(library, clone, name) for clone, name in clones(library).items()], ""
            except (OSError, AttributeError) as error:
                return [], f"the C kernel does not load: {error}"
    return [], "the C kernel was not built (no C compiler at installation?)"
