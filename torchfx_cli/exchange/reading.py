"""What is gathered while a text of another program is read: stages as they will stand in a chain file, and refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from torchfx_cli.chain.document import parse_document
from torchfx_cli.chain.stage import name_and_body, read_beside, read_stage
from torchfx_cli.effects.kind import Origin, key_of
from torchfx_cli.effects.table import KINDS

Value = float | str | bool | Sequence["Value"]


class RefusedError(Exception):
    """Something that cannot be taken; the text says what and why."""


@dataclass(frozen=True)
class Entry:
    """A stage of a chain file, and the line that it comes from; `channels` as they stand beside it, () for all."""

    line: int
    kind: str
    values: dict[str, Value]
    channels: tuple[int | str, ...] = ()

    def __str__(self) -> str:
        """Such as `peaking: {frequency: 1000, gain: -3}` or `gain: -3`, in one line of YAML."""
        if self.channels:
            return f"{{{self._stage or f'{self.kind}: {{}}'}, channels: {written(self.channels)}}}"
        return self._stage or self.kind

    @property
    def _stage(self) -> str:
        """Its kind and its values, "" where it has none."""
        short = KINDS[self.kind].shorthand
        if short and list(self.values) == [key_of(short)]:
            return f"{self.kind}: {written(self.values[key_of(short)])}"
        return f"{self.kind}: {written(self.values)}" if self.values else ""


def written(value: Value | dict[str, Value]) -> str:
    """`value` in YAML with all its digits."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value if value.replace("_", "a").isalnum() else json.dumps(value, ensure_ascii=False)
    if isinstance(value, float | int):
        return repr(float(value)).removesuffix(".0")
    return "[" + ", ".join(written(item) for item in value) + "]"


class Reading:
    """`entries` in their order, and `refused`: the line of each, and what was wrong with it.

    rate_hz  the sample rate of what is given by numbers that are made for one, or None where nobody said.
    channels  those that what is taken now is for, as a chain file has them; () for all.
    folder   where names of files in the text start from, as seen from the chain file.
    """

    def __init__(self, rate_hz: float | None = None, folder: str = "") -> None:
        self.rate_hz, self.folder = rate_hz, folder
        self.channels: tuple[int | str, ...] = ()
        self.entries: list[Entry] = []
        self.refused: list[tuple[int, str]] = []

    def take(self, line: int, kind: str, **values: Value) -> None:
        """The stage `kind`, unless the house cannot have it so."""
        entry = Entry(line, kind, values, self.channels)
        if complaints := list(_complaints(entry)):
            self.refused += [(line, complaint) for complaint in complaints]
        else:
            self.entries.append(entry)

    def refuse(self, line: int, why: str) -> None:
        self.refused.append((line, why))

    @contextmanager
    def refusing(self, line: int, name: str = "") -> Iterator[None]:
        """What raises RefusedError inside is refused, and numbers that no filter can have."""
        why = ""
        try:
            yield
        except RefusedError as error:
            why = str(error)
        except ArithmeticError:
            why = "its numbers are beyond any filter"
        if why:
            self.refuse(line, f"{name}: {why}" if name else why)

    def rate(self, what: str) -> float:
        """The sample rate that `what` needs. Raises RefusedError where nobody said one."""
        if self.rate_hz is None:
            raise RefusedError(f"{what} depends on the sample rate; say it with --rate, like --rate 48000")
        return self.rate_hz


def _complaints(entry: Entry) -> Iterator[str]:
    name, body, beside = name_and_body(parse_document(str(entry)))
    _, mistakes = read_stage(name, body, Origin("", 0, entry.kind), {})
    for mistake in (*mistakes, *read_beside(beside)[1]):
        yield f"{entry.kind}{mistake.path}: {mistake}"


def number(text: str, what: str) -> float:
    """A decimal number, with a k for thousands if it likes. Raises RefusedError."""
    plain = text.strip()
    try:
        value = float(f"{plain[:-1]}e3" if plain[-1:] in "kK" else plain)
    except ValueError:
        value = float("nan")
    if not abs(value) < float("inf"):
        raise RefusedError(f"{what}: found '{text[:60]}', which is no number")
    return value
