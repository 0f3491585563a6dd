"""The device's way of rounding, dithering and clipping against the kernel's: every bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rendering import FORMATS, plan_of

torch = pytest.importorskip("torch")

from torchfx_cli.kernel.load import load  # noqa: E402
from torchfx_cli.kernel.twin import tpdf as tpdf_on_host  # noqa: E402
from torchfx_cli.plan.assemble import RenderPlan  # noqa: E402
from torchfx_cli.render.quantiser import by_tensors, quantise, tpdf  # noqa: E402


def plan_for(name: str, seed: int = 0, limit: bool = False, dither: str = "tpdf") -> RenderPlan:
    plan = plan_of([], 2, sink=replace(FORMATS[name], limit=limit), dither=dither)
    return replace(plan, seed=seed)


def by_kernel(plan: RenderPlan, x: np.ndarray, first_frame: int) -> tuple[np.ndarray, tuple[int, float, int]]:
    block = np.empty(x.shape, plan.sink.dtype)
    sink = plan.sink
    return block, load().store_samples(x, block, sink.bits, plan.dither, plan.seed, first_frame, sink.limit)


def assert_same(plan: RenderPlan, x: np.ndarray, first_frame: int = 0) -> None:
    block, (clipped, peak, bad) = by_kernel(plan, x, first_frame)
    found = by_tensors(plan, torch.from_numpy(x), first_frame)
    assert found.block.numpy().tobytes() == block.tobytes()
    if bad < 0:
        assert found.seen.tolist() == [clipped, peak, bad]
    else:
        assert found.seen[2] == bad


@pytest.mark.parametrize("limit", [False, True])
@pytest.mark.parametrize("dither", ["none", "tpdf"])
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_stored_as_by_the_kernel(name: str, dither: str, limit: bool) -> None:
    x = np.random.default_rng(1).normal(0.0, 0.5, (5000, 2))  # one in twenty beyond full scale
    x[:4] = [[1.0, -1.0], [0.0, -0.0], [1e300, -1e300 if name != "float32" or limit else 1.0], [1 - 2.0**-16, 2.0**-16]]
    if name == "float32" and not limit:
        x[2, 0] = 3e38
    assert_same(plan_for(name, 7, limit, dither), x, 123)


def test_halves_go_to_the_even_neighbour() -> None:
    x = (np.arange(-6, 6).reshape(6, 2) + 0.5) / 2**15
    found = by_tensors(plan_for("int16", dither="none"), torch.from_numpy(x), 0).block
    assert found.flatten().tolist() == [-6, -4, -4, -2, -2, 0, 0, 2, 2, 4, 4, 6]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", FORMATS)
def test_the_first_sample_that_is_no_number_is_found_and_stored_as_silence(name: str, bad: float) -> None:
    x = np.full((50, 2), 0.25)
    x[20, 1] = x[30, 0] = bad
    assert_same(plan_for(name), x)
    assert by_tensors(plan_for(name), torch.from_numpy(x), 0).seen[2] == 41


def test_what_a_float32_cannot_hold_is_no_number() -> None:
    for value in (float.fromhex("0x1.fffffefffffffp127"), float.fromhex("0x1.ffffffp127"), 1e39):
        assert_same(plan_for("float32"), np.array([[0.0, value]]))


@pytest.mark.parametrize("seed", [0, 1, 2**63, 2**64 - 1])
@pytest.mark.parametrize("first", [0, 12345, 2**31 - 7, 2**32 - 100, 5 * 2**31 + 3])
def test_the_dither_is_that_of_the_kernel_anywhere_in_a_file(seed: int, first: int) -> None:
    found = tpdf(seed, first, 200, torch.device("cpu"))
    assert found.numpy().tobytes() == tpdf_on_host(seed, first, 200).tobytes()


def test_files_side_by_side_are_quantised_as_if_alone() -> None:
    x = np.random.default_rng(2).normal(0.0, 0.5, (3, 400, 2))
    plan = plan_for("int16")
    together = by_tensors(plan, torch.from_numpy(x), 0)
    for n, one in enumerate(x):
        alone = by_tensors(plan, torch.from_numpy(one), 0)
        assert torch.equal(together.block[n], alone.block)
        assert torch.equal(together.seen[n], alone.seen)
    on_the_cpu = quantise(plan, torch.from_numpy(x), 0)
    assert torch.equal(on_the_cpu.block, together.block)
    assert torch.equal(on_the_cpu.seen, together.seen)


def test_nothing_is_nothing() -> None:
    found = by_tensors(plan_for("int16"), torch.empty(0, 2, dtype=torch.float64), 5)
    assert found.block.shape == (0, 2)
    assert found.seen.tolist() == [0.0, 0.0, -1.0]
