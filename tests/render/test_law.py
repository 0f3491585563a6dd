"""The law of the house for every stage kind: chunked = whole, aligned, as long as the input, and right."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rendering import (
    BLEND,
    FLOAT32,
    FLOAT64,
    FORMATS,
    INT16,
    INT24,
    RATES,
    SPECS,
    plan_of,
    render,
    signal,
    snr_db,
    stages_of,
)

from torchfx_cli.design.stages import Gain, Sections, Sum, Taps
from torchfx_cli.effects.table import KINDS
from torchfx_cli.errors import DesignError
from torchfx_cli.kernel.load import available
from torchfx_cli.plan.assemble import RenderPlan
from torchfx_cli.render.engine import Engine
from torchfx_cli.render.native import NativeEngine
from torchfx_cli.render.scipy_engine import ScipyEngine
from torchfx_cli.samples import SampleFormat

SIZES = (1, 17, 509, 44100)

FLOAT64_DB = 200.0  # two float64 computations that round in another order
FLOAT32_DB = 140.0  # rounding to float32 alone leaves about 150


@pytest.fixture(params=["native", "twin"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[Engine]:
    """The native engine on its best kernel, then on the twin."""
    kernels = available()
    if request.param == "native" and len(kernels) == 1:
        pytest.skip(kernels[0].reason)
    kernel = kernels[0 if request.param == "native" else -1]
    monkeypatch.setattr("torchfx_cli.render.engine.load", lambda: kernel)
    return NativeEngine


def frames_for(size: int) -> int:
    """Long enough to cross the grid of the FFTs, short enough for many calls."""
    return min(200 * size, 6001)


def assert_cuts_do_not_matter(engine: type[Engine], plan: RenderPlan) -> None:
    for size in SIZES:
        x = signal(frames_for(size), plan.channels, plan.source)
        whole = render(engine, plan, x)
        assert len(whole.block) == len(x) + plan.tail_frames
        assert render(engine, plan, x, size).same(whole), f"blocks of {size} frames: {plan.describe()}"


def test_every_kind_of_the_table_has_a_case() -> None:
    filters = {name for name, kind in KINDS.items() if kind.record.is_filter}
    assert {case.kind for case in SPECS.values()} == filters | {"normalize"}


@pytest.mark.parametrize("kind", SPECS)
def test_chunked_is_whole_for_every_kind(engine: type[Engine], kind: str) -> None:
    assert_cuts_do_not_matter(engine, plan_of(stages_of(kind), channels=2, source=INT16, sink=INT16, dither="tpdf"))


@pytest.mark.parametrize("channels", [1, 2, 3, 8, 32])
def test_chunked_is_whole_for_any_number_of_channels(engine: type[Engine], channels: int) -> None:
    assert_cuts_do_not_matter(engine, plan_of(stages_of(*BLEND), channels, tail_s=0.01))


@pytest.mark.parametrize("sink", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_chunked_is_whole_for_any_sample_format(engine: type[Engine], source: str, sink: str) -> None:
    plan = plan_of(stages_of(*BLEND), 2, FORMATS[source], FORMATS[sink], dither="tpdf")
    x = signal(3000, 2, plan.source)
    assert render(engine, plan, x, 509).same(render(engine, plan, x))


@pytest.mark.parametrize("kind", SPECS)
def test_a_file_shorter_than_the_filter_keeps_its_length(engine: type[Engine], kind: str) -> None:
    plan = plan_of(stages_of(kind))
    for frames in (0, 1, 2, 3, 30):
        x = signal(frames)
        truth = render(ScipyEngine, plan, x)
        assert truth.block.shape == x.shape, f"{frames} frames"
        for size in (0, 1, 2):
            np.testing.assert_allclose(render(engine, plan, x, size).block, truth.block, rtol=0, atol=1e-13,
                                       err_msg=f"{frames} frames in blocks of {size}")


POOL = [*stages_of(*(name for name in SPECS if name != "normalize")), Gain(1.0), Gain(-0.3)]


@given(
    picks=st.lists(st.integers(0, len(POOL) - 1), max_size=6),
    channels=st.integers(1, 5),
    frames=st.integers(0, 4000),
    cuts=st.lists(st.integers(0, 700), min_size=1, max_size=8).filter(any),
    formats=st.tuples(st.sampled_from(list(FORMATS.values())), st.sampled_from(list(FORMATS.values()))),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_chain_cut_anywhere_gives_the_same_bits(
    engine: type[Engine],
    picks: list[int],
    channels: int,
    frames: int,
    cuts: list[int],
    formats: tuple[SampleFormat, SampleFormat],
) -> None:
    plan = plan_of([POOL[i] for i in picks], channels, *formats, dither="tpdf")
    x = signal(frames, channels, plan.source)
    assert render(engine, plan, x, cycle(cuts)).same(render(engine, plan, x))


@pytest.mark.parametrize("kind", SPECS)
def test_every_kind_is_what_scipy_computes(engine: type[Engine], kind: str) -> None:
    for fs in RATES:
        stages, x = stages_of(kind, fs=fs), signal(8000)
        truth = render(ScipyEngine, plan_of(stages, fs=fs), x).block
        assert snr_db(render(engine, plan_of(stages, fs=fs), x).block, truth) > FLOAT64_DB, f"{fs} Hz"
        assert snr_db(render(engine, plan_of(stages, fs=fs, sink=FLOAT32), x).block, truth) > FLOAT32_DB, f"{fs} Hz"
        rounded = render(engine, plan_of(stages, fs=fs, sink=INT16, dither="none"), x).block
        assert np.abs(rounded - np.clip(truth * 2.0**15, -(2.0**15), 2.0**15 - 1)).max() < 0.501, f"{fs} Hz"


@pytest.mark.parametrize("channels", [1, 3, 8])
def test_a_blend_is_what_scipy_computes(engine: type[Engine], channels: int) -> None:
    plan = plan_of(stages_of(*BLEND, "fir aligned", "normalize", "high_shelf"), channels, INT24, FLOAT64, tail_s=0.05)
    x = signal(9000, channels, INT24)
    assert snr_db(render(engine, plan, x, 1000).block, render(ScipyEngine, plan, x).block) > FLOAT64_DB


@pytest.mark.parametrize("name", ["int8", "int16", "int24", "int32", "float32", "float64"])
def test_an_identity_changes_no_bit(engine: type[Engine], name: str) -> None:
    same = FORMATS[name]
    x = signal(5000, 2, same)
    if same.is_integer:
        limits = np.iinfo(same.dtype)
        step = 1 << (limits.bits - same.bits)
        x[:2] = [[limits.min, limits.max // step * step], [0, -step]]
    plan = plan_of([Gain(2.0), Gain(-0.5), Gain(-1.0), Taps([1.0]), Sections([[1, 0.5, 0, 1, 0.5, 0]])], 2, same, same)
    assert plan.stages == ()
    assert render(engine, plan, x, 509).block.tobytes() == x.tobytes()


def test_dither_is_the_same_wherever_the_file_is_cut_and_differs_by_seed(engine: type[Engine]) -> None:
    from dataclasses import replace

    plan = plan_of(stages_of("gain"), 2, INT16, INT16)
    x = signal(3000, 2, INT16)
    assert plan.dither
    other = render(engine, replace(plan, seed=1), x)
    assert not render(engine, plan, x, 17).same(other)
    assert render(engine, replace(plan, seed=1), x, 17).same(other)


@pytest.mark.parametrize("at", [0, 1, 700, 2999])
def test_an_aligned_filter_leaves_an_impulse_where_it_was(engine: type[Engine], at: int) -> None:
    plan = plan_of(stages_of("fir aligned", "fir aligned", "gain"), 1)
    x = np.zeros((3000, 1))
    x[at] = 1.0
    y = render(engine, plan, x, 509).block[:, 0]
    assert len(y) == 3000
    assert np.abs(y).argmax() == at
    around = min(at, 2999 - at, 50)
    before, after = y[at - around : at][::-1], y[at + 1 : at + 1 + around]
    np.testing.assert_allclose(before, after, rtol=0, atol=1e-15, err_msg="a linear-phase response is symmetric")


def test_a_tail_is_what_the_filter_says_after_the_end(engine: type[Engine]) -> None:
    x, stages = signal(1000), stages_of("highpass", "fir aligned")
    longer = np.concatenate([x, np.zeros((2400, 2))])
    with_tail = render(engine, plan_of(stages, tail_s=0.05), x, 17).block
    np.testing.assert_allclose(with_tail, render(ScipyEngine, plan_of(stages), longer).block, rtol=0, atol=1e-13)


def test_normalize_brings_the_highest_peak_to_its_level(engine: type[Engine]) -> None:
    for names in (("normalize",), ("highpass", "normalize"), ("normalize", "fir", "gain", "normalize")):
        done = render(engine, plan_of(stages_of(*names), 2, INT16, FLOAT64), signal(5000, 2, INT16), 509)
        assert np.abs(done.block).max() == pytest.approx(10 ** (-1 / 20), rel=1e-12)
        assert done.levels.peak == np.abs(done.block).max()


def test_normalize_leaves_silence_silent(engine: type[Engine]) -> None:
    assert not render(engine, plan_of(stages_of("highpass", "normalize")), np.zeros((100, 2))).block.any()


def test_clipped_samples_are_counted_and_the_peak_is_the_one_before_clipping(engine: type[Engine]) -> None:
    x = np.array([[0.25, -0.5], [0.75, -1.0], [0.1, 0.2]])
    loud = plan_of([Gain(2.0)], 2, FLOAT64, INT16, dither="none")
    done = render(engine, loud, x, 1)
    assert (done.levels.clipped, done.levels.peak) == (2, 2.0)
    assert done.block.tolist() == [[16384, -32768], [32767, -32768], [6554, 13107]]


def test_a_channel_that_is_silent_stays_exactly_silent(engine: type[Engine]) -> None:
    x = signal(6000, 3)
    x[:, 1] = 0.0
    assert not render(engine, plan_of(stages_of(*BLEND), 3), x).block[:, 1].any()


@pytest.mark.parametrize("make", [lambda: signal(4000), lambda: signal(4000, 2, INT16)], ids=["float64", "int16"])
def test_an_engine_that_was_reset_is_as_new(engine: type[Engine], make: Callable[[], np.ndarray]) -> None:
    x = make()
    plan = plan_of(stages_of(*BLEND), 2, INT16 if x.dtype == np.int16 else FLOAT64)
    running = engine(plan)
    first = [running.process(x), *running.flush()]
    running.reset()
    again = [running.process(x), *running.flush()]
    assert np.concatenate(first).tobytes() == np.concatenate(again).tobytes()


def test_branches_are_added_by_every_engine() -> None:
    """A crossover of two halves, an equaliser beside a delayed branch, and nothing at all."""
    half = Sum((stages_of("linkwitz_riley"), stages_of("highpass", "gain")))  # type: ignore[arg-type]
    odd = Sum((stages_of("fir aligned", "peaking"), (Taps(np.eye(1, 51, 50)[0], 50),), (half, Taps([0.0, 1.0], 50))))  # type: ignore[arg-type]
    plan = plan_of((*stages_of("highpass"), odd, Gain(0.5)), 2, FLOAT64, FLOAT64, tail_s="auto")
    assert plan.latency_frames == 50
    assert_cuts_do_not_matter(NativeEngine, plan)
    x = signal(5000, 2, FLOAT64)
    wanted = render(ScipyEngine, plan, x).block
    assert snr_db(render(NativeEngine, plan, x).block, wanted) > FLOAT64_DB
    w = np.linspace(0.01, 3.0, 50)
    impulse = np.zeros((1 << 15, 1))
    impulse[0] = 1.0
    alone = plan_of((half,), 1, FLOAT64, FLOAT64)
    spectrum = np.exp(-1j * np.outer(w, np.arange(len(impulse)))) @ render(NativeEngine, alone, impulse).block[:, 0]
    np.testing.assert_allclose(half.response(w), spectrum, atol=1e-9)


def test_branches_that_remove_different_delays_are_refused() -> None:
    with pytest.raises(DesignError, match=r"branches of a sum remove different delays: \[0, 50\] frames"):
        _ = Sum((stages_of("fir aligned"), stages_of("gain"))).latency_frames  # type: ignore[arg-type]
