"""Whether a file is still being written, as far as its header says: no sample is decoded."""

from __future__ import annotations

from pathlib import Path

from torchfx_cli.errors import TorchfxError
from torchfx_cli.stream.chunks import ogg_pages
from torchfx_cli.stream.reader import Source


def is_unfinished(path: Path) -> bool:
    """Whether `path` promises more than it holds, was never closed, or has no header yet."""
    try:
        with Source(path) as source:
            layout = source.baggage.layout
            if source.truncated or (layout is not None and (layout.is_unfinished or layout.is_streamed)):
                return True
            if source.facts.container == "OGG":
                return not ogg_pages(source.baggage.fd, source.facts.file_bytes).is_whole
            return False
    except TorchfxError:
        return True
