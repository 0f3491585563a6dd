"""What a file of `effects` says of its kind of stage: what may be written, what it becomes, its doc and its example.

A field's name carries its unit; the YAML key is the field without it (`cutoff_hz` is written `cutoff`). What is allowed
for a field stands once, in its `param(...)`; the parser, `torchfx filters` and the YAML schema all read it from there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from dataclasses import MISSING, Field, field, fields
from typing import Any, ClassVar

from torchfx_cli.design.stage import Stage
from torchfx_cli.records import dataclass
from torchfx_cli.samples import Signal

Q_BUTTERWORTH = 0.5**0.5
MAX_ORDER = 40
MAX_HZ = 1e9  # beyond any audio file; what fits below half of *this* file's rate is design's question

# (the key at hand, or "" for the stage as a whole; what is wrong with it)
Complaint = tuple[str, str]


@dataclass(frozen=True)
class Origin:
    """Where a stage was written: `eq.yaml:7` and `chain[2].highpass`, for messages."""

    file: str
    line: int
    path: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.path}" if self.line else f"{self.file}: {self.path}"


@dataclass(frozen=True)
class Param:
    """What may be written for one key.

    unit      "Hz", "dB", "dBFS", "dBTP", "LUFS", "LU", "s", "ratio" (4, 4:1 or 1:4) or "" (a pure number, a word, a
              list): in which a bare number is read.
    low/high  the allowed range, both ends included unless `open_low`.
    choices   the allowed words, for a word; and in the place of a number.
    form      "number", "integer", "word", "bool", "numbers" (a list), "rows" (list of lists of 6), "matrix" (of any),
              "path", "taps" (an odd or even integer, or a list of numbers), "band" (two frequencies),
              "chain" (a tuple of records), "branches" (such chains), "points" (pairs of a frequency and a gain in
              dB up to `high`, as a map or a list), "share" (a number up to 1, or per cent), "channels" (numbers from 1,
              or words).
    """

    doc: str
    unit: str = ""
    form: str = "number"
    low: float | None = None
    high: float | None = None
    open_low: bool = False
    choices: tuple[str, ...] = ()


def param(doc: str, *, default: Any = MISSING, **allowed: Any) -> Any:
    """A record field whose allowed values are described by `Param(doc, **allowed)`."""
    extra = {} if default is MISSING else {"default": default}
    return field(metadata={"param": Param(doc, **allowed)}, **extra)


def frequency(doc: str, default: Any = MISSING) -> Any:
    """A field for a frequency in Hz above 0."""
    return param(doc, default=default, unit="Hz", low=0.0, high=MAX_HZ, open_low=True)


def gain(doc: str, default: Any = MISSING) -> Any:
    """A field for a gain in dB."""
    return param(doc, default=default, unit="dB", low=-300.0, high=300.0)


def quality(doc: str, default: Any = MISSING) -> Any:
    """A field for a Q."""
    return param(doc, default=default, low=1e-3, high=1e4)


def order(doc: str, default: int, high: int = MAX_ORDER) -> Any:
    """A field for the order of a filter."""
    return param(doc, default=default, form="integer", low=1, high=high)


@dataclass(frozen=True, kw_only=True)
class StageSpec(ABC):
    """One stage as written. `kind` is its name in the table, `origin` where it stands.

    is_measured  the stage needs the whole file first, so that the input is read once more.
    is_shared    so it is, and the files of an album may be measured together.
    is_filter    its stage is linear and time-invariant, the same for each channel: in the library a filter.
    is_bypassed  it does nothing, and does not count for what is heard.
    files        how the name that its `file` holds may end; `content` is what that file, of at most `max_file_bytes`,
                  held when the chain was read.
    is_flat      it treats all frequencies alike, so it is the same for every sample rate.
    """

    is_measured: ClassVar[bool] = False
    is_shared: ClassVar[bool] = False
    is_filter: ClassVar[bool] = True
    is_bypassed: ClassVar[bool] = False
    is_flat: ClassVar[bool] = False
    files: ClassVar[tuple[str, ...]] = ()
    max_file_bytes: ClassVar[int] = 1 << 25  # a million numbers, of 25 characters where they are printed in full

    kind: str
    origin: Origin = field(compare=False, repr=False)

    @property
    def chains(self) -> tuple[tuple[StageSpec, ...], ...]:
        """The chains inside it that are heard."""
        return ()

    def problems(self, given: Collection[str]) -> Iterator[Complaint]:
        """What contradicts itself whatever the signal; `given` are the keys that were written.

        A key that would be ignored in silence (a ripple for a Butterworth) is a contradiction, hence an error.
        """
        return iter(())

    def wording_problem(self, key: str, text: str) -> str:
        """Why the value of `key` must not be written as `text`, though it can be read; "" where it may."""
        return ""

    def content_problem(self) -> str:
        """Why the `content` of a file will not do, whatever the signal; "" where it may."""
        return ""

    @abstractmethod
    def design(self, source: Signal) -> Stage:
        """The stage for the signal `source`. Raises DesignError, naming `origin`, where there can be none."""

    @property
    def is_both_ways(self) -> bool:
        """Whether it is a filter that goes over the file forward and backward, see zero_phase.py."""
        return bool(getattr(self, "zero_phase", False))

    @property
    def waits_for_end(self) -> bool:
        """Whether nothing comes out before the whole file was heard."""
        return self.is_measured or self.is_both_ways or any(
            stage.waits_for_end for chain in self.chains for stage in chain)

    @property
    def suits_any_rate(self) -> bool:
        """Whether `design` gives the same stage for every sample rate."""
        return self.is_flat


@dataclass(frozen=True)
class Kind:
    """A row of the table of kinds.

    record     what may be written.
    shorthand  the field that `kind: value` sets; None where keys must be written.
    by_unit    pairs of a unit and the field that `kind: value` sets in its place where the value has this unit.
    example    an entry as it stands in a chain file.
    doc        one line; the first of the record's docstring where it is empty.
    """

    record: type[StageSpec]
    shorthand: str | None = None
    example: str = ""
    doc: str = ""
    by_unit: tuple[tuple[str, str], ...] = ()

    def field_of(self, text: str) -> str | None:
        """The field that `kind: text` sets."""
        words = text.strip().lower()
        return next((field for unit, field in self.by_unit if words.endswith(unit.lower())), self.shorthand)


_UNIT_SUFFIXES = ("_hz", "_db", "_lufs", "_s")


def key_of(name: str) -> str:
    """The YAML key of a field: its name without the unit."""
    for suffix in _UNIT_SUFFIXES:
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


def params_of(record: type[StageSpec]) -> dict[str, tuple[Field[Any], Param]]:
    """YAML key -> (field, what it may hold), in the order of the record."""
    return {key_of(f.name): (f, f.metadata["param"]) for f in fields(record) if "param" in f.metadata}


def listed(keys: Collection[str]) -> str:
    """Keys in a sentence."""
    return " and ".join(sorted(keys))
