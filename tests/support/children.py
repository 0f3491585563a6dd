"""Does files in a child process and tells the fate of each, also where the decoder crashes or never comes back.

The child does one file after another, or all of the same settings together; when it dies or is late, what it had begun
is to blame, and another child goes on with the next.
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
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torchfx_cli.tasks.report import FileResult

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
    grown_kib  by how much the child or a worker of it has ever outgrown the child as it began.
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
    waiting = deque([work] for work in works)
    while waiting:
        yield from _one_child(waiting, limit_s)


def fates_together(works: Sequence[Work], limit_s: float = 60.0) -> list[Fate]:
    """The same in a quarter of the time: a run for all of the same effects and settings, `limit_s` for each run.

    Where the child itself dies or is late, all of the run have that fate.
    """
    groups: dict[str, list[Work]] = {}
    for work in works:
        groups.setdefault(json.dumps([work.effects, work.settings]), []).append(work)
    waiting, found = deque(groups.values()), []
    while waiting:
        found += _one_child(waiting, limit_s)
    order = {work.source: place for place, work in enumerate(works)}
    return sorted(found, key=lambda fate: order[fate.work.source])


def _one_child(waiting: deque[list[Work]], limit_s: float) -> Iterator[Fate]:
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
                works = waiting[0]
                child.stdin.write(_line(works))
                child.stdin.flush()
                late = not select.select([child.stdout], [], [], limit_s)[0]
                answer = b"" if late else child.stdout.readline()
                waiting.popleft()
                if not answer:
                    end = _end(child, late)
                    yield from [Fate(work, *end) for work in works]
                    return
                yield from [Fate(work, **fate) for work, fate in zip(works, json.loads(answer), strict=True)]
        except BrokenPipeError:  # it died between two files; nobody is to blame for that
            raise AssertionError(f"the child died idle: {_end(child, late=False)}") from None
        finally:
            child.kill()


def _line(works: Sequence[Work]) -> bytes:
    record = [[[os.fspath(work.source), os.fspath(work.output)] for work in works], list(works[0].effects),
              works[0].settings]  # fmt: skip
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
    lines = os.fdopen(os.dup(1), "w")
    for stream in (1, 2):  # libmpg123 tells of each frame that it does not like, and libsndfile of ALAC, on stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    with tempfile.TemporaryDirectory() as folder:  # loads for all workers, which are forked from here, what each needs
        path = oddfiles.put(Path(folder), oddfiles.encode(oddfiles.TONE, format="MP3"), "in.mp3")
        process_file(Job(path, Path(folder) / "out.flac"), Settings(join([], ["highpass:80"])), RunObserver())
    began_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for line in sys.stdin:
        files, effects, settings = json.loads(line)
        jobs = [Job(Path(source), Path(output)) for source, output in files]
        try:
            report = run_jobs(jobs, Settings(join([], effects), **settings), RunObserver())
            answers = [_told(result) for result in report.results]
        except Exception as error:
            answers = [{"status": "raised", "words": repr(error)} for _ in jobs]
        peaks_kib = [resource.getrusage(of).ru_maxrss for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        grown = {"grown_kib": max(peaks_kib) - began_kib}
        print(json.dumps([answer | grown for answer in answers]), file=lines, flush=True)


def _told(result: FileResult) -> dict[str, Any]:
    words = "; ".join([*result.warnings, *([result.error] if result.error else [])])
    return {"status": result.status, "words": words, "frames": result.frames}


if __name__ == "__main__":
    _child()
