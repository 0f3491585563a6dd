"""Where warm processes listen, and which of them may do a call of this process."""

from __future__ import annotations

import os
import sys
from binascii import crc32

# What the interpreter or a library reads once, when it is loaded: a warm process must have read the same.
READ_ONCE = (b"PYTHON", b"LD_", b"LC_", b"LANG", b"OMP_", b"MKL_", b"KMP_", b"GOMP_", b"OPENBLAS_", b"BLIS_", b"NPY_",
             b"NUMPY_", b"CUDA", b"NVIDIA_", b"TORCH_", b"PYTORCH_", b"MALLOC_", b"GLIBC_", b"TORCHFX_KERNEL",
             b"TORCHFX_LIBSNDFILE")
DEFAULTS = {"OPENBLAS_NUM_THREADS": "1"}  # NumPy's threads, for which there is no work, cost each start
CLIENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "client")  # built from client.c
LONGEST = 70  # bytes of a runtime folder: the path of a socket ends at 107
STATUS = (b"Uid:", b"Gid:", b"Groups:", b"CapInh:", b"CapPrm:", b"CapEff:", b"CapBnd:", b"CapAmb:", b"NoNewPrivs:",
          b"Seccomp:")
LINKS = ("ns/cgroup", "ns/ipc", "ns/mnt", "ns/net", "ns/pid", "ns/user", "ns/uts", "root")


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


def identity() -> bytes:
    """Everything about this process that cannot be handed to another one: where it differs, a call cannot be either.

    client.c says the same in the same order. The version is not here: see `server.Server`.
    """
    known: dict[bytes, bytes] = {name.encode(): value.encode() for name, value in DEFAULTS.items()} | dict(os.environb)
    try:
        program = os.stat(sys.executable)
        lines = [os.path.dirname(os.path.abspath(__file__)), sys.executable,
                 f"{program.st_dev} {program.st_ino} {program.st_size} {program.st_mtime_ns}"]
        found = [os.fsencode(line) for line in lines]
        found += sorted(name + b"=" + value for name, value in known.items() if name.startswith(READ_ONCE))
        with open("/proc/self/status", "rb") as status:
            found += [line for line in status.read().split(b"\n") if line.startswith(STATUS)]
        with open("/proc/self/cgroup", "rb") as groups:
            found.append(groups.read())
        found += [os.readlink(f"/proc/self/{name}".encode()) for name in LINKS]
    except OSError:  # not Linux, or /proc is not to be seen
        return b""
    return b"\n".join(found)


def address(inside: str, identity: bytes) -> str:
    """Of the socket. Two identities that happen to share it are told apart by the process that listens."""
    return f"{inside}/{crc32(identity):08x}"
