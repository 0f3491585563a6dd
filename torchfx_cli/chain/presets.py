"""Finds and lists presets: a path, the user's folder, the shipped ones; the user's come first.

The user's folder is $XDG_CONFIG_HOME/torchfx/presets, by default ~/.config/torchfx/presets. The shipped ones are
installed as the package `torchfx_cli.presets`; in a checkout that is not installed they lie beside the package.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from torchfx_cli.chain.document import (
    MAX_FILE_BYTES,
    Mapping,
    Mistake,
    Scalar,
    decode,
    parse_document,
    quoted,
    read_bytes,
)
from torchfx_cli.chain.values import nearest
from torchfx_cli.errors import ChainError, printable
from torchfx_cli.records import dataclass

SUFFIXES = (".yaml", ".yml")
Source = Literal["user", "shipped"]


@dataclass(frozen=True)
class Preset:
    """A preset that can be named; `description` is "" where the file says nothing or cannot be read."""

    name: str
    description: str
    path: Path
    source: Source


def find(name: str, relative_to: str | os.PathLike[str] | None = None) -> Path:
    """The chain file called `name`: a path from `relative_to` (default: here), or a preset. Raises ChainError."""
    try:
        return locate(name, Path(relative_to or ""))
    except Mistake as mistake:
        raise ChainError(printable(f"{quoted(name)}: {mistake}")) from None


def locate(name: str, folder: Path) -> Path:
    """See `find`; raises Mistake."""
    path = folder / name
    stem, suffix = os.path.splitext(name)
    is_file_name = suffix.lower() in SUFFIXES
    if "/" in name or (os.path.lexists(path) and not os.path.isdir(path)) or (is_file_name and not is_preset(stem)):
        return path
    if is_file_name:
        raise Mistake(f"no file has this name; the preset is called {stem}")
    presets = _preset_files()
    if name in presets:
        return presets[name][0]
    if os.path.isdir(path):
        raise Mistake("is a folder, not a chain file")
    files = [name + suffix for suffix in SUFFIXES if os.path.isfile(f"{path}{suffix}")]
    close = f"; did you mean {files[0]}?" if files else nearest(name, presets)
    raise Mistake("no preset and no file has this name" + (close or " (`torchfx presets` lists all)"))


def is_preset(name: str) -> bool:
    return name in _preset_files()


def list_presets() -> list[Preset]:
    """All presets by name; a user's preset hides the shipped one of its name."""
    return [Preset(name, _description(path), path, source) for name, (path, source) in _preset_files().items()]


def _preset_files() -> dict[str, tuple[Path, Source]]:
    """Name -> file, sorted."""
    folders: list[tuple[Path | None, Source]] = [(_shipped_folder(), "shipped"), (_user_folder(), "user")]
    files = {path.stem: (path, source) for folder, source in folders if folder for path in _chain_files(folder)}
    return dict(sorted(files.items()))


def config_folder() -> Path | None:
    """The user's folder for this program, which need not exist; None where there is not even a home folder."""
    config = os.environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(config):  # the XDG specification: relative ones are to be ignored
        home = "" if os.environ.get("HOME") == "" else os.path.expanduser("~")  # which makes "/" of an empty HOME
        config = os.path.join(home, ".config")
    return Path(config, "torchfx") if os.path.isabs(config) else None


def _user_folder() -> Path | None:
    folder = config_folder()
    return folder / "presets" if folder else None


def _shipped_folder() -> Path:
    installed = find_spec("torchfx_cli.presets")
    if installed and installed.submodule_search_locations:
        return Path(next(iter(installed.submodule_search_locations)))
    return Path(__file__).resolve().parents[2] / "presets"


def _chain_files(folder: Path) -> list[Path]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    return [folder / name for name in names if name.endswith(SUFFIXES) and os.path.isfile(folder / name)]


def _description(path: Path) -> str:
    try:
        root = parse_document(decode(read_bytes(path, MAX_FILE_BYTES)))
    except Mistake:
        return ""
    pairs = root.pairs if isinstance(root, Mapping) else []
    return next((value.text for key, value in pairs if isinstance(key, Scalar) and key.text == "description"
                 and isinstance(value, Scalar) and not value.is_null), "")
