"""A steady start: filters begin as if the first sample of each channel had always been there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal
import soundfile

from torchfx_cli.__main__ import main
from torchfx_cli.chain.parse import join, load_chain, parse_chain
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.design.stage import Array
from torchfx_cli.design.stages import Sections, linear
from torchfx_cli.errors import ChainError
from torchfx_cli.plan.assemble import RenderPlan, assemble
from torchfx_cli.render.native import NativeEngine
from torchfx_cli.render.scipy_engine import ScipyEngine
from torchfx_cli.samples import FLOAT64

FS = 48_000
CHAINS = [
    ("highpass:80",), ("lowpass:cutoff=9000,order=8", "peaking:frequency=1000,gain=6"),
    ("fir:lowpass=9000,taps=301,align=true", "gain:-3"), ("fir:highpass=200,taps=5001", "highpass:30"),
    ("low_shelf:frequency=200,gain=6", "compressor:-20", "highpass:60"),
    ("lowpass:8000", "resample:16 kHz", "highpass:100"),
    ("parallel:[[highpass: 300, compressor: -20], [lowpass: 300]]",),
    ("highpass:300,channels=1,mix=0.5", "crossover:300"),
]


def torch_engine(plan: RenderPlan) -> Any:
    return pytest.importorskip("torchfx_cli.render.mixed_engine").MixedEngine(plan)


ENGINES: list[Callable[[RenderPlan], Any]] = [NativeEngine, ScipyEngine, torch_engine]


def plan_of(*effects: str, tail_s: float = 0.0) -> RenderPlan:
    return assemble(design_chain(join([], effects), FS, 2), FS, 2, FLOAT64, FLOAT64, tail_s=tail_s, start="steady")


def render(engine: Any, x: Array, size: int = 1 << 20) -> Array:
    parts = [engine.process(x[at : at + size].copy()) for at in range(0, len(x), size)]
    return np.concatenate([*parts, *engine.flush()])


def noise(frames: int) -> Array:
    return 0.1 * np.random.default_rng(frames).standard_normal((frames, 2)) + [0.3, -0.2]


@pytest.mark.parametrize("engine", ENGINES)
def test_recursive_filters_begin_in_the_state_that_scipy_gives_for_a_step(engine: Any) -> None:
    plan, x = plan_of("highpass:cutoff=80,order=4", "peaking:frequency=1000,gain=6", "lowpass:9000"), noise(5000)
    sos = np.concatenate([stage.sos for stage in plan.stages if isinstance(stage, Sections)])
    wanted, _ = scipy.signal.sosfilt(sos, x, axis=0, zi=scipy.signal.sosfilt_zi(sos)[:, :, None] * x[0])
    np.testing.assert_allclose(render(engine(plan), x), wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("effects", CHAINS[:4], ids=" ".join)
def test_it_is_what_follows_the_first_sample_held_for_long(engine: Any, effects: tuple[str, ...]) -> None:
    plan, x, before = plan_of(*effects, tail_s=0.01), noise(5000), 3 * FS
    held = np.concatenate([np.repeat(x[:1], before, axis=0), x])
    at_rest = assemble(plan.stages, FS, 2, FLOAT64, FLOAT64, tail_s=0.01)
    wanted = render(NativeEngine(at_rest), held)[before:]
    made = render(engine(plan), x)
    assert len(made) == 5480
    np.testing.assert_allclose(made, wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize("engine", [NativeEngine, torch_engine])
@pytest.mark.parametrize("effects", CHAINS, ids=" ".join)
def test_chunked_is_whole(engine: Any, effects: tuple[str, ...]) -> None:
    plan = plan_of(*effects, tail_s=0.01)
    for frames, sizes in ((0, ()), (1, (1,)), (2, (1,)), (401, (1,)), (3001, (17, 1009))):
        x = noise(frames)
        whole = render(engine(plan), x) if frames else np.empty((0, 2))
        assert len(whole) == plan.frames_out(frames)
        for size in sizes:
            assert render(engine(plan), x, size).tobytes() == whole.tobytes()


def test_short_files_that_are_batched_begin_so_too() -> None:
    batched = pytest.importorskip("torchfx_cli.render.batched")
    plan = plan_of("highpass:80", "fir:lowpass=9000,taps=301,align=true", tail_s=0.01)
    files = [noise(frames) for frames in (3000, 1, 2000)]
    for file, (made, _) in zip(files, batched.render_batched(plan, files), strict=True):
        np.testing.assert_allclose(made, render(NativeEngine(plan), file), rtol=0, atol=1e-12)


def test_what_begins_at_zero_and_what_remembers_nothing_is_as_from_rest() -> None:
    x = noise(2000)
    assert plan_of("gain:-3").runs[0].steady_gain is None
    np.testing.assert_array_equal(render(NativeEngine(plan_of("gain:-3")), x), x * 10.0 ** (-3 / 20))
    x[0] = 0.0
    at_rest = assemble(plan_of("highpass:80").stages, FS, 2, FLOAT64, FLOAT64)
    np.testing.assert_array_equal(render(NativeEngine(plan_of("highpass:80")), x), render(NativeEngine(at_rest), x))
    assert list(linear(at_rest.stages))


def test_a_chain_says_how_it_begins_and_a_chain_of_several_is_steady_where_one_is(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("start: steady\nchain: [gain: -1]")
    (tmp_path / "b.yaml").write_text("chain: [preset: ./a.yaml]")
    (tmp_path / "c.yaml").write_text("start: rest\nchain: [preset: ./a.yaml]")
    starts = {name: load_chain(tmp_path / f"{name}.yaml").start for name in "abc"}
    assert starts == {"a": "steady", "b": "steady", "c": "rest"}
    rest = parse_chain("chain: [gain: -1]")
    assert rest.start == "rest"
    assert join([rest, load_chain(tmp_path / "b.yaml")]).start == "steady"
    assert join([rest], [f"preset:{tmp_path}/a.yaml"]).start == "steady"
    with pytest.raises(ChainError, match=r"chain.yaml:1: start: found 'now'; allowed: rest, steady"):
        parse_chain("start: now\nchain: [gain: -1]")


def test_a_voice_with_an_offset_is_as_loud_as_one_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                          capsys: pytest.CaptureFixture[str]) -> None:
    """From rest the offset of 0.2 is a thump, four times as high as the voice, and the peak that is normalised."""
    monkeypatch.chdir(tmp_path)
    time_s = np.arange(FS) / FS
    voice = 0.05 * np.sin(2 * np.pi * 300 * time_s) * np.sin(np.pi * time_s) ** 2
    levels = {}
    for name, offset in (("plain", 0.0), ("offset", 0.2)):
        soundfile.write(f"{name}.wav", voice + offset, FS, "FLOAT")
        for start in ("", "rest"):
            out = f"{name}{start}-out.wav"
            assert main(["process", f"{name}.wav", "-c", "speech-recognition", "-o", out,
                         *(["--start", start] if start else [])]) == 0
            levels[name, start] = np.abs(soundfile.read(out)[0][FS // 4 :]).max()
    assert levels["plain", ""] == pytest.approx(10 ** (-3 / 20), rel=1e-4)
    assert levels["offset", ""] == pytest.approx(levels["plain", ""], rel=1e-3)
    assert levels["offset", "rest"] < 0.3 * levels["plain", ""]
    capsys.readouterr()
    assert main(["process", "plain.wav", "-c", "speech-recognition", "-o", "n.wav", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["start"] == "steady"
    assert main(["process", "plain.wav", "-e", "gain:1", "-o", "n.wav", "--start", "now"]) == 2
    assert "--start: found 'now'; allowed are rest, steady" in capsys.readouterr().err
