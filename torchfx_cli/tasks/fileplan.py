"""All that is settled about a file before its first sample: facts, output format, plan, length of a block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Literal

from torchfx_cli.chain.spec import ChainSpec, design_chain
from torchfx_cli.design.stage import Branched, Stage
from torchfx_cli.effects.parallel import every
from torchfx_cli.errors import FileError
from torchfx_cli.kernel.base import fft_bytes
from torchfx_cli.plan.assemble import Dither, RenderPlan, assemble
from torchfx_cli.records import dataclass
from torchfx_cli.samples import BLOCK_SAMPLES, SampleFormat, Signal, Start, block_frames
from torchfx_cli.scratch import check_room
from torchfx_cli.stream.bitrate import rated
from torchfx_cli.stream.facts import OGG_FLAC, FileFacts
from torchfx_cli.stream.formats import OutputFormat, choose_output
from torchfx_cli.stream.forsome import pipereader
from torchfx_cli.stream.metadataplan import check_changes
from torchfx_cli.stream.reader import Source, open_source
from torchfx_cli.stream.speakers import mask_of
from torchfx_cli.stream.stdio import STDIO
from torchfx_cli.tasks.job import Job, Settings

FEW_SAMPLES = 4 * BLOCK_SAMPLES  # which are done sooner than two threads have begun
MAX_BLOCK_SAMPLES = 1 << 26
MAX_HELD_BYTES = 1 << 31
PIPE_FORMAT = "wav"  # of the standard output, where nobody says otherwise


@dataclass(frozen=True)
class JobPlan:
    """All that is settled about a job before it starts."""

    job: Job
    facts: FileFacts
    output_format: OutputFormat
    plan: RenderPlan
    block_frames: int

    @property
    def output_bytes(self) -> int | None:
        """What the samples of the output will take, where the header says how many frames there are."""
        if self.facts.frames is None:
            return None
        frames = self.plan.frames_out(self.facts.frames)
        return frames * self.plan.output.channels * self.output_format.bytes_per_sample

    @property
    def overlaps(self) -> bool:
        """Whether reading and writing while computing pays: not for a few samples. A pipe may keep waiting, too."""
        is_short = self.facts.frames is not None and self.facts.frames * self.facts.channels <= FEW_SAMPLES
        return not is_short or STDIO in (self.job.source, self.job.output)


def describe_job(job: Job, settings: Settings) -> JobPlan:
    """What would be done for `job`; raises what doing it would raise before the first block."""
    with open_input(job, settings) as source:
        return plan_file(job, source.facts, settings)


def open_input(job: Job, settings: Settings) -> Source:
    """The input of `job`, a file or the standard input."""
    if job.source != STDIO:
        return open_source(job.source, on_nan=settings.on_nan, on_truncated=settings.on_truncated)
    twice = settings.on_clip == "attenuate" or any(spec.is_measured for spec in every(settings.chain.stages))
    return pipereader.open_stdin(on_nan=settings.on_nan, on_truncated=settings.on_truncated, twice=twice)


def plan_file(job: Job, facts: FileFacts, settings: Settings) -> JobPlan:
    """The plan of `job`, whose input is open; raises DesignError and WriteError."""
    if facts.container == OGG_FLAC and settings.format is None and job.output.suffix == job.source.suffix:
        raise FileError("Ogg FLAC cannot be written, and Vorbis would not keep all of it; --format flac does, "
                        "--format ogg makes Vorbis of it")
    word = settings.format or (PIPE_FORMAT if job.output == STDIO else None)
    behind = _facts_behind(settings.chain, facts)
    output_format = choose_output(job.output, behind, word, settings.subtype)
    if job.output != STDIO:
        check_changes(job.changes(settings), output_format.container)
    output_format = rated(output_format, behind.fs, behind.channels, settings.rate, facts.kbps, facts.channels)
    plan = _plan(settings.chain, _signal(facts), facts.sample_format, output_format.sample_format,
                 settings.dither, settings.tail_s, settings.start or settings.chain.start)
    _check_length(plan, facts)
    _check_memory(plan)
    check_room(plan.scratch_bytes(facts.frames or 0), f"{job.source.name} for {'; '.join(plan.describe())}")
    return JobPlan(job, facts, output_format, plan, _block_frames(facts, settings.chunk_s))


def measured(todo: JobPlan, plan: RenderPlan) -> JobPlan:
    """`todo` with the numbers in its plan that follow from the whole file; FileError where they leave nothing."""
    _check_length(plan, todo.facts)
    return replace(todo, plan=plan)


def _check_length(plan: RenderPlan, facts: FileFacts) -> None:
    if facts.frames and not plan.frames_out(facts.frames):
        raise FileError(f"nothing is left of {facts.frames} frames: {'; '.join(plan.describe())}")


def _facts_behind(chain: ChainSpec, facts: FileFacts) -> FileFacts:
    """`facts` with the rate, the channels and their speakers that `chain` makes of them."""
    signal, speakers = _signal(facts), facts.channel_map
    for stage in _design(chain, signal):
        speakers, signal = stage.speakers(speakers, signal), stage.output(signal)
    return replace(facts, fs=int(signal.fs), channels=signal.channels, channel_map=speakers)


def _check_memory(plan: RenderPlan) -> None:
    """Raise FileError where impulse responses, or echoes, would take the memory of the machine."""
    placed = [(_held_bytes(stage, signal), stage, signal) for stage, signal in _placed(plan.stages, plan.signals[0])]
    needed = sum(held for held, *_ in placed)
    if needed > MAX_HELD_BYTES:
        _, stage, signal = max(placed, key=lambda place: place[0])
        taps = sum(other.tap_count for _, other, _ in placed)
        through = f"impulse responses of {taps} taps" if stage.tap_count else stage.label
        raise FileError(f"{signal.channels} channels through {through} need about {needed / 1e9:.1f} GB of memory; "
                        f"{MAX_HELD_BYTES / 1e9:.1f} GB are allowed: {'use fewer taps' if taps else 'make it shorter'}")


def _placed(stages: Iterable[Stage], source: Signal) -> Iterator[tuple[Stage, Signal]]:
    """All stages, those of branches too, and what each hears."""
    for stage in stages:
        if isinstance(stage, Branched):
            for branch, heard in zip(stage.branches, stage.heard(source), strict=True):
                yield from _placed(branch, heard)
        else:
            yield stage, source
        source = stage.output(source)


def _held_bytes(stage: Stage, source: Signal) -> int:
    return fft_bytes(stage.tap_count, source.channels) if stage.tap_count else stage.memory_bytes(source)


@lru_cache(maxsize=64)
def _plan(chain: ChainSpec, signal: Signal, source: SampleFormat, sink: SampleFormat, dither: Dither,
          tail_s: float | Literal["auto"], start: Start) -> RenderPlan:
    """Settled once for all files that are alike."""
    return assemble(_design(chain, signal), int(signal.fs), signal.channels, source, sink, dither, tail_s, start)


@lru_cache(maxsize=64)
def _design(chain: ChainSpec, signal: Signal) -> tuple[Stage, ...]:
    return design_chain(chain, signal.fs, signal.channels, signal.mask)


def _signal(facts: FileFacts) -> Signal:
    return Signal(facts.fs, facts.channels, mask_of(facts.channel_map))


def _block_frames(facts: FileFacts, chunk_s: float | None) -> int:
    if chunk_s is None:
        return block_frames(facts.channels)
    return block_frames(facts.channels, int(min(chunk_s * facts.fs * facts.channels, MAX_BLOCK_SAMPLES)))
