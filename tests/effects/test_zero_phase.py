"""Filters forward and backward, against the same done at once by SciPy in float64 with silence around the file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.signal import sosfiltfilt
from test_kinds import FS, assert_the_law, noise, plan_of, render

from torchfx_cli import scratch
from torchfx_cli.chain.parse import join
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.design.stages import Sections
from torchfx_cli.effects.table import KINDS
from torchfx_cli.errors import ChainError
from torchfx_cli.exchange.export import exported
from torchfx_cli.kernel.load import available

EFFECTS = {
    "highpass": "cutoff=80,order=4", "lowpass": "cutoff=5 kHz,order=6,family=elliptic",
    "bandpass": "low=300,high=3 kHz", "bandstop": "frequency=1 kHz,q=2", "peaking": "frequency=50,gain=6,q=8",
    "low_shelf": "frequency=100,gain=-12", "high_shelf": "frequency=8 kHz,gain=3,order=1", "notch": "frequency=50,q=30",
    "dc_block": "cutoff=5", "analog": "poles=[50.05,2122.07],zeros=[500.5]",
    "sos": "sections=[[0.5,0.5,0,1,-0.9,0]]", "graphic_eq": "gains=[1,2,3,-4,5,0,0,3,2,1]",
}
SAME = 1e-11  # of the highest sample: the rounding of narrow filters at low frequencies, where SciPy has no FMA


def sections(effect: str) -> Any:
    (stage,) = design_chain(join([], [effect]), FS, 2)
    assert isinstance(stage, Sections)
    return stage.sos.copy()


def test_every_recursive_kind_has_it_but_the_all_pass() -> None:
    """Which would do nothing."""
    assert {kind for kind, row in KINDS.items() if hasattr(row.record, "zero_phase")} == EFFECTS.keys()


@pytest.mark.parametrize("kind", EFFECTS)
def test_it_is_what_scipy_makes_of_the_whole_with_silence_around_it(kind: str) -> None:
    effect, x = f"{kind}:{EFFECTS[kind]}", noise(3001)
    around = np.pad(x, ((9, 10 * FS), (0, 0)))  # in front, too: SciPy takes the first frame to have always been there
    wanted = sosfiltfilt(sections(effect), around, axis=0, padtype=None)[9 : 9 + len(x)]
    got = render(plan_of(f"{effect},zero_phase=true"), x, 509)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=SAME * np.abs(wanted).max())


@pytest.mark.parametrize("memory_bytes", [scratch.MEMORY_BYTES, 999])
def test_chunked_is_whole_in_memory_and_in_a_file(memory_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "MEMORY_BYTES", memory_bytes)
    monkeypatch.setattr("torchfx_cli.effects.zero_phase.block_frames", lambda channels: 4000)
    assert_the_law(plan_of("dc_block:cutoff=300,zero_phase=true", "mono", "lowpass:cutoff=3 kHz,zero_phase=true",
                           tail_s=0.01))


def test_a_cut_off_of_3_db_has_6_db_and_no_delay() -> None:
    x = np.zeros((FS, 1))
    x[FS // 2] = 1.0
    got = render(plan_of("lowpass:cutoff=1 kHz,order=4,zero_phase=true", channels=1), x)[:, 0]
    level_db = 20 * np.log10(np.abs(np.fft.rfft(got)[1000]))
    assert level_db == pytest.approx(-20 * np.log10(2), abs=1e-9)
    np.testing.assert_allclose(got[FS // 2 + 1 :], got[1 : FS // 2][::-1], rtol=0, atol=1e-15)


@pytest.mark.parametrize("kernel", available(), ids=lambda kernel: kernel.name)
def test_kernels_agree(kernel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    effect, x = "highpass:cutoff=200,order=4,zero_phase=true", noise(2000)
    wanted = render(plan_of(effect), x)
    monkeypatch.setattr("torchfx_cli.effects.zero_phase.load", lambda: kernel)
    np.testing.assert_allclose(render(plan_of(effect), x), wanted, rtol=0, atol=1e-13)


def test_the_plan_says_what_is_doubled_and_where_silence_is() -> None:
    plan = plan_of("highpass:cutoff=80,zero_phase=true")
    assert plan.describe() == ["highpass 80 Hz butterworth order 2, forward and backward"]
    assert plan.remarks == ("highpass 80 Hz butterworth order 2, forward and backward: the order and all levels in dB "
                            "are doubled, -3 dB at the cut-off become -6 dB; outside the file is silence",)


def test_the_tail_is_that_of_both_passes_and_the_gain_that_of_both() -> None:
    plan = plan_of("peaking:frequency=1 kHz,gain=6,q=2,zero_phase=true", channels=1, tail_s="auto")
    x = np.zeros((1, 1))
    x[0] = 1.0
    got = render(plan, x)[:, 0]
    longer = render(plan_of("peaking:frequency=1 kHz,gain=6,q=2,zero_phase=true", channels=1, tail_s=1.0), x)[:, 0]
    assert np.abs(longer[len(got) :]).max() < 1e-6 < np.abs(longer[len(got) // 2 :]).max()
    (stage,) = plan.stages
    assert 10 ** (12 / 20) <= stage.peak_gain < 10 ** (20 / 20)


def test_other_programs_do_not_get_it() -> None:
    chain = join([], ["highpass:cutoff=80,zero_phase=true"])
    with pytest.raises(ChainError, match=r"sox has no words for this: highpass 80 Hz.* forward and backward"):
        exported(chain, "sox", FS)
    with pytest.raises(ChainError, match=r"unknown key .zero_phase."):
        join([], ["allpass:frequency=80,zero_phase=true"])


def test_the_library_has_it_as_an_effect() -> None:
    torch = pytest.importorskip("torch")
    fx = pytest.importorskip("torchfx_cli")
    x = noise(1000)
    made = fx.effect.Highpass(80, zero_phase=True, fs=FS)(torch.from_numpy(x.T.copy()))
    np.testing.assert_array_equal(made.numpy().T, render(plan_of("highpass:cutoff=80,zero_phase=true"), x))
    with pytest.raises(ValueError, match=r"needs the whole recording here: use fx\.effect"):
        fx.filter.Filter("highpass", FS, cutoff=80, zero_phase=True)
