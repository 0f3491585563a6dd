"""Chunks that hold positions, moved to where those are in the output; one function a kind, see `MOVERS`.

RIFF's cue, adtl, plst and smpl (Multimedia Programming Interface and Data Specifications 1.0, and its New Multimedia
Data Types), AIFF's MARK, INST and COMT (AIFF 1.3), CAF's mark and regn (Apple Core Audio Format 1.0). A chunk that
holds less than it says is damaged and cannot be moved.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torchfx_cli.stream.timedbroadcast import move_bext, move_ixml
from torchfx_cli.stream.timeline import Timeline

MAX_TIMED_BYTES = 4 << 20  # of all of a file: a hundred thousand points, moved in some two seconds
_DAMAGED = (struct.error, ValueError, ArithmeticError)
_CUE = struct.Struct("<II4sIII")
_SEGMENT = struct.Struct("<III")
_LOOP = struct.Struct("<6I")
_SMPL = struct.Struct("<9I")
_INST_LOOPS = (8, 14)
_MARKER = struct.Struct(">IdI8sI")


@dataclass(frozen=True)
class Points:
    """The points (or markers) of a file, by the numbers by which other chunks refer to them.

    old      position in the input.
    kept     those that are in the output.
    clipped  new position of those of them that lie outside, but belong to a span that reaches into the output.
    """

    old: Mapping[int, int]
    kept: frozenset[int]
    clipped: Mapping[int, int]

    def is_gone(self, number: int) -> bool:
        """Whether the output lacks it though the input has it."""
        return number in self.old and number not in self.kept

    def new(self, number: int, at: int, timeline: Timeline) -> int | None:
        """Where the point at `at` is in the output; careless programs give several one number."""
        found = timeline.point(at)
        return self.clipped.get(number) if found is None else found


_NO_POINTS = Points({}, frozenset(), {})
Mover = Callable[[bytes, Timeline, Points], bytes]


def move(kind: str, chunks: Sequence[tuple[str, bytes]], timeline: Timeline) -> list[bytes | None]:
    """The content of each of `chunks` (name, content) in the output: None where it cannot be told, b"" for nothing.

    kind  of their file, and a key of `MOVERS`. They go together, as labels and loops refer to points.
    """
    if sum(len(content) for _, content in chunks) > MAX_TIMED_BYTES:
        return [None] * len(chunks)
    try:
        points = _points(chunks, timeline)
    except _DAMAGED:
        points = None
    return [None if points is None and name in _OF_POINTS else
            _moved(MOVERS[kind][name], content, timeline, points or _NO_POINTS) for name, content in chunks]


def _moved(mover: Mover, content: bytes, timeline: Timeline, points: Points) -> bytes | None:
    try:
        return mover(content, timeline, points)
    except _DAMAGED:
        return None


def _points(chunks: Sequence[tuple[str, bytes]], timeline: Timeline) -> Points:
    places: list[tuple[int, int]] = []
    for name, content in chunks:
        if name == "cue":
            places += [(cue[0], _cue_at(cue)) for cue in _cues(content)]
        elif name == "MARK":
            places += [(number, at) for number, at, _ in _marks(content)]
    old = dict(reversed(places))
    clipped: dict[int, int] = {}
    for name, content in chunks:
        with contextlib.suppress(*_DAMAGED):
            clipped |= _clipped(name, content, timeline, old)
    inside = (number for number, at in places if timeline.point(at) is not None)
    return Points(old, frozenset(inside) | frozenset(clipped), clipped)


def _clipped(name: str, content: bytes, timeline: Timeline, old: Mapping[int, int]) -> dict[int, int]:
    """Number of the points of regions and loops that reach into the output, and where those are clipped."""
    clipped: dict[int, int] = {}
    for number, frames in _regions(content) if name == "LIST-adtl" else ():
        span = timeline.span(old[number], old[number] + frames) if number in old else None
        if span is not None:
            clipped[number] = span[0]
    for _, *ends in _inst_loops(content) if name == "INST" else ():
        span = timeline.span(old[ends[0]], old[ends[1]]) if all(number in old for number in ends) else None
        if span is not None:
            clipped |= zip(ends, span, strict=True)
    return clipped


def _cues(content: bytes) -> list[tuple[int, int, bytes, int, int, int]]:
    count = struct.unpack_from("<I", content)[0]
    return [_CUE.unpack_from(content, 4 + _CUE.size * place) for place in range(count)]


def _cue_at(cue: tuple[int, int, bytes, int, int, int]) -> int:
    """Its frame. Where samples are told to lie in blocks, `dwSampleOffset` counts from the block."""
    _, position, _, _, block, offset = cue
    return position if block else offset or position


def _move_cue(content: bytes, timeline: Timeline, points: Points) -> bytes:
    """A position that is not that of the offset is an order of play (or 0), and stays."""
    moved = []
    for cue in _cues(content):
        number, position, chunk, chunk_start, block, offset = cue
        at = _cue_at(cue)
        if (new := points.new(number, at, timeline)) is not None:
            position = new if position == at else position
            offset = new if offset == at or block else offset
            moved.append(_CUE.pack(number, position, chunk, chunk_start, 0, offset))
    return struct.pack("<I", len(moved)) + b"".join(moved) if moved else b""


def _labels(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of what is in a LIST adtl."""
    at = 4
    while at + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, at)
        if at + 8 + size > len(content):
            raise ValueError
        yield name, content[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _regions(content: bytes) -> list[tuple[int, int]]:
    """Number of the point at which a region begins, and its frames."""
    return [struct.unpack_from("<II", body) for name, body in _labels(content) if name == b"ltxt"]


def _frames_behind(number: int, frames: int, timeline: Timeline, points: Points) -> int:
    """How many of the `frames` behind a point are left."""
    if number not in points.old:
        return timeline.length(frames)
    left, right = timeline.span(points.old[number], points.old[number] + frames) or (0, 0)
    return right - left


def _move_adtl(content: bytes, timeline: Timeline, points: Points) -> bytes:
    """Labels and notes stay with their point, the text of a region has a length."""
    moved = []
    for name, body in _labels(content):
        if len(body) >= 4 and points.is_gone(struct.unpack_from("<I", body)[0]):
            continue
        if name == b"ltxt":
            number, frames = struct.unpack_from("<II", body)
            body = struct.pack("<II", number, _frames_behind(number, frames, timeline, points)) + body[8:]
        moved.append(struct.pack("<4sI", name, len(body)) + body + bytes(len(body) % 2))
    return content[:4] + b"".join(moved) if moved else b""


def _move_plst(content: bytes, timeline: Timeline, points: Points) -> bytes:
    moved = []
    for place in range(struct.unpack_from("<I", content)[0]):
        number, frames, loops = _SEGMENT.unpack_from(content, 4 + _SEGMENT.size * place)
        if not points.is_gone(number):
            moved.append(_SEGMENT.pack(number, _frames_behind(number, frames, timeline, points), loops))
    return struct.pack("<I", len(moved)) + b"".join(moved) if moved else b""


def _move_smpl(content: bytes, timeline: Timeline, points: Points) -> bytes:
    """Loops are clipped. Their end is the last frame that is played; the fraction of a frame behind it is of the old
    rate."""
    fields = list(_SMPL.unpack_from(content))
    count, loops = fields[7], []
    for place in range(count):
        number, kind, start, end, fraction, plays = _LOOP.unpack_from(content, _SMPL.size + _LOOP.size * place)
        span = timeline.span(start, end + 1)
        if span is not None:
            fraction = fraction if timeline.fs_in == timeline.fs_out else 0
            loops.append(_LOOP.pack(number, kind, span[0], span[1] - 1, fraction, plays))
    if timeline.fs_in != timeline.fs_out:
        fields[2] = round(1e9 / timeline.fs_out)
    fields[7] = len(loops)
    return _SMPL.pack(*fields) + b"".join(loops) + content[_SMPL.size + _LOOP.size * count :]


def _marks(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Number, position and name with its length of each marker."""
    at = 2
    for _ in range(struct.unpack_from(">H", content)[0]):
        number, position, size = struct.unpack_from(">hIB", content, at)
        end = at + 7 + size
        if end > len(content):
            raise ValueError
        yield number, position, content[at + 6 : end]
        at = end + (size + 1) % 2


def _move_mark(content: bytes, timeline: Timeline, points: Points) -> bytes:
    moved = [struct.pack(">hI", number, new) + name + bytes(len(name) % 2) for number, at, name in _marks(content)
             if (new := points.new(number, at, timeline)) is not None]
    return struct.pack(">H", len(moved)) + b"".join(moved) if moved else b""


def _inst_loops(content: bytes) -> list[tuple[int, int, int]]:
    """Mode of play (0 for no loop), and the markers where it begins and ends."""
    return [struct.unpack_from(">hhh", content, at) for at in _INST_LOOPS]


def _move_inst(content: bytes, timeline: Timeline, points: Points) -> bytes:
    """Loops refer to markers; one of which nothing is left is switched off."""
    moved = bytearray(content)
    for at, (_, begin, end) in zip(_INST_LOOPS, _inst_loops(content), strict=True):
        if points.is_gone(begin) or points.is_gone(end):
            struct.pack_into(">hhh", moved, at, 0, 0, 0)
    return bytes(moved)


def _move_comt(content: bytes, timeline: Timeline, points: Points) -> bytes:
    """A comment may be one on a marker; number 0 means none."""
    moved, at = bytearray(content), 2
    for _ in range(struct.unpack_from(">H", content)[0]):
        _, number, size = struct.unpack_from(">IhH", content, at)
        if points.is_gone(number):
            struct.pack_into(">h", moved, at + 4, 0)
        at += 8 + size + size % 2
    return bytes(moved)


def _move_caf_mark(content: bytes, timeline: Timeline, points: Points) -> bytes:
    """A marker's SMPTE time is that of its moment, and stays."""
    smpte, count = struct.unpack_from(">II", content)
    moved = []
    for place in range(count):
        kind, at, *rest = _MARKER.unpack_from(content, 8 + _MARKER.size * place)
        if (new := timeline.point(at)) is not None:
            moved.append(_MARKER.pack(kind, new, *rest))
    return struct.pack(">II", smpte, len(moved)) + b"".join(moved) if moved else b""


def _move_caf_regn(content: bytes, timeline: Timeline, points: Points) -> bytes:
    """A region is clipped: it lies between the first and the last of its markers."""
    smpte, count = struct.unpack_from(">II", content)
    at, moved = 8, []
    for _ in range(count):
        number, flags, marks = struct.unpack_from(">III", content, at)
        found = [_MARKER.unpack_from(content, at + 12 + _MARKER.size * place) for place in range(marks)]
        at += 12 + _MARKER.size * marks
        places = [mark[1] for mark in found]
        span = timeline.span(min(places, default=0), max(places, default=0))
        if span is not None:
            clipped = [span[0] if timeline.is_cut_off(place) else timeline.point(place) for place in places]
            moved.append(struct.pack(">III", number, flags, marks) + b"".join(
                _MARKER.pack(kind, span[1] if new is None else new, *rest)
                for (kind, _, *rest), new in zip(found, clipped, strict=True)))
    return struct.pack(">II", smpte, len(moved)) + b"".join(moved) if moved else b""


def markers_of(kind: str, chunks: Sequence[tuple[str, bytes]]) -> list[tuple[float, int, bytes]]:
    """Frame, length in frames (0 for a point) and name of each marker of a file of this kind, in their order there.

    Raises struct.error or ValueError for a chunk that is damaged.
    """
    if kind == "AIFF":
        return [(at, 0, name[1 : 1 + name[0]]) for _, content in chunks for _, at, name in _marks(content)]
    if kind == "CAF":
        return [(_MARKER.unpack_from(content, 8 + _MARKER.size * place)[1], 0, b"") for _, content in chunks
                for place in range(struct.unpack_from(">II", content)[1])]
    labels: dict[int, bytes] = {}
    lengths: dict[int, int] = {}
    for content in (content for name, content in chunks if name == "LIST-adtl"):
        labels |= {struct.unpack_from("<I", body)[0]: body[4:] for name, body in _labels(content) if name == b"labl"}
        lengths |= dict(_regions(content))
    cues = [cue for name, content in chunks if name == "cue" for cue in _cues(content)]
    return [(_cue_at(cue), lengths.get(cue[0], 0), labels.get(cue[0], b"")) for cue in cues]


# The kind of a file, and a chunk's name.
MOVERS: Mapping[str, Mapping[str, Mover]] = {
    "WAV": {
        "cue": _move_cue,
        "LIST-adtl": _move_adtl,
        "plst": _move_plst,
        "smpl": _move_smpl,
        "bext": lambda content, timeline, points: move_bext(content, timeline),
        "iXML": lambda content, timeline, points: move_ixml(content, timeline),
    },
    "AIFF": {"MARK": _move_mark, "INST": _move_inst, "COMT": _move_comt},
    "CAF": {"mark": _move_caf_mark, "regn": _move_caf_regn},
}
_OF_POINTS = frozenset({"cue", "LIST-adtl", "plst", "MARK", "INST", "COMT"})
