"""torchfx: filter chains written in YAML, applied to audio files of any length, on the CPU or a GPU.

The way of the data is effects -> chain -> plan -> render -> stream -> tasks, and imports point back along it:

    design/   how coefficients are made, and what a designed stage is
    effects/  what a chain may hold, a file a kind: what may be written, its design, what runs it
    chain/    a YAML file -> ChainSpec: what was asked for, designed for a signal
    plan/     stages -> RenderPlan: fused, ordered, passes and latency settled
    render/   RenderPlan -> engines that turn blocks into blocks, on a device
    stream/   files <-> blocks
    tasks/    many files
    cli/      the commands

`errors` and `samples` are words that all of them share.

The Python library (`import torchfx_cli as fx`) is a second door to the same rooms:

    fx.Wave             samples and their rate; `wave | module`
    fx.filter, .effect  torch modules; `a | b`, `a + b`
    fx.load_chain       a chain file or preset as a module
    fx.Renderer         a chain with carried state, block by block
    library/            what those are made of

Importing this package loads nothing else; a name of the library loads torch when it is first used (PEP 562).
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing itself would cost each start 10 ms
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"

_LIBRARY = {"Wave": "wave", "Renderer": "renderer", "load_chain": "renderer", "filter": "", "effect": ""}


def __getattr__(name: str) -> Any:
    if name not in _LIBRARY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    home = _LIBRARY[name]
    return getattr(import_module(f"{__name__}.{home}"), name) if home else import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return [*globals(), *_LIBRARY]
