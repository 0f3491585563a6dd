"""Chains side by side: the sum of what each of them makes alone, aligned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_kinds import FS, assert_the_law, noise, planned, render

from torchfx_cli.chain.parse import join, load_chain, parse_chain
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.design.stages import Sum
from torchfx_cli.effects.parallel import Parallel
from torchfx_cli.errors import ChainError, DesignError
from torchfx_cli.plan.assemble import RenderPlan
from torchfx_cli.render.scipy_engine import ScipyEngine

ALIGNED = "fir: {lowpass: 9 kHz, taps: 301, align: true}"
LINEAR = [f"[{ALIGNED}, gain: -3]", "{chain: [highpass: 80], gain: -6 dB}", "{gain: -9 dB}"]
OTHERS = [f"[compressor: -30, {ALIGNED}]", "{chain: [mono, channels: [1, 1]], gain: -6}", "{gain: -9}"]
RESAMPLED = ["[resample: 16 kHz, trim: {start: 0.01}, lowpass: 3 kHz]", "[trim: {start: 0.01}, resample: 16 kHz]"]
NESTED = [f"[parallel: [[{ALIGNED}], [parallel: [[compressor: -20], {{gain: -3}}]]], highpass: 80]", "[lowpass: 500]"]


def plan_of(*branches: str, around: str = "{}", channels: int = 2, **options: Any) -> RenderPlan:
    text = "chain: [" + around.format(f"parallel: [{', '.join(branches)}]") + "]"
    return planned(design_chain(parse_chain(text), FS, channels), channels, **options)


def alone(branch: str, x: np.ndarray) -> np.ndarray:
    """What the branch makes, as a chain of its own."""
    return render(plan_of(branch), x)


@pytest.mark.parametrize(("branches", "kind"), [(LINEAR, Sum), (OTHERS, Parallel), (RESAMPLED, Parallel),
                                                (NESTED, Parallel)])
@pytest.mark.parametrize("engine", [None, ScipyEngine])
def test_the_output_is_the_sum_of_the_branches_alone(branches: list[str], kind: type, engine: Any) -> None:
    plan, x = plan_of(*branches), noise(6000)
    assert [type(stage) for stage in plan.stages] == [kind]
    got = render(plan, x, 509, **({"engine": engine} if engine else {}))
    np.testing.assert_allclose(got, sum(alone(branch, x) for branch in branches), rtol=0, atol=1e-12)


def test_a_branch_alone_is_its_chain() -> None:
    x = noise(5000)
    chain = planned(design_chain(parse_chain("chain: [compressor: -30, gain: -6, lowpass: 3 kHz]"), FS, 2))
    np.testing.assert_array_equal(alone("[compressor: -30, gain: -6, lowpass: 3 kHz]", x), render(chain, x))


@pytest.mark.parametrize("branches", [LINEAR, OTHERS, RESAMPLED, NESTED, ["[fade: {out: 30 ms}]", "[pad: {end: 0}]"]])
@pytest.mark.parametrize("tail_s", [0.0, "auto"])
def test_chunked_is_whole(branches: list[str], tail_s: Any) -> None:
    assert_the_law(plan_of(*branches, around="highpass: 200, {}, trim: {{start: 1 ms}}", tail_s=tail_s))


def test_a_tail_is_that_of_the_branch_that_rings_longest() -> None:
    taps = f"fir: {{taps: {[1.0] * 400}}}"
    assert plan_of(f"[{taps}]", "[compressor: -20]", tail_s="auto").tail_frames == 399
    assert plan_of(f"[{taps}]", "[gain: -20]", tail_s="auto").tail_frames == 399


def test_opposite_branches_leave_nothing() -> None:
    x = noise(3000)
    got = render(plan_of(f"[{ALIGNED}, compressor: -30]", f"[{ALIGNED}, compressor: -30, invert]"), x, 100)
    np.testing.assert_array_equal(got, np.zeros_like(x))


def test_markers_move_as_in_the_branches_and_gains_add_up() -> None:
    plan = plan_of(*RESAMPLED, around="{}, pad: {{start: 1 ms}}")
    assert plan.place(960) == (960 - 480) / 3 + 16
    (stage,) = plan_of("[compressor: {threshold: -20, makeup: 6}, gain: -6]", "[compressor: -20]").stages
    assert isinstance(stage, Parallel)
    assert stage.raised([1.0, 0.5]) == 1.5


@pytest.mark.parametrize(("branches", "words"), [
    (["[mono]", "[gain: 0]"],
     r"parallel\[1\]: the branches cannot be added, their numbers of channels differ: 1 and 2"),
    (["[gain: 0]", "[resample: 16 kHz]"], r"parallel\[1\]: .*sample rates differ: 48 kHz and 16 kHz"),
    (["[gain: 0]", "[gain: 1]", "[trim: {start: 1}]"],
     r"parallel\[2\]: .*their lengths of ten seconds differ: 480000 and 432000"),
    (["[trim: {end: 20}]", "{gain: 1}"], r"parallel\[1\]: .*their lengths differ"),
    (["[lowpass: 25 kHz]", "{gain: 1}"], r"parallel\[0\]\[0\].lowpass.cutoff: 25 kHz is not below 24 kHz"),
])
def test_branches_that_do_not_fit_are_refused_by_name(branches: list[str], words: str) -> None:
    with pytest.raises(DesignError, match=rf"^chain.yaml:1: chain\[0\].{words}"):
        plan_of(*branches)


NOT_WELL = """chain:
  - gain: 0
  - parallel:
      - chain:
          - highpas: 80
          - lowpass:
              cutoff: 50 dB
        gain: 3 Hz
      - - loudness: -16 Hz
      - []
      - 7
      - {chian: [mono], gain: 0}
  - notch: 0
"""


def test_every_mistake_in_a_branch_is_told_with_its_line() -> None:
    with pytest.raises(ChainError) as told:
        parse_chain(NOT_WELL, "eq.yaml")
    starts = ["eq.yaml:5: chain[1].parallel[0].chain[0].highpas: unknown stage 'highpas'; did you mean highpass?",
              "eq.yaml:7: chain[1].parallel[0].chain[1].lowpass.cutoff: found '50 dB'",
              "eq.yaml:8: chain[1].parallel[0].gain.gain: found '3 Hz'",
              "eq.yaml:9: chain[1].parallel[1][0].loudness.target: found '-16 Hz'",
              "eq.yaml:10: chain[1].parallel[2]: found an empty list; expected a list of stages",
              "eq.yaml:11: chain[1].parallel[3]: found '7'; allowed: a list of stages, one stage, or the keys chain",
              "eq.yaml:12: chain[1].parallel[4]: unknown key 'chian'; did you mean chain?",
              "eq.yaml:13: chain[2].notch: found '0'"]
    assert len(told.value.problems) == len(starts)
    for problem, start in zip(told.value.problems, starts, strict=True):
        assert problem.startswith(start.replace("notch: ", "notch.frequency: ")), problem


@pytest.mark.parametrize(("text", "words"), [
    ("parallel: []", "found a list of 0; allowed: a list of 1 to 64 branches"), ("parallel", "missing"),
    ("parallel: 3", "found '3'; allowed: a list of 1 to 64"), ("parallel: {gain: 3}", "unknown key 'gain'"),
    ("parallel: [" * 5 + "{gain: 0}" + "]" * 5, "holds parallel in parallel, 5 levels in all; at most 4"),
    ("parallel: [{chian: [mono], gain: 1}, {gain: 0}]", "unknown key 'chian'; did you mean chain"),
    ("parallel: [highpas: 80]", r"parallel\[0\].highpas: unknown stage 'highpas'; did you mean highpass"),
    ("parallel: [mon]", r"parallel\[0\].mon: unknown stage 'mon'; did you mean mono"),
    ("parallel: [{highpass: 80, gain: 1}]", "unknown key 'highpass' .keys: chain, gain."),
    ("parallel: [~]", "found nothing; allowed: a list of stages, one stage"),
    ("parallel: [{}]", "found a map of keys; allowed: a list of stages, one stage"),
    ("parallel: [[" * 5 + "gain: 0" + "]]" * 5, "holds parallel in parallel, 5 levels in all; at most 4"),
])
def test_what_is_no_list_of_branches_is_told(text: str, words: str) -> None:
    with pytest.raises(ChainError, match=words):
        parse_chain(f"chain: [{text}]")


def test_stages_in_branches_count(tmp_path: Path) -> None:
    """Each file names the one before twice: after 14 there are 2^14 stages."""
    (tmp_path / "0.yaml").write_text("chain: [gain: 0]")
    for n in range(1, 15):
        (tmp_path / f"{n}.yaml").write_text(f"chain: [preset: {n - 1}.yaml, parallel: [[preset: {n - 1}.yaml]]]"
                                            if n < 4 else f"chain: [preset: {n - 1}.yaml, preset: {n - 1}.yaml]")
    with pytest.raises(ChainError, match="more than 10000 stages"):
        load_chain(tmp_path / "14.yaml")
    with pytest.raises(ChainError, match="up to here the chain has 100010 orders of recursive stages"):
        parse_chain("chain: [" + "parallel: [[lowpass: {cutoff: 1, order: 40}], {gain: 0}], " * 2750 + "]")


def test_a_branch_of_one_stage_needs_no_list() -> None:
    short = "[swap, highpass: 80, {lowpass: 3 kHz, mix: 0.5}, {chain: invert, gain: -6}, {gain: -3, mix: 0.5}]"
    lists = ("[[swap], [highpass: 80], [{lowpass: 3 kHz, mix: 0.5}], {chain: [invert], gain: -6}, "
             "[{gain: -3, mix: 0.5}]]")
    wanted = parse_chain(f"chain: [parallel: {lists}]")
    assert parse_chain(f"chain: [parallel: {short}]") == wanted
    assert join([], [f"parallel:{short}"]).digest == wanted.digest


def test_an_effect_and_the_library_take_branches_too() -> None:
    spec = join([], ["parallel:[[highpass: 80], [gain: -6]]"])
    assert spec.digest == parse_chain("chain: [parallel: [[highpass: 80], {gain: -6}]]").digest
    deep = "[{chain: [parallel: [[gain: 0], [parallel: [[mono], [mono]]]]], gain: -6}, [mono]]"
    assert join([], [f"parallel:{deep}"]).digest == parse_chain(f"chain: [parallel: {deep}]").digest
    torch = pytest.importorskip("torch")
    effect = pytest.importorskip("torchfx_cli").effect
    module = effect.Parallel([[{"compressor": -30}], [{"gain": -6}]], fs=FS)
    x = noise(2000)
    np.testing.assert_allclose(module(torch.from_numpy(x.T.copy())).numpy().T,
                               alone("[compressor: -30]", x) + alone("[gain: -6]", x), rtol=0, atol=1e-15)
