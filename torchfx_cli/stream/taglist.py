"""Which tags a file has that libsndfile does not hand out: their names only, found without mutagen.

FLAC (RFC 9639) by its metadata blocks, Ogg by its second packet, MP3 by the frames of its ID3v2 tag. So a file
without such tags costs no import, and what is left behind can be named.
"""

from __future__ import annotations

import os
import struct
from collections import Counter
from collections.abc import Iterable, Iterator

from torchfx_cli.stream.chunks import MAX_CHUNKS, id3_bytes
from torchfx_cli.stream.id3names import id3_names
from torchfx_cli.stream.metadatasource import MAX_BYTES, MAX_VALUES, MetadataSource

# What libsndfile hands out as strings: one value of each.
STRING_KEYS = frozenset(
    {"TITLE", "COPYRIGHT", "SOFTWARE", "ARTIST", "COMMENT", "DATE", "ALBUM", "LICENSE", "TRACKNUMBER", "GENRE"}
)
# Who made the old file and how, its length, where its frames are: nothing that is true of the new one.
_OF_THE_FILE = frozenset(
    {"ENCODER", "ENCODER_OPTIONS", "ENCODERSETTINGS", "ENCODING", "WAVEFORMATEXTENSIBLE_CHANNEL_MASK"}
    | {"TSSE", "TLEN", "TSIZ", "MLLT", "ASPI", "SEEK", "TSS", "TLE", "TSI", "MLL", "ITUNSMPB"}
)
_LOUDNESS = ("REPLAYGAIN_", "R128_", "ITUNNORM", "RVA2", "RVAD", "RVA", "RGAD")
_FLAC_BLOCKS = {2: "APPLICATION block", 5: "CUESHEET block", 6: "PICTURE"}
APE = "APE tag"
BLOCK_NAMES = frozenset({"APPLICATION block", "CUESHEET block", APE})  # nothing carries them
_STRING_IDS = frozenset({"INAM", "IART", "ICMT", "ICOP", "ICRD", "IGNR", "ISFT", "IPRD", "ITRK"})
_STRING_BYTES = 2047  # what is longer libsndfile skips
_COMMENT_HEADS = (b"\x03vorbis", b"OpusTags")
_UNREAD_OF_OPUS = frozenset({"SOFTWARE"})


def is_loudness(name: str) -> bool:
    """Whether a tag tells how loud the file is (ReplayGain, R128, Sound Check), which filtering changes."""
    return name.upper().startswith(_LOUDNESS)


def is_of_the_file(name: str) -> bool:
    """Whether a tag tells of the encoding of the old file."""
    return name.upper() in _OF_THE_FILE


def tag_names(metadata: MetadataSource) -> tuple[str, ...]:
    """What there is beyond libsndfile's strings, loudness included, as in the file, each once."""
    return tuple(dict.fromkeys(name for name in _names(metadata) if not is_of_the_file(name)))


def _names(metadata: MetadataSource) -> Iterable[str]:
    if metadata.comments is not None:
        keys = [key for key, _ in metadata.comments if key not in STRING_KEYS]
        return [*keys, *("PICTURE" for _ in metadata.pictures)]
    if metadata.container == "FLAC":
        return _flac_names(metadata.fd)
    if metadata.container == "OGG":
        head, comments = _ogg_comments(metadata.fd, metadata.file_bytes)
        return _comment_names(comments, STRING_KEYS - _UNREAD_OF_OPUS if head == b"OpusTags" else STRING_KEYS)
    if metadata.layout is not None:  # libsndfile ignores the chunk
        return [*(chunk.name for chunk in metadata.chunks() if chunk.name in ("id3", "ID3")), *id3_loudness(metadata)]
    ape = [APE] if b"APETAGEX" in os.pread(metadata.fd, 160, max(0, metadata.file_bytes - 160)) else []
    return [*id3_names(id3_of(metadata)), *(ape if metadata.container == "MP3" else [])]


def id3_loudness(metadata: MetadataSource) -> list[str]:
    """The tags of loudness in an ID3v2 tag."""
    return [name for name in id3_names(id3_of(metadata)) if is_loudness(name)]


def info_names(metadata: MetadataSource) -> tuple[str, ...]:
    """What a WAV's LIST INFO holds beyond libsndfile's strings."""
    names: list[str] = []
    for chunk in (chunk for chunk in metadata.chunks() if chunk.name == "LIST-INFO"):
        body, at = os.pread(metadata.fd, min(chunk.size, MAX_BYTES), chunk.start), 4
        while at + 8 <= len(body) and body[at : at + 4].isalnum() and len(names) < MAX_VALUES:
            name, size = body[at : at + 4].decode("ascii"), _uint32(body, at + 4)
            if name not in _STRING_IDS or size > _STRING_BYTES:
                names.append(name)
            at += 8 + size + size % 2
    return tuple(dict.fromkeys(names))


def tag_bytes(metadata: MetadataSource) -> int:
    """About how much memory the tags would take."""
    if metadata.container == "FLAC":
        return sum(size for _, _, size in flac_blocks(metadata.fd))
    if metadata.container == "OGG":
        return len(_ogg_comments(metadata.fd, metadata.file_bytes)[1])
    return _id3_place(metadata)[1]


def comment_count(metadata: MetadataSource) -> int:
    """How many Vorbis comments there are, or are said to be."""
    if metadata.container == "FLAC":
        first = next(((start, size) for kind, start, size in flac_blocks(metadata.fd) if kind == 4), (0, 0))
        return _count(os.pread(metadata.fd, first[1], first[0]))
    return _count(_ogg_comments(metadata.fd, metadata.file_bytes)[1]) if metadata.container == "OGG" else 0


def id3_of(metadata: MetadataSource) -> bytes:
    """The ID3v2 tag of an MP3, or in a chunk of a WAV or AIFF; b"" where there is none. Of a huge one, its start."""
    start, size = _id3_place(metadata)
    return os.pread(metadata.fd, min(size, MAX_BYTES), start)


def _id3_place(metadata: MetadataSource) -> tuple[int, int]:
    """Where it begins, and its size."""
    if metadata.layout is None:
        return 0, id3_bytes(os.pread(metadata.fd, 10, 0))
    chunk = metadata.layout.first("id3", "ID3")
    return (chunk.start, max(0, chunk.size)) if chunk else (0, 0)


def _flac_names(fd: int) -> Iterator[str]:
    for kind, start, size in flac_blocks(fd):
        if kind == 4:
            yield from _comment_names(os.pread(fd, size, start))
        elif kind in _FLAC_BLOCKS:
            yield _FLAC_BLOCKS[kind]


def flac_blocks(fd: int) -> Iterator[tuple[int, int, int]]:
    """Kind, start and size of each metadata block of a FLAC; there may be an ID3 tag in front."""
    at = id3_bytes(os.pread(fd, 10, 0))
    last, at = os.pread(fd, 4, at) != b"fLaC", at + 4
    for _ in range(MAX_CHUNKS):
        header = os.pread(fd, 4, at)
        if last or len(header) < 4:
            return
        size = int.from_bytes(header[1:], "big")
        yield header[0] & 0x7F, at + 4, size
        last, at = header[0] >= 0x80, at + 4 + size


def _ogg_comments(fd: int, file_bytes: int) -> tuple[bytes, bytes]:
    """What begins the comments of the first stream, and the comments, of huge ones the start; b"" where not found."""
    packet, done, at = bytearray(), 0, 0
    while at < file_bytes and done < 2 and len(packet) <= MAX_BYTES:
        header = os.pread(fd, 27 + 255, at)
        if len(header) < 27 or header[:4] != b"OggS":
            return b"", b""
        at += 27 + header[26]
        for lace in header[27 : 27 + header[26]]:
            packet += os.pread(fd, lace, at) if done == 1 else b""
            at += lace
            done += lace < 255
            if done == 2:
                break
    head = next((head for head in _COMMENT_HEADS if packet.startswith(head)), packet[:4])
    return bytes(head), bytes(packet[len(head) :])


def _comment_names(block: bytes, handed_out: frozenset[str] = STRING_KEYS) -> list[str]:
    """Keys of Vorbis comments that libsndfile does not hand out, and those of which it hands out only one value."""
    counts = Counter(_comment_keys(block))
    return [key for key, count in counts.items() if key not in handed_out or count > 1]


def _comment_keys(block: bytes) -> Iterator[str]:
    at = 8 + _uint32(block, 0)
    for _ in range(min(_count(block), MAX_VALUES)):
        size, at = _uint32(block, at), at + 4
        key = block[at : at + min(size, 256)].partition(b"=")[0]
        if key:
            yield key.upper().decode("ascii", "backslashreplace")
        at += size


def _count(block: bytes) -> int:
    return min(_uint32(block, 4 + _uint32(block, 0)), len(block) // 4)


def _uint32(block: bytes, at: int) -> int:
    return int(struct.unpack_from("<I", block, at)[0]) if at + 4 <= len(block) else 0
