"""Files as blocks of float64, and the same part of two of them side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from torchfx_cli.design.stage import Array
from torchfx_cli.errors import FileError, printable
from torchfx_cli.plan.assemble import assemble
from torchfx_cli.render.native import NativeEngine
from torchfx_cli.samples import FLOAT64, block_frames
from torchfx_cli.stream.reader import Source, open_source


@contextmanager
def named(path: str | Path) -> Iterator[None]:
    """An error about the file `path` names it."""
    try:
        yield
    except FileError as error:
        raise FileError(f"{printable(str(path))}: {error}") from None


@contextmanager
def opened(path: str) -> Iterator[Source]:
    """The file `path`; an error of opening it names it, as those of `float_blocks` do."""
    with named(path):
        source = open_source(path)
    with source:
        yield source


def float_blocks(source: Source) -> Iterator[Array]:
    """All samples from the start, float64 [frames, channels] with 1 = full scale.

    Raises FileError, with the file's name, where it is damaged or holds samples that are no numbers.
    """
    source.rewind()
    facts = source.facts
    engine = NativeEngine(assemble((), facts.fs, facts.channels, facts.sample_format, FLOAT64))
    blocks = map(engine.process, source.blocks(block_frames(facts.channels)))
    while True:
        with named(facts.path):
            block = next(blocks, None)
        if block is None:
            return
        yield block.view("f8")


def part(blocks: Iterable[Array], start: int, frames: int) -> Array:
    """The `frames` from frame `start` on, fewer where the blocks end; what is before frame 0 is silence."""
    found, at = [], 0
    for block in blocks:
        inside = block[max(0, start - at) : max(0, start + frames - at)]
        found.append(inside)
        at += len(block)
        if at >= start + frames:
            break
    silence = np.zeros((max(0, min(-start, frames)), found[0].shape[1] if found else 1))
    return np.concatenate([silence, *found])


def side_by_side(a: Iterable[Array], b: Iterable[Array], shift: int = 0) -> Iterator[tuple[Array, Array]]:
    """Blocks of both, where frame n of `a` is beside frame n + `shift` of `b`; the shorter one ends in silence.

    What has nothing beside it because of the shift is left out: the first frames of one, the last of the other.
    """
    left, right = _skipped(a, max(0, -shift)), _skipped(b, max(0, shift))
    x, y = _next(left), _next(right)
    while x is not None and y is not None:
        frames = min(len(x), len(y))
        yield x[:frames], y[:frames]
        x = x[frames:] if frames < len(x) else _next(left)
        y = y[frames:] if frames < len(y) else _next(right)
    if shift:
        return
    while x is not None:
        yield x, np.zeros_like(x)
        x = _next(left)
    while y is not None:
        yield np.zeros_like(y), y
        y = _next(right)


def _next(blocks: Iterator[Array]) -> Array | None:
    return next((block for block in blocks if len(block)), None)


def _skipped(blocks: Iterable[Array], frames: int) -> Iterator[Array]:
    for block in blocks:
        yield block[min(frames, len(block)) :]
        frames = max(0, frames - len(block))
