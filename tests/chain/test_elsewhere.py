"""Names that other programs have lead to stages that there are."""

from __future__ import annotations

from torchfx_cli.chain.elsewhere import HERE, NOWHERE
from torchfx_cli.effects.table import KINDS


def test_names_from_elsewhere_lead_to_kinds_and_are_none_themselves() -> None:
    assert {name for name in HERE.values() if not name.startswith("preset: ")} <= set(KINDS)
    assert not {*HERE, *NOWHERE} & set(KINDS)
