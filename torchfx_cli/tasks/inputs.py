"""Which files are meant: by name, as a folder, as a pattern, in a list.

A word of the command line is, in this order: `-` (the standard input), a file or folder of that name, a list
(`names.txt@`, a name a line, empty lines and `#` lines left out), a pattern (`raw/**/*.flac`, where the shell did not
expand it), or the name of a file that is not there, which fails later on its own. Names in lists are relative to
the current folder, as find(1) prints them, and keep their folders under an output folder, or what stands behind `/./`;
folders among them are left out, for find prints what is in them too.

What is named is always tried. What is found in a folder must look like audio and not be hidden.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field, replace
from typing import BinaryIO

from torchfx_cli.errors import RunError, UsageError, printable
from torchfx_cli.records import dataclass
from torchfx_cli.stream.formats import format_words
from torchfx_cli.tasks import patterns
from torchfx_cli.tasks.lists import STDIN, TREE_MARK, read_commented, read_names
from torchfx_cli.tasks.scan import Finder, LeftOut
from torchfx_cli.tasks.urls import Url, is_url, local_path

LIST_MARK = "@"
MAX_REMARKS = 20


@dataclass(frozen=True)
class Input:
    """An input that was found.

    path      as the user would name it.
    relative  its place under an output folder.
    root      the folder, or the fixed beginning of the pattern, that it was found under; None where it was named.
    listed    it was named all the same, in a list that gives its root.
    fault     why it cannot be read, or searched if it is a folder.
    stamp     of one that is named by a URL, see `storage`.
    is_elsewhere  another shard of the batch does it.
    """

    path: str
    relative: str
    root: str | None
    listed: bool = False
    fault: str | None = None
    stamp: str = ""
    is_elsewhere: bool = False

    @property
    def is_named(self) -> bool:
        return self.root is None or self.listed


@dataclass
class Gathered:
    """The inputs in order; the lists read; how many were left out, by reason; what is worth a word, a line each."""

    inputs: list[Input] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
    skipped: LeftOut = field(default_factory=LeftOut)
    remarks: list[str] = field(default_factory=list)


def gather(words: Sequence[str], *, files_from: str | None = None, zero: bool = False, include: Sequence[str] = (),
           exclude: Sequence[str] = (), output: str | None = None, stdin: BinaryIO | None = None,
           left_out: Callable[[str, str], None] | None = None) -> Gathered:
    """All inputs that `words` and the list `files_from` (a path, or - for `stdin`) mean, each once; faulty ones last.

    zero              names in `files_from` end with NUL, not with a line.
    include, exclude  patterns for what is found in folders and by patterns; of its name, or of its relative path. A
                      folder that is excluded is not searched.
    output            the output folder, which is never searched; None: `processed` folders; "": none; see `Finder`
    left_out          hears the path of each file and folder that is left out, and why.

    Raises UsageError for a list or a pattern that makes no sense, RunError where nothing was found at all.
    """
    if STDIN in words and files_from == STDIN:
        raise UsageError("the standard input cannot be both an input and the list of them")
    found = Gathered(skipped=LeftOut(left_out))
    finder = Finder(include, exclude, output, found.skipped)
    empty: list[str] = []
    for word in map(local_path, words):
        count = len(found.inputs)
        found.inputs += _of_word(word, finder, found, mirrored=output is not None)
        if len(found.inputs) == count:
            empty.append(word)
    if files_from is not None:
        found.lists.append(files_from)
        names = read_names(files_from, zero=zero, stdin=stdin)
        found.inputs += _listed(names, found, mirrored=output is not None)
    found.inputs = sorted(_once(found.inputs, found.skipped), key=lambda one: one.fault is not None)
    if not found.inputs:
        raise RunError(_nothing(empty, files_from, found.skipped))
    found.remarks += [f"no audio files in {word}" for word in empty]
    found.remarks += _twins(one.path for one in found.inputs)
    if len(found.remarks) > MAX_REMARKS:
        found.remarks[MAX_REMARKS:] = [f"... and {len(found.remarks) - MAX_REMARKS} more remarks"]
    return found


def _of_word(word: str, finder: Finder, found: Gathered, *, mirrored: bool) -> Iterator[Input]:
    if not word:
        raise UsageError("an input is an empty word; is a variable of the shell not set?")
    if word == STDIN:
        yield _named(word)
    elif is_url(word):
        yield from _stored(word, finder)
    elif os.path.isdir(word):
        yield from (Input(path, relative, word, fault=fault) for path, relative, fault in finder.folder(word))
    elif os.path.lexists(word):
        yield _named(word)
    elif word.endswith(LIST_MARK) and len(word) > 1:
        found.lists.append(word[:-1])
        yield from _listed(read_commented(word[:-1]), found, mirrored=mirrored)
    elif patterns.is_pattern(word):
        root, matches = finder.pattern(word)
        yield from (Input(path, relative, root, fault=fault) for path, relative, fault in matches)
    else:
        yield _named(_respelled(word, found.remarks))


def _stored(word: str, finder: Finder) -> Iterator[Input]:
    """What a URL means: an object, a pattern, or else a folder."""
    from torchfx_cli.tasks import storage

    root, rest = patterns.split(word) if patterns.is_pattern(word) else (word.rstrip("/"), "")
    storage.check(Url(root))
    if not (rest or word.endswith("/")) and (stamp := storage.stamp_of(Url(root))):
        yield replace(_named(root), stamp=stamp)
        return
    found = finder.stored(storage.listed(Url(root)), root, rest)
    yield from (Input(path, relative, root, fault=fault, stamp=stamp) for (path, relative, fault), stamp in found)


def _named(path: str) -> Input:
    return Input(path, os.path.basename(path.rstrip("/")), None)


def _listed(names: Iterable[str], found: Gathered, *, mirrored: bool) -> Iterator[Input]:
    """The inputs in a list; `mirrored` under an output folder, where they keep their relative paths."""
    urls = []
    for name in names:
        name = local_path(name)
        if is_url(name):
            urls.append(name)
            continue
        if not name.isascii():
            name = _respelled(name, found.remarks)
        if os.path.isdir(name):
            found.skipped.note(name, "a folder in a list")
        elif TREE_MARK in name:
            root, relative = name.split(TREE_MARK, 1)
            plain = os.path.normpath(relative.lstrip("/"))
            if not _is_below(plain):
                raise UsageError(f"a list names {printable(name)}: what stands behind /./ must not lead out of its "
                                 "folder, for the output would lie outside the output folder")
            yield Input(name, plain, root or "/", listed=True)
        else:
            path = "./-" if name == STDIN else name
            plain = os.path.normpath(path)
            yield Input(path, plain if mirrored and _is_below(plain) else os.path.basename(path), None)
    if urls:
        yield from _of_urls(urls)


def _of_urls(urls: Sequence[str]) -> Iterator[Input]:
    from torchfx_cli.tasks import storage

    storage.check(Url(urls[0]))
    for url, stamp in zip(urls, storage.stamps_of([Url(url) for url in urls]), strict=True):
        root, mark, relative = url.partition(TREE_MARK)
        found = Input(os.path.join(root, relative), relative, root, listed=True) if mark else _named(url)
        yield replace(found, stamp=stamp, fault=None if stamp else "there is no such object")


def _respelled(path: str, remarks: list[str]) -> str:
    """`path` as it stands on the disk, where only the form of accents differs and one name alone fits.

    A Mac writes an accent as a character of its own (NFD), others write the letter with it (NFC).
    """
    if path.isascii() or os.path.lexists(path):
        return path
    place = "/" if path.startswith("/") else ""
    for part in path.split("/"):
        if not os.path.lexists(os.path.join(place, part)):
            fitting = _names_like(part, place or ".")
            if len(fitting) != 1:
                if fitting:
                    remarks.append(f"{path}: not there, but {len(fitting)} names in {place or '.'} have another form "
                                   "of its accents (NFC or NFD); give one of them as the shell completes it")
                return path
            part = fitting[0]
        place = os.path.join(place, part)
    remarks.append(f"{path}: found under another form of its accents (NFC or NFD)")
    return place


def _names_like(name: str, folder: str) -> list[str]:
    try:
        return [other for other in os.listdir(folder) if _composed(other) == _composed(name)]
    except OSError:
        return []


def _composed(name: str) -> str:
    import unicodedata

    return unicodedata.normalize("NFC", name)


def _is_below(plain: str) -> bool:
    """Whether the normalised path `plain` is of something below where it starts from."""
    return not os.path.isabs(plain) and plain.split("/")[0] not in (".", "..")


def in_list(found: Input) -> str:
    """`found` as it stands in a list that is to give the same output again."""
    root = found.path.removesuffix(found.relative) if found.root is None else found.root
    if root == found.path:  # how its place follows from its path the list will tell, too
        return found.path
    plain = "/".join(part for part in root.rstrip("/").split("/") if part != ".")  # the first mark counts
    return f"{plain or ('' if root.startswith('/') else '.')}{TREE_MARK}{found.relative}"


def _once(inputs: Iterable[Input], skipped: LeftOut) -> list[Input]:
    """Each path once: a list and a pattern may name the same file."""
    seen: dict[str, Input] = {}
    for one in inputs:
        if seen.setdefault(_plain(one.path), one) is not one:
            skipped.note(one.path, "named twice")
    return list(seen.values())


def _plain(path: str) -> str:
    """One way to write `path`. Behind a link `..` leads elsewhere than the letters say, so such paths stay."""
    return path if path == STDIN or ".." in path else os.path.normpath(path)


def _twins(paths: Iterable[str]) -> Iterator[str]:
    """What differs only in case, or in how accents are written, is one name for other systems."""
    first: dict[str, str] = {}
    for path in paths:
        key = path.lower() if path.isascii() else _composed(path).casefold()
        other = first.setdefault(key, path)
        if other is not path:
            yield f"{other} and {path} are one name where case or the form of accents does not count"


def _nothing(empty: Iterable[str], files_from: str | None, skipped: LeftOut) -> str:
    places = ", ".join([*empty, *([f"the list {files_from}"] if files_from is not None else [])])
    left_out = ", ".join(f"{number} {reason}" for reason, number in skipped.items())
    return (f"no audio files in {places} (looked for {', '.join('.' + word for word in format_words()[:6])}, ...)"
            + (f"; left out: {left_out}" if left_out else ""))
