"""How often tests that go by chance try: once as a rule, `TORCHFX_TEST_ROUNDS` times where that is set."""

from __future__ import annotations

import os

ROUNDS = max(1, int(os.environ.get("TORCHFX_TEST_ROUNDS", "1")))
