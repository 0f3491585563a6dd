"""How Sphinx builds the manual: `make docs`. References are generated from the program itself into docs/generated."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import commandpages  # noqa: E402
import pictures  # noqa: E402
import stagepages  # noqa: E402

from torchfx_cli import __version__  # noqa: E402

project = "torchfx"
author = "the authors of torchfx"
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["generated/plots"]

html_theme = "furo"
html_title = f"torchfx {version}"
html_static_path = ["_static"]
html_css_files = ["manual.css"]
html_show_copyright = html_copy_source = html_show_sphinx = False
html_show_sourcelink = False
pygments_style, pygments_dark_style = "default", "github-dark"

default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True}
python_maximum_signature_line_length = 100
# What other libraries define, and what is no part of the public library, has no page here.
OTHERS = r"(torch|np|numpy|npt|nn|collections|os|pathlib|typing)\..*"
INSIDE = r"torchfx_cli\.(library|design|effects|chain|stream|records)\..*"
BARE = "Tensor|ArrayLike|Any|Sequence|Iterator|Callable|Path|ChainSpec|StageSpec|Array|Row|Dither|Self|Module|Linear"
nitpick_ignore_regex = [("py:.*", OTHERS), ("py:class", INSIDE), ("py:class", f"({BARE})")]


def generate(app: Any) -> None:
    folder = HERE / "generated"
    folder.mkdir(exist_ok=True)
    plots = stagepages.draw(folder / "plots")
    pages = {"commands.md": commandpages.markdown(), "stages.md": stagepages.markdown(plots)}
    pages |= {f"{name}.svg": draw() for name, draw in pictures.PICTURES.items()}
    for name, text in pages.items():
        page = folder / name
        if not page.exists() or page.read_text(encoding="utf-8") != text:  # an unchanged page is not built again
            page.write_text(text, encoding="utf-8")


def setup(app: Any) -> None:
    app.connect("builder-inited", generate)
