"""For which speakers the channels of a signal are, by the bits of a WAVEFORMATEXTENSIBLE's channel mask."""

from __future__ import annotations

from torchfx_cli.samples import Signal

OF_BITS = ("FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR", "TC", "TFL", "TFC", "TFR", "TBL",
           "TBC", "TBR")
# By channels: the layout that is meant where none is told, as in FLAC (RFC 9639, 9.1.3).
USUAL = {1: ("FC",), 2: ("FL", "FR"), 3: ("FL", "FR", "FC"), 4: ("FL", "FR", "BL", "BR"),
         5: ("FL", "FR", "FC", "BL", "BR"), 6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
         7: ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"), 8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR")}


def layout_of(source: Signal, user: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The speakers of `source`, "" for any; and remarks for the `user`, a stage, where they are not told."""
    told = tuple(name for bit, name in enumerate(OF_BITS) if source.mask >> bit & 1)
    if len(told) == source.channels:
        return told, ()
    usual = USUAL.get(source.channels, ("",) * source.channels)
    if source.channels < 4:
        return usual, ()
    taken = f"taken for {' '.join(usual)}" if usual[0] else "all weighted alike"
    return usual, (f"{user}: no layout of the {source.channels} channels is told; they are {taken}",)
