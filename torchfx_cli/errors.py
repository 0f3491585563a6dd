"""The errors that users see, each with the exit code of the command line.

    TorchfxError                1
    ├── RunError                1   the run cannot go on: disk full, output folder gone, nothing to do
    ├── UsageError              2   a wrong option, an unknown device; nothing was opened for writing
    │   └── ChainError          2   mistakes in a chain, all of one file at once
    └── FileError               3   this file failed, the others go on
        ├── ReadError           3   unreadable, truncated, not audio, non-finite samples
        ├── DesignError         3   a stage that cannot exist at this file's sample rate
        ├── WriteError          3   this output could not be written and verified
        └── DeviceError         3   a GPU failed or is full; after a failure this process cannot use it any more
    Interrupted            130/143   Ctrl-C or SIGTERM: no Exception, so that nothing that bears errors swallows it

Only the top of the command line catches them. A message says where, what was found, what is allowed and
what to do. It is plain text: control characters are escaped with `printable` when it is shown.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class TorchfxError(Exception):
    """Base of every error meant for a user."""

    exit_code = 1


class RunError(TorchfxError):
    """The run cannot go on; what was finished stays."""


class UsageError(TorchfxError):
    """A wrong option or argument; nothing was opened for writing."""

    exit_code = 2


class ChainError(UsageError):
    """Every mistake found in a chain, one line each (`problems`)."""

    def __init__(self, problems: Sequence[str] | str) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class FileError(TorchfxError):
    """One file failed; the others go on. `reason` is its code in reports."""

    exit_code = 3
    reason = "processing"


class ReadError(FileError):
    """The input cannot be read, is not what its header says, or holds non-finite samples."""

    reason = "input"


class DesignError(FileError):
    """A stage cannot be designed at this sample rate, or is not stable."""

    reason = "design"


class WriteError(FileError):
    """The output could not be written and read back."""

    reason = "output"


class DeviceError(FileError):
    """A GPU failed, or cannot hold what it must; after a failure the process that saw it cannot use CUDA any more."""

    reason = "device"


class Interrupted(BaseException):
    """A signal asked the run to stop; `exit_code` is 128 + its number."""

    def __init__(self, signal_number: int) -> None:
        self.exit_code = 128 + signal_number
        super().__init__("interrupted")


def printable(text: str) -> str:
    """`text` on one line with control, bidirectional and undecodable characters as escapes (`\\x1b`, `\\u202e`)."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c
        if c.isprintable()
        else c.encode("unicode_escape", "surrogatepass").decode()
        if not 0xDC80 <= ord(c) <= 0xDCFF
        else f"\\x{ord(c) - 0xDC00:02x}"
        for c in text
    )
