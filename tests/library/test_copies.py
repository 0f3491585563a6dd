"""Streams that are copied in the middle go on, and paths are taken as what they are."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torchfx_cli as fx  # noqa: E402
from torchfx_cli.chain.parse import join  # noqa: E402
from torchfx_cli.kernel import load as loading  # noqa: E402

FS = 48_000
F = fx.filter
CHAINS: dict[str, Callable[[], Any]] = {
    "in step": lambda: F.HiButterworth(20) | F.FIR([0.5, 0.5]) | fx.effect.Gain(-3),
    "by transforms": lambda: F.DesignableFIR(301, 5000, align=True) | F.Notch(50),
    "sum": lambda: F.DesignableFIR(301, 5000) + F.Notch(50),
    "effects": lambda: join([], ["highpass:80", "compressor:-30", "mono", "fir:lowpass=9e3,taps=99", "trim:start=.01"]),
}


def noise(frames: int = 4000) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(5).standard_normal((2, frames)) * 0.1)


def rest(stream: Any, x: torch.Tensor) -> torch.Tensor:
    return torch.cat([stream.process(x), stream.flush()], dim=-1)


@pytest.mark.parametrize("way", [copy.deepcopy, lambda stream: pickle.loads(pickle.dumps(stream))],
                         ids=["deepcopy", "pickle"])
@pytest.mark.parametrize("name", CHAINS)
def test_a_copy_of_a_stream_goes_on_where_it_was(name: str, way: Callable[[Any], Any]) -> None:
    before, behind = noise().split(2500, dim=-1)
    stream, alone = (fx.Renderer(CHAINS[name](), FS, 2) for _ in range(2))
    for one in (stream, alone):
        one.process(before)
    again, due = way(stream), rest(alone, behind)
    assert not torch.equal(rest(again, 0.5 * behind), due)
    assert torch.equal(rest(stream, behind), due)  # which has heard nothing of that
    assert torch.equal(rest(again, before), rest(stream, before))  # from rest, both


def test_a_pickle_from_a_processor_with_another_kernel_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, alone = (fx.Renderer(CHAINS["by transforms"](), FS, 2) for _ in range(2))
    before, behind = noise().split(2500, dim=-1)
    for one in (stream, alone):
        one.process(before)
    saved = pickle.dumps(stream)
    twin = loading.available()[-1]
    monkeypatch.setattr(loading, "available", lambda: [twin])
    monkeypatch.setattr(loading, "load", lambda: twin)
    torch.testing.assert_close(rest(pickle.loads(saved), behind), rest(alone, behind), rtol=0, atol=1e-12)


def test_a_copy_of_a_resampler_is_refused() -> None:
    with pytest.raises(TypeError, match="heard cannot be copied; copy the chain"):
        copy.deepcopy(fx.Renderer(join([], ["resample:16 kHz"]), FS, 2))


@pytest.mark.parametrize("name", ["taps.txt", "it's, a: \"\\n\" [taps] #1.txt"])
@pytest.mark.parametrize("kind", [Path, str])
def test_taps_come_from_a_path(tmp_path: Path, name: str, kind: type) -> None:
    (tmp_path / name).write_text("0.5\n0.25\n")
    np.testing.assert_array_equal(F.Filter("fir", FS, file=kind(tmp_path / name))(noise()), F.FIR([0.5, 0.25])(noise()))
