"""Filters that follow each other are computed as one, and only where nobody could tell but by the time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import torchfx_cli as fx  # noqa: E402
from torchfx_cli.render import native_forward  # noqa: E402

FS = 48_000
ROUNDING = 1e-12


class Doubling(fx.filter.Notch):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(x)


class Named(nn.Sequential):
    """A Sequential by another name."""


class Doubled(nn.Sequential):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(x)


def noise(dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(5).standard_normal((2, 3000)) * 0.1).to(dtype)


def filters() -> list[fx.filter.Filter]:
    return [fx.filter.HiButterworth(80), fx.filter.Notch(50), fx.filter.FIR([0.5, 0.25]), fx.effect.Gain(-3)]


def in_turn(x: torch.Tensor) -> torch.Tensor:
    for module in filters():
        module.fs = FS
        x = module(x)
    return x


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the CPU engine was given to compute, call by call."""
    asked: list[Any] = []
    run = native_forward.from_rest
    monkeypatch.setattr(native_forward, "from_rest", lambda row, x, skip: (asked.append(row), run(row, x, skip))[1])
    return asked


@pytest.mark.parametrize("nest", [
    lambda a, b, c, d: nn.Sequential(a, b, c, d),
    lambda a, b, c, d: nn.Sequential(a, nn.Sequential(b, Named(c)), nn.Sequential(), d),
    lambda a, b, c, d: a | nn.Sequential(b, c) | d,
    lambda a, b, c, d: nn.Sequential(a | b, c | d),
], ids=["flat", "nested", "chained", "chains"])
def test_filters_in_a_sequential_are_one_chain(nest: Callable[..., nn.Module], rows: list[Any]) -> None:
    module, wave = nest(*filters()), fx.Wave(noise(torch.float32), FS)
    for _ in range(2):
        rows.clear()
        got = (wave | module).ys
        assert [len(row) for row in rows] == [2]  # sections, and the response with the gain in it
    a, b, c, d = filters()
    assert torch.equal(got, (wave | (a | b | c | d)).ys)  # rounded once
    np.testing.assert_allclose(got, in_turn(noise()), atol=1e-7)


def test_what_stands_between_filters_is_called_in_its_place(rows: list[Any]) -> None:
    a, b, c, d = filters()
    module, wave = nn.Sequential(a, b, nn.Hardtanh(-0.1, 0.1), c, d), fx.Wave(noise(), FS)
    cut = (wave | (filters()[0] | filters()[1])).ys.clamp(-0.1, 0.1)
    rows.clear()
    got = (wave | module).ys
    assert len(rows) == 2
    torch.testing.assert_close(got, (fx.Wave(cut, FS) | (filters()[2] | filters()[3])).ys, rtol=0, atol=ROUNDING)
    module[2] = nn.Hardtanh(-0.01, 0.01)  # a Sequential may change
    assert (wave | module).ys.abs().max() < 0.01


def test_the_rate_changes_on_the_way_through_a_sequential() -> None:
    module = nn.Sequential(fx.effect.Resample("16 kHz"), nn.Sequential(fx.filter.Notch(50), fx.filter.Notch(60)))
    wave = fx.Wave(noise(), FS) | module
    assert (wave.fs, module[1][0].fs) == (16_000, 16_000)
    module.register_forward_hook(lambda module, inputs, y: y)
    with pytest.raises(ValueError, match=r"Sequential has hooks .* apply its parts one by one"):
        _ = fx.Wave(noise(), FS) | module


def pre_hook(module: nn.Module) -> nn.Module:
    module.register_forward_pre_hook(lambda module, inputs: (2 * inputs[0],))
    return module


def post_hook(module: nn.Module) -> nn.Module:
    module.register_forward_hook(lambda module, inputs, y: 2 * y)
    return module


def on_the_object(module: nn.Module) -> nn.Module:
    forward = module.forward
    module.forward = lambda x: 2 * forward(x)  # type: ignore[method-assign]
    return module


@pytest.mark.parametrize("doubled", [pre_hook, post_hook, on_the_object, lambda module: Doubling(50)],
                         ids=["pre-hook", "hook", "on the object", "subclass"])
@pytest.mark.parametrize("way", ["chain", "longer chain", "sequential", "sum", "chain in sum"])
def test_a_part_that_does_more_than_its_filter_is_called(doubled: Callable[..., nn.Module], way: str) -> None:
    def made(change: Callable[..., nn.Module]) -> nn.Module:
        a, b, c, d = filters()
        b = change(b)
        if way == "chain":
            return a | b | c | d
        if way == "longer chain":
            return fx.effect.Gain(0) | (a | b | (c | d))
        if way == "sequential":
            return nn.Sequential(a, nn.Sequential(b, c), d)
        return b + b if way == "sum" else (a | b | c | d) + (a | b | c | d)

    wave = fx.Wave(noise(), FS)
    due = 2 * (wave | made(lambda module: module)).ys
    torch.testing.assert_close((wave | made(doubled)).ys, due, rtol=0, atol=ROUNDING)
    with pytest.raises(ValueError, match="has hooks or a forward of its own, which a stream does not call"):
        fx.Renderer(made(doubled), FS, 2)


@pytest.mark.parametrize("make", [
    lambda a, b, c, d: pre_hook(nn.Sequential(a, b, c, d)), lambda a, b, c, d: post_hook(a | b | c) | d,
    lambda a, b, c, d: Doubled(a, b, c, d), lambda a, b, c, d: nn.Sequential(Doubled(a, b), c | d),
], ids=["on a sequential", "on a chain", "sequential of one's own", "within a sequential"])
def test_a_whole_that_does_more_than_its_parts_is_called(make: Callable[..., nn.Module]) -> None:
    got = (fx.Wave(noise(), FS) | make(*filters())).ys
    torch.testing.assert_close(got, 2 * in_turn(noise()), rtol=0, atol=ROUNDING)


def test_hooks_of_the_way_back_are_called_too() -> None:
    a, b, c, d = filters()
    seen: list[float] = []
    b.register_full_backward_hook(lambda module, into, out: seen.append(float(into[0].abs().sum())))
    x = noise().requires_grad_()
    (fx.Wave(x, FS) | (a | b | c | d)).ys.square().sum().backward()
    other = noise().requires_grad_()
    in_turn(other).square().sum().backward()
    assert len(seen) == 1
    assert seen[0] > 0
    torch.testing.assert_close(x.grad, other.grad, rtol=0, atol=1e-10)


def test_hooks_for_all_modules_are_called_for_each_filter() -> None:
    a, b, c, d = filters()
    seen: list[str] = []
    with nn.modules.module.register_module_forward_hook(lambda module, inputs, y: seen.append(type(module).__name__)):
        _ = fx.Wave(noise(), FS) | (a | b | c | d)
    assert seen == ["HiButterworth", "Notch", "FIR", "Gain", "Chain"]
