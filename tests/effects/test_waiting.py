"""Stages that need the whole file first on some channels, mixed with the sound as it came, and in branches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_beside import plan_of
from test_kinds import FS, noise, render

from torchfx_cli import scratch
from torchfx_cli.analysis import reach
from torchfx_cli.analysis.explain import explain
from torchfx_cli.analysis.response import view
from torchfx_cli.chain.parse import parse_chain
from torchfx_cli.effects import parallel
from torchfx_cli.errors import DesignError

ZERO_PHASE = "highpass: {cutoff: 300, order: 4, zero_phase: true}"
WAITING = ["normalize: -3", "normalize: {rms: -20}", "loudness: {target: -10, true_peak: -3}", "hum: auto", "reverse",
           ZERO_PHASE]


def entry(stage: str, keys: str) -> str:
    return f"{{{stage if ':' in stage else f'{stage}: '}, {keys}}}"


def alone(stage: str, x: np.ndarray) -> np.ndarray:
    return render(plan_of(stage, channels=x.shape[1]), x)


@pytest.mark.parametrize("keys", ["channels: 2", "mix: 0.3", "channels: [2], mix: 0.4, repeat: 2"])
@pytest.mark.parametrize("stage", WAITING)
def test_chunked_is_whole(stage: str, keys: str) -> None:
    plan = plan_of("highpass: 80", entry(stage, keys), "compressor: -30", tail_s=0.01)
    for frames, size in ((0, 1), (1, 1), (901, 17), (30_011, 4096)):
        x = noise(frames)
        whole = render(plan, x)
        assert len(whole) == plan.frames_out(frames)
        assert render(plan, x, size).tobytes() == whole.tobytes(), f"{frames} frames in blocks of {size}"


def test_a_peak_is_that_of_the_channels_that_are_named() -> None:
    x = noise(5000, 3) * [1.0, 0.1, 0.3]
    made = render(plan_of("{normalize: -6, channels: [2, 3]}", channels=3), x, 509)
    wanted = x * [1.0, *[10**-0.3 / np.abs(x[:, 1:]).max()] * 2]
    np.testing.assert_allclose(made, wanted, rtol=1e-12, atol=0)
    np.testing.assert_array_equal(made[:, 0], x[:, 0])


def test_a_mean_square_is_that_of_the_sound_in_front_of_it_on_its_channel() -> None:
    x = noise(5000)
    made = render(plan_of("gain: 3", "{repeat: {times: 1, stages: [invert, normalize: {rms: -20}]}, channels: 2}"), x)
    np.testing.assert_allclose(made[:, 1], -0.1 * x[:, 1] / np.sqrt(np.mean(x[:, 1] ** 2)), rtol=0, atol=1e-14)
    np.testing.assert_allclose(made[:, 0], 10**0.15 * x[:, 0], rtol=0, atol=1e-15)


def test_loudness_of_one_channel_is_that_of_a_mono_file() -> None:
    x = noise(FS) * [0.1, 1.0]
    made = render(plan_of("{loudness: -30, channels: 2}"), x, 4096)
    np.testing.assert_array_equal(made[:, 1:], alone("loudness: -30", x[:, 1:].copy()))
    np.testing.assert_array_equal(made[:, 0], x[:, 0])


def test_one_channel_is_reversed() -> None:
    x = noise(5000)
    made = render(plan_of("{reverse: , channels: 1}"), x, 509)
    np.testing.assert_array_equal(made, np.stack([x[::-1, 0], x[:, 1]], axis=1))


def test_the_sound_as_it_came_is_mixed_with_the_reversed_one() -> None:
    x = noise(5000)
    made = render(plan_of("{reverse: , mix: 0.3}"), x, 509)
    np.testing.assert_allclose(made, 0.3 * x[::-1] + 0.7 * x, rtol=0, atol=1e-16)
    twice = render(plan_of("{reverse: , repeat: 2, mix: 0.3}"), x, 509)
    np.testing.assert_allclose(twice, x, rtol=0, atol=1e-16)


def test_one_channel_is_filtered_forward_and_backward_as_scipy_does() -> None:
    signal = pytest.importorskip("scipy.signal")
    x = np.concatenate([np.zeros((9000, 2)), noise(5000), np.zeros((9000, 2))])  # the edges of scipy's are in silence
    made = render(plan_of(entry(ZERO_PHASE, "channels: 2")), x, 4096)
    wanted = signal.sosfiltfilt(signal.butter(4, 300, "high", fs=FS, output="sos"), x[:, 1])
    np.testing.assert_allclose(made[:, 1], wanted, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(made[:, 0], x[:, 0])


def test_branches_take_them_each_after_the_other() -> None:
    x = noise(5000)
    plan = plan_of("parallel: [[gain: 6, normalize: -6], [reverse, gain: -6], [parallel: [normalize: -12, reverse]]]")
    peak = np.abs(x).max()
    wanted = x * (10**-0.3 + 10**-0.6) / peak + (10**-0.3 + 1.0) * x[::-1]
    assert plan.passes == 3
    np.testing.assert_allclose(render(plan, x, 509), wanted, rtol=0, atol=1e-14)


def test_the_plan_tells_what_was_found_and_where() -> None:
    plan, x = plan_of("{normalize: -6, channels: 2}", "parallel: [loudness: -16, [gain: 0]]"), np.zeros((100, 2))
    x[:, 1] = 0.5
    assert plan.describe()[0] == "channel 2: normalize to -6 dBFS"
    while target := plan.first_measured:
        meter = target.meter(plan.measuring().output)
        meter.process(x[:, -plan.measuring().output.channels :])
        plan = plan.measured(meter.reading())
    assert plan.found == ("channel 2: normalize to -6 dBFS (+0.02 dB)", "loudness to -16 LUFS (+0.00 dB)")
    assert plan.warned == ("loudness to -16 LUFS: left as loud as it is, for it is silence, or shorter than 400 ms",)


def test_the_highest_output_is_the_level_that_a_branch_is_brought_to() -> None:
    plan = plan_of("gain: -20", "{normalize: 6 dBFS, channels: 1}", "parallel: [[normalize: -6], [gain: 0]]")
    assert reach.worst_gain_db(plan) == pytest.approx(20 * np.log10(10**-0.3 + 10**0.3), abs=1e-9)
    assert reach.worst_gain_db(plan_of("gain: -20", "{normalize: -6 dBFS, channels: 1}")) == pytest.approx(-6.0)


def test_a_tail_comes_behind_what_is_reversed_or_faded_on_a_channel() -> None:
    """And not in front of it, where it would be the beginning of the one, and all that the other fades."""
    x = noise(FS // 10)
    for stage in ("{reverse: , channels: 1}", "{fade: {out: 50 ms}, channels: 1}"):
        plan = plan_of(stage, "peaking: {frequency: 1 kHz, gain: 3}", tail_s=0.1)
        made = render(plan, x)
        wanted = render(plan_of("peaking: {frequency: 1 kHz, gain: 3}", tail_s=0.1), alone(stage, x))
        np.testing.assert_allclose(made, wanted, rtol=0, atol=1e-15)


def test_the_library_hears_the_whole_recording_first() -> None:
    torch = pytest.importorskip("torch")
    fx = pytest.importorskip("torchfx_cli")
    x, stages = noise(5000), ["{normalize: -6, channels: 2}", "parallel: [[loudness: -30], [reverse]]"]
    chain = parse_chain(f"chain: [{', '.join(stages)}]")
    tensor = torch.from_numpy(x.T.copy())
    np.testing.assert_allclose(fx.load_chain(chain, fs=FS)(tensor).numpy().T, render(plan_of(*stages), x), atol=1e-15)
    branches = fx.effect.Parallel(branches=[["normalize"], {"gain": -200}], fs=FS)(tensor)
    assert float(branches.abs().max()) == pytest.approx(10**-0.05, abs=1e-9)
    with pytest.raises(ValueError, match=r"channel 2: normalize to -6 dBFS needs the whole recording"):
        fx.Renderer(chain, FS, 2)
    stream = fx.Renderer(parse_chain("chain: [{reverse: , mix: 0.3}]"), FS, 2)
    made = torch.cat([*(stream.process(block) for block in tensor.split(700, 1)), stream.flush()], 1)
    np.testing.assert_allclose(made.numpy().T, 0.3 * x[::-1] + 0.7 * x, rtol=0, atol=1e-15)


def test_explain_and_plot_look_inside() -> None:
    chain = parse_chain("chain: [{loudness: -16, channels: 2}, parallel: [normalize, reverse], "
                        "{reverse: , bypass: true}, {preset: rumble-filter, mix: 0.5}]")
    found = explain(chain, FS, 2)
    assert found.passes == 3
    assert [stage.waits for stage in found.stages] == [True, True, False, False]
    assert "BS.1770-5" in found.stages[0].how
    assert found.stages[2].how == ""
    seen = view(chain, "", FS, 2)
    assert [stage.is_empty for stage in seen.stages] == [True, True, False, False]


def test_what_waits_for_them_goes_to_a_file_and_memory_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both the reversed channel and those that wait for it."""
    sizes: list[int] = []
    begin = scratch.Scratch._begin_file

    def begun(self: Any, samples: Any) -> None:
        sizes.append(self._channels)
        begin(self, samples)

    monkeypatch.setattr(scratch, "MEMORY_BYTES", 1 << 12)
    monkeypatch.setattr(scratch.Scratch, "_begin_file", begun)
    monkeypatch.setattr("torchfx_cli.effects.reverse.block_frames", lambda channels: 1000)
    x, plan = noise(20_000), plan_of("{reverse: , channels: 1}")
    run = parallel.Abreast
    seen: list[int] = []
    flush = run.flush
    monkeypatch.setattr(run, "flush", lambda self: (seen.append(len(made[0])) or made for made in flush(self)))
    np.testing.assert_array_equal(render(plan, x, 777), np.stack([x[::-1, 0], x[:, 1]], axis=1))
    assert sorted(sizes) == [1, 2]
    assert max(seen) == 1000
    assert plan.scratch_bytes(20_000) == 20_000 * 8 * 3
    assert plan_of("{highpass: 80, channels: 1}").scratch_bytes(20_000) == 0
    assert plan_of("{reverse: , mix: 0.5}").scratch_bytes(20_000) == 20_000 * 8 * 4


def test_a_queue_gives_what_it_took_in_its_order_and_forgets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "MEMORY_BYTES", 1 << 10)
    x, rng = noise(20_000), np.random.default_rng(1)
    queue, made, at, most = scratch.Queue(2, "sound"), [], 0, 0
    while at < len(x) or len(queue):
        block = x[at : at + int(rng.integers(0, 400))].copy()
        at, most = at + len(block), max(most, len(queue) + len(block))
        made.append(queue.passed(block, min(len(queue) + len(block), int(rng.integers(0, 400)))))
    assert queue._kept.frames <= 2 * most < 10_000
    np.testing.assert_array_equal(np.concatenate(made), x)


@pytest.mark.parametrize(("stage", "is_turned", "place"), [
    ("reverse", True, None), ("{reverse: , channels: 1}", False, 9.0), ("{reverse: , mix: 0.5}", False, 9.0),
    ("{reverse: , channels: [2, 1]}", True, 9.0), ("{swap: , channels: [2, 1]}", False, 9.0)])
def test_markers_stay_where_a_channel_keeps_its_order(stage: str, is_turned: bool, place: float | None) -> None:
    plan = plan_of(stage)
    assert plan.turns_time is is_turned
    if not is_turned or place is None:
        assert plan.place(9.0) == place


@pytest.mark.parametrize(("stage", "words"), [
    ("{trim_silence: , channels: 1}", "channels cannot stand beside a stage that changes the length; this one makes "
     "as many frames as trim silence below -60 dBFS leaves, which would no longer fit to the other channels"),
    ("{trim_silence: , mix: 0.5}", "mix cannot stand beside .* would no longer fit to the sound as it came"),
    ("{repeat: {times: 1, stages: [{trim_silence: , channels: [1, 2]}]}, mix: 0.5}", "channels cannot stand beside"),
    ("parallel: [[gain: 3], [trim_silence]]", "the branches cannot be added, trim silence below -60 dBFS would make"),
    ("{loudness: -16, channels: 3}", "channels: there is no channel 3"),
])
def test_what_cuts_silence_off_is_refused(stage: str, words: str) -> None:
    with pytest.raises(DesignError, match=f"^chain.yaml:1: chain.*{words}"):
        plan_of(stage)
