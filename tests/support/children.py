"""Does files in a child process and tells the fate of each, also where the decoder crashes or never comes back.

The child does one file after another and says a line before and after each; when it dies or is late, the file that it
had begun is to blame, and another child goes on with the next.
"""

from __future__ import annotations

import json
import os
import resource
import select
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LIMIT_S = 10.0
MEMORY_BYTES = 4 << 30  # address space: numpy's thread pool alone takes most of 1 GiB


@dataclass(frozen=True)
class Work:
    """One job for a child; `settings` are those of `tasks.job.Settings` besides the chain."""

    source: Path
    output: Path
    effects: Sequence[str] = ("highpass:80",)
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Fate:
    """What became of a file.

    status     as in a FileResult, or "crashed" (a signal or an exit), "hung", "raised" (an error that was not told).
    words      of the error, or of all warnings.
    grown_kib  by how much the child's memory has ever grown since it began.
    """

    work: Work
    status: str
    words: str
    frames: int = 0
    grown_kib: int = 0

    @property
    def is_fine(self) -> bool:
        return self.status in ("ok", "failed") and "mistake in torchfx" not in self.words


def fates(works: Sequence[Work], limit_s: float = LIMIT_S) -> Iterator[Fate]:
    """The fate of each, in order; `limit_s` for one file."""
    waiting = deque(works)
    while waiting:
        yield from _one_child(waiting, limit_s)


def _one_child(waiting: deque[Work], limit_s: float) -> Iterator[Fate]:
    """Let a child do the works from the left until none is left or it is gone."""
    child = subprocess.Popen(
        [sys.executable, "-m", "support.children"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
    )  # fmt: skip
    assert child.stdin is not None
    assert child.stdout is not None
    with child:
        try:
            while waiting:
                work = waiting[0]
                child.stdin.write(_line(work))
                child.stdin.flush()
                late = not select.select([child.stdout], [], [], limit_s)[0]
                answer = b"" if late else child.stdout.readline()
                waiting.popleft()
                if not answer:
                    yield Fate(work, *_end(child, late))
                    return
                yield Fate(work, **json.loads(answer))
        except BrokenPipeError:  # it died between two files; nobody is to blame for that
            raise AssertionError(f"the child died idle: {_end(child, late=False)}") from None
        finally:
            child.kill()


def _line(work: Work) -> bytes:
    record = [os.fspath(work.source), os.fspath(work.output), list(work.effects), work.settings]
    return json.dumps(record).encode() + b"\n"


def _end(child: subprocess.Popen[bytes], late: bool) -> tuple[str, str]:
    child.kill() if late else child.wait()
    errors = b"" if child.stderr is None else child.stderr.read()
    return "hung" if late else "crashed", f"exit {child.wait()}: {errors.decode(errors='replace')[-2000:]}"


def _child() -> None:
    from support import oddfiles

    from torchfx_cli.chain.parse import join
    from torchfx_cli.tasks.job import Job, Settings
    from torchfx_cli.tasks.local import run_jobs
    from torchfx_cli.tasks.onefile import RunObserver, process_file

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "w")
    for stream in (1, 2):  # libmpg123 tells of each frame that it does not like, and libsndfile of ALAC, on stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    with tempfile.TemporaryDirectory() as folder:  # loads for all workers, which are forked from here, what each needs
        path = oddfiles.put(Path(folder), oddfiles.encode(oddfiles.TONE, format="MP3"), "in.mp3")
        process_file(Job(path, Path(folder) / "out.flac"), Settings(join([], ["highpass:80"])), RunObserver())
    began_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for line in sys.stdin:
        source, output, effects, settings = json.loads(line)
        try:
            report = run_jobs([Job(Path(source), Path(output))], Settings(join([], effects), **settings), RunObserver())
            (result,) = report.results
            words = "; ".join([*result.warnings, *([result.error] if result.error else [])])
            answer = {"status": result.status, "words": words, "frames": result.frames}
        except Exception as error:
            answer = {"status": "raised", "words": repr(error)}
        answer["grown_kib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - began_kib
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    _child()
