"""Stages that need the whole file first, in a chain and in the branches in it: where they are, what leads to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from torchfx_cli.design.stage import Branched, Measured, Stage
from torchfx_cli.records import dataclass
from torchfx_cli.samples import Signal

Stages = tuple[Stage, ...]


@dataclass(frozen=True, eq=False)
class Unmeasured:
    """`target` in a chain, or in a branch of one of its stages.

    before   what the sound passes on its way there.
    put      the chain, with the stage that it is given in the place of `target`.
    where    the branch, for messages, like "channel 1: "; "" where there is nothing to say.
    """

    before: Stages
    target: Measured
    put: Callable[[Stage], Stages]
    where: str = ""


def unmeasured(stages: Sequence[Stage], source: Signal) -> Iterator[Unmeasured]:
    """All of them, in the order in which they are measured. Each is put in its place before the next is sought."""
    for at, stage in enumerate(stages):
        before = tuple(stages[:at])
        for inner in _within(stage, source):
            yield _in_chain(inner, before, tuple(stages[at + 1 :]))
        source = stage.output(source)


def _within(stage: Stage, source: Signal) -> Iterator[Unmeasured]:
    if isinstance(stage, Measured):
        yield Unmeasured((), stage, lambda found: (found,))
    if not isinstance(stage, Branched):
        return
    for n, (branch, heard) in enumerate(zip(stage.branches, stage.heard(source), strict=True)):
        for inner in unmeasured(branch, heard):
            yield _in_branch(inner, stage, n, source)


def _in_chain(inner: Unmeasured, before: Stages, behind: Stages) -> Unmeasured:
    return replace(inner, before=(*before, *inner.before), put=lambda found: (*before, *inner.put(found), *behind))


def _in_branch(inner: Unmeasured, stage: Branched, n: int, source: Signal) -> Unmeasured:
    def put(found: Stage) -> Stages:
        branches = (*stage.branches[:n], inner.put(found), *stage.branches[n + 1 :])
        return (replace(stage, branches=branches),)  # type: ignore[type-var]

    name = stage.where(n)
    return Unmeasured((*stage.leading_to(n, source), *inner.before), inner.target, put,
                      f"{name}: {inner.where}" if name else inner.where)
