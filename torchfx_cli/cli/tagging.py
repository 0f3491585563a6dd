"""`--tag`, `--cover` and `--tags-from`: the tags that outputs get, checked before anything runs."""

from __future__ import annotations

from collections.abc import Sequence

from torchfx_cli.cli.options import quoted
from torchfx_cli.errors import UsageError, printable
from torchfx_cli.stream.tagchanges import MAX_COVER_BYTES, Cover, TagChanges, comment_key, cover_of, is_cut_off, is_key


def changes_of(tags: Sequence[str], cover: str | None) -> TagChanges:
    """What is typed behind each --tag, and behind --cover."""
    return TagChanges(tuple(map(_tag, tags)), None if cover is None else _cover(cover))


def _tag(typed: str) -> tuple[str, str]:
    word, equals, text = typed.partition("=")
    key = comment_key(word)
    if not equals or not is_key(key):
        raise UsageError(f"--tag: found {quoted(typed)}; expected a key and a text, such as title=Dawn; nothing behind "
                         "the = takes the tag away")
    try:
        text.encode()
    except UnicodeEncodeError:  # bytes of the command line that are no text
        raise UsageError(f"--tag: {printable(key)} is not in UTF-8: {quoted(text)}") from None
    return key, text.strip()


def _cover(path: str) -> Cover:
    if not path:
        return Cover()
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_COVER_BYTES + 1)
    except OSError as error:
        raise UsageError(f"--cover {printable(path)}: {error.strerror}") from None
    found = cover_of(data)
    if found is None or len(data) > MAX_COVER_BYTES:
        raise UsageError(f"--cover {printable(path)}: expected a JPEG, PNG or GIF of at most "
                         f"{MAX_COVER_BYTES / 1e6:.0f} MB")
    if is_cut_off(data):
        raise UsageError(f"--cover {printable(path)}: the picture is cut off")
    return found
