"""What a command writes beside audio, where an option says: reports, lists, tables, pictures.

All of them are checked together before the work (`check_together`), so that none destroys a file that the command
reads or makes, nor a file of the user. A file is written whole or not at all, and links to it stay; a pipe, a device
or an open descriptor is written as a stream.
"""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from pathlib import Path
from types import TracebackType

from torchfx_cli.errors import RunError, TorchfxError, UsageError, printable
from torchfx_cli.records import dataclass
from torchfx_cli.stream.atomicfile import AtomicFile, remove_stale
from torchfx_cli.stream.place import STDOUT, followed, open_stream, stream_at
from torchfx_cli.tasks.conflicts import Named, find_clashes

HEAD_BYTES = 1 << 16  # enough to know a file again

Content = str | bytes | Iterable[str]


@dataclass
class SideFile:
    """The file `name` of `option`, to be used in a `with`; for None nothing happens.

    is_own  whether a file that begins like this was written for the option by an earlier run, which may be replaced.

    It is opened before the work, a file under another name, so that a place that cannot be written is told before
    the work and not after it: UsageError, or RunError where the disk is full or read-only.
    """

    option: str
    name: str | None
    is_own: Callable[[bytes], bool]
    _part: AtomicFile | None = field(default=None, init=False)
    _fd: int | None = field(default=None, init=False)

    def __enter__(self) -> SideFile:
        if self.name is not None:
            try:
                stream = stream_at(self.name)
                if stream is None:
                    self._check_folder()
                    self._part = AtomicFile(Path(self.name), overwrite=True)
                    remove_stale(self._part.folder)  # a killed run leaves its own; here there may be no outputs
                else:
                    self._fd = open_stream(stream)
            except OSError as error:
                raise UsageError(self._told(f"cannot be written: {error.strerror}")) from None
            except UsageError:
                raise
            except TorchfxError as error:
                raise told_before(self.option, error) from None
        return self

    def _check_folder(self) -> None:
        folder = os.path.dirname(followed(self.name or "")) or "."
        if not os.path.lexists(folder):
            raise UsageError(self._told(f"cannot be written: the folder {printable(folder)} does not exist"))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._part is not None:
            self._part.discard()
        if self._fd is not None:
            os.close(self._fd)
        self._part = self._fd = None

    @property
    def is_stdout(self) -> bool:
        return self.name is not None and stream_at(self.name) == STDOUT

    @property
    def is_replaceable(self) -> bool:
        """Whether it is a file, which may be written more than once."""
        return self.name is not None and stream_at(self.name) is None

    def problem(self, *, overwrite: bool) -> str:
        """Why it cannot be written, or must not be without `overwrite`; "" for no reason."""
        if self.name is None:
            return ""
        if "\0" in self.name:
            return self._told("no file can have this name")
        try:
            if stream_at(self.name) is not None:
                return ""
            place = followed(self.name)
            if not Path(self.name).name or os.path.isdir(place):  # "." and "/": there is no name to be given at the end
                return self._told("is a folder, not a regular file")
            if overwrite or not os.path.lexists(place) or self._is_own(place):
                return ""
        except OSError as error:
            return self._told(f"cannot be written: {error.strerror}")
        return self._told("exists, and torchfx did not write it for this option; --overwrite replaces it")

    def _is_own(self, place: str) -> bool:
        """An empty file has nothing to lose."""
        with open(place, "rb") as file:
            head = file.read(HEAD_BYTES)
        return not head or self.is_own(head)

    def save(self, content: Content) -> None:
        """Write `content`, whole or in pieces; a file gets its name. Raises RunError."""
        try:
            if self._fd is not None:
                _write(self._fd, content)
            elif self._part is not None:
                with self._part.told("writing"):
                    _write(self._part.fd, content)
                self._part.sync()
                self._part.give_name()
        except BrokenPipeError:
            pass  # nobody reads any more, and who leaves needs no message
        except OSError as error:
            raise RunError(self._told(f"cannot be written: {error.strerror}")) from None
        except TorchfxError as error:
            raise RunError(f"{self.option}: {error}") from None

    def _told(self, words: str | None) -> str:
        shown = printable(self.name or "") or "''"
        return f"{self.option}: {shown} {words}"


def told_before(option: str, error: TorchfxError) -> TorchfxError:
    """`error` of a place where `option` was to write: a wrong option, but not where the disk is full or read-only."""
    kind = RunError if isinstance(error, RunError) else UsageError
    return kind(f"{option}: {error}")


def check_together(files: Sequence[SideFile], *, overwrite: bool, to_stdout: Sequence[str] = (),
                   read: Sequence[Named] = (), inputs: Iterable[str] = (), made: Iterable[str] = ()) -> None:
    """Raise UsageError with every reason why `files` cannot be written.

    to_stdout  options that send data to the standard output. For the others see `find_clashes`.
    """
    written = [Named(file.option, file.name) for file in files if file.name is not None]
    problems = find_clashes([*(Named(option, "-") for option in to_stdout), *written], read, inputs, made)
    if not problems:  # with one, --overwrite would be the wrong advice
        problems = [problem for file in files if (problem := file.problem(overwrite=overwrite))]
    if problems:
        raise UsageError("\n".join(printable(problem) for problem in problems))


def save_all(contents: Iterable[tuple[SideFile, Content]]) -> None:
    """Save each, also where another could not be; then raise RunError with all reasons."""
    problems = []
    for file, content in contents:
        try:
            file.save(content)
        except RunError as error:
            problems.append(str(error))
    if problems:
        raise RunError("\n".join(problems))


def _write(fd: int, content: Content) -> None:
    is_pipe = not stat.S_ISREG(os.fstat(fd).st_mode)
    for piece in (content,) if isinstance(content, (str, bytes)) else content:
        data = memoryview(piece.encode("utf-8", "surrogateescape") if isinstance(piece, str) else piece)
        while data:
            if is_pipe:
                select.select([], [fd], [])  # its other end may have made it one that does not wait
            data = data[os.write(fd, data[: select.PIPE_BUF] if is_pipe else data) :]
