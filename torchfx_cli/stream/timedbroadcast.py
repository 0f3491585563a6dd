"""The time of day at which a recording begins, moved: bext (EBU Tech 3285) and iXML (specification 2.0).

Both count samples since midnight. iXML is edited as bytes, number by number, so that all else stays as it was.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

from torchfx_cli.stream.timeline import Timeline

_TIME_REFERENCE = 338
_BITS = 32
_WORD = (1 << _BITS) - 1
_SYNC_POINT = re.compile(rb"<SYNC_POINT>(?:(?!<SYNC_POINT>).)*?</SYNC_POINT>\s*", re.DOTALL)


def move_bext(content: bytes, timeline: Timeline) -> bytes:
    """The time reference moves; ValueError or struct.error for a chunk that is damaged."""
    reference = timeline.reference(struct.unpack_from("<Q", content, _TIME_REFERENCE)[0])
    return content[:_TIME_REFERENCE] + struct.pack("<Q", reference) + content[_TIME_REFERENCE + 8 :]


def move_ixml(content: bytes, timeline: Timeline) -> bytes:
    """Time stamp, rates and sync points move, the digitizer's rate stays; ValueError for what cannot be understood.

    A time stamp that counts in another rate than the file's (a pulldown) goes on counting so.
    """
    if b"<" not in content or b"\0<" in content or b"<\0" in content:
        raise ValueError("not in ASCII, Latin-1 or UTF-8")
    rate = number_in(content, b"TIMESTAMP_SAMPLE_RATE")
    stamp = timeline if rate is None or rate == timeline.fs_in else timeline.in_units(rate)
    content = _with_pair(content, b"TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI", b"TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO",
                         stamp.reference)
    content = _with_pair(content, b"FILE_SET_START_TIME_HI", b"FILE_SET_START_TIME_LO", stamp.at_rest().reference)
    content = _with_pair(content, b"BWF_TIME_REFERENCE_HIGH", b"BWF_TIME_REFERENCE_LOW", timeline.reference)
    if timeline.fs_in != timeline.fs_out:
        content = with_number(content, b"TIMESTAMP_SAMPLE_RATE", stamp.fs_out)
        content = with_number(content, b"FILE_SAMPLE_RATE", timeline.fs_out)
    return _with_sync_points(content, timeline)


def _with_sync_points(content: bytes, timeline: Timeline) -> bytes:
    """Those outside the output are dropped."""
    found = [_moved_sync_point(point, timeline) for point in _SYNC_POINT.findall(content)]
    moved = iter(found)
    content = _SYNC_POINT.sub(lambda point: next(moved), content)
    return content if all(found) else with_number(content, b"SYNC_POINT_COUNT", sum(map(bool, found)))


def _moved_sync_point(point: bytes, timeline: Timeline) -> bytes:
    """b"" where it is gone. An absolute one tells the time of day, which stays."""
    is_absolute = re.search(rb"<SYNC_POINT_TYPE>\s*ABSOLUTE\s*<", point) is not None
    at = _pair(point, b"SYNC_POINT_HIGH", b"SYNC_POINT_LOW")
    if at is None:
        return point
    new = timeline.at_rest().reference(at) if is_absolute else timeline.point(at)
    if new is None:
        return b""
    point = _with_pair(point, b"SYNC_POINT_HIGH", b"SYNC_POINT_LOW", lambda old: new)
    frames = number_in(point, b"SYNC_POINT_EVENT_DURATION")
    return point if frames is None else with_number(point, b"SYNC_POINT_EVENT_DURATION", timeline.length(frames))


def _match(content: bytes, tag: bytes) -> re.Match[bytes] | None:
    return re.search(rb"<%b(?:\s[^<>]*)?>\s*([^<\s]+)\s*</%b\s*>" % (tag, tag), content)


def number_in(content: bytes, tag: bytes) -> int | None:
    """What stands in the element `tag`; None where there is none or nothing in it."""
    found = _match(content, tag)
    if found is None:
        return None
    number = int(found[1])
    if number < 0:
        raise ValueError(tag)
    return number


def with_number(content: bytes, tag: bytes, number: int) -> bytes:
    """With another number in the element `tag`, where there is one."""
    found = _match(content, tag)
    return content if found is None else content[: found.start(1)] + b"%d" % number + content[found.end(1) :]


def _pair(content: bytes, high_tag: bytes, low_tag: bytes) -> int | None:
    """A number of 64 bits in two elements."""
    high, low = number_in(content, high_tag), number_in(content, low_tag)
    return None if low is None else ((high or 0) << _BITS) + low


def _with_pair(content: bytes, high_tag: bytes, low_tag: bytes, change: Callable[[int], int]) -> bytes:
    old = _pair(content, high_tag, low_tag)
    if old is None:
        return content
    high, low = change(old) >> _BITS, change(old) & _WORD
    if high and _match(content, high_tag) is None:
        raise ValueError("there is no room for its upper half")
    return with_number(with_number(content, low_tag, low), high_tag, high)
