"""A file written again as the program would, without a filter."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torchfx_cli.stream.formats import choose_output
from torchfx_cli.stream.reader import open_source
from torchfx_cli.stream.writer import Output


def rewrite(path: Path, source: Path, word: str | None = None, subtype: str | None = None,
            **options: Any) -> tuple[list[str], list[str]]:
    """`source` as `path`; the warnings and notes of its reader and writer together."""
    with open_source(source) as reader:
        facts = reader.facts
        chosen = choose_output(path, facts, word, subtype)
        size = facts.frames and facts.frames * facts.channels * chosen.bytes_per_sample
        options = {"expected_bytes": size, "metadata": reader.metadata} | options
        with Output(path, facts.fs, facts.channels, chosen, facts.tags, overwrite=True, **options) as output:
            for block in reader.blocks(4800):
                output.write(block.astype(chosen.sample_format.dtype))
            output.commit()
            return [*reader.warnings, *output.warnings], [*reader.notes, *output.notes]


def wav_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each chunk of a WAV or RF64, by the book: sizes must be right, pad bytes be there."""
    order, at = (">" if content[:4] in (b"FORM", b"RIFX") else "<"), 12
    size = struct.unpack(f"{order}I", content[4:8])[0]
    sizes64 = struct.unpack("<QQ", content[20:36]) if content[:4] == b"RF64" else None
    assert (sizes64[0] if sizes64 else size) == len(content) - 8
    while at < len(content):
        size = struct.unpack(f"{order}I", content[at + 4 : at + 8])[0]
        size = sizes64[1] if sizes64 and content[at : at + 4] == b"data" else size
        yield content[at : at + 4], content[at + 8 : at + 8 + size]
        assert not any(content[at + 8 + size : at + 8 + size + size % 2])
        at += 8 + size + size % 2
    assert at == len(content)
