"""The ways to do a batch, and what each costs: real files of noise, a new process for its start, batches by jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from statistics import median

from torchfx_cli.bench.environment import cores
from torchfx_cli.bench.fit import Line, fit_line
from torchfx_cli.bench.loads import write_noise
from torchfx_cli.bench.other_tools import process_command
from torchfx_cli.bench.timings import BUDGET_S, fresh, median_seconds, repeat, run_process
from torchfx_cli.chain.spec import ChainSpec, design_chain
from torchfx_cli.errors import RunError, UsageError
from torchfx_cli.render.choose import check_engine
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.onefile import RunObserver, process_file

LENGTHS = (1 << 17, 1 << 20, 1 << 22)  # samples, all channels: one block, and enough of them that the slope is clear
CHUNKS = (1 << 13, 1 << 15, 1 << 19, 1 << 21)  # samples; the usual block, 1 << 17, is what they are held against
STARTS = 3
TRIES = 3  # of a line whose times do not lie on it
NOTHING = Line(0.0, 0.0)


@dataclass(frozen=True)
class Question:
    """So many `files`, each of `duration_s` x `channels` at `fs`, through `chain`; `words` say it to `process`."""

    chain: ChainSpec
    words: tuple[str, ...]
    fs: int = 44_100
    channels: int = 2
    duration_s: float = 60.0
    files: int = 1

    @property
    def samples(self) -> float:
        """Of one file, in all its channels."""
        return self.duration_s * self.fs * self.channels


@dataclass(frozen=True)
class Candidate:
    """A way to do it, with what it costs; `reason` says why it cannot be had.

    start_s  once: interpreter, imports, the device woken.
    line     one file, from opening to rename.
    speedup  by which `jobs` files at a time end sooner than one after the other.
    """

    engine: str
    device: str
    start_s: float = 0.0
    line: Line = NOTHING
    speedup: float = 1.0
    reason: str = ""

    @property
    def name(self) -> str:
        return f"{self.engine} on {self.device}" if self.device == "cpu" else self.device

    def whole(self, files: int) -> Line:
        """Seconds for `files` files by the samples of each."""
        at_once = files / min(self.speedup, files)
        return Line(self.start_s + at_once * self.line.fixed_s, at_once * self.line.sample_s)

    def seconds(self, question: Question) -> float:
        return self.whole(question.files).seconds(question.samples)


class Bench:
    """The files of noise of one question, of `lengths` samples (usually `LENGTHS`), and what is measured with them.

    points  (samples, seconds) of the candidate measured last.
    """

    def __init__(self, question: Question, folder: Path, lengths: Sequence[int] = ()) -> None:
        self._question, self._folder = question, folder
        self.stages = design_chain(question.chain, question.fs, question.channels)
        frames = [max(1, samples // question.channels) for samples in lengths or LENGTHS]
        self._files = {count * question.channels: self._noise(f"{count}.wav", count) for count in frames}
        self.points: list[tuple[float, float]] = []

    def measured(self, candidate: Candidate, speedup: float = 1.0, starts: bool = True) -> Candidate:
        """`candidate` with its costs, the start only if it is asked for, or with the reason why it has none."""
        try:
            check_engine(candidate.engine, candidate.device)
            line = self._line(candidate)
            start_s = max(0.0, self._start(candidate) - line.seconds(self._question.channels)) if starts else 0.0
        except (UsageError, RunError) as error:
            return replace(candidate, reason=str(error))
        return replace(candidate, start_s=start_s, line=line, speedup=speedup)

    def _line(self, candidate: Candidate) -> Line:
        """Of the times, each the least of so many tries as make a line of them. Raises RunError where none do."""
        least: dict[float, float] = {}
        for _ in range(TRIES):
            for samples in self._files:
                least[samples] = min(self._seconds(candidate, samples), least.get(samples, inf))
            self.points = list(least.items())
            line = fit_line(self.points)
            if line.is_known or len(self.points) < 3:  # two always make one
                return line
        off = f"{line.sample_s * 1e9:.2f} ns a sample, {100.0 * line.error:.0f} % off"
        raise RunError(f"its times make no line ({off}): the machine is busy; try again")

    def chunks(self, candidate: Candidate) -> tuple[tuple[float | None, float], ...]:
        """(seconds of audio, median seconds) over the longest file; None is the usual block."""
        longest, a_second = max(self._files), self._question.fs * self._question.channels
        tried: list[float | None] = [None, *(float(f"{samples / a_second:.2g}") for samples in CHUNKS)]
        return tuple((chunk_s, self._seconds(candidate, longest, chunk_s)) for chunk_s in tried)

    def batches(self) -> tuple[tuple[int, float], ...]:
        """(files at a time, seconds for twice as many files as there are cores), 1, 2, 4, ... to the cores."""
        source = self._files[sorted(self._files)[len(self._files) // 2]]
        jobs = [Job(source, self._folder / f"batch{n}.wav", overwrite=True) for n in range(2 * cores())]
        counts = sorted({min(1 << n, cores()) for n in range(cores().bit_length() + 1)})
        settings = Settings(self._question.chain, device="cpu", engine="native")
        found = fresh(batch_seconds, jobs, settings, counts, longest_s=120.0)
        return tuple(zip(counts, found, strict=True))

    def _noise(self, name: str, frames: int) -> Path:
        return write_noise(self._folder / name, self._question.fs, self._question.channels, frames)

    def _seconds(self, candidate: Candidate, samples: int, chunk_s: float | None = None) -> float:
        """Median seconds of one file from opening to rename, in this process. Raises RunError where it fails."""
        settings = Settings(self._question.chain, candidate.device, candidate.engine, chunk_s)
        job = Job(self._files[samples], self._folder / "out.wav", overwrite=True)

        def run() -> None:
            result = process_file(job, settings, RunObserver())
            if result.status != "ok":
                raise RunError(f"the file of noise that was to be timed failed: {result.error}")

        return median_seconds(run, BUDGET_S)

    def _start(self, candidate: Candidate) -> float:
        command = process_command(self._question.words, self._noise("frame.wav", 1), self._folder / "o.wav",
                                  "--engine", candidate.engine, "--device", candidate.device)
        return median(repeat(lambda: run_process(command, longest_s=60.0).seconds, 0.0, STARTS))


def batch_seconds(jobs: list[Job], settings: Settings, counts: list[int]) -> list[float]:
    """Median seconds of the whole batch with each of `counts` workers, in turn; to be run in a fresh process."""
    from torchfx_cli.tasks.local import run_jobs  # multiprocessing, which only this needs

    def run(count: int) -> None:
        report = run_jobs(jobs, replace(settings, is_batch=True, jobs=count), RunObserver())
        if report.exit_code:
            raise RunError(f"the batch that was to be timed failed: {report.results[0].error}")

    return [median_seconds(lambda count=count: run(count)) for count in counts]  # type: ignore[misc]
