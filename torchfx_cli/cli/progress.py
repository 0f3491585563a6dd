"""The bar: how far, how fast (× real time), how long still. Only for a terminal; loads rich."""

from __future__ import annotations

import shutil
import sys
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from torchfx_cli.cli import show

NAME_WIDTH = 32
ECHO_WIDTH = 3  # where a terminal writes ^C; on a full line it would wrap, and the bar could not be taken away


class Bar:
    """One file's bar on stderr, taken away by `close`.

    `total` and `position` count frames read, of which `frames_per_s` make a second of audio: the sample rate times
    the number of passes. `since_s` is when the work began, by `time.monotonic`.
    """

    def __init__(self, name: str, total: int | None, frames_per_s: int, since_s: float) -> None:
        self._total, self._rate, self._since = total, frames_per_s, since_s
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[note]}", markup=False),
        )
        width = max(1, shutil.get_terminal_size().columns - ECHO_WIDTH)
        console = Console(file=sys.stderr, width=width, markup=False, highlight=False)
        self._progress = Progress(
            *columns, console=console, transient=True, expand=True, redirect_stdout=False, redirect_stderr=False
        )
        self._task = self._progress.add_task(shortened(name), total=total, note="")
        self._progress.start()

    def update(self, position: int) -> None:
        note = progress_note(position, self._total, self._rate, time.monotonic() - self._since)
        self._progress.update(self._task, completed=position, note=note)

    def close(self) -> None:
        self._progress.stop()


def shortened(name: str) -> str:
    """`name` in at most `NAME_WIDTH` characters, the middle left out."""
    if len(name) <= NAME_WIDTH:
        return name
    half = (NAME_WIDTH - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def progress_note(position: int, total: int | None, frames_per_s: int, elapsed_s: float) -> str:
    """`42%  774x  0:12 left`; without a total only the speed."""
    speed = f"{position / frames_per_s / elapsed_s:.0f}x" if frames_per_s and elapsed_s > 0 else ""
    if not total or not position:
        return speed
    part = min(1.0, position / total)
    return f"{part:4.0%}  {speed}  {show.coarse_clock(elapsed_s * (1 - part) / part)} left"
