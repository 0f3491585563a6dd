"""Filters in what surrounds them in other people's programs: autocast, and loaders that fork."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torchfx_cli as fx  # noqa: E402

FS = 48_000
X = torch.from_numpy(np.random.default_rng(4).uniform(-0.5, 0.5, (4, 2, 2000))).float()


class Filtered(torch.utils.data.Dataset):  # type: ignore[misc]
    def __init__(self) -> None:
        self.chain = fx.filter.HiButterworth(80, order=4, fs=FS) | fx.filter.Notch(50, fs=FS)

    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.chain(X[index])  # type: ignore[no-any-return]


def test_autocast_changes_nothing() -> None:
    chain = Filtered().chain
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = chain(X)
    assert made.dtype == torch.float32
    assert torch.equal(made, chain(X))


def test_a_loader_with_forked_workers_gives_what_a_loop_gives() -> None:
    data = Filtered()
    wanted = torch.stack([data[index] for index in range(len(data))])
    loader = torch.utils.data.DataLoader(data, batch_size=2, num_workers=1, multiprocessing_context="fork")
    assert torch.equal(torch.cat(list(loader)), wanted)
