"""A report or a list: checked before the run that it tells of, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from torchfx_cli.errors import TorchfxError, UsageError
from torchfx_cli.stream.part import Part


class TextFile:
    """The text file `name`, to be used in a `with`; for None all is done and nothing happens.

    It exists from the start, empty under another name, so that a place that cannot be written is told before the
    work and not after it: UsageError, with `option`.
    """

    def __init__(self, name: str | None, option: str) -> None:
        self._name, self._option = name, option
        self._part: Part | None = None

    def __enter__(self) -> TextFile:
        if self._name is not None:
            if not Path(self._name).name:  # "." and "/": there is no name to be given at the end
                raise UsageError(f"{self._option}: {self._name or repr('')} is a folder, not a regular file")
            try:
                self._part = Part(Path(self._name), overwrite=True)
            except TorchfxError as error:
                raise UsageError(f"{self._option}: {error}") from None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._part is not None:
            self._part.discard()

    def save(self, text: str | Iterable[str]) -> None:
        """Write `text`, whole or in pieces, and give the file its name."""
        part = self._part
        if part is None:
            return
        with part.told("writing"):
            for piece in (text,) if isinstance(text, str) else text:
                _write(part.fd, piece)
        part.sync()
        part.give_name()


def _write(fd: int, text: str) -> None:
    data = memoryview(text.encode("utf-8", "surrogateescape"))
    while data:
        data = data[os.write(fd, data) :]
