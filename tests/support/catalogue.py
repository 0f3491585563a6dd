"""Several hundred odd and hostile files (HAZARDS, section 4 A), each with what `process` must make of it.

The chain is `highpass:80` where an entry names no other, and an output has its input's name where it names no other.
"""

from __future__ import annotations

from pathlib import Path

from support import odd_headers, odd_sounds, odd_values, oddfiles
from support.odd import Odd

CATALOGUE: dict[str, Odd] = {}

for entries in (odd_headers.not_audio, odd_headers.wav_headers, odd_headers.cut_headers, odd_values.lengths,
                odd_values.values, odd_values.rates_and_channels, odd_sounds.damaged, odd_sounds.metadata,
                odd_sounds.names, odd_sounds.formats):  # fmt: skip
    for entry in entries():
        assert entry.name not in CATALOGUE, entry.name
        CATALOGUE[entry.name] = entry


def put_all(folder: Path, entries: dict[str, Odd] = CATALOGUE) -> dict[str, Path]:
    """Every file of the catalogue, or of some of its entries, in `folder`."""
    return {name: oddfiles.put(folder, entry.make(), name) for name, entry in entries.items()}
