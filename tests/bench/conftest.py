"""What no test here looks at is done without: collecting garbage for every cell, a new parser for every command."""

from __future__ import annotations

from functools import lru_cache

import pytest

from torchfx_cli.bench import memory
from torchfx_cli.cli import app

parser_made_once = lru_cache(app.app)


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_give_back", lambda: None)
    monkeypatch.setattr(app, "app", parser_made_once)
