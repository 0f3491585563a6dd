"""Many short files in one launch: each as if it were alone, its faults its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from rendering import BLEND, FLOAT32, FLOAT64, INT16, INT24, SPECS, plan_of, render, signal, stages_of

torch = pytest.importorskip("torch")

from torchfx_cli.errors import DeviceError, FileError, ReadError  # noqa: E402
from torchfx_cli.render import batched  # noqa: E402
from torchfx_cli.render.batched import BatchedRun, batchable, bucket_frames, render_batched  # noqa: E402
from torchfx_cli.render.engine import Levels  # noqa: E402
from torchfx_cli.render.native import NativeEngine  # noqa: E402
from torchfx_cli.render.torch_engine import TorchEngine  # noqa: E402

torch.set_num_threads(1)

FRAMES = (0, 1, 300, 1000, 1025, 3000, 3001, 9000, 2999, 1000)
KINDS = [kind for kind in SPECS if kind != "normalize"]


def same(one: Any, other: Any) -> bool:
    return bool(one[0].tobytes() == other[0].tobytes() and one[1] == other[1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_comes_out_the_same_whatever_lies_beside_it(kind: str) -> None:
    plan = plan_of(stages_of(kind), 2, INT16, FLOAT64, tail_s=0.01)
    run, blocks = BatchedRun(plan), [signal(frames, 2, INT16) for frames in FRAMES]
    together = run.render(blocks)
    for block, one in zip(blocks, together, strict=True):
        assert same(one, run.render([block])[0]), f"{len(block)} frames"
    assert all(same(one, other) for one, other in zip(together, run.render(blocks[::-1])[::-1], strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_batched_is_what_the_engine_makes_of_each(kind: str) -> None:
    # Of another shape, matrix products may round in another order: one step of float64, and not of 16 bits.
    blocks = [signal(frames, 3, FLOAT32) for frames in FRAMES]
    for sink, most, chosen in ((FLOAT64, 1e-15, blocks), (INT16, 0.0, blocks[2::3])):
        plan = plan_of(stages_of(kind), 3, FLOAT32, sink, tail_s=0.01)
        for block, one in zip(chosen, render_batched(plan, chosen), strict=True):
            alone = render(TorchEngine, plan, block)
            assert one[0].shape == alone.block.shape
            assert one[0].dtype == alone.block.dtype
            np.testing.assert_allclose(one[0], alone.block, rtol=0, atol=most)
            assert one[1].clipped == alone.levels.clipped
            assert one[1].peak == pytest.approx(alone.levels.peak, rel=1e-14)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_batched_is_what_the_native_engine_makes_of_each(channels: int) -> None:
    plan = plan_of(stages_of(*BLEND, "fir aligned"), channels, INT24, FLOAT64, tail_s=0.02)
    blocks = [signal(frames, channels, INT24) for frames in FRAMES]
    for block, one in zip(blocks, render_batched(plan, blocks), strict=True):
        np.testing.assert_allclose(one[0], render(NativeEngine, plan, block).block, rtol=0, atol=1e-13)


def test_padding_is_neither_heard_nor_counted() -> None:
    # The filter goes on ringing behind the end of a short file, louder than anything in it, and beyond full scale.
    from torchfx_cli.design.stages import Taps

    plan = plan_of([Taps([0.0] * 20 + [8.0])], 1, INT16, INT16, dither="none")
    (block, levels), (_, of_longer) = render_batched(plan, [np.full((n, 1), 8192, np.int16) for n in (15, 30)])
    assert not block.any()
    assert levels == Levels(0.0, 0)
    assert of_longer == Levels(2.0, 10)


def test_a_faulty_file_fails_alone() -> None:
    from torchfx_cli.design.stages import Gain

    plan = plan_of([Gain(1e300)], 2)
    good, bad, loud = signal(500), signal(500), np.full((500, 2), 1e10)
    bad[24, 1] = np.nan
    results = render_batched(plan, [good, bad, good, loud])
    assert same(results[0], results[2])
    assert isinstance(results[1], ReadError)
    assert str(results[1]) == "non-finite sample at 0.000500 s, channel 2"
    assert isinstance(results[3], FileError)
    assert str(results[3]).endswith("made a non-finite sample at 0.000000 s, channel 1")


def test_no_files_are_no_results() -> None:
    assert render_batched(plan_of(stages_of("gain")), []) == []


def test_buckets_waste_at_most_a_third() -> None:
    plan = plan_of(stages_of("gain"))
    for frames in (1, 1024, 1025, 1536, 1537, 44_100, 65_537, 10**6):
        bucket = bucket_frames(plan, frames)
        assert bucket >= frames
        assert bucket == 1024 or bucket <= frames * 3 / 2
    assert bucket_frames(plan_of(stages_of("gain"), tail_s=1.0), 1) == 49_152


def test_what_is_long_or_needs_two_passes_is_not_batched() -> None:
    plan = plan_of(stages_of("highpass"))
    assert batchable(plan, 48_000)
    assert not batchable(plan, 2**22)
    assert not batchable(plan_of(stages_of("normalize")), 48_000)


class Cramped(BatchedRun):
    """A device that holds `most` samples."""

    most = 20_000

    def _launch(self, launch: Any, files: torch.Tensor, downloads: Any) -> None:
        if files.numel() > self.most:
            raise torch.OutOfMemoryError("out of memory")
        super()._launch(launch, files, downloads)


def test_where_memory_runs_out_fewer_files_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched, "UNIT_SAMPLES", {"cpu": 100_000})
    plan, blocks = plan_of(stages_of(*BLEND)), [signal(frames) for frames in range(500, 5000, 101)]
    run = Cramped(plan)
    for one, other in zip(run.render(blocks), BatchedRun(plan).render(blocks), strict=True):
        np.testing.assert_allclose(one[0], other[0], rtol=0, atol=1e-14)
    assert run.notes == ["cpu ran out of memory: fewer files were batched together from there on"]


def test_a_device_that_cannot_hold_one_file_is_an_error() -> None:
    run = Cramped(plan_of(stages_of("gain")))
    with pytest.raises(DeviceError, match=r"^not enough memory on cpu for 32768 samples$"):
        run.render([signal(12_000)])
