"""Tags that hold times, moved to where those are in the output: chapters, cue sheets, synchronised words.

ID3v2 chapters (CHAP and CTOC, addendum 1.0), SYLT and ETCO in milliseconds; the Vorbis comments CHAPTER001 and so on
(Chapter Extension), CUESHEET (in frames of a CD, 75 a second) and TIME_REFERENCE, which ffmpeg makes of a bext chunk.
What does not move stays as it is written.
"""

from __future__ import annotations

import copy
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from torchfx_cli.stream.id3limits import read_id3
from torchfx_cli.stream.id3map import frames_of
from torchfx_cli.stream.richtags import RichTags
from torchfx_cli.stream.timeline import Timeline

Comments = Sequence[tuple[str, str]]

MAX_SHEET_LETTERS = 1 << 20  # of all cue sheets of a file
_CD_FRAMES = 75  # a second
_FOREVER = 1 << 48
_NO_OFFSET = 0xFFFFFFFF  # bytes of the old file (ID3v2 chapters, 3.1: "shall be ignored")
_CONTENTS_DEPTH = 8  # of tables within tables
_TIMED_FRAMES = frozenset({"CHAP", "CTOC", "SYLT", "ETCO", "SYTC", "SLT", "ETC", "STC"})
_MILLISECONDS = 2  # the form of a time in SYLT and ETCO; the other counts frames of an MPEG stream
_CHAPTER = re.compile(r"CHAPTER(\d{3})(.*)", re.DOTALL)
_CLOCK = re.compile(r"(\d{1,6}):(\d\d):(\d\d)(?:\.(\d{1,9}))?")
_INDEX = re.compile(r"(\s*INDEX\s+)(\d{1,2})(\s+)(\d{1,6}):(\d\d):(\d\d)(\s*)", re.IGNORECASE)
_CUE_LINE = re.compile(r"\s*(FILE|TRACK)\s", re.IGNORECASE)


def is_timed(name: str) -> bool:
    """Whether the tag of this name holds times (a comment's key, an ID3 frame's name or description)."""
    key = name.upper()
    return name in _TIMED_FRAMES or key in ("CUESHEET", "TIME_REFERENCE") or _CHAPTER.fullmatch(key) is not None


def move_tags(tags: RichTags, timeline: Timeline) -> tuple[RichTags, tuple[str, ...]]:
    """`tags` in the output, and the names of those whose times cannot be told."""
    comments, lost = move_comments(tags.comments, timeline)
    frames, more = move_frames(tags.frames, timeline)
    return replace(tags, comments=tuple(comments), frames=tuple(frames)), (*lost, *more)


def move_id3(tag: bytes, timeline: Timeline) -> tuple[bytes, tuple[str, ...]]:
    """The same for an ID3v2 tag as bytes, all else in it kept. Raises TagError, and what mutagen raises."""
    found = read_id3(tag)
    frames, lost = move_frames(list(found.values()), timeline)
    version = max(3, found.version[1])
    found.clear()
    for frame in frames:
        found.add(frame)
    if version == 3:
        found.update_to_v23()
    buffer = io.BytesIO()
    found.save(buffer, v1=0, v2_version=version, padding=lambda info: 0)
    return buffer.getvalue(), tuple(lost)


def move_comments(comments: Comments, timeline: Timeline) -> tuple[list[tuple[str, str]], list[str]]:
    """`comments` (key in capitals, value) in the output, and the keys of those that cannot be understood or told."""
    untold = [] if timeline.is_told else [key for key, _ in comments if is_timed(key) and key != "TIME_REFERENCE"]
    comments = [pair for pair in comments if pair[0] not in untold]
    chapters, lost = _chapters(comments, timeline.in_units(1000))
    lost += untold
    moved, room = [], MAX_SHEET_LETTERS
    for key, value in comments:
        if (chapter := _CHAPTER.fullmatch(key)) is not None:
            new = chapters.get(chapter[1])
            if new is not None:
                moved.append((f"CHAPTER{new[0]:03}{chapter[2]}", value if chapter[2] else new[1]))
        elif key == "CUESHEET":
            room -= len(value)
            sheet = _cue_sheet(value, timeline.in_units(_CD_FRAMES)) if room >= 0 else None
            moved += [(key, sheet)] if sheet else []
            lost += [key] if sheet is None else []
        elif key == "TIME_REFERENCE":
            is_number = value.isascii() and value.isdigit() and len(value) <= 20
            moved += [(key, str(timeline.reference(int(value))))] if is_number else []
            lost += [] if is_number else [key]
        else:
            moved.append((key, value))
    return moved, lost


def _chapters(comments: Comments, line: Timeline) -> tuple[dict[str, tuple[int, str]], list[str]]:
    """New number and time of each chapter of which something is left, by its old number; a chapter ends with the next.

    They are numbered without a gap, as players stop at the first that is not there.
    """
    times = {found[1]: value for key, value in comments if (found := _CHAPTER.fullmatch(key)) and not found[2]}
    starts = {number: ms for number, value in times.items() if (ms := _milliseconds(value)) is not None}
    order = sorted(starts, key=lambda number: (starts[number], number))
    new: dict[str, tuple[int, str]] = {}
    for number in order:
        start = starts[number]
        span = line.span(start, min((other for other in starts.values() if other > start), default=_FOREVER))
        if span is not None:
            value = times[number] if span[0] == start else _clock(span[0])
            new[number] = int(min(starts)) + len(new), value
    return new, [f"CHAPTER{number}" for number in times if number not in starts]


def _milliseconds(text: str) -> int | None:
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        return None
    return (int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3])) * 1000 + int(f"{found[4] or 0:0<3}"[:3])


def _clock(ms: int) -> str:
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"


def _cue_sheet(sheet: str, line: Timeline) -> str | None:
    """A cue sheet without the tracks of which nothing is left, "" where that is all; None for one of several files."""
    parts: list[list[str]] = [[]]
    files = 0
    for text in sheet.splitlines(keepends=True):
        found = _CUE_LINE.match(text)
        if found and found[1].upper() == "TRACK":
            parts.append([])
        files += bool(found and found[1].upper() == "FILE")
        parts[-1].append(text)
    head, *tracks = parts
    starts = [_track_start(track) for track in tracks]
    if files > 1 or not tracks or None in starts:
        return None
    kept = []
    for track, start, end in zip(tracks, starts, [*starts[1:], _FOREVER], strict=True):
        span = line.span(start or 0, end or 0)
        if span is not None:
            kept.append("".join(_moved_index(text, span[0], line) for text in track))
    return "".join([*head, *kept]) if kept else ""


def _track_start(track: Sequence[str]) -> int | None:
    """Where its INDEX 01 is, in frames of a CD."""
    found = (_INDEX.fullmatch(text) for text in track)
    return next((_cd_frames(index) for index in found if index and int(index[2]) == 1), None)


def _cd_frames(index: re.Match[str]) -> int:
    return (int(index[4]) * 60 + int(index[5])) * _CD_FRAMES + int(index[6])


def _moved_index(text: str, start: int, line: Timeline) -> str:
    """A line of a track that begins at `start`; "" for an index outside the output."""
    index = _INDEX.fullmatch(text)
    if index is None:
        return text
    old = _cd_frames(index)
    new = start if int(index[2]) == 1 else line.point(old)
    if new is None or new == old:
        return "" if new is None else text
    seconds, frames = divmod(new, _CD_FRAMES)
    return f"{index[1]}{index[2]}{index[3]}{seconds // 60:02}:{seconds % 60:02}:{frames:02}{index[7]}"


def move_frames(frames: Iterable[Any], timeline: Timeline) -> tuple[list[Any], list[str]]:
    """ID3 frames in the output, and the names of those whose times cannot be told."""
    line = timeline.in_units(1000)
    moved: list[Any] = []
    texts: list[Any] = []
    gone: set[str] = set()
    lost: list[str] = []
    for frame in frames:
        name = frame.FrameID
        if name in _TIMED_FRAMES and not timeline.is_told:
            lost.append(name)
        elif name == "CHAP":
            chapter = _moved_chapter(frame, line)
            moved += [chapter] if chapter else []
            gone |= set() if chapter else {frame.element_id}
        elif name == "TXXX" and is_timed(frame.desc):
            texts.append(frame)
        elif name in ("SYLT", "ETCO") and frame.format == _MILLISECONDS:
            moved += _moved_events(frame, "text" if name == "SYLT" else "events", line)
        elif name in _TIMED_FRAMES and name != "CTOC":
            lost.append(name)
        else:
            moved.append(frame)
    old = [(frame.desc.upper(), str(text)) for frame in texts for text in frame.text]
    new, unmoved = move_comments(old, timeline)
    return [*_without(moved, gone), *(texts if new == old else frames_of(new))], [*lost, *unmoved]


def _moved_chapter(frame: Any, line: Timeline) -> Any:
    """None where nothing is left of it; one without length is a point."""
    start, end = frame.start_time, frame.end_time
    point = line.point(start) if end <= start else None
    span = line.span(start, end) if end > start else None if point is None else (point, point)
    if span is None:
        return None
    chapter = copy.copy(frame)
    chapter.start_time, chapter.end_time = span
    chapter.start_offset = chapter.end_offset = _NO_OFFSET
    return chapter


def _moved_events(frame: Any, field: str, line: Timeline) -> list[Any]:
    """The frame with its pairs of a word (or a kind of event) and a time; none where no pair is left."""
    pairs = [(what, new) for what, at in getattr(frame, field) if (new := line.point(at)) is not None]
    moved = copy.copy(frame)
    setattr(moved, field, pairs)
    return [moved] if pairs else []


def _without(frames: list[Any], gone: set[str]) -> list[Any]:
    """`frames` without the chapters that are `gone` in their tables of contents, and without tables that are empty."""
    for _ in range(_CONTENTS_DEPTH if gone else 0):
        tables = [_with_children(frame, gone) if frame.FrameID == "CTOC" else frame for frame in frames]
        gone = {frame.element_id for frame in tables if frame.FrameID == "CTOC" and not frame.child_element_ids}
        frames = [frame for frame in tables if frame.FrameID != "CTOC" or frame.child_element_ids]
    return frames


def _with_children(table: Any, gone: set[str]) -> Any:
    moved = copy.copy(table)
    moved.child_element_ids = [child for child in table.child_element_ids if child not in gone]
    return moved
