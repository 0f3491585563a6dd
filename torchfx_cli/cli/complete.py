"""What the shell offers after Tab. Where nothing here fits, the shell offers file names."""

from __future__ import annotations

from collections.abc import Callable


def words(*allowed: str) -> Callable[[str], list[str]]:
    """Offers fixed words."""

    def offer(incomplete: str) -> list[str]:
        return [word for word in allowed if word.startswith(incomplete)]

    return offer


def preset_names(incomplete: str) -> list[tuple[str, str]]:
    """Names of presets, each with its description."""
    from torchfx_cli.chain.presets import list_presets

    return [(preset.name, preset.description) for preset in list_presets() if preset.name.startswith(incomplete)]


def kinds(incomplete: str) -> list[str]:
    """Names of stage kinds."""
    from torchfx_cli.effects.table import KINDS

    return [kind for kind in KINDS if kind.startswith(incomplete)]


def effects(incomplete: str) -> list[str]:
    """Stage kinds, with the colon that begins their values."""
    return [f"{kind}:" for kind in kinds(incomplete)]
