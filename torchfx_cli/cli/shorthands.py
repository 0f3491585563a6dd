"""`--mono`, `--rate`, `--normalize` and `--loudness`: stages behind the chain, and when no chain is needed.

They come in the order mono, rate, level, wherever they are written: what follows a level, a new rate above all, would
move its peaks again; and a chain hears the channels and the rate that it was written for.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from torchfx_cli.chain.parse import parse_effect
from torchfx_cli.cli.options import quoted
from torchfx_cli.effects.kind import StageSpec
from torchfx_cli.errors import ChainError, printable
from torchfx_cli.stream.formats import is_audio_name, not_written

KINDS = {"--rate": "resample", "--normalize": "normalize", "--loudness": "loudness"}


def shorthands_of(*, mono: bool, rate: str | None, normalize: str | None, loudness: str | None
                  ) -> dict[str, tuple[StageSpec, ...]]:
    """By the kind of each, the stages that are asked for, in their order. Raises ChainError with all mistakes."""
    stages, problems = {"mono": parse_effect("mono", "--mono")} if mono else {}, list[str]()
    for option, value in (("--rate", rate), ("--normalize", normalize), ("--loudness", loudness)):
        if value is None:
            continue
        plain = value.replace("'", " ")  # in quotes, so that no comma divides it
        try:
            stages[KINDS[option]] = parse_effect(f"{KINDS[option]}:'{plain}'", f"{option} {quoted(value)}")
        except ChainError as error:
            problems += error.problems
    if problems:
        raise ChainError(problems)
    return stages


def is_conversion(inputs: Sequence[str], output: str | None, name: str | None, *wishes: str | None) -> bool:
    """Whether outputs differ from `inputs` without a chain: by `wishes` of the format, or by their extension."""
    renamed = [word for word in (output, name) if word and (is_audio_name(word) or not_written(_extension(word)))]
    differs = any(_extension(word) != _extension(path) for word in renamed for path in inputs or [""])
    return differs or any(wish is not None for wish in wishes)


def meant_as_output(inputs: Sequence[str], output: str | None) -> str:
    """A hint where the second of two `inputs` looks like an output, as SoX and ffmpeg take it; "" where not."""
    if output is not None or len(inputs) != 2:
        return ""
    last = inputs[-1]
    looks_so = last.endswith("/") or is_audio_name(last) or bool(not_written(_extension(last)))
    if not looks_so or os.path.lexists(last) or any(sign in last for sign in "*?[@"):
        return ""
    return f"{printable(last)} does not exist; if it is meant as the output, write -o {printable(last)}"


def _extension(path: str) -> str:
    return os.path.splitext(path)[1].lower()
