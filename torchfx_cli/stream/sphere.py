"""The fields of a NIST SPHERE header: lines of name, type and value, up to one that says end_head."""

from __future__ import annotations

import os
import re

MAX_HEADER_BYTES = 1 << 16
_HEAD = re.compile(rb"NIST_1A\n *(\d+)\n")
_FIELD = re.compile(rb"^(\w[\w.-]*) -(?:i|r|s\d+) ", re.MULTILINE)
# What the format is, or true of the old samples only.
_STRUCTURE = frozenset({
    "sample_count", "sample_rate", "sample_n_bytes", "sample_byte_format", "sample_sig_bits", "sample_coding",
    "sample_min", "sample_max", "sample_checksum", "channel_count", "channels_interleaved",
})  # fmt: skip


def comments(fd: int) -> tuple[str, ...]:
    """Names of the fields of the file open as `fd` that tell of more than its samples, each once."""
    head = _HEAD.match(os.pread(fd, 16, 0))
    if head is None:
        return ()
    text = os.pread(fd, min(int(head[1]), MAX_HEADER_BYTES), 0).partition(b"\nend_head")[0]
    names = (name.decode("latin-1") for name in _FIELD.findall(text))
    return tuple(dict.fromkeys(name for name in names if name not in _STRUCTURE))
