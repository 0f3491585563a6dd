"""A run that somebody watches from outside, as a warm process watches its calls: where it crashes it is begun again.

So a single file needs no worker process: a crash costs nothing but the time until then. Only small files in plain
containers are done so. Their decoders say nothing on their own, and are not long out of reach of a signal.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torchfx_cli.stream.stdio import STDIO
from torchfx_cli.tasks.job import Job, Settings

MAX_BYTES = 16 << 20
PLAIN = (b"RIFF", b"RF64", b"FORM", b"fLaC")

# Hears whether a crash, from now on, is to be followed by another run of the same command line, with workers.
tell_risk: Callable[[bool], None] | None = None


def may_crash(job: Job, settings: Settings) -> bool:
    """Whether `job` can be done by the process of the run itself, as someone would begin it again."""
    if tell_risk is None or settings.is_batch or settings.timeout_s is not None:
        return False
    return job.output != STDIO and job.backup is None and not job.is_remote and _is_plain(job)


def _is_plain(job: Job) -> bool:
    try:
        found = job.source.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_BYTES:
            return False
        with open(job.source, "rb", buffering=0) as file:
            return file.read(len(PLAIN[0])) in PLAIN
    except (OSError, ValueError):  # a worker will say why
        return False


@contextmanager
def at_risk(job: Job, settings: Settings) -> Iterator[None]:
    """While `job` is done by the process of the run itself."""
    if tell_risk is None or not may_crash(job, settings):
        yield
        return
    tell_risk(True)
    try:
        yield
    finally:
        tell_risk(False)
