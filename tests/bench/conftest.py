"""What a cell costs beside its computation is left out."""

from __future__ import annotations

import pytest

from torchfx_cli.bench import memory


@pytest.fixture(autouse=True)
def no_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that a test session has loaded need not be looked through for every cell."""
    monkeypatch.setattr(memory, "_give_back", lambda: None)
