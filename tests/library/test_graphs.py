"""Filters in the graphs of torch: whole, for any length, with the same numbers, also once saved."""

from __future__ import annotations

import copy
import io

import numpy as np
import pytest
import scipy.signal as sp

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import torchfx_cli as fx  # noqa: E402

FS = 48_000
F = fx.filter
pytestmark = pytest.mark.filterwarnings("ignore")  # torch's own, about what it calls itself


def noise(frames: int = 3000, channels: int = 2) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(5).standard_normal((channels, frames)) * 0.1)


def every_form() -> nn.Module:
    """Sections, short and long taps, a gain, sums within a sum, a delay that is removed, another module between."""
    crossover = F.LoButterworth(500, fs=FS) + (F.FIR([0.5, 0.5]) + F.Notch(50, fs=FS) | F.HiButterworth(20, 3, FS))
    delayed = F.DesignableFIR(301, 5000, FS, align=True) | fx.effect.Gain(-3)
    return crossover | delayed | nn.Tanh() | F.Peaking(80, 3, 1, FS)


@pytest.fixture(scope="module")
def exported() -> torch.export.ExportedProgram:
    return torch.export.export(every_form(), (noise(),), dynamic_shapes=({0: torch.export.Dim("c"),
                                                                          1: torch.export.Dim("n")},))


@pytest.mark.parametrize("frames", [2, 149, 70_001])
def test_a_graph_is_for_any_length_and_number_of_channels(exported: torch.export.ExportedProgram, frames: int) -> None:
    x = noise(frames, 3)
    assert torch.equal(exported.module()(x), every_form()(x))


def test_a_graph_that_was_saved_computes_the_same(exported: torch.export.ExportedProgram) -> None:
    buffer = io.BytesIO()
    torch.export.save(exported, buffer)
    buffer.seek(0)
    assert torch.equal(torch.export.load(buffer).module()(noise()), every_form()(noise()))


def test_compiled_whole_it_gives_the_same_numbers_and_gradients() -> None:
    module, x, y = every_form(), noise().requires_grad_(), noise().requires_grad_()
    compiled = torch.compile(copy.deepcopy(module), fullgraph=True, dynamic=True, backend="aot_eager")
    got, due = compiled(x), module(y)
    torch.testing.assert_close(got, due, rtol=0, atol=1e-12)
    got.square().sum().backward()
    due.square().sum().backward()
    torch.testing.assert_close(x.grad, y.grad, rtol=0, atol=1e-11)
    for other in (noise(777), noise(90_000, 5)):
        assert torch.equal(compiled(other), module(other))


def test_in_a_graph_a_filter_is_what_scipy_computes_on_modules_of_matrices_too() -> None:
    from torchfx_cli.library import traced
    from torchfx_cli.render import native_forward

    sos, x = sp.butter(4, [300, 3000], "bandpass", fs=FS, output="sos"), noise()
    row = traced.text_of(F.SOS(sos).row)
    np.testing.assert_array_equal(traced.filtered(x, row, 0), F.SOS(sos)(x))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(native_forward, "is_plain", lambda x: False)
        np.testing.assert_allclose(traced.filtered(x, row, 0), sp.sosfilt(sos, x), rtol=0, atol=1e-12)
        assert traced.filtered(x, "[]", 0).data_ptr() != x.data_ptr()
    torch.library.opcheck(traced.filtered, (x[:, :50].clone().requires_grad_(), row, 3),
                          test_utils=("test_schema", "test_faketensor", "test_autograd_registration"))


def test_hooks_are_called_in_a_graph_too() -> None:
    module = F.Notch(50, fs=FS) | F.Notch(60, fs=FS)
    due = 2 * module(noise())
    module.parts[0].register_forward_hook(lambda module, inputs, y: 2 * y)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    for got in (compiled(noise()), module(noise())):
        torch.testing.assert_close(got, due, rtol=0, atol=1e-12)
