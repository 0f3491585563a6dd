"""soundfile, with the libsndfile that the user wants: the one inside its package, or one of the machine.

The package's is there on every machine, but built without optimisation. TORCHFX_LIBSNDFILE=system loads the machine's
own, TORCHFX_LIBSNDFILE=/path/libsndfile.so.1 that file. Nothing but this module imports soundfile: once that is
loaded, its library stays.
"""

from __future__ import annotations

import os
import sys

from torchfx_cli.errors import UsageError

VARIABLE = "TORCHFX_LIBSNDFILE"
SYSTEM = "system"
OLDEST = (1, 2)  # older ones were never tried
PACKAGED = "_soundfile_data"  # where soundfile's own copy lies
LINUX_NAME = "libsndfile.so.1"  # by ctypes.util it would take a run of ldconfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import soundfile


def _chosen(wanted: str) -> str:
    """The name of the library `wanted`, which can be loaded and is not too old; raises UsageError."""
    from _soundfile import ffi

    if wanted == SYSTEM:
        name = _system_name()
    elif os.path.isabs(wanted):
        name = wanted
    else:
        raise UsageError(f"{VARIABLE}: expected system or an absolute path of a library, got {wanted!r}")
    try:
        version = _version(ffi, ffi.dlopen(name))
    except (OSError, ffi.error) as error:
        raise UsageError(f"{VARIABLE}={wanted}: no libsndfile can be loaded ({error}); "
                         "without the variable soundfile's own is used") from None
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < OLDEST:
        raise UsageError(f"{VARIABLE}={wanted}: libsndfile {version} is too old; {OLDEST[0]}.{OLDEST[1]} or later is "
                         "needed")
    return name


def _system_name() -> str:
    if sys.platform.startswith("linux"):
        return LINUX_NAME
    from ctypes.util import find_library

    return find_library("sndfile") or "libsndfile"


def _version(ffi: Any, library: Any) -> str:
    return str(ffi.string(library.sf_version_string()).decode()).removeprefix("libsndfile-")


def _load() -> Any:
    """soundfile looks for its own copy, and where there is none asks ctypes for the name of another."""
    wanted = os.environ.get(VARIABLE, "")
    if not wanted:
        import soundfile

        return soundfile
    if "soundfile" in sys.modules:
        raise UsageError(f"{VARIABLE}={wanted}: soundfile was imported before torchfx, and has its own library")
    import ctypes.util

    found, usual = _chosen(wanted), ctypes.util.find_library
    sys.modules[PACKAGED] = None  # type: ignore[assignment]
    ctypes.util.find_library = lambda name: found
    try:
        import soundfile
    finally:
        ctypes.util.find_library = usual
        del sys.modules[PACKAGED]
    return soundfile


def libsndfile_version() -> str:
    """Of the library in use."""
    return str(soundfile.__libsndfile_version__)


def words() -> str:
    """Which library is in use: its version, and whose it is."""
    wanted = os.environ.get(VARIABLE, "")
    whose = f"{VARIABLE}={wanted}" if wanted else "soundfile's own" if PACKAGED in sys.modules else "the system's"
    return f"{libsndfile_version()}, {whose}"


if not TYPE_CHECKING:
    soundfile = _load()
