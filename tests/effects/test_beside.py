"""Keys beside any stage: bypass, channels, mix and repeat, alone and together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_kinds import FS, assert_the_law, noise, planned, render

from torchfx_cli.analysis import reach
from torchfx_cli.chain.parse import parse_chain, parse_effect
from torchfx_cli.chain.spec import design_chain, digest_of
from torchfx_cli.design.stages import Sum
from torchfx_cli.effects.onchannels import OnChannels
from torchfx_cli.errors import ChainError, DesignError, FileError
from torchfx_cli.plan.assemble import RenderPlan
from torchfx_cli.render.costs import Work
from torchfx_cli.render.native import NativeEngine
from torchfx_cli.render.scipy_engine import ScipyEngine
from torchfx_cli.tasks import fileplan

ALIGNED = "fir: {lowpass: 9 kHz, taps: 301, align: true}"
LONG = "fir: {lowpass: 9 kHz, taps: 3001, align: true}"  # by FFT, in bursts
ALL_KEYS = "{compressor: -30, channels: 2, mix: 30 %, repeat: 2, bypass: false}"
FIVE_ONE = 0x3F


def plan_of(*stages: str, channels: int = 2, mask: int = 0, **options: Any) -> RenderPlan:
    chain = parse_chain(f"chain: [{', '.join(stages)}]")
    return planned(design_chain(chain, FS, channels, mask), channels, **options)


def alone(stage: str, x: np.ndarray) -> np.ndarray:
    return render(plan_of(stage, channels=x.shape[1]), x)


@pytest.mark.parametrize("stage", ["highpass: 300", "compressor: -30", ALIGNED, LONG, "allpass: 1000, repeat: 3"])
@pytest.mark.parametrize("engine", ["native", "scipy", "torch"])
def test_channels_that_are_not_named_pass_to_the_last_bit(stage: str, engine: str) -> None:
    x, plan = noise(6000, 3), plan_of(f"{{{stage}, channels: [3, 1]}}", channels=3)
    assert [type(one) for one in plan.stages] == [OnChannels]
    made = render(plan, x, 509, engine_of(engine))
    np.testing.assert_array_equal(made[:, 1], x[:, 1])
    np.testing.assert_allclose(made[:, [0, 2]], alone(f"{{{stage}}}", x[:, [2, 0]].copy())[:, ::-1], rtol=0, atol=1e-12)


def engine_of(name: str) -> Any:
    if name == "torch":
        pytest.importorskip("torch")
        from torchfx_cli.render.mixed_engine import MixedEngine

        return MixedEngine
    return {"native": NativeEngine, "scipy": ScipyEngine}[name]


def test_one_channel_is_what_scipy_makes_of_it() -> None:
    signal = pytest.importorskip("scipy.signal")
    x = noise(20_000)
    made = render(plan_of("{highpass: {cutoff: 1 kHz, order: 4}, channels: right}"), x)
    wanted = signal.sosfilt(signal.butter(4, 1000, "high", fs=FS, output="sos"), x[:, 1])
    np.testing.assert_allclose(made[:, 1], wanted, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(made[:, 0], x[:, 0])


@pytest.mark.parametrize("stage", ["highpass: 300", "compressor: -30", ALIGNED, LONG,
                                   "parallel: [[highpass: 80], [compressor: -20]]"])
@pytest.mark.parametrize("engine", [NativeEngine, ScipyEngine])
def test_mix_adds_the_sound_as_it_came_in_its_place(stage: str, engine: Any) -> None:
    x = noise(6000)
    made = render(plan_of(f"{{{stage}, mix: 30 %}}"), x, 509, engine)
    np.testing.assert_allclose(made, 0.3 * alone(stage, x) + 0.7 * x, rtol=0, atol=1e-12)


def test_mix_of_linear_stages_stays_linear_and_all_of_it_is_the_stage() -> None:
    (stage,) = plan_of("{highpass: 300, mix: 0.3}").stages
    assert isinstance(stage, Sum)
    assert parse_chain("chain: [{highpass: 300, mix: 100 %}]").stages == parse_chain("chain: [highpass: 300]").stages
    x = noise(1000)
    np.testing.assert_allclose(render(plan_of("{compressor: -60, mix: 0}"), x), x, rtol=0, atol=0)


def test_all_keys_together_apply_from_the_inside_out_in_whatever_order_they_stand() -> None:
    x = noise(6000)
    twice = alone("compressor: -30, compressor: -30", x[:, 1:].copy())
    for entry in (ALL_KEYS, "{mix: 0.3, bypass: false, repeat: 2, compressor: -30, channels: [2]}"):
        made = render(plan_of(entry), x, 100)
        np.testing.assert_array_equal(made[:, 0], x[:, 0])
        np.testing.assert_allclose(made[:, 1:], 0.3 * twice + 0.7 * x[:, 1:], rtol=0, atol=1e-15)
    assert plan_of(ALL_KEYS.replace("false", "true")).stages == ()


def test_chunked_is_whole() -> None:
    assert_the_law(plan_of("highpass: 200", ALL_KEYS, f"{{{ALIGNED}, channels: 1, mix: 0.5}}", "trim: {start: 1 ms}",
                           tail_s="auto"))


def test_neighbours_on_channels_become_one_stage_and_keep_their_order() -> None:
    sides = [f"{{{stage}, channels: {side}}}" for stage in ("compressor: -30", "highpass: 300", "gain: 3")
             for side in ("left", "right")]
    (stage,) = plan_of(*sides).stages
    assert isinstance(stage, OnChannels)
    assert stage.places == ((0,), (1,))
    assert [len(branch) for branch in stage.branches] == [2, 2]  # the gain went into the section
    x = noise(3000)
    wanted = [alone("compressor: -30, highpass: 300, gain: 3", x[:, [side]]) for side in (0, 1)]
    np.testing.assert_allclose(render(plan_of(*sides), x), np.hstack(wanted), rtol=0, atol=1e-12)
    overlapping = plan_of("{gain: 3, channels: [1, 2]}", "{gain: 3, channels: [2, 3]}", channels=3)
    assert len(overlapping.stages) == 2
    np.testing.assert_allclose(render(overlapping, np.ones((1, 3))), [[10**0.15, 10**0.3, 10**0.15]], rtol=1e-12)


def test_all_channels_in_their_order_are_the_stage_itself() -> None:
    x = noise(1000)
    assert plan_of("{highpass: 300, channels: [1, 2]}").is_linear
    np.testing.assert_array_equal(alone("{swap: , channels: [2, 1]}", x), x[:, ::-1])


def test_sides_are_found_by_the_speakers_of_the_file() -> None:
    one = np.ones((1, 6))
    made = render(plan_of("{gain: 6, channels: [right, 4]}", channels=6, mask=FIVE_ONE), one)
    assert np.flatnonzero(made[0] != 1.0).tolist() == [1, 3]
    backs_first = 0x3 << 4 | 0x4 | 0x8  # centre, LFE, back left, back right: no left
    with pytest.raises(DesignError, match=r"chain\[0\].gain: channels: there is no channel left; the signal has 4"):
        plan_of("{gain: 6, channels: left}", channels=4, mask=backs_first)


def test_a_stage_on_two_channels_of_six_hears_two() -> None:
    x = noise(100, 6)
    made = render(plan_of("{width: 0, channels: [1, 2]}", channels=6), x)
    np.testing.assert_allclose(made[:, :2], np.repeat(x[:, :2].mean(axis=1)[:, None], 2, 1), rtol=0, atol=1e-16)
    np.testing.assert_array_equal(made[:, 2:], x[:, 2:])


def test_what_is_bypassed_is_told_and_does_not_count() -> None:
    chain = parse_chain("chain: [{normalize: -1, bypass: true}, gain: -6, {lowpass: 90 kHz, bypass: true, repeat: 9}]")
    assert chain.digest == parse_chain("chain: [gain: -6]").digest
    plan = planned(design_chain(chain, FS, 2))
    assert plan.passes == len(plan.stages) == 1
    assert plan.remarks == tuple(f"chain.yaml:1: chain[{stage} is bypassed" for stage in ("0].normalize", "2].lowpass"))
    nested = parse_chain("chain: [parallel: [[{gain: 3, bypass: true}], [gain: 1]]]")
    assert planned(design_chain(nested, FS, 2)).remarks
    assert nested.digest == parse_chain("chain: [parallel: [[{mono: , bypass: true}], [gain: 1]]]").digest


def test_what_does_nothing_on_some_channels_is_no_stage() -> None:
    """So that a file of 16 bits keeps its own, undithered."""
    assert plan_of("{gain: 0, channels: 1}", "{invert: , repeat: 2, channels: 2}").stages == ()
    assert plan_of("highpass: 80", "{gain: 0, channels: 1}", "lowpass: 3 kHz").is_linear


def test_a_bypassed_preset_does_not_say_how_the_chain_begins() -> None:
    assert parse_chain("chain: [{preset: dc-removal, bypass: true}, lowpass: 3 kHz]").start == "rest"
    assert parse_chain("chain: [{preset: dc-removal, channels: 1}, lowpass: 3 kHz]").start == "steady"


def test_a_whole_preset_takes_the_keys() -> None:
    x = noise(3000)
    made = render(plan_of("{preset: rumble-filter, channels: 1, mix: 0.5}"), x)
    wet = alone("preset: rumble-filter", x[:, :1].copy())
    np.testing.assert_allclose(made[:, :1], 0.5 * wet + 0.5 * x[:, :1], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(made[:, 1], x[:, 1])


def test_repeat_is_the_same_stage_written_so_often() -> None:
    written_out = parse_chain("chain: [gain: 1, gain: 1, gain: 1]")
    assert parse_chain("chain: [{gain: 1, repeat: 3}]").digest == written_out.digest


@pytest.mark.parametrize("stages", ["[allpass: 300, gain: -1]", "{gain: -1}", "swap", "[normalize: -1]"])
def test_several_stages_are_repeated_in_a_row(stages: str) -> None:
    again = parse_chain(f"chain: [repeat: {{times: 3, stages: {stages}}}]")
    assert again.digest == parse_chain(f"chain: [{', '.join([stages.strip('[]{}')] * 3)}]").digest


@pytest.mark.parametrize(("entry", "any_input", "tone"), [
    ("{gain: 6, channels: 1}", 10**0.3, 10**0.3), ("{gain: -6, channels: 1}", 1.0, 1.0),
    ("{fir: {taps: [1, -1, 1]}, channels: 2}", 3.0, 3.0), ("{gain: 20, mix: 0.5}", 5.5, 5.5),
    ("{fir: {taps: [1, 1, -1]}, channels: 1}", 3.0, 5**0.5), ("crossover: 2 kHz", 2.354, 1.0),
    ("parallel: [compressor: {threshold: 0, makeup: 6}, fir: {taps: [1, 1, -1]}]", 10**0.3 + 3, 10**0.3 + 5**0.5),
])
def test_the_highest_output_is_reckoned_through_the_branches(entry: str, any_input: float, tone: float) -> None:
    plan = plan_of(entry)
    assert reach._highest(plan, lambda found: found.any_input) == pytest.approx(any_input, rel=0.01)
    assert reach._highest(plan, lambda found: found.tone) == pytest.approx(tone, rel=1e-3)


def test_long_responses_on_some_channels_count_for_the_memory() -> None:
    taps = "fir: {lowpass: 9 kHz, taps: 1048575}"
    for entry in (f"{{{taps}, channels: {list(range(1, 64))}}}", f"parallel: [{taps}, compressor: -20]"):
        with pytest.raises(FileError, match=r"6[34] channels through impulse responses of 1048575 taps need"):
            fileplan._check_memory(plan_of(entry, channels=64))


def test_stages_without_words_leave_no_commas_in_a_label() -> None:
    (linear,) = plan_of("{eq_curve: {100: 3, 1000: 0}, mix: 0.5}").stages
    assert linear.label.endswith("mix 0.5 + dry)")
    (parallel,) = plan_of("parallel: [[{gain: 3, bypass: true}, compressor: -20], [gain: 3]]").stages
    assert parallel.label.startswith("(compressor")


def test_the_cost_counts_the_channels() -> None:
    plan = plan_of("{compressor: -30, channels: 1}")
    whole = Work.of_plan(plan_of("compressor: -30"), 1000)
    assert whole.host_ns / 2 < Work.of_plan(plan, 1000).host_ns < whole.host_ns


@pytest.mark.parametrize(("stage", "words"), [
    ("{resample: 16 kHz, mix: 0.5}", "mix cannot stand beside .* changes the sample rate; .* makes 16 kHz of 48 kHz"),
    ("{mono: , channels: [1, 2]}", "channels cannot stand beside .* changes the number of channels; .* makes 1 of 2"),
    ("{trim: {start: 1}, channels: 1}", "channels cannot stand beside a stage that changes the length; .* frames of"),
    ("{trim: {end: 20}, mix: 0.5}", "mix cannot stand beside a stage that changes the length"),
    ("{gain: 1, channels: 3}", "channels: there is no channel 3; the signal has 2 channels here"),
    ("{gain: 1, channels: [1, left]}", "channels: left is channel 1, which is named already"),
    ("{swap: , channels: 1}", "needs a stereo signal, this one has 1 channel here"),
])
def test_what_does_not_fit_the_signal_is_refused_with_line_and_stage(stage: str, words: str) -> None:
    with pytest.raises(DesignError, match=rf"^chain.yaml:2: chain\[0\]\.\w+: {words}"):
        design_chain(parse_chain(f"chain:\n  - {stage}"), FS, 2)


@pytest.mark.parametrize(("stage", "words"), [
    ("{gain: 1, mix: 2}", "chain[0].mix: found '2' (out of range); allowed: a number from 0 to 1, like 0.3 or 30 %"),
    ("{gain: 1, mix: 130 %}", "chain[0].mix: found '130 %'; allowed: a number from 0 to 1"),
    ("{gain: 1, mix: [[1]]}", "chain[0].mix: found a list of 1"), ("{gain: 1, mix: nan}", "chain[0].mix: found 'nan'"),
    ("{gain: 1, bypass: 1}", "chain[0].bypass: found '1'; allowed: true or false"),
    ("{gain: 1, channels: []}", "chain[0].channels: found a list of 0; allowed: the number of a channel from 1 to"),
    ("{gain: 1, channels: [1, 0]}", "chain[0].channels[1]: found '0' (out of range)"),
    ("{gain: 1, channels: [1, 2, 1]}", "chain[0].channels[2]: channel 1 is given twice"),
    ("{gain: 1, channels: middle}", "chain[0].channels: found 'middle' (not a number)"),
    ("{gain: 1, repeat: 0}", "chain[0].repeat: found '0' (out of range); allowed: a whole number from 1 to 10000"),
    ("{gain: 1, repeat: 1000000000}", "chain[0].repeat: found '1000000000' (out of range)"),
    ("{preset: three-band-eq, repeat: 9999}", "chain[0].preset: more than 10000 stages are not allowed"),
    ("repeat: {times: 9000, stages: [{gain: 1, repeat: 2}]}", "chain[0].repeat: more than 10000 stages are not"),
    ("repeat: {times: 9000, stages: [repeat: {times: 9000, stages: [repeat: {times: 9000, stages: swap}]}]}",
     "chain[0].repeat.stages[0].repeat: more than 10000 stages are not allowed"),
    ("repeat: {times: 1e9, stages: swap}", "chain[0].repeat.times: found '1e9' (out of range)"),
    ("repeat: {times: 2, stages: []}", "chain[0].repeat.stages: found an empty list"),
    ("repeat: {times: 2, stages: [highpas: 80]}", "chain[0].repeat.stages[0].highpas: unknown stage 'highpas'"),
    ("repeat: 3", "chain[0].repeat: found '3'; expected keys: write - repeat: {times: 3"),
    ("{gain: 1, repeat: 2, repeat: 3}", "chain[0].repeat: given twice; keep one"),
    ("{channels: [1], mix: [[1]]}", "chain[0].mix: found a list of 1; allowed: a number from 0 to 1, like 0.3 or 30 % "
     "(channels stands first, so it is the stage)"),
    ("{mix: 0.3, channels: [1]}", "chain[0].mix.matrix: found '0.3'; allowed: a list of rows of numbers (as a key it "
     "stands beside a stage: {highpass: 80 Hz, mix: ...})"),
    ("bypass: true", "chain[0].bypass: is a key that stands beside a stage, like {highpass: 80 Hz, bypass: ...}"),
    ("{gain: 1, chanels: 1}", "chain[0]: found 'chanels' beside 'gain'; did you mean channels?"),
    ("highpass: {cutoff: 80, bypass: true}", "chain[0].highpass: unknown key 'bypass' (keys: cutoff, order, family, "
     "ripple, attenuation, q, zero_phase); bypass stands beside a stage, not in it"),
    ("{highpas: 80, bypass: true}", "chain[0].highpas: unknown stage 'highpas'; did you mean highpass?"),
    ("{highpass: 0, bypass: true}", "chain[0].highpass.cutoff: found '0' (out of range)"),
    ("{highpass: , mix: 0.5}", "chain[0].highpass.cutoff: missing"),
])
def test_what_is_written_amiss_is_told_once_with_line_and_key(stage: str, words: str) -> None:
    with pytest.raises(ChainError) as told:
        parse_chain(f"chain:\n  - {stage}", "eq.yaml")
    (problem,) = told.value.problems
    assert problem.startswith(f"eq.yaml:2: {words}"), problem


@pytest.mark.parametrize(("effect", "entry"), [
    ("highpass:80,channels=[1],mix=30 %", "{highpass: 80, channels: 1, mix: 0.3}"),
    ("peaking:frequency=3000,gain=2,channels=left", "{peaking: {frequency: 3000, gain: 2}, channels: left}"),
    ("swap:repeat=3", "{swap: , repeat: 3}"),
    ("repeat:times=2,stages=[gain: 3, swap]", "gain: 3, swap, gain: 3, swap"),
    ("compressor:-20,mix=0.5", "compressor: {threshold: -20, mix: 50 %}"),
    ("compressor:{threshold: -20, mix: 50 %},mix=0.3", "{compressor: {threshold: -20, mix: 0.5}, mix: 0.3}"),
    ("eq_curve:points={100: 3, 1 kHz: 0},mix=0.5", "{eq_curve: {100: 3, 1000: 0}, mix: 0.5}"),
    ("parallel:[{chain: [fade: {in: 0.1, out: 0.5}], gain: -6}],channels=1",
     "{parallel: [{chain: [fade: {in: 0.1, out: 0.5}], gain: -6}], channels: 1}"),
    ("fade:{in: 0.1, out: 0.5}", "fade: {in: 0.1, out: 0.5}"), ("gain:3,bypass=true", "{gain: 3, bypass: true}"),
])
def test_effects_on_the_command_line_take_them_too(effect: str, entry: str) -> None:
    assert digest_of(parse_effect(effect)) == parse_chain(f"chain: [{entry}]").digest


def test_the_library_takes_them_from_a_chain() -> None:
    torch = pytest.importorskip("torch")
    fx = pytest.importorskip("torchfx_cli")
    chain = parse_chain(f"chain: [{ALL_KEYS}, {{highpass: 80, bypass: true}}, {{{LONG}, channels: 1}}]")
    x = noise(5000)
    wanted = render(planned(design_chain(chain, FS, 2)), x)
    tensor = torch.from_numpy(x.T.copy())
    np.testing.assert_allclose(fx.load_chain(chain, fs=FS)(tensor).numpy().T, wanted, rtol=0, atol=1e-15)
    stream = fx.Renderer(chain, FS, 2)
    made = [*(stream.process(block) for block in tensor.split(700, 1)), stream.flush()]
    np.testing.assert_allclose(torch.cat(made, 1).numpy().T, wanted, rtol=0, atol=1e-15)
    assert len(fx.load_chain(parse_chain("chain: [{gain: 1, bypass: true}]")).parts) == 0
    repeated = fx.effect.Repeat(times=2, stages=[{"compressor": -30}, {"gain": 1}], fs=FS)
    np.testing.assert_array_equal(repeated(tensor).numpy().T, alone(", ".join(["compressor: -30, gain: 1"] * 2), x))
