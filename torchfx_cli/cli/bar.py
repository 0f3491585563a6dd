"""The bar: how far, how fast (× real time), how long still. Only for a terminal; loads rich, starts no thread."""

from __future__ import annotations

import shutil
import sys
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from torchfx_cli.cli import show

NAME_WIDTH = 32
ECHO_WIDTH = 3  # where a terminal writes ^C; on a full line it would wrap, and the bar could not be taken away
REDRAW_S = 0.1


class Bar:
    """One line on stderr, drawn by `update` and taken away by `close`; the next `update` draws it again.

    `total` and `position` are in units of the caller's choice.
    """

    def __init__(self, total: float | None) -> None:
        self._total, self._drawn_s = total, -REDRAW_S
        self._progress: Progress | None = None

    def update(self, name: str, position: float, note: str, *, now: bool = False) -> None:
        """Draw, unless it was drawn a moment ago; `now` draws in any case."""
        if not now and time.monotonic() - self._drawn_s < REDRAW_S:
            return
        self._drawn_s = time.monotonic()
        if self._progress is None:
            self._progress = _progress()
            self._task = self._progress.add_task("", total=self._total, note="")
            self._progress.start()
        self._progress.update(self._task, description=name, completed=position, note=note)
        self._progress.refresh()

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def _progress() -> Progress:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[note]}", markup=False),
    )
    width = max(1, shutil.get_terminal_size().columns - ECHO_WIDTH)
    console = Console(file=sys.stderr, width=width, markup=False, highlight=False)
    return Progress(*columns, console=console, transient=True, expand=True, auto_refresh=False,
                    redirect_stdout=False, redirect_stderr=False)


def shortened(name: str) -> str:
    """`name` in at most `NAME_WIDTH` characters, the middle left out."""
    if len(name) <= NAME_WIDTH:
        return name
    half = (NAME_WIDTH - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def progress_note(part: float | None, audio_s: float, elapsed_s: float) -> str:
    """`42%  774x  0:12 left`; where no one knows how far it is (`part` is None) only the speed."""
    speed = show.speed(audio_s, elapsed_s)
    if not part:
        return speed
    part = min(1.0, part)
    return f"{part:4.0%}  {speed}  {show.coarse_clock(elapsed_s * (1 - part) / part)} left"
