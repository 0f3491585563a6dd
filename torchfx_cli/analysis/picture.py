"""Pictures as files: which kinds there are, how they are made of a figure, and how an own one is known again.

Figures are made without pyplot, which would look for a screen.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from io import BytesIO
from typing import Any

from torchfx_cli.errors import UsageError, printable

SUFFIXES = (".png", ".svg", ".pdf")
MAKER_KEYS = {"png": "Software", "svg": "Creator", "pdf": "Creator"}
UNDATED = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}  # the same picture is the same bytes
PACKED = 3  # of 9: beyond, each percent of size costs a tenth of the time
INK, FAINT, GUIDE = "#222222", "#ececec", "#c4c4c4"


def check(option: str, name: str, suffixes: Sequence[str] = SUFFIXES) -> None:
    """Raise UsageError where no picture of that name can be made for `option`: matplotlib, the suffix."""
    if find_spec("matplotlib") is None:
        raise UsageError(f"{option}: matplotlib is not installed; pip install matplotlib")
    if not name.lower().endswith(tuple(suffixes)):
        *others, last = suffixes
        raise UsageError(f"{option} {printable(name)}: the name has to end in {', '.join(others)} or {last}")


def blank(width_in: float, height_in: float) -> Any:
    """An empty figure of matplotlib."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_in, height_in), facecolor="white")


def encoded(figure: Any, name: str, maker: str, dpi: int = 160) -> bytes:
    """A figure of matplotlib as the file `name` holds it, with the name of its `maker`."""
    from matplotlib import rc_context

    out, kind = BytesIO(), name[-3:].lower()
    if kind == "png":
        _save_png(figure, out, maker, dpi)
        return out.getvalue()
    with rc_context({"svg.hashsalt": maker}):
        figure.savefig(out, format=kind, dpi=dpi, metadata={MAKER_KEYS[kind]: maker} | UNDATED[kind])
    return out.getvalue()


def _save_png(figure: Any, out: BytesIO, maker: str, dpi: int) -> None:
    """Without the transparency that no figure has, and packed quickly: it is as large as matplotlib's, in half the
    time."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    words = PngInfo()
    words.add_text(MAKER_KEYS["png"], maker)
    pixels = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba(), "raw", "RGBA", 0, 1)
    pixels.convert("RGB").save(out, "png", pnginfo=words, dpi=(dpi, dpi), compress_level=PACKED)


def is_of(maker: str, head: bytes) -> bool:
    """Whether a file that begins like this is a picture by `maker`."""
    return maker.encode() in head and head[:8].lstrip(b"\xef\xbb\xbf").startswith((b"\x89PNG", b"<?xml", b"%PDF"))
