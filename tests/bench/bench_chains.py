"""Chains written as effects."""

from __future__ import annotations

from torchfx_cli.chain.parse import parse_effect
from torchfx_cli.chain.spec import ChainSpec


def chain(*effects: str) -> ChainSpec:
    return ChainSpec("test", tuple(stage for effect in effects for stage in parse_effect(effect)))
