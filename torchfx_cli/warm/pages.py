"""Pages that a fork shares with its parent until it writes there: each is copied then, in the middle of its work.

Which they are hardly differs from one call to the next. So they are found once, and copied ahead.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from array import array
from collections.abc import Callable, Iterator, Sequence

Range = tuple[int, int]  # the address of its first byte, its bytes

OWN = 1 << 56  # in /proc/PID/pagemap: no other process has this page
WORD_BYTES = 8
LARGE_BYTES = 16 << 20  # a mapping of a library that is used here and there
GAP_PAGES = 2  # copied too, to ask the kernel less often
KEPT_BYTES = 2 << 20
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # mallopt(3)
MADV_POPULATE_WRITE = 23  # madvise(2), from Linux 5.14 on; where it is not known nothing is copied ahead


def keep_freed() -> None:
    """What is freed stays with the process, and is not given back to be asked for, and cleared, again."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
        libc.mallopt(M_TRIM_THRESHOLD, 4 * KEPT_BYTES)


def written(work: Callable[[], object]) -> list[Range]:
    """The ranges that a fork of this process writes to while it does `work`."""
    heard, told = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            work()
            with open(told, "wb") as file:
                array("Q", [number for found in _own_ranges() for number in found]).tofile(file)
        finally:
            os._exit(0)
    os.close(told)
    with open(heard, "rb") as file:
        numbers = array("Q", file.read())
    os.waitpid(pid, 0)
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def own(ranges: Sequence[Range]) -> None:
    """Copy them now; those that are no longer there are left out."""
    libc = ctypes.CDLL(None)
    for address, size in ranges:
        libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(size), MADV_POPULATE_WRITE)


def _own_ranges() -> Iterator[Range]:
    page = mmap.PAGESIZE
    with open("/proc/self/maps", "rb") as maps, open("/proc/self/pagemap", "rb", buffering=0) as pages:
        for line in maps.readlines():
            place, access = line.split(maxsplit=2)[:2]
            start, end = (int(number, 16) for number in place.split(b"-"))
            if access != b"rw-p" or end - start > LARGE_BYTES:
                continue
            pages.seek(start // page * WORD_BYTES)
            found = array("Q", pages.read((end - start) // page * WORD_BYTES))
            first = last = -1
            for number, told in enumerate(found):
                if not told & OWN:
                    continue
                if first < 0 or number - last > GAP_PAGES:
                    if first >= 0:
                        yield start + first * page, (last - first + 1) * page
                    first = number
                last = number
            if first >= 0:
                yield start + first * page, (last - first + 1) * page
