"""Which device, chunk and jobs for this chain and these files: measured here, now, with short runs; no rules of thumb.

Every candidate does real files of noise from opening to rename, of three lengths, which gives what a file and what a
sample costs (see `fit`); a new process over one frame gives its start. So what is compared is what `torchfx process`
would take, and where two candidates cross follows from their lines.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from torchfx_cli.bench.candidates import Bench, Candidate, Question
from torchfx_cli.errors import RunError

__all__ = ["Advice", "Candidate", "Question", "advise"]

WORTH_SAYING = 0.10  # a gain below it lies within the noise of such short runs


@dataclass(frozen=True)
class Advice:
    """The candidates, the best first, and for it the measured (value, seconds) of chunks and jobs.

    chunk_s  None where leaving --chunk out is as good as anything; `jobs` 1 for one file.
    """

    question: Question
    candidates: tuple[Candidate, ...]
    chunk_s: float | None = None
    chunks: tuple[tuple[float | None, float], ...] = ()
    jobs: int = 1
    batches: tuple[tuple[int, float], ...] = ()

    @property
    def best(self) -> Candidate:
        return self.candidates[0]


CANDIDATES = (Candidate("native", "cpu"), Candidate("torch", "cuda"), Candidate("torch", "cpu"))


def advise(question: Question, told: Callable[[str], object] = lambda step: None,
           candidates: Sequence[Candidate] = CANDIDATES) -> Advice:
    """Measure and choose; `told` hears what is measured next. About 10 s, a third of it torch's start.

    Raises DesignError for a chain that cannot be at this rate, RunError where no candidate can do it.
    """
    with TemporaryDirectory(prefix="torchfx-bench-") as name:
        bench = Bench(question, Path(name))
        jobs, speedup = 1, 1.0
        batches: tuple[tuple[int, float], ...] = ()
        if question.files > 1:
            told("files at a time")
            batches = bench.batches()
            jobs, speedup = choose_jobs(batches)
        measured = []
        for candidate in candidates:
            told(candidate.name)
            measured.append(bench.measured(candidate, speedup if candidate.engine == "native" else 1.0))
        best, *others = ranked(measured, question)
        if best.reason:
            raise RunError(f"nothing here can do it: {best.name}: {best.reason}")
        told("chunks")
        chunks = bench.chunks(best)
    return Advice(question, (best, *others), choose_chunk(chunks), chunks, jobs if best.speedup > 1.0 else 1, batches)


def ranked(candidates: Sequence[Candidate], question: Question) -> list[Candidate]:
    """The fastest for this question first, those that cannot be had last.

    Where another is as fast within the noise, the first of `candidates` goes before it.
    """
    there = [one for one in candidates if not one.reason]
    least_s = min((one.seconds(question) for one in there), default=0.0)
    near = [one for one in there if one.seconds(question) <= least_s * (1.0 + WORTH_SAYING + one.line.error)]
    best = near[:1]
    others = [one for one in candidates if one not in best]
    return [*best, *sorted(others, key=lambda one: (bool(one.reason), one.seconds(question)))]


def choose_jobs(batches: Sequence[tuple[int, float]]) -> tuple[int, float]:
    """The fewest files at a time whose (jobs, seconds) is within the noise of the best, and how much faster that is."""
    least = min(seconds for _, seconds in batches)
    jobs = min(jobs for jobs, seconds in batches if seconds <= least * (1.0 + WORTH_SAYING))
    return jobs, max(1.0, dict(batches)[1] / dict(batches)[jobs])


def choose_chunk(chunks: Sequence[tuple[float | None, float]]) -> float | None:
    """The fastest (chunk, seconds), None where the usual one (None) is within the noise of it."""
    usual = next(seconds for chunk, seconds in chunks if chunk is None)
    chunk, seconds = min(chunks, key=lambda pair: pair[1])
    return chunk if seconds < usual * (1.0 - WORTH_SAYING) else None


def noise_of(one: Candidate, other: Candidate) -> float:
    """By how much two times have to differ, relative, for a difference to be told."""
    return WORTH_SAYING + one.line.error + other.line.error


def _is_near(one: Candidate, other: Candidate, question: Question) -> bool:
    return abs(other.seconds(question) / one.seconds(question) - 1.0) <= noise_of(one, other)


def table(advice: Advice) -> list[tuple[str, ...]]:
    """Rows of words, the header first: what was measured of each candidate, and what the whole would take."""
    header = ("candidate", "start", "a file", "a sample", "all of it")
    return [header, *(_row(one, advice) for one in advice.candidates)]


def _row(one: Candidate, advice: Advice) -> tuple[str, ...]:
    if one.reason:
        return one.name, "-", "-", "-", f"not here: {one.reason}"
    return (one.name, seconds_words(one.start_s), seconds_words(one.line.fixed_s), f"{1e9 * one.line.sample_s:.2f} ns",
            seconds_words(one.seconds(advice.question)))


def words(advice: Advice) -> list[str]:
    """The advice in sentences: the options to give, why, and from where on another candidate would win."""
    best, question = advice.best, advice.question
    lines = [f"use: {options(advice)}"]
    others = [one for one in advice.candidates[1:] if not one.reason]
    if others and not _is_near(best, others[0], question):
        lines.append(f"{best.name}: {seconds_words(best.seconds(question))} for all, "
                     f"{seconds_words(others[0].seconds(question))} with {others[0].name}")
    for other in others:
        lines.append(f"{other.name} is as fast within the noise of {100 * noise_of(best, other):.0f} %"
                     if _is_near(best, other, question) else crossover_words(best, other, question))
    lines.append(_chunk_words(advice))
    if advice.batches:
        gain = dict(advice.batches)[1] / dict(advice.batches)[advice.jobs]
        lines.append(f"--jobs {advice.jobs}: {gain:.2f} times as fast as one file at a time" if advice.jobs > 1 else
                     "--jobs 1: more files at a time do not end sooner")
    return lines


def options(advice: Advice) -> str:
    """What to write after `torchfx process ...`."""
    best = advice.best
    chosen = f"--device {best.device}" + (" --engine torch" if (best.engine, best.device) == ("torch", "cpu") else "")
    chosen += "" if advice.chunk_s is None else f" --chunk {advice.chunk_s:g}"
    return chosen + (f" --jobs {advice.jobs}" if advice.question.files > 1 else "")


def crossover_words(best: Candidate, other: Candidate, question: Question) -> str:
    """From which length of a file, or number of files, on `other` would end sooner than `best`; or below which."""
    a_second = question.fs * question.channels
    here, there = best.whole(question.files), other.whole(question.files)
    if (longer := here.crossover(there)) is not None:
        return f"{other.name} ends sooner from {length_words(longer / a_second)} a file on"
    if more := _files_from(best, other, question):
        return f"{other.name} ends sooner from {more} such files on"
    if shorter := there.crossover(here):
        return f"{other.name} ends sooner below {length_words(shorter / a_second)} a file"
    return f"{other.name} never ends sooner, however long the files"


def _files_from(best: Candidate, other: Candidate, question: Question) -> int | None:
    """The number of files of this length from which on `other` ends sooner; None where it never does."""
    def each(one: Candidate) -> float:
        return one.line.seconds(question.samples) / one.speedup

    if each(other) >= each(best):
        return None
    return max(1, math.ceil((other.start_s - best.start_s) / (each(best) - each(other))))


def _chunk_words(advice: Advice) -> str:
    usual = dict(advice.chunks)[None]
    if advice.chunk_s is not None:
        return f"--chunk {advice.chunk_s:g}: {usual / dict(advice.chunks)[advice.chunk_s]:.2f} times as fast as without"
    near = [chunk for chunk, seconds in advice.chunks if chunk and seconds <= usual * (1.0 + WORTH_SAYING)]
    also = f"; {min(near):g} s to {max(near):g} s are as fast" if len(near) > 1 else ""
    return f"--chunk: leave it out, nothing tried was faster{also}"


def seconds_words(seconds: float) -> str:
    """`0.8 ms`, `0.25 s`, `12.3 s`, `4.1 min`, `3.2 h`."""
    if seconds < 0.1:
        return f"{1e3 * seconds:.2g} ms"
    if seconds < 100.0:
        return f"{seconds:.3g} s"
    return f"{seconds / 60.0:.3g} min" if seconds < 6000.0 else f"{seconds / 3600.0:.3g} h"


def length_words(seconds: float) -> str:
    """A length of audio, to two digits."""
    return seconds_words(float(f"{seconds:.2g}"))
