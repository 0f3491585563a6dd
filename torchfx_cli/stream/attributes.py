"""Owner, permissions and extended attributes (access control lists among them): a file that is replaced keeps them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from torchfx_cli.records import dataclass

# Attributes that the system makes by itself, or that only it may give.
OF_THE_SYSTEM = ("security.", "trusted.")


@dataclass(frozen=True)
class Attributes:
    """Of one file; `mode` holds the permissions alone, `extended` the value of each attribute that can be copied."""

    uid: int
    gid: int
    mode: int
    extended: Mapping[str, bytes]

    def give(self, fd: int) -> list[str]:
        """Give them to the open file; returns a warning for each that this user, or this file system, cannot give."""
        warnings = []
        now = os.fstat(fd)
        if (now.st_uid, now.st_gid) != (self.uid, self.gid):
            try:
                os.fchown(fd, self.uid, self.gid)
            except OSError as error:
                warnings.append(f"its owner {self.uid}:{self.gid} could not be kept: {error.strerror}")
        os.fchmod(fd, self.mode)  # after the owner, whose change may clear bits
        for name, value in self.extended.items():
            try:
                os.setxattr(fd, name, value)
            except OSError as error:
                warnings.append(f"its extended attribute {name} could not be kept: {error.strerror}")
        return warnings


def attributes_of(path: Path) -> Attributes:
    """Of the file that `path` leads to; an OSError is the caller's."""
    facts = os.stat(path)
    return Attributes(facts.st_uid, facts.st_gid, facts.st_mode & 0o777, _extended(path))


def _extended(path: Path) -> dict[str, bytes]:
    if not hasattr(os, "listxattr"):
        return {}
    try:
        names = os.listxattr(path)
    except OSError:  # a file system without them
        return {}
    return {name: os.getxattr(path, name) for name in names if not name.startswith(OF_THE_SYSTEM)}
