"""Where each kind of file tells for which speakers its channels are; libsndfile knows a few arrangements only.

WAV, RF64 and Wave64: the mask of a WAVEFORMATEXTENSIBLE, or its GUID for the components of a sound field. FLAC: a
comment (RFC 9639, 8.6.2), where they are not those that the number of channels means. CAF and AIFF: see chantag.py.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Sequence

from torchfx_cli.libsndfile import soundfile
from torchfx_cli.stream.chunks import Chunk, Layout, walk
from torchfx_cli.stream.formats import OutputFormat
from torchfx_cli.stream.forsome import append, chantag, taglist
from torchfx_cli.stream.sound import channel_map
from torchfx_cli.stream.speakers import (
    BACK_CENTRE,
    BACK_LEFT,
    BACK_RIGHT,
    OF_ALAC,
    PLAIN_MASKS,
    SIDE_LEFT,
    SIDE_RIGHT,
    USUAL,
    ambisonic,
    is_ambisonic,
    mask_of,
    names,
    of_mask,
    to_alac,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchfx_cli.stream.append import Extra

_CHUNKS = {"caf": b"chan", "aiff": b"CHAN"}
_MASKED = ("wav", "rf64", "w64")
_MASK_AT, _CODEC_AT, _GUID_AT, _EXTENSIBLE_BYTES = 20, 24, 26, 40  # in a fmt chunk; codec and GUID are one
_EXTENSIBLE = 0xFFFE
_FIELD_GUID = bytes.fromhex("0000 2107d311 8644c8c1ca000000")
_SPEAKERS_GUID = bytes.fromhex("0000 00001000 800000aa00389b71")

_COMMENT = b"WAVEFORMATEXTENSIBLE_CHANNEL_MASK="
_OF_FLAC = re.compile(re.escape(_COMMENT) + rb"0[xX]([0-9a-fA-F]{1,8})", re.IGNORECASE)
_COMMENTS_BLOCK, _MAX_BLOCK_BYTES, _SEEN_BYTES = 4, 1 << 24, 1 << 20


def told(fd: int, layout: Layout | None, sound: soundfile.SoundFile) -> tuple[int, ...]:
    """libsndfile's speaker number of each channel of the file open as `fd`, () where it does not say."""
    if layout is not None and layout.kind in ("CAF", "AIFF"):
        return chantag.told(fd, layout, sound.channels)
    found: tuple[int, ...] = ()
    if layout is not None:
        found = _of_wave(fd, layout)
    elif sound.format == "FLAC":
        found = of_mask(_mask_of_flac(fd), sound.channels)
    return found or channel_map(sound)


def untold(out_format: OutputFormat, *, in_pipe: bool = False) -> str:
    """What a file in `out_format` cannot say of its speakers, "" for nothing."""
    speakers, word = out_format.channel_map, out_format.container.word
    is_alac, is_pcm = (out_format.subtype.startswith(name) for name in ("ALAC", "PCM"))
    if len(speakers) < 3 or _can_tell(speakers, word, is_bound=in_pipe or not is_pcm, is_alac=is_alac):
        return ""
    word = "ALAC" if is_alac else word
    kind = "ambisonic, " if is_ambisonic(speakers) else ""
    return f"{word.upper()} does not say that its channels are {kind}{' '.join(names(speakers))}"


def _can_tell(speakers: Sequence[int], word: str, *, is_bound: bool, is_alac: bool) -> bool:
    """`is_bound`: to the header that libsndfile writes, as a pipe is. Decoders of ALAC mind no layout."""
    if word in _CHUNKS:
        return chantag.can_tell(speakers) and not (is_alac and to_alac(speakers) is None)
    if word in ("wav", "rf64") or (word == "w64" and not is_bound):
        return bool(mask_of(speakers)) or is_ambisonic(speakers)
    if word == "flac" and not is_bound and mask_of(speakers):
        return True
    has_backs = {BACK_LEFT, BACK_CENTRE} & set(speakers)
    backs = {} if has_backs else {SIDE_LEFT: BACK_LEFT, SIDE_RIGHT: BACK_RIGHT}
    return word in ("flac", "ogg", "opus") and tuple(backs.get(s, s) for s in speakers) == USUAL.get(len(speakers))


def chunk_for(out_format: OutputFormat) -> tuple[Extra, ...]:
    """The chunk that tells the speakers in a file in `out_format`; nothing where that has none, or cannot."""
    speakers, word = out_format.channel_map, out_format.container.word
    if not speakers or word not in _CHUNKS or not chantag.can_tell(speakers):
        return ()
    if out_format.subtype.startswith("ALAC") and to_alac(speakers) is not None:
        speakers = OF_ALAC[len(speakers)]
    content = chantag.content_of(speakers)
    return (append.Extra(_CHUNKS[word], len(content), lambda: (content,)),)


def tell(fd: int, out_format: OutputFormat) -> None:
    """Write the speakers into the header of the closed file open as `fd`, if that has a place. Raises OSError."""
    speakers, word = out_format.channel_map, out_format.container.word
    mask = mask_of(speakers)
    if word == "flac" and mask not in (0, mask_of(USUAL.get(len(speakers), ())), *PLAIN_MASKS):
        _tell_flac(fd, mask)
    if word in _MASKED and speakers:
        layout = walk(fd, os.fstat(fd).st_size)
        fmt = layout.first("fmt") if layout is not None else None
        if layout is None or fmt is None:
            return
        is_told = (mask or is_ambisonic(speakers)) and mask not in PLAIN_MASKS
        if layout.kind == "W64" and is_told and out_format.subtype.startswith("PCM"):
            fmt = _widen_w64(fd, fmt)
        for at, content in wave_patches(_content(fd, fmt, _EXTENSIBLE_BYTES), speakers).items():
            append.write_all(fd, content, fmt.start + at)


def wave_patches(fmt: bytes, speakers: Sequence[int]) -> dict[int, bytes]:
    """Place -> bytes that make a fmt chunk tell `speakers`, a mask of 0 where none means them; nothing without a place.

    libsndfile writes a mask of its own, by the number of channels, where it does not know an order.
    """
    if not speakers or not _is_extensible(fmt):
        return {}
    mask = mask_of(speakers)
    field = {_GUID_AT: _FIELD_GUID} if is_ambisonic(speakers) else {}
    return {_MASK_AT: struct.pack("<I", mask), **field}


def w64_codec(fd: int, layout: Layout | None) -> dict[int, bytes]:
    """Position -> bytes that tell libsndfile the codec of a Wave64 whose fmt is extensible: it takes all for PCM."""
    fmt = layout.first("fmt") if layout is not None and layout.kind == "W64" else None
    content = b"" if fmt is None else _content(fd, fmt, _EXTENSIBLE_BYTES)
    return {fmt.start: content[_CODEC_AT:_GUID_AT]} if fmt is not None and _is_extensible(content) else {}


def _is_extensible(fmt: bytes) -> bool:
    return len(fmt) >= _EXTENSIBLE_BYTES and fmt[:2] == struct.pack("<H", _EXTENSIBLE)


def _content(fd: int, chunk: Chunk, most: int) -> bytes:
    return os.pread(fd, max(0, min(chunk.size, most)), chunk.start)


def _of_wave(fd: int, layout: Layout) -> tuple[int, ...]:
    fmt = layout.first("fmt") if layout.kind in ("WAV", "RF64", "W64") and not layout.big_endian else None
    content = b"" if fmt is None else _content(fd, fmt, _EXTENSIBLE_BYTES)
    if not _is_extensible(content):
        return ()
    channels = struct.unpack_from("<H", content, 2)[0]
    if content[_GUID_AT:] == _FIELD_GUID:
        return ambisonic(channels)
    return of_mask(struct.unpack_from("<I", content, _MASK_AT)[0], channels)


def _widen_w64(fd: int, fmt: Chunk) -> Chunk:
    """Make the fmt chunk of a Wave64 a WAVEFORMATEXTENSIBLE, which libsndfile reads (as PCM) but does not write."""
    old = _content(fd, fmt, fmt.size)
    codec, channels, fs, rate, align, bits = struct.unpack_from("<HHIIHH", old)
    new = struct.pack("<HHIIHHHHIH", _EXTENSIBLE, channels, fs, rate, align, bits, 22, bits, 0, codec) + _SPEAKERS_GUID
    wider = len(new) - -(-fmt.size // 8) * 8
    append.insert(fd, bytes(wider), fmt.start + len(new) - wider)
    append.write_all(fd, new, fmt.start)
    append.write_all(fd, struct.pack("<q", 24 + len(new)), fmt.start - 8)
    append.write_all(fd, struct.pack("<q", os.fstat(fd).st_size), 16)
    return Chunk(fmt.name, fmt.start, len(new))


def _mask_of_flac(fd: int) -> int:
    for kind, start, size in taglist.flac_blocks(fd):
        if kind == _COMMENTS_BLOCK:
            found = [_OF_FLAC.fullmatch(comment) for comment in _comments(os.pread(fd, min(size, _SEEN_BYTES), start))]
            return next((int(match[1], 16) for match in found if match is not None), 0)
    return 0


def _comments(block: bytes) -> list[bytes]:
    """Vorbis comments, as far as they are whole."""
    at, found = 0, []
    for part in range(len(block)):
        size = int.from_bytes(block[at : at + 4], "little")
        if len(block) < at + 4 + size:
            break
        found += [block[at + 4 : at + 4 + size]] * bool(part)
        at += 4 + size + (0 if part else 4)  # behind the vendor stands how many there are
    return found


def _tell_flac(fd: int, mask: int) -> None:
    """Put the comment behind the others; a FLAC without a block of them gets one behind STREAMINFO."""
    text = _COMMENT + b"0x%04X" % mask
    comment = struct.pack("<I", len(text)) + text
    blocks = list(taglist.flac_blocks(fd))
    for kind, start, size in blocks:
        if kind == _COMMENTS_BLOCK:
            if size + len(comment) >= _MAX_BLOCK_BYTES:
                return
            count_at = start + 4 + int.from_bytes(os.pread(fd, 4, start), "little")
            count = int.from_bytes(os.pread(fd, 4, count_at), "little")
            append.write_all(fd, struct.pack("<I", count + 1), count_at)
            append.write_all(fd, (size + len(comment)).to_bytes(3, "big"), start - 3)
            append.insert(fd, comment, start + size)
            return
    _, start, size = blocks[0]
    first = os.pread(fd, 1, start - 4)[0]
    block = struct.pack("<II", 0, 1) + comment
    append.write_all(fd, bytes([first & 0x7F]), start - 4)
    append.insert(fd, bytes([_COMMENTS_BLOCK | first & 0x80]) + len(block).to_bytes(3, "big") + block, start + size)
