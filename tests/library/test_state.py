"""What a filter is and what it says of itself are the same: parameters, coefficients, checkpoints, copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.signal as sp

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import torchfx_cli as fx  # noqa: E402

FS = 48_000
F = fx.filter
# Each class with its numbers, all of which might be learned by somebody.
MADE: dict[str, tuple[Callable[..., nn.Module], dict[str, Any]]] = {
    **{name: (getattr(F, name), {"cutoff": 1000.0}) for name in ("LoButterworth", "HiButterworth", "LinkwitzRiley")},
    **{name: (getattr(F, name), {"cutoff": 1000.0, "ripple": 1.0}) for name in ("LoChebyshev1", "HiChebyshev1")},
    **{name: (getattr(F, name), {"cutoff": 1000.0, "attenuation": 50.0}) for name in ("LoChebyshev2", "HiChebyshev2")},
    **{name: (getattr(F, name), {"cutoff": 1000.0, "ripple": 1.0, "attenuation": 50.0})
       for name in ("LoElliptic", "HiElliptic")},
    **{name: (getattr(F, name), {"frequency": 1000.0, "gain": 3.0, "q": 0.9})
       for name in ("Peaking", "LoShelving", "HiShelving")},
    **{name: (getattr(F, name), {"frequency": 1000.0, "q": 0.9}) for name in ("Notch", "AllPass", "BandPass")},
    "FIR": (F.FIR, {"taps": [0.5, 0.25, 0.125]}),
    "DesignableFIR": (lambda **numbers: F.DesignableFIR(31, **numbers), {"cutoff": 1000.0}),
    "SOS": (F.SOS, {"sos": [[0.5, 0.25, 0.0, 1.0, -0.5, 0.0]]}),
    "Filter": (lambda **numbers: F.Filter("highpass", **numbers), {"cutoff": 1000.0}),
    "Gain": (fx.effect.Gain, {"gain": 3.0}),
}


def made(name: str, fs: float | None = FS) -> Any:
    make, numbers = MADE[name]
    module = make(**numbers)
    if fs is not None and not module._suits_any_rate:
        module.fs = fs
    return module


def noise(frames: int = 500) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(5).standard_normal((2, frames)) * 0.1)


def test_every_class_is_here() -> None:
    classes = {name for name, one in vars(F).items() if isinstance(one, type) and issubclass(one, F.Filter)}
    assert classes - set(MADE) == {"Cut", "RippledCut", "AttenuatingCut", "EllipticCut", "ParametricEQ"}


@pytest.mark.parametrize("name", MADE)
def test_a_parameter_that_asks_for_a_gradient_is_refused(name: str) -> None:
    make, numbers = MADE[name]
    for key, value in numbers.items():
        learned = nn.Parameter(torch.tensor(value, dtype=torch.float64))
        with pytest.raises(ValueError, match=rf"{key} asks for a gradient, .* with \.item\(\) or \.detach\(\)"):
            make(**{**numbers, key: learned})
        assert repr(make(**{**numbers, key: learned.detach()})) == repr(made(name, None))


@pytest.mark.parametrize("make", [
    lambda learned: fx.effect.Normalize(learned), lambda learned: fx.effect.Compressor(threshold=learned),
    lambda learned: F.FIR([0.5, learned]), lambda learned: F.DesignableFIR(9, [100.0, learned], kind="bandpass"),
    lambda learned: F.Notch(50, fs=learned),
], ids=["Normalize", "Compressor", "a tap", "an edge", "fs"])
def test_gradients_are_refused_wherever_a_number_goes(make: Callable[..., nn.Module]) -> None:
    with pytest.raises(ValueError, match="asks for a gradient"):
        make(torch.tensor(0.5, requires_grad=True))


@pytest.mark.parametrize("name", MADE)
def test_whatever_is_written_into_coefficients_what_is_said_is_what_runs(name: str) -> None:
    module = made(name)
    due, said = module(noise()), module.coefficients
    for edit in (module.coefficients, *module.buffers(), *module.state_dict().values()):
        if isinstance(edit, torch.Tensor):
            edit.mul_(2.0)
    assert torch.equal(module(noise()), due)
    assert torch.equal(module(noise().requires_grad_()).detach().round(decimals=9), due.round(decimals=9))
    assert torch.equal(module.coefficients, said)
    assert torch.equal(module.state_dict()["coefficients"], said)
    made(name).load_state_dict(module.state_dict())
    with pytest.raises(AttributeError, match="cannot be deleted or parametrized"):
        nn.utils.parametrize.register_parametrization(module, "coefficients", nn.Tanh())


@pytest.mark.parametrize("name", MADE)
def test_numerator_and_denominator_are_the_filter(name: str) -> None:
    module, x = made(name), noise()
    np.testing.assert_allclose(sp.lfilter(module.b, module.a, x), module(x), rtol=0, atol=1e-9)
    if hasattr(module, "sos"):
        np.testing.assert_allclose(sp.sosfilt(module.sos, x), module(x), rtol=0, atol=1e-12)
        assert len(module.a) <= 2 * len(module.sos) + 1


def test_a_third_order_has_four_numbers_as_in_scipy() -> None:
    module, (b, a) = F.LoButterworth(1000, 3, FS), sp.butter(3, 1000, fs=FS)
    np.testing.assert_allclose(module.b, b, rtol=1e-9)
    np.testing.assert_allclose(module.a, a, rtol=1e-12)
    assert F.FIR([0.5, 0.25]).a.tolist() == [1.0]


@pytest.mark.parametrize("missing", ["coefficients", "sos", "b", "a"])
def test_coefficients_that_are_not_there_are_no_attribute(missing: str) -> None:
    module = F.LoButterworth(1000)
    assert not hasattr(module, missing)
    with pytest.raises(AttributeError, match="has no sample rate: give fs"):
        getattr(module, missing)
    with pytest.raises(AttributeError, match="FIR has no sections"):
        _ = F.FIR([0.5]).sos


@pytest.mark.parametrize("combine", [lambda a, b: a, lambda a, b: a | b, lambda a, b: a + (b | b)])
def test_what_has_no_rate_is_designed_when_it_gets_one(combine: Callable[..., Any]) -> None:
    module = combine(F.LoButterworth(1000), F.Notch(50))
    module.compute_coefficients()
    assert not list(module.buffers())
    got = (fx.Wave(noise(), FS) | module).ys
    module.compute_coefficients()
    assert torch.equal(module(noise()), got)
    module.move_coeff("meta")
    assert {buffer.device.type for buffer in module.buffers()} == {"meta"}
    module.compute_coefficients()
    assert module(noise().to("meta")).device.type == "meta"


DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


@pytest.mark.parametrize("name", MADE)
def test_checkpoints_of_any_type_load_into_models_of_any_type(name: str) -> None:
    for saved in DTYPES:
        state = made(name).to(saved).state_dict()
        assert state["coefficients"].dtype == saved
        for loading in DTYPES:
            fresh = made(name, None).to(loading)
            fresh.load_state_dict(state)
            assert torch.equal(fresh(noise()), made(name)(noise()))
            assert torch.equal(fresh.coefficients, made(name).coefficients)


def test_in_float32_too_the_state_of_another_filter_is_refused() -> None:
    state = F.LoButterworth(1000, fs=FS).float().state_dict()
    for other in (F.LoButterworth(1000.1, fs=FS), F.LoButterworth(1000, 3, FS), F.HiButterworth(1000, fs=FS)):
        with pytest.raises(RuntimeError, match="coefficients are those of another filter"):
            other.load_state_dict(state)


@pytest.mark.parametrize("saved_with", [nn.Identity(), F.LoButterworth(1000), F.LoButterworth(1000, fs=FS)],
                         ids=["no filter", "undesigned", "designed"])
def test_a_checkpoint_from_before_the_filter_loads(saved_with: nn.Module) -> None:
    linear = nn.Linear(3, 3)
    old = nn.ModuleDict({"front": saved_with, "net": linear}).state_dict()
    for fs in (None, FS):
        model = nn.ModuleDict({"front": F.LoButterworth(1000, fs=fs), "net": nn.Linear(3, 3)})
        assert str(model.load_state_dict(old, strict=True)) == "<All keys matched successfully>"
        assert torch.equal(model["net"].weight, linear.weight)
        assert torch.equal((fx.Wave(noise(), FS) | model["front"]).ys, F.LoButterworth(1000, fs=FS)(noise()))
    with pytest.raises(RuntimeError, match=r"Unexpected key.*front\.other"):
        model.load_state_dict({**old, "front.other": torch.zeros(1)}, strict=True)


def test_a_model_made_without_memory_gets_it_from_its_checkpoint() -> None:
    with torch.device("meta"):
        model = F.LoButterworth(1000, fs=FS)
    model.load_state_dict(F.LoButterworth(1000, fs=FS).state_dict(), assign=True)
    assert torch.equal(model(noise()), F.LoButterworth(1000, fs=FS)(noise()))
