"""The kinds that are no filters: the law for each by its own example, and the truth of what each does."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from torchfx_cli.analysis.response import view
from torchfx_cli.chain.parse import join, parse_chain
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.cli.reporter import plan_lines
from torchfx_cli.design.stage import Array, Processor, Stage
from torchfx_cli.effects.compressor import Compressor
from torchfx_cli.effects.kind import Kind, StageSpec, param
from torchfx_cli.effects.loudness import k_weighting
from torchfx_cli.effects.table import KINDS
from torchfx_cli.errors import ChainError, DesignError
from torchfx_cli.kernel.load import available
from torchfx_cli.plan.assemble import RenderPlan, assemble
from torchfx_cli.render.costs import BackendCost, Work, predict
from torchfx_cli.render.native import NativeEngine
from torchfx_cli.render.scipy_engine import ScipyEngine
from torchfx_cli.samples import SampleFormat, Signal
from torchfx_cli.tasks.fileplan import describe_job
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.local import run_jobs
from torchfx_cli.tasks.onefile import RunObserver

FS = 48_000
FLOAT64, INT16 = SampleFormat("float64"), SampleFormat("int16", 16)
ALL_TOGETHER = ["highpass:80", "fir:lowpass=9000,taps=301,align=true", "compressor:-30", "gain:6", "mono",
                "resample:16 kHz", "fir:highpass=200,taps=101,align=true", "loudness:-20", "gain:-1",
                "trim:start=0.01", "peaking:frequency=3000,gain=3"]


def plan_of(*effects: str, channels: int = 2, sink: SampleFormat = FLOAT64, tail_s: Any = 0.0) -> RenderPlan:
    return planned(design_chain(join([], effects), FS, channels), channels, sink, tail_s)


def planned(stages: tuple[Stage, ...], channels: int = 2, sink: SampleFormat = FLOAT64, tail_s: Any = 0.0
            ) -> RenderPlan:
    return assemble(stages, FS, channels, FLOAT64, sink, tail_s=tail_s)


def render(plan: RenderPlan, x: Array, size: int = 1 << 20, engine: Any = NativeEngine) -> Array:
    while target := plan.first_measured:
        measuring = plan.measuring()
        meter, run = target.meter(measuring.output), engine(measuring)
        for block in blocks(run, x, size):
            meter.process(block)
        plan = plan.measured(meter.reading())
    return np.concatenate([np.empty((0, plan.output.channels), plan.sink.dtype), *blocks(engine(plan), x, size)])


def blocks(run: Any, x: Array, size: int) -> Iterator[Array]:
    for at in range(0, len(x), size):
        yield run.process(x[at : at + size].copy())
    yield from run.flush()


def noise(frames: int, channels: int = 2) -> Array:
    return 0.25 * np.random.default_rng(frames).uniform(-1.0, 1.0, (frames, channels))


def assert_the_law(plan: RenderPlan) -> None:
    for frames, sizes in ((0, (1,)), (1, (1,)), (2, (1, 17)), (30, (1, 17)), (901, (1, 509)), (3001, (17, 44_100)),
                          (30_011, (509, 4096))):
        x = noise(frames)
        whole = render(plan, x)
        assert len(whole) == plan.frames_out(frames)
        for size in sizes:
            assert render(plan, x, size).tobytes() == whole.tobytes(), f"{frames} frames in blocks of {size}"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("files_of_examples")
def test_chunked_is_whole_for_the_example_of_every_kind(kind: str) -> None:
    stages = design_chain(parse_chain(f"chain:\n  {KINDS[kind].example}\n"), FS, 2)
    assert_the_law(planned(stages))
    x, whole_numbers = noise(3001), planned(stages, sink=INT16)
    assert render(whole_numbers, x, 17).tobytes() == render(whole_numbers, x).tobytes()


@pytest.mark.parametrize("tail_s", [0.0, 0.05, "auto"])
def test_chunked_is_whole_for_a_chain_of_all(tail_s: Any) -> None:
    assert_the_law(plan_of(*ALL_TOGETHER, tail_s=tail_s))


def test_engines_agree_on_a_chain_of_all() -> None:
    x = noise(20_000)
    got, wanted = render(plan_of(*ALL_TOGETHER), x, 777), render(plan_of(*ALL_TOGETHER), x, 5000, ScipyEngine)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-11)


def test_short_files_of_such_chains_are_packed_run_by_run() -> None:
    pytest.importorskip("torch")
    from torchfx_cli.render.batched import batchable, render_batched

    plan = plan_of("highpass:80", "compressor:-30", "fir:lowpass=9000,taps=301,align=true", "mono", "resample:16 kHz",
                   tail_s=0.01)
    files = [noise(frames) for frames in (3000, 0, 1, 20_000, 2999)]
    files.append(np.full((10, 2), np.nan))
    *made, refused = render_batched(plan, files)
    for file, one in zip(files, made, strict=False):
        assert isinstance(one, tuple)
        np.testing.assert_allclose(one[0], render(plan, file), rtol=0, atol=1e-12)
        assert one[1].peak == pytest.approx(np.abs(one[0]).max(initial=0.0), rel=1e-12)
    assert str(refused) == "non-finite sample at 0.000000 s, channel 1"
    assert batchable(plan, 3000)
    assert not batchable(plan, 1 << 24)
    assert not batchable(plan_of("highpass:80", "declick"), 3000)  # which tells of each file
    assert not batchable(plan_of("mono"), 3000)  # nothing for a device to do
    assert not batchable(plan_of("gain:1", "loudness:-20"), 3000)


def test_costs_count_the_host_stages_and_the_ways_to_them() -> None:
    plan = plan_of("highpass:80", "mono", "lowpass:5 kHz", "resample:16 kHz", "lowpass:3 kHz", "compressor:-20")
    work = Work.of_plan(plan, 1000, 2)
    assert (work.samples, work.files) == (1000, 2)
    assert work.sections == pytest.approx(1 + 1 / 2 + 1 / 6)
    assert work.host_ns == pytest.approx(2.0 + 12.0 / 2 + Compressor.cost_ns / 6)
    assert work.crossings == pytest.approx(1 + 1 / 2 + 1 / 2 + 1 / 6 + 1 / 6)
    assert predict(BackendCost(), work) == pytest.approx(1000 * work.host_ns * 1e-9)
    assert predict(BackendCost(), work, device=True) > predict(BackendCost(), work)
    assert Work.of_plan(plan_of("gain:1", "loudness:-20"), 1000).samples == 2000


def test_on_a_device_linear_runs_go_there_and_the_rest_stays_on_the_host() -> None:
    pytest.importorskip("torch")
    from torchfx_cli.render.choose import open_engine
    from torchfx_cli.render.mixed_engine import MixedEngine

    plan = plan_of("highpass:80", "compressor:-30", "fir:lowpass=9000,taps=301,align=true", "mono", "resample:44100")
    assert isinstance(open_engine(plan, "torch", "cpu"), MixedEngine)
    x = noise(30_000)
    wanted = render(plan, x)
    for size in (1000, 1 << 20):
        np.testing.assert_allclose(render(plan, x, size, MixedEngine), wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100, 96_000])
def test_resample_is_what_soxr_makes_of_the_whole(rate: int) -> None:
    soxr = pytest.importorskip("soxr")
    x = noise(20_001)
    got = render(plan_of(f"resample:{rate}"), x, 509)
    wanted = soxr.resample(x, FS, rate, "VHQ")
    np.testing.assert_array_equal(got[: len(wanted)], wanted[: len(got)])
    assert len(got) == round(20_001 * rate / FS)


@pytest.mark.parametrize(("quality", "least_db"), [("very_high", 140.0), ("high", 100.0), ("low", 60.0)])
def test_a_tone_stays_where_it_is_and_clean(quality: str, least_db: float) -> None:
    t, rate = np.arange(FS) / FS, 16_000
    got = render(plan_of(f"resample:rate={rate},quality={quality}", channels=1),
                 0.5 * np.sin(2 * np.pi * 997 * t)[:, None])[:, 0]
    wanted = 0.5 * np.sin(2 * np.pi * 997 * np.arange(rate) / rate)
    middle = slice(rate // 4, 3 * rate // 4)
    error = np.sum((got - wanted)[middle] ** 2) / np.sum(wanted[middle] ** 2)
    assert -10 * np.log10(error) > least_db


def test_an_impulse_stays_in_its_place() -> None:
    x = np.zeros((9600, 1))
    x[4800] = 1.0
    got = render(plan_of("resample:44100", channels=1), x)[:, 0]
    at = np.arange(len(got)) - 4410
    assert abs(float(np.sum(at * got**2) / np.sum(got**2))) < 1e-3


def test_channels_are_mixed_and_chosen() -> None:
    x = noise(5000, 3)
    np.testing.assert_allclose(render(plan_of("mono", channels=3), x)[:, 0], x.mean(axis=1), atol=1e-16)
    np.testing.assert_allclose(render(plan_of("mono:sum", channels=3), x)[:, 0], x.sum(axis=1), atol=1e-16)
    np.testing.assert_array_equal(render(plan_of("mono:right"), x[:, :2].copy())[:, 0], x[:, 1])
    np.testing.assert_array_equal(render(plan_of("channels:[3, 1, 1]", channels=3), x), x[:, [2, 0, 0]])


def test_trim_keeps_what_lies_between_two_times() -> None:
    x = noise(FS)
    np.testing.assert_array_equal(render(plan_of("trim:start=0.25,end=0.5"), x, 509), x[FS // 4 : FS // 2])
    np.testing.assert_array_equal(render(plan_of("trim:start=0.25,duration=0.5"), x, 509), x[FS // 4 : 3 * FS // 4])
    np.testing.assert_array_equal(render(plan_of("trim:start=0.9,end=5"), x, 509), x[round(0.9 * FS) :])
    assert plan_of("trim:start=0.25", "resample:16 kHz").place(FS / 2) == 4000.0
    assert plan_of("trim:start=0.75").place(FS / 2) is None


def test_the_k_weighting_is_the_standards_at_48_khz() -> None:
    """ITU-R BS.1770-5, annex 1, tables 1 and 2."""
    np.testing.assert_allclose(k_weighting(48_000), [
        [1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585],
        [1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621]], rtol=0, atol=1e-8)


@pytest.mark.parametrize("fs", [44_100, 48_000, 96_000])
@pytest.mark.parametrize(("levels", "wanted"), [
    ([(-23.0, 20.0)], -23.0), ([(-33.0, 20.0)], -33.0), ([(-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0)], -23.0),
    ([(-72.0, 10.0), (-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0), (-72.0, 10.0)], -23.0),
    ([(-26.0, 20.0), (-20.0, 20.1), (-26.0, 20.0)], -23.0)])
def test_loudness_reads_what_ebu_tech_3341_says(fs: int, levels: list[tuple[float, float]], wanted: float) -> None:
    """Its cases 1 to 5: a stereo tone of 1 kHz at peak levels in dBFS, for so many seconds each."""
    chain = design_chain(join([], ["loudness:-23"]), fs, 2)
    plan = assemble(chain, fs, 2, FLOAT64, FLOAT64)
    measuring, target = plan.measuring(), plan.first_measured
    assert target is not None
    meter, run = target.meter(measuring.output), NativeEngine(measuring)
    for level_db, seconds in levels:
        tone = 10 ** (level_db / 20) * np.sin(2 * np.pi * 1000 * np.arange(round(seconds * fs)) / fs)
        meter.process(run.process(np.repeat(tone[:, None], 2, axis=1)))
    assert meter.reading()[0] == pytest.approx(wanted, abs=0.1)


def test_silence_and_what_is_shorter_than_a_block_stay_as_loud_as_they_are() -> None:
    for x in (np.zeros((FS, 2)), noise(FS // 10)):
        np.testing.assert_array_equal(render(plan_of("loudness:-16"), x), x)


@pytest.mark.parametrize("kernel", available(), ids=lambda kernel: kernel.name)
def test_a_compressor_holds_its_ratio_attack_and_release(kernel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A square wave has one level; the time constants are those of a one-pole filter on the gain in dB."""
    monkeypatch.setattr("torchfx_cli.effects.following.load", lambda: kernel)
    loud, soft = np.full((FS, 1), 0.5), np.full((FS, 1), 0.01)
    plan = plan_of("compressor:threshold=-30,ratio=4,knee=0,attack=10 ms,release=50 ms", channels=1)
    gain_db = 20 * np.log10(render(plan, np.concatenate([loud, soft]), 999) / np.concatenate([loud, soft]))[:, 0]
    reached = (20 * np.log10(0.5) + 30) * (1 / 4 - 1)
    assert gain_db[FS - 1] == pytest.approx(reached, abs=1e-6)
    assert gain_db[480 - 1] == pytest.approx(reached * (1 - np.exp(-1)), abs=1e-6)
    assert gain_db[FS + 2400 - 1] == pytest.approx(reached * np.exp(-1), abs=1e-6)


def test_a_soft_knee_bends_around_the_threshold() -> None:
    """Giannoulis, Massberg and Reiss, eq. 4: at the threshold an eighth of the knee, times the slope."""
    plan = plan_of("compressor:threshold=-20,ratio=2,knee=8,attack=0,release=0,makeup=3", channels=1)
    level = 10 ** (-20 / 20)
    got = 20 * np.log10(render(plan, np.full((10, 1), level))[-1, 0] / level)
    assert got == pytest.approx(3 + (1 / 2 - 1) * 8 / 8, abs=1e-9)


@pytest.mark.parametrize(("effect", "channels", "words"), [
    ("channels:[3]", 2, "there is no channel 3; the signal has 2 channels here"),
    ("mono:left", 3, "left is a side of a stereo file, this one has 3 channels"),
    ("resample:1 Hz", 2, "more than 4096 times"),
])
def test_what_cannot_be_done_to_a_signal_is_told(effect: str, channels: int, words: str) -> None:
    with pytest.raises(DesignError, match=words):
        plan_of(effect, channels=channels)


@pytest.mark.parametrize(("effect", "words"), [
    ("trim", "nothing says what to keep"), ("trim:start=3,end=2", "must be behind start"),
    ("trim:end=3,duration=2", "contradicts end"), ("channels:[1.5]", "a channel has a whole number"),
    ("mono:middle", "one of mean, sum, left, right"), ("resample:0", "allowed"), ("compressor:ratio=4", "missing"),
    ("loudness:5 LUFS", "allowed"),
])
def test_what_makes_no_sense_is_told_before_any_file(effect: str, words: str) -> None:
    with pytest.raises(ChainError, match=words):
        join([], [effect])


def done(tmp_path: Path, *effects: str, output: str = "out.wav", **settings: Any) -> Any:
    source = tmp_path / "in.wav"
    soundfile.write(source, noise(FS), FS, "PCM_16")
    report = run_jobs([Job(source, tmp_path / output)], Settings(join([], effects), **settings), RunObserver())
    return report.results[0]


def test_the_output_has_the_rate_the_channels_and_the_length_of_the_chain(tmp_path: Path) -> None:
    result = done(tmp_path, "highpass:80", "mono", "resample:16 kHz", "trim:end=0.5", output="out.flac")
    facts = soundfile.info(tmp_path / "out.flac")
    assert (facts.samplerate, facts.channels, facts.frames, facts.subtype) == (16_000, 1, 8000, "PCM_16")
    assert (result.status, result.fs, result.channels, result.frames, result.duration_s) == ("ok", 16_000, 1, 8000, 0.5)


@pytest.mark.parametrize(("effect", "frame"), [("gain:-3", 9), ("mono", 9), ("trim:end=0.5", 9), ("resample:16 kHz", 3),
                                               ("trim:start=0.0001", 4), ("trim:start=0.1", None)])
def test_markers_move_with_rate_and_beginning(tmp_path: Path, effect: str, frame: int | None) -> None:
    """0.0001 s are 4.8 frames, rounded to 5."""
    result = done(tmp_path, effect)
    source = tmp_path / "in.wav"
    content = source.read_bytes() + b"cue " + struct.pack("<II", 28, 1) + struct.pack("<IIIIII", 1, 9, 0, 0, 0, 9)
    source.write_bytes(content[:4] + struct.pack("<I", len(content) - 8) + content[8:])
    report = run_jobs([Job(source, tmp_path / "b.wav")], Settings(join([], [effect])), RunObserver())
    (result,) = report.results
    cue = (tmp_path / "b.wav").read_bytes().partition(b"cue ")[2]
    assert cue == (b"" if frame is None else struct.pack("<II6I", 28, 1, 1, frame, 0, 0, 0, frame))
    assert result.warnings == ()


def test_nothing_is_left_is_a_failure_and_no_output(tmp_path: Path) -> None:
    result = done(tmp_path, "trim:start=2")
    assert (result.status, result.error) == ("failed", "nothing is left of 48000 frames: trim 2 s to the end")
    assert not (tmp_path / "out.wav").exists()


def test_a_made_up_kind_is_a_file_and_a_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is found by the parser, the listings, the schema, the command line's way, the law and the library."""
    from torchfx_cli.chain.schema import describe_kinds, json_schema

    monkeypatch.setitem(KINDS, "every_other", Kind(EveryOtherSpec, "first", "- every_other: 1"))
    assert_the_law(plan_of("every_other:1", "gain:-3"))
    np.testing.assert_array_equal(render(plan_of("every_other:1"), noise(101), 17), noise(101)[1::2])
    with pytest.raises(ChainError, match="unknown stage 'evry_other'; did you mean every_other"):
        join([], ["evry_other"])
    assert describe_kinds()[-1]["doc"] == "Leaves out every other frame."
    assert "every_other" in json_schema()["$defs"]
    result = done(tmp_path, "highpass:80", "every_other", "gain:-3")
    assert (result.status, result.frames, result.fs) == ("ok", FS // 2, FS // 2)
    fx = pytest.importorskip("torchfx_cli.library.effects")
    torch = pytest.importorskip("torch")
    module = fx.effect_class("every_other", "EveryOther")(1, fs=FS)
    torch.testing.assert_close(module(torch.arange(6.0)[None]), torch.tensor([[1.0, 3.0, 5.0]]))
    library = pytest.importorskip("torchfx_cli")
    wave = library.Wave(torch.arange(6.0)[None], FS) | library.effect.EveryOther(1) | library.effect.Gain(0)
    assert (wave.ys.tolist(), wave.fs) == ([[1.0, 3.0, 5.0]], FS // 2)
    renderer = library.Renderer(library.effect.EveryOther(1) | library.effect.Gain(0), FS, 1)
    assert torch.cat([renderer.process(torch.arange(3.0)[None]), renderer.process(torch.arange(3.0, 6.0)[None]),
                      renderer.flush()], dim=-1).tolist() == [[1.0, 3.0, 5.0]]
    assert renderer.fs_out == FS // 2
    todo = describe_job(Job(tmp_path / "in.wav", tmp_path / "new.wav"), Settings(join([], ["gain:-3", "every_other"])))
    assert plan_lines(todo, "torch on cuda:1")[-2:] == ["    1  gain -3 dB, on cuda:1", "    2  every other, on cpu"]
    vars(library.effect).pop("EveryOther")
    seen = view(join([], ["every_other:1"]), "new", FS, 1)  # all passes, half of it folded down, a frame early
    np.testing.assert_allclose(seen.lines[0].curve.magnitude_db, 0.0, atol=1e-9)
    np.testing.assert_allclose(seen.lines[0].curve.group_delay_s, -1 / FS, rtol=1e-9)


@dataclass(frozen=True, kw_only=True)
class EveryOtherSpec(StageSpec):
    """Leaves out every other frame."""

    is_filter = False

    first: int = param("0 or 1: the first that is kept", default=0, form="integer", low=0, high=1)

    def design(self, source: Signal) -> Stage:
        return EveryOther(self.first, "every other")


@dataclass(frozen=True)
class EveryOther(Stage):
    first: int
    label: str

    def output(self, source: Signal) -> Signal:
        return dataclasses.replace(source, fs=source.fs / 2)

    def frames_out(self, frames: int, source: Signal) -> int:
        return (frames - self.first + 1) // 2

    def open(self, source: Signal) -> Processor:
        return _Taking(self.first)


class _Taking:
    def __init__(self, first: int) -> None:
        self._next = first

    def process(self, samples: Array) -> Array:
        taken = samples[self._next :: 2]
        self._next = (self._next - len(samples)) % 2
        return taken

    def flush(self) -> Iterator[Array]:
        return iter(())


def test_a_file_that_a_stage_does_not_suit_fails_alone(tmp_path: Path) -> None:
    result = done(tmp_path, "channels:[1, 2, 3]")
    assert result.status == "failed"
    assert result.error.startswith("-e 'channels:[1, 2, 3]': channels.take: there is no channel 3")
