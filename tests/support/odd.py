"""A row of the catalogue of odd files: what the file is, and what `process` must make of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Odd:
    """A file called `name`, and its fate.

    row       of HAZARDS 4 A.
    status    ok, warned or failed; "read" where a warning may or may not come.
    frames    of the output, where there is one; None where the format does not fix them.
    words     that the error, or the warnings together, hold.
    output    name of the output, where it is not the input's.
    settings  more than the chain, for `tasks.job.Settings`.
    """

    name: str
    row: int
    make: Callable[[], bytes]
    status: str
    frames: int | None = 0
    words: str = ""
    effects: tuple[str, ...] = ("highpass:80",)
    output: str = ""
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def output_name(self) -> str:
        return self.output or self.name
