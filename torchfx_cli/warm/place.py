"""Where warm processes listen, and which of them may do a call of this process."""

from __future__ import annotations

import os
import sys
from binascii import crc32

from torchfx_cli import __version__

# What the interpreter or a library reads once, when it is loaded: a warm process must have read the same.
READ_ONCE = ("PYTHON", "LD_", "LC_", "LANG", "OMP_", "MKL_", "KMP_", "GOMP_", "OPENBLAS_", "BLIS_", "NPY_", "NUMPY_",
             "CUDA", "NVIDIA_", "TORCH_", "PYTORCH_", "MALLOC_", "GLIBC_", "TORCHFX_KERNEL")
DEFAULTS = {"OPENBLAS_NUM_THREADS": "1"}  # NumPy's threads, for which there is no work, cost each start
LONGEST = 70  # bytes of a runtime folder: the path of a socket ends at 107
STATUS = ("Uid:", "Gid:", "Groups:", "CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:", "NoNewPrivs:", "Seccomp:")
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")


def folder(make: bool = False) -> str:
    """The folder of the user's warm processes, which nobody else can enter; "" where there is none to be trusted."""
    runtime, user = os.environ.get("XDG_RUNTIME_DIR", ""), os.geteuid()
    if not (runtime.startswith("/") and len(os.fsencode(runtime)) <= LONGEST and _belongs_to(user, runtime)):
        runtime = "/tmp"
    path = f"{runtime}/torchfx-{user}"
    if make:
        try:  # noqa: SIM105
            os.mkdir(path, 0o700)
        except OSError:  # it is there, or cannot be
            pass
    return path if _belongs_to(user, path, private=True) else ""


def _belongs_to(user: int, path: str, private: bool = False) -> bool:
    try:
        found = os.lstat(path)
    except (OSError, ValueError):
        return False
    return found.st_mode & 0o170000 == 0o040000 and found.st_uid == user and not (private and found.st_mode & 0o077)


def seconds(text: str) -> float | None:
    """A time of idleness; None where it is no positive number."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None


def set_defaults() -> None:
    """In the environment of this process, before libraries are loaded."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)


def identity() -> str:
    """Everything about this process that cannot be handed to another one: where it differs, a call cannot be either."""
    lines = [__version__, os.path.dirname(os.path.abspath(__file__)), sys.executable, sys.version]
    lines += sorted(f"{name}={value}" for name, value in (DEFAULTS | os.environ).items() if name.startswith(READ_ONCE))
    try:
        with open("/proc/self/status") as status:
            lines += [line for line in status.read().split("\n") if line.startswith(STATUS)]
        with open("/proc/self/cgroup") as groups:
            lines.append(groups.read())
        lines += [os.readlink(f"/proc/self/ns/{name}") for name in NAMESPACES]
        lines += [os.readlink("/proc/self/root"), os.readlink("/proc/self/exe")]
    except OSError:  # not Linux, or /proc is not to be seen
        return ""
    return "\n".join(lines)


def address(inside: str, identity: str) -> str:
    """Of the socket. Two identities that happen to share it are told apart by the process that listens."""
    return f"{inside}/{crc32(os.fsencode(identity)):08x}"
