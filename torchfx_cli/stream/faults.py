"""What the system's error numbers mean for an output, and whether they end the run or fail this file only."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from torchfx_cli.errors import RunError, TorchfxError, WriteError

# These end the run: every other output of this folder would meet them too.
_RUN_WORDS = {
    errno.ENOSPC: "no space left on {}",
    errno.EDQUOT: "the disk quota is used up on {}",
    errno.EROFS: "{} is on a read-only file system",
    errno.ENOENT: "the output folder {} does not exist (any more)",
    errno.ESTALE: "the output folder {} does not exist (any more)",
    errno.EMFILE: "too many open files, writing to {}",
    errno.ENFILE: "too many open files, writing to {}",
}
_FILE_WORDS = {
    errno.EFBIG: "file too large for the limit set for this process or file system (EFBIG)",
    errno.EACCES: "permission denied",
    errno.EPERM: "the system does not allow it (EPERM)",
    errno.EIO: "input/output error of the disk (EIO)",
    errno.ENOTDIR: "its folder is a file",
    errno.ENAMETOOLONG: "the name is too long for the file system",
}


def explain(error: OSError, path: Path, action: str, folder_fd: int, fd: int,
            expected_bytes: int | None) -> TorchfxError:
    """The error for `path` that `error` is, met while `action`.

    `folder_fd`, `fd`: its folder and its temporary file, -1 where not open; `expected_bytes` of samples, for the words.
    """
    if error.errno in _RUN_WORDS:
        space = _space(folder_fd, fd, expected_bytes) if error.errno == errno.ENOSPC else ""
        return RunError(_RUN_WORDS[error.errno].format(path.parent) + space)
    words = _FILE_WORDS.get(error.errno or 0, error.strerror or "unknown error")
    return WriteError(f"{path}: {words}, while {action}")


def _space(folder_fd: int, fd: int, expected_bytes: int | None) -> str:
    """": needs about 12 MB, 1.3 MB free"; what the temporary file takes counts as free."""
    try:
        disk = os.fstatvfs(folder_fd)
        held_bytes = os.fstat(fd).st_blocks * 512 if fd >= 0 else 0
    except OSError:
        return ""
    if disk.f_files and not disk.f_favail:
        return " (inodes)"
    free = size_words(disk.f_bavail * disk.f_frsize + held_bytes)
    return f": needs about {size_words(expected_bytes)}, {free} free" if expected_bytes else f": {free} free"


def size_words(count: int) -> str:
    """Bytes in two digits or more: `512 bytes`, `1.3 MB`, `12 MB`."""
    value, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if value >= 10 or unit == "bytes" else f"{value:.1f} {unit}"
