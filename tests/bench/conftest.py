"""What no test here looks at is done without: collecting garbage for every cell."""

from __future__ import annotations

import pytest

from torchfx_cli.bench import memory


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_give_back", lambda: None)
