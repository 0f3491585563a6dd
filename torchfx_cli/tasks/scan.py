"""Finds sound files in folders and by patterns, quickly: names and kinds of entries alone, nothing is opened."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from torchfx_cli.errors import UsageError, printable
from torchfx_cli.stream.formats import FOREIGN, READ_ONLY, is_audio_name
from torchfx_cli.stream.forsome import foreign
from torchfx_cli.tasks import journalfile, patterns
from torchfx_cli.tasks.folders import DEFAULT_FOLDER, identity_of

# Extensions of sounds that libsndfile does not decode; those in FOREIGN are decoded where PyAV is installed.
UNDECODED = frozenset((
    ".3ga", ".aa", ".aac", ".aax", ".ac3", ".adts", ".alac", ".amr", ".ape", ".asf", ".dff", ".dsf", ".dts",
    ".eac3", ".m4a", ".m4b", ".m4p", ".m4r", ".mka", ".mlp", ".mp+", ".mp1", ".mpc", ".mpp", ".ofr",
    ".ofs", ".qcp", ".ra", ".ram", ".shn", ".spx", ".tak", ".thd", ".tta", ".wma", ".wv",
))
UNDECODED_WORDS = ": cannot be decoded here"
SEARCHED_OUTPUT = "{} would be searched for inputs and is the output folder; choose another --output"
VIDEOS = frozenset((".mkv", ".mov", ".mp4", ".webm"))  # nobody misses them among the sounds


class Found(NamedTuple):
    """A path, and the same below the folder that is searched; a fault where it cannot be read or searched."""

    path: str
    relative: str
    fault: str | None = None


class LeftOut(Counter[str]):
    """How many names were left out, by reason; `told(path, reason)` hears of each."""

    def __init__(self, told: Callable[[str, str], None] | None = None) -> None:
        super().__init__()
        self._told = told

    @property
    def undecoded(self) -> dict[str, int]:
        """Of them the sounds that cannot be decoded here."""
        return {reason: number for reason, number in self.items() if number and reason.endswith(UNDECODED_WORDS)}

    def note(self, path: str, reason: str) -> None:
        self[reason] += 1
        if self._told:
            self._told(path, reason)


class Finder:
    """Searches folders; notes what it leaves out in `skipped`.

    output  the output folder of the run, never searched, nor are folders called `processed` that a run has made; None:
            no folder called `processed` is. "": all are.
    """

    def __init__(self, include: Sequence[str], exclude: Sequence[str], output: str | None, skipped: LeftOut) -> None:
        self._include = [patterns.compiled(pattern.rstrip("/")) for pattern in include]
        self._exclude = [patterns.compiled(pattern.rstrip("/")) for pattern in exclude]
        self._output = identity_of(output) if output is not None else None
        self._default = output is None
        self._output_name = None if output is None else output.rstrip("/")
        self._makes = output != ""
        self._skipped = skipped
        self._entered: set[tuple[int, int]] = set()

    def folder(self, top: str) -> Iterator[Found]:
        """Each sound file under `top`: in order of names, those of a folder before those of the folders in it.

        What cannot be searched or reached is among them, each with its fault.
        """
        return self._search(top, None, None)

    def pattern(self, pattern: str) -> tuple[str, Iterator[Found]]:
        """The fixed beginning of `pattern`, and each sound file below it that matches the rest."""
        root, rest = patterns.split(pattern)
        wanted = patterns.compiled(rest)
        if not os.path.isdir(root or "."):
            return root, iter(())
        return root, self._search(root, wanted, patterns.folders_deep(rest))

    def stored(self, names: Iterable[tuple[str, str]], top: str, rest: str = "") -> Iterator[tuple[Found, str]]:
        """Of objects below the URL `top`, (name, stamp), each that looks like sound and matches `rest`; its stamp."""
        if top == self._output_name:
            raise UsageError(SEARCHED_OUTPUT.format(printable(top)))
        wanted = patterns.compiled(rest) if rest else None
        searched: dict[str, bool] = {"": True}
        for relative, stamp in names:
            path, (folder, _, name) = os.path.join(top, relative), relative.rpartition("/")
            if wanted is not None and not wanted.fullmatch(relative):
                continue
            if self._is_within(folder, top, searched) and self._is_wanted(name, path, relative):
                is_plain = not {"", ".", ".."} & set(relative.split("/"))
                yield Found(path, relative, None if is_plain else "a part of its name is empty or made of dots"), stamp

    def _is_within(self, folder: str, top: str, searched: dict[str, bool]) -> bool:
        """Whether `folder`, and all that it is in, is searched; each is asked for once."""
        if folder not in searched:
            above, _, name = folder.rpartition("/")
            path = os.path.join(top, folder)
            searched[folder] = self._is_within(above, top, searched) and self._is_searched(name, path, folder)
            if path == self._output_name:
                self._skipped.note(path, "in the output folder")
                searched[folder] = False
        return searched[folder]

    def _search(self, top: str, wanted: patterns.Pattern | None, deepest: int | None) -> Iterator[Found]:
        if self._output is not None and identity_of(top or ".") == self._output:
            raise UsageError(SEARCHED_OUTPUT.format(printable(top or ".")))
        self._entered = set()  # one folder may be given twice; its files are told apart later
        waiting = [(top, "", 0)]  # no recursion: folders can be nested deeper than calls
        while waiting:
            folder, below, depth = waiting.pop()
            prefix, folders = os.path.join(folder, ""), []
            try:
                entries = self._entries(folder or ".")
            except OSError as error:
                yield Found(folder, below.rstrip("/"), f"cannot be searched: {error.strerror}")
                continue
            for entry in entries:
                path, relative = prefix + entry.name, below + entry.name
                if _is_folder(entry):
                    if depth != deepest and self._is_searched(entry.name, path, relative):
                        folders.append((path, relative + "/", depth + 1))
                elif (wanted is None or wanted.fullmatch(relative)) and self._is_wanted(entry.name, path, relative):
                    yield from self._file(entry, path, relative)
            waiting += reversed(folders)

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        """What is in `folder`; each is entered once, however links lead to it. Raises OSError."""
        identity = identity_of(folder)
        if identity is not None and identity == self._output:
            self._skipped.note(folder, "in the output folder")
            return []
        if identity in self._entered:
            self._skipped.note(folder, "reached twice through links")
            return []
        with os.scandir(folder) as entries:
            found = sorted(entries, key=_name_of)
        if identity is not None:
            self._entered.add(identity)
        return found

    def _is_searched(self, name: str, path: str, relative: str) -> bool:
        if name.startswith("."):
            reason = "hidden"
        elif name == DEFAULT_FOLDER and self._holds_outputs(path):
            reason = "in a folder of outputs"
        elif patterns.matches(self._exclude, name, relative):
            reason = "excluded"
        else:
            return True
        self._skipped.note(path, reason)
        return False

    def _holds_outputs(self, path: str) -> bool:
        return self._default or (self._makes and os.path.lexists(os.path.join(path, journalfile.NAME)))

    def _is_wanted(self, name: str, path: str, relative: str) -> bool:
        extension = os.path.splitext(name)[1].lower()
        is_foreign = extension in FOREIGN and foreign.is_available()
        is_audio = is_audio_name(name) or extension in READ_ONLY or is_foreign
        if name.startswith(journalfile.NAME):
            return False  # our own, which is worth no word
        if name.startswith("."):
            reason = "hidden"
        elif not is_audio and extension not in UNDECODED | VIDEOS:
            reason = "no audio"
        elif self._is_excluded(name, relative):
            reason = "excluded"
        elif not is_audio:
            reason = extension[1:] + (": a video" if extension in VIDEOS else UNDECODED_WORDS)
        else:
            return True
        self._skipped.note(path, reason)
        return False

    def _is_excluded(self, name: str, relative: str) -> bool:
        is_included = not self._include or patterns.matches(self._include, name, relative)
        return not is_included or patterns.matches(self._exclude, name, relative)

    def _file(self, entry: os.DirEntry[str], path: str, relative: str) -> Iterator[Found]:
        try:
            if entry.is_file():
                yield Found(path, relative)
                return
            if entry.is_symlink():
                os.stat(path)  # says why a link leads to nothing
            self._skipped.note(path, "no regular file")
        except FileNotFoundError:
            yield Found(path, relative, "a link that leads nowhere")
        except OSError as error:
            yield Found(path, relative, str(error.strerror))


def _name_of(entry: os.DirEntry[str]) -> str:
    return entry.name


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: told with the files, where it is called like one
        return False
