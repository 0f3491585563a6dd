"""The drawings of "How it works": boxes and arrows as SVG that stands in the page itself, in the page's own colours."""

from __future__ import annotations

from html import escape

WIDTH = 720
HEAD = ('<div class="drawing"><svg viewBox="0 0 {width} {height}" width="100%" role="img" aria-label="{label}" '
        'font-family="inherit" '
        'font-size="15" fill="none" stroke="currentColor" stroke-width="1.3" xmlns="http://www.w3.org/2000/svg">'
        '<defs><marker id="tip-{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0 8 4 0 8z" fill="currentColor" stroke="none"/></marker></defs>')
MARKED = 'stroke="var(--color-brand-primary)" stroke-width="2"'


class Drawing:
    def __init__(self, name: str, label: str, height: int) -> None:
        self.name = name
        self._parts = [HEAD.format(width=WIDTH, height=height, label=escape(label), name=name)]

    def box(self, x: float, y: float, width: float, height: float, *lines: str, marked: bool = False) -> None:
        size = f'x="{x}" y="{y}" width="{width}" height="{height}"'
        self._parts.append(f'<rect {size} rx="5" {MARKED if marked else ""}/>')
        top = y + height / 2 - 9 * (len(lines) - 1) + 5
        for n, line in enumerate(lines):
            self.text(x + width / 2, top + 18 * n, line)

    def text(self, x: float, y: float, line: str, anchor: str = "middle", small: bool = False) -> None:
        size = ' font-size="13" opacity="0.8"' if small else ""
        self._parts.append(f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="currentColor" stroke="none"{size}>'
                           f'{escape(line)}</text>')

    def arrow(self, *points: tuple[float, float]) -> None:
        path = " ".join(f"{x} {y}" for x, y in points)
        self._parts.append(f'<path d="M{path}" marker-end="url(#tip-{self.name})"/>')

    def done(self) -> str:
        return "".join([*self._parts, "</svg></div>\n"])


def way() -> str:
    made = Drawing("way", "A chain is read, designed for a file, planned, and run over its blocks", 130)
    steps = (("eq.yaml:", "a chain"), ("stages,", "designed"), ("a plan,", "fused"), ("an engine,", "with state"))
    for n, lines in enumerate(steps):
        made.box(10 + 185 * n, 15, 140, 48, *lines, marked=n == 3)
        if n:
            made.arrow((185 * n - 33, 39), (185 * n + 8, 39))
    made.text(10, 110, "in.wav, in blocks", "start")
    made.arrow((140, 105), (600, 105), (600, 68))
    made.arrow((670, 68), (670, 92))
    made.text(670, 112, "out.wav")
    return made.done()


def parallel() -> str:
    made = Drawing("parallel", "All blocks are computed at once; only their states go from one to the next", 190)
    for n in range(4):
        x = 20 + 175 * n
        made.box(x, 15, 150, 40, f"samples {64 * n} to {64 * n + 63}")
        made.arrow((x + 75, 57), (x + 75, 78))
        made.box(x, 80, 150, 40, "one product", marked=True)
        made.box(x + 35, 145, 80, 32, "state")
        made.arrow((x + 75, 122), (x + 75, 143))
        if n < 3:
            made.arrow((x + 117, 161), (x + 208, 161))
    return made.done()


def fusion() -> str:
    made = Drawing("fusion", "Seven stages become three passes over the samples", 150)
    names = ("gain", "high-pass", "notch", "peaking", "compressor", "FIR", "FIR")
    for n, name in enumerate(names):
        made.box(8 + 101.5 * n, 12, 93, 36, name)
    for x, width, words in ((8, 397, ("one cascade of sections, gain inside",)), (414, 93, ("compressor",)),
                            (515, 195, ("one FIR",))):
        made.box(x, 98, width, 40, *words, marked=True)
        made.arrow((x + width / 2, 52), (x + width / 2, 95))
    return made.done()


def chunks() -> str:
    made = Drawing("chunks", "Blocks of any size, with the state carried on, give the same bits as the whole", 165)
    made.box(10, 12, 700, 34, "the whole file")
    made.text(10, 78, "the same in blocks:", "start", small=True)
    x = 10
    for width in (120, 238, 90, 260):
        made.box(x, 88, width - 8, 34, marked=True)
        if x + width < 700:
            made.arrow((x + width - 30, 123), (x + width - 26, 143), (x + width + 18, 143), (x + width + 22, 124))
            made.text(x + width - 4, 160, "state", small=True)
        x += width
    return made.done()


def writing() -> str:
    made = Drawing("writing", "An output is written beside its place, synced, read back, renamed", 120)
    steps = (("write", "a temporary file"), ("sync", "to disk"), ("read back,", "compare"), ("rename", "in one step"),
             ("sync", "the folder"))
    for n, lines in enumerate(steps):
        made.box(8 + 143 * n, 15, 128, 50, *lines, marked=n == 3)
        if n:
            made.arrow((143 * n - 6, 40), (143 * n + 6, 40))
    made.text(222, 100, "until here the old file stands", small=True)
    made.text(590, 100, "from here the new one, whole", small=True)
    return made.done()


PICTURES = {"way": way, "parallel": parallel, "fusion": fusion, "chunks": chunks, "writing": writing}
