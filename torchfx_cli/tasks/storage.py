"""Storage behind a URL, through fsspec: listed, fetched and delivered whole.

No other file knows fsspec, and a run without URLs never loads it. Who may read and write what, and where a server is,
fsspec and its file systems find as they do elsewhere: in the environment and in their own configuration.

What may pass by itself, such as a busy server or a token that has run out, is tried `TRIES` times, at first after half
a second, then after twice as long each time. What stays is a FileError, or where a folder is listed a RunError.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from torchfx_cli.errors import FileError, RunError, UsageError
from torchfx_cli.tasks.urls import Url, bytes_of

T = TypeVar("T")

TRIES, FIRST_WAIT_S = 5, 0.5
PAGE_KEYS = 10_000  # asked for; S3 itself gives a thousand at a time
PIECE_BYTES = 1 << 20
AT_A_TIME = 32  # requests
# An object of these has its name only once all of it is there. Elsewhere it is written under another name first.
OBJECT_STORES = frozenset(("s3", "s3a", "gs", "gcs", "abfs", "abfss", "adl", "az", "oss", "memory"))
TAGS = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "updated", "created")  # the first counts
EXTRAS = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "abfss": "adlfs", "az": "adlfs",
          "http": "aiohttp", "https": "aiohttp", "sftp": "paramiko", "ssh": "paramiko", "oss": "ossfs"}
_MD5 = re.compile(r"[0-9a-f]{32}")
FINAL = ("NoCredentialsError", "PermissionError", "NotImplementedError", "ParamValidationError")
_EXPIRED = re.compile("expire", re.IGNORECASE)


class OtherBytes(OSError):
    """An object does not hold what it should."""


def check(url: Url) -> None:
    """Raise UsageError where nothing that is installed reaches such a `url`."""
    try:
        _file_system(url)
    except (ImportError, ValueError) as error:
        scheme, package = url.scheme, EXTRAS.get(url.scheme)
        if isinstance(error, ValueError) and package is None:
            raise UsageError(f"{url}: no storage is known as {scheme}://") from None
        missing = "fsspec" if "fsspec" in str(error) else package or f"what reads {scheme}://"
        raise UsageError(f"{url}: {missing} is not installed; pip install fsspec {package or ''}".rstrip()) from None


def listed(root: Url) -> Iterator[tuple[str, str]]:
    """The name below `root` of each object there, and its stamp; none where there is no such folder."""
    names = _pages_of_s3(root) if root.scheme in ("s3", "s3a") else _tried(root, "list", _found)
    for relative, stamp in names:
        if relative and not relative.endswith("/"):  # the mark of a folder
            yield relative, stamp


def stamp_of(url: Url) -> str:
    """What changes when the object does: its bytes, and what else the storage says of it; "" where there is none."""
    def ask(fs: Any, path: str) -> str:
        info = _info(fs, path)
        return "" if info.get("type") == "directory" else _stamp(info)

    return _tried(url, "read", ask)


def stamps_of(urls: Sequence[Url]) -> list[str]:
    """The same of many, some at a time."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return list(pool.map(stamp_of, urls))


def agrees(stamp: str, size: int, md5: str) -> bool:
    """Whether an object with this stamp may hold so many bytes of this MD5; not all storage tells that."""
    count, _, tag = stamp.partition("-")
    return count == str(size) and (not _MD5.fullmatch(tag) or tag == md5)


def fetch(url: Url, stamp: str, to: Path) -> None:
    """The object `url`, as it was when it had this stamp, in the new file `to`."""
    def get(fs: Any, path: str) -> None:
        fs.get_file(path, str(to))
        size, md5 = measured(to)
        tag = stamp.partition("-")[2]
        if not (size == bytes_of(stamp) and tag == md5) and _differ(stamp, _stamp(_info(fs, path))):
            raise FileError("changed after it was listed; run it again")
        if bytes_of(stamp) and size != bytes_of(stamp):
            raise OSError(f"{size} bytes came of {bytes_of(stamp)}")

    _tried(url, "read", get)


def deliver(source: Path, url: Url, size: int, md5: str, *, overwrite: bool) -> None:
    """The file `source`, which was `measured`, as the object `url`: complete or not at all, and read back."""
    def put(fs: Any, path: str) -> None:
        folder, _, name = path.rpartition("/")
        part = path if is_store else f"{folder}/.{name}.torchfx-{os.getpid():x}-{time.time_ns():x}"
        if not is_store:
            fs.makedirs(folder, exist_ok=True)
        try:
            fs.put_file(str(source), part)
            _read_back(fs, part, source, f"{size}-{md5}")
            if not is_store:
                _rename(fs, part, path)
        except BaseException:
            with contextlib.suppress(Exception):
                fs.rm_file(part)
            raise

    is_store = url.scheme in OBJECT_STORES
    if not overwrite and stamp_of(url):
        _check_same(source, url, f"{size}-{md5}")
        return
    _tried(url, "write", put)


def _check_same(source: Path, url: Url, wanted: str) -> None:
    """Raise FileError where what is there holds other bytes; the same are of a run that could not say so any more."""
    def compare(fs: Any, path: str) -> bool:
        try:
            _read_back(fs, path, source, wanted)
        except OtherBytes:
            return False
        return True

    if not _tried(url, "read", compare):
        raise FileError(f"{url} exists; --overwrite replaces it")


def mark(url: Url) -> None:
    """An object of no bytes."""
    def touch(fs: Any, path: str) -> None:
        if url.scheme not in OBJECT_STORES:
            fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        fs.pipe_file(path, b"")

    _tried(url, "write", touch)


def removed(url: Url) -> None:
    """Remove the object `url`, where there is one."""
    def remove(fs: Any, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            fs.rm_file(path)

    _tried(url, "remove", remove)


def measured(path: Path) -> tuple[int, str]:
    """The length of a file, and its MD5 in hexadecimal."""
    digest, size = hashlib.md5(usedforsecurity=False), 0
    with open(path, "rb") as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
            size += len(piece)
    return size, digest.hexdigest()


def _rename(fs: Any, part: str, path: str) -> None:
    """Not every file system renames over a file."""
    if _info(fs, path):
        fs.rm_file(path)
    fs.mv(part, path)


def _read_back(fs: Any, path: str, source: Path, wanted: str) -> None:
    """Raise OtherBytes where the object does not hold what `source` does; a stamp like `wanted` proves it."""
    if _stamp(_info(fs, path)) == wanted:
        return
    with fs.open(path, "rb") as made, open(source, "rb") as file:
        while True:
            piece = file.read(PIECE_BYTES)
            if made.read(len(piece) or 1) != piece:
                raise OtherBytes("reading it back gives other bytes than were written")
            if not piece:
                return


def _found(fs: Any, path: str) -> list[tuple[str, str]]:
    below = len(path.rstrip("/")) + 1
    try:
        return [(name[below:], _stamp(info)) for name, info in sorted(fs.find(path, detail=True).items())]
    except FileNotFoundError:
        return []


def _pages_of_s3(root: Url) -> Iterator[tuple[str, str]]:
    """A page at a time: the listing of fsspec keeps all that S3 says of each key, some 2 kB."""
    bucket, _, prefix = root.partition("://")[2].partition("/")
    prefix = prefix and f"{prefix}/"
    more: dict[str, str] = {}
    def page_behind(fs: Any, _: str) -> Mapping[str, Any]:
        return fs.call_s3(
            "list_objects_v2", Bucket=bucket, Prefix=prefix, MaxKeys=PAGE_KEYS, **more)

    while True:
        page = _tried(root, "list", page_behind)
        for entry in page.get("Contents", ()):
            yield entry["Key"][len(prefix) :], f"{entry['Size']}-{_plain(entry['ETag'])}"
        if not page.get("IsTruncated"):
            return
        more = {"ContinuationToken": page["NextContinuationToken"]}


def _info(fs: Any, path: str) -> Mapping[str, Any]:
    try:
        return fs.info(path)
    except FileNotFoundError:
        return {}


def _stamp(info: Mapping[str, Any]) -> str:
    if not info:
        return ""
    tag = next((info[name] for name in TAGS if info.get(name)), "")
    size = info.get("size")
    return f"{'' if size is None else size}-{_plain(tag)}"


def _plain(tag: Any) -> str:
    """A time is the same as a date and as seconds: listings and questions for one object tell it differently."""
    return str(tag.timestamp() if hasattr(tag, "timestamp") else tag).strip('"')


def _differ(stamp: str, other: str) -> bool:
    """Whether two stamps cannot be of one object; what only one of them tells does not count."""
    return any(one and two and one != two for one, two in zip(stamp.partition("-"), other.partition("-"), strict=True))


def _file_system(url: Url) -> tuple[Any, str]:
    """The file system, which keeps no listings, and the name of `url` in it."""
    from fsspec.core import url_to_fs

    return url_to_fs(str(url), use_listings_cache=False)


def _tried(url: Url, verb: str, action: Callable[[Any, str], T]) -> T:
    """`action` of the file system and the name in it; see above for what becomes of its errors."""
    wait_s = FIRST_WAIT_S
    for attempt in range(1, TRIES + 1):
        fs, path = _file_system(url)
        try:
            return action(fs, path)
        except (FileError, RunError):
            raise
        except FileNotFoundError:
            raise FileError(f"cannot {verb} {url}: there is no such object, or no such bucket") from None
        except Exception as error:  # those of the file systems' own libraries have no common ancestor
            words = (str(error) or type(error).__name__).partition("\n")[0]
            is_expired = _EXPIRED.search(words) is not None
            if is_expired:
                fs.clear_instance_cache()  # the next one asks for the token again
            is_final = type(error).__name__ in FINAL and not is_expired
            if is_final or attempt == TRIES:
                tried = "" if is_final else f" (tried {TRIES} times)"
                kind = RunError if verb == "list" else FileError
                raise kind(f"cannot {verb} {url}: {words}{tried}") from None
        time.sleep(wait_s)
        wait_s *= 2
    raise AssertionError("unreachable")
