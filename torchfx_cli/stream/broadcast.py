"""What a broadcast WAV says of its sound, made true of the output: bext (EBU Tech 3285), iXML, axml (ITU-R BS.2076).

Loudness values of a sound that was changed become "unknown", the coding history gets a line (EBU R 98), and iXML the
word length. What it says of tracks and loudness otherwise, and an axml of times, is told.
"""

from __future__ import annotations

import re
import struct

from torchfx_cli.records import dataclass
from torchfx_cli.stream.formats import OutputFormat
from torchfx_cli.stream.forsome import timedbroadcast

BEXT_VERSION, BEXT_LOUDNESS, BEXT_UNSET, BEXT_BYTES = 346, 412, 0x7FFF, 602
_MODES = {1: ",M=mono", 2: ",M=stereo"}  # R 98 knows no word for more
_LOUDNESS_IN_IXML = re.compile(rb"<(?:LOUDNESS_(?:VALUE|RANGE)|MAX_[A-Z_]+|BWF_[A-Z_]*LOUDNESS[A-Z_]*)>\s*[-+\d]")


@dataclass(frozen=True)
class Made:
    """How an output was made of its input.

    by          the program, for the history; "" for a plain copy, in which nothing is changed.
    is_changed  whether the sound is another.
    """

    by: str = ""
    is_changed: bool = False


NO_CHANGE = Made()


@dataclass(frozen=True)
class Target:
    """The output; `is_moved`: it begins, ends or counts otherwise than its input."""

    fs: int
    channels: int
    out_format: OutputFormat
    is_moved: bool

    @property
    def history(self) -> str:
        """The beginning of a line of EBU R 98."""
        return f"A=PCM,F={self.fs},W={8 * self.out_format.bytes_per_sample}{_MODES.get(self.channels, '')}"

    @property
    def remark(self) -> str:
        """What is no PCM of integers."""
        word = {"FLOAT": "float", "DOUBLE": "float", "ULAW": "u-law", "ALAW": "A-law"}.get(self.out_format.subtype, "")
        return f"; {word}" * bool(word)


def has_loudness(bext: bytes) -> bool:
    """Whether it is of version 2 and loudness values were put there."""
    if len(bext) < BEXT_BYTES or struct.unpack_from("<H", bext, BEXT_VERSION)[0] < 2:
        return False
    return any(value not in (0, BEXT_UNSET) for value in struct.unpack_from("<5H", bext, BEXT_LOUDNESS))


def update(name: str, content: bytes, made: Made, target: Target) -> tuple[bytes, str, str]:
    """The chunk in the output, a warning of what in it is not true there, and a note; "" for nothing to say."""
    if name == "bext" and len(content) >= BEXT_BYTES:
        return _bext(content, made, target)
    if name == "iXML":
        return _ixml(content, made, target)
    if name == "axml" and target.is_moved and re.search(rb"\b(?:duration|start|end|rtime)\s*=", content):
        return content, "axml still tells the times of the input", ""
    return content, "", ""


def _bext(content: bytes, made: Made, target: Target) -> tuple[bytes, str, str]:
    note = ""
    if made.is_changed and has_loudness(content):
        note = "the loudness values in bext are set to unknown, because filtering changes them"
        content = content[:BEXT_LOUDNESS] + struct.pack("<5H", *[BEXT_UNSET] * 5) + content[BEXT_LOUDNESS + 10 :]
    history = content[BEXT_BYTES:].rstrip(b"\0")
    if history and not history.endswith(b"\n"):
        history += b"\r\n"
    line = f"{target.history},T={made.by}{target.remark}\r\n"
    return content[:BEXT_BYTES] + history + line.encode("ascii", "replace"), "", note


def _ixml(content: bytes, made: Made, target: Target) -> tuple[bytes, str, str]:
    told = []
    try:
        tracks = timedbroadcast.number_in(content, b"TRACK_COUNT")
        if target.out_format.subtype.startswith("PCM"):
            content = timedbroadcast.with_number(content, b"AUDIO_BIT_DEPTH", 8 * target.out_format.bytes_per_sample)
    except ValueError:
        tracks = None
    if tracks is not None and tracks != target.channels:
        told.append(f"{tracks} tracks (there are {target.channels})")
    if made.is_changed and _LOUDNESS_IN_IXML.search(content):
        told.append("its loudness")
    return content, f"iXML still tells of the input: {' and '.join(told)}" if told else "", ""
