"""What a chain is made of, in numbers: sections, where they cut, how stable and how clean they are, what they cost."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from math import inf, log10, pi

import numpy as np

from torchfx_cli.analysis.reach import tone_gain_db, worst_gain_db
from torchfx_cli.chain.spec import ChainSpec, design_chain
from torchfx_cli.design.stage import Array, Stage
from torchfx_cli.design.stages import linear, pole_radius, response, section_responses
from torchfx_cli.effects.kind import StageSpec
from torchfx_cli.effects.table import KINDS
from torchfx_cli.plan.assemble import RenderPlan, assemble
from torchfx_cli.render import costs
from torchfx_cli.samples import FLOAT64, Signal

HALF_POWER_DB = -10.0 * log10(2.0)
LOWEST_HZ = 1.0
GRID = 4096
BISECTIONS = 60
ROUNDINGS = 5  # of a section, for each sample: of its products and sums as direct form II transposed has them
ROUNDING = 2.0**-53  # half of the last digit of a float64 near 1


@dataclass(frozen=True)
class StageFacts:
    """A stage as it was written, and what it is at this rate.

    label          the stage in a line.
    how            how it is computed, and whose formula that is.
    origin         where it was written.
    sections       rows of b0 b1 b2 1 a1 a2.
    half_power_hz  where its level passes through -3 dB.
    pole_radius    of the outermost pole; None where nothing is recursive.
    noise_db       at most what rounding adds, dB of full scale, for a sound at full scale; None where nothing is
                   recursive. Each section rounds `ROUNDINGS` times (L. B. Jackson, "On the interaction of roundoff
                   noise and dynamic range in digital filters", Bell System Technical Journal 49, 1970).
    latency_s      the delay that is removed.
    waits          the whole file has to be read first.
    """

    kind: str
    label: str
    how: str
    origin: str
    sections: tuple[tuple[float, ...], ...] = ()
    taps: int = 0
    half_power_hz: tuple[float, ...] = ()
    pole_radius: float | None = None
    noise_db: float | None = None
    latency_s: float = 0.0
    waits: bool = False
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Explained:
    """A chain at a rate.

    computed       what is computed in the end, a line for each stage that is left after fusion.
    places         where each of these runs with --device cuda.
    ns_a_sample    on each backend, a sample of a channel, without reading and writing: the costs that were measured
                   here (bench --calibrate), or the usual ones.
    tail_s         how long it sounds on after the end of the file, to -120 dB.
    tone_gain_db, worst_gain_db   by how much the loudest tone, and the worst input there is, comes out above full
                   scale.
    """

    stages: tuple[StageFacts, ...]
    computed: tuple[str, ...]
    places: tuple[str, ...]
    ns_a_sample: dict[str, float]
    output: Signal
    passes: int
    latency_s: float
    tail_s: float
    tone_gain_db: float
    worst_gain_db: float


def explain(chain: ChainSpec, fs: int, channels: int) -> Explained:
    """All about `chain`, applied to a signal of `fs` Hz in `channels`. Raises DesignError."""
    designed = design_chain(chain, fs, channels)
    signal, facts = Signal(fs, channels), []
    for spec, stage in zip(chain.stages, designed, strict=True):
        facts.append(_facts(spec, stage, signal))
        signal = stage.output(signal)
    plan = assemble(designed, fs, channels, FLOAT64, FLOAT64, tail_s="auto", start=chain.start)
    delay_s = sum(stage.latency_s for stage in facts)
    return Explained(tuple(facts), tuple(plan.describe()), tuple(plan.places("cuda")), _ns_a_sample(plan), signal,
                     plan.passes, delay_s, plan.tail_frames / fs, tone_gain_db(plan), worst_gain_db(plan))


def how(kind: str) -> str:
    """How stages of `kind` are computed, and whose formula that is: what its file says at its beginning."""
    module = sys.modules[KINDS[kind].record.__module__]
    return (module.__doc__ or "").strip()


def _how(spec: StageSpec) -> str:
    """Of a stage with keys beside it: how those are computed that they stand beside."""
    if spec.kind in KINDS:
        return how(spec.kind)
    return "\n\n".join(dict.fromkeys(_how(stage) for chain in spec.chains for stage in chain))


def _facts(spec: StageSpec, stage: Stage, source: Signal) -> StageFacts:
    known = StageFacts(spec.kind, stage.label, _how(spec), str(spec.origin), taps=stage.tap_count,
                       latency_s=stage.latency_frames / source.fs, waits=spec.waits_for_end, remarks=stage.remarks)
    if not stage.is_linear:
        return known
    (one,) = linear([stage])
    sos = one.recursive()
    recursive = {} if not len(sos) else {"pole_radius": pole_radius(sos), "noise_db": _noise_db(sos)}
    return StageFacts(**{**vars(known), **recursive, "sections": tuple(map(tuple, sos.tolist())),
                         "half_power_hz": _half_power_hz(stage, source.fs)})


def _half_power_hz(stage: Stage, fs: float) -> tuple[float, ...]:
    """On a grid, and then by halving the intervals that hold one, all together."""
    hz = np.geomspace(min(LOWEST_HZ, fs / 8.0), fs / 2.0 * (1.0 - 1e-9), GRID)
    above = _level_db(stage, hz, fs) > HALF_POWER_DB
    places = np.flatnonzero(above[1:] != above[:-1])
    low, high, first = hz[places], hz[places + 1], above[places]
    for _ in range(BISECTIONS if len(places) else 0):
        middle = np.sqrt(low * high)
        is_behind = (_level_db(stage, middle, fs) > HALF_POWER_DB) != first
        low, high = np.where(is_behind, low, middle), np.where(is_behind, middle, high)
    return tuple(low.tolist())


def _level_db(stage: Stage, hz: Array, fs: float) -> Array:
    levels: Array = 20.0 * np.log10(np.maximum(np.abs(response([stage], hz, fs)), 1e-300))
    return levels


def _noise_db(sos: Array) -> float:
    """What each section rounds goes through its own poles and the sections behind it, at most by their peaks."""
    peaks = np.abs(section_responses(sos, np.linspace(0.0, pi, GRID))).max(axis=1)
    power = 0.0
    for n, (*_, a1, a2) in enumerate(sos):
        poles = (1.0 + a2) / ((1.0 - a2) * ((1.0 + a2) ** 2 - a1**2))  # the sum of h^2 of 1 / A(z)
        power += ROUNDINGS * ROUNDING**2 / 3.0 * poles * float(peaks[n + 1 :].prod()) ** 2
    return 10.0 * log10(power) if power else -inf


def _ns_a_sample(plan: RenderPlan) -> dict[str, float]:
    work = costs.Work.of_plan(plan, 1)
    return {name: 1e9 * (costs.predict(cost, work, device=name == "cuda") - cost.start_s - cost.file_s - cost.sample_s)
            for name, cost in costs.load().items()}
