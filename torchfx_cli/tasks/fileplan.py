"""All that is settled about a file before its first sample: facts, output format, plan, length of a block."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from torchfx_cli.chain.spec import ChainSpec
from torchfx_cli.design.design import design_chain
from torchfx_cli.design.stages import Stage
from torchfx_cli.plan.assemble import RenderPlan, assemble
from torchfx_cli.samples import block_frames
from torchfx_cli.stream.formats import OutputFormat, choose_output
from torchfx_cli.stream.reader import FileFacts, open_source
from torchfx_cli.tasks.job import Job, Settings

MAX_BLOCK_SAMPLES = 1 << 26


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
        frames = self.facts.frames + self.plan.tail_frames
        return frames * self.plan.channels * self.output_format.bytes_per_sample


def describe_job(job: Job, settings: Settings) -> JobPlan:
    """What would be done for `job`; raises what doing it would raise before the first block."""
    with open_source(job.source) as source:
        return plan_file(job, source.facts, settings)


def plan_file(job: Job, facts: FileFacts, settings: Settings) -> JobPlan:
    """The plan of `job`, whose input is open; raises DesignError and WriteError."""
    output_format = choose_output(job.output, facts, settings.format, settings.subtype)
    plan = assemble(
        _design(settings.chain, facts.fs),
        facts.fs,
        facts.channels,
        facts.sample_format,
        output_format.sample_format,
        settings.dither,
        settings.tail_s,
    )
    return JobPlan(job, facts, output_format, plan, _block_frames(facts, settings.chunk_s))


@lru_cache(maxsize=64)
def _design(chain: ChainSpec, fs: int) -> tuple[Stage, ...]:
    return design_chain(chain, fs)


def _block_frames(facts: FileFacts, chunk_s: float | None) -> int:
    if chunk_s is None:
        return block_frames(facts.channels)
    return block_frames(facts.channels, int(min(chunk_s * facts.fs * facts.channels, MAX_BLOCK_SAMPLES)))
