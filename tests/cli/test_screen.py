"""What reaches a terminal, a pipe and a broken one: bars only where someone looks; no stream ever stops the work."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from torchfx_cli.cli import bar, show

HALF = "gain:-6"
ROOT = Path(__file__).parents[2]
WIDE = {"TERM": "xterm", "COLUMNS": "100", "LINES": "24"}


def on_a_terminal(folder: Path, *arguments: str, script: str = "", **env: str) -> tuple[int, str]:
    """Run torchfx in `folder` with a terminal for both outputs; `script` runs first in its process."""
    ours, theirs = pty.openpty()
    code = f"{script}\nimport sys\nfrom torchfx_cli.__main__ import main\nsys.exit(main({list(arguments)}))"
    command = ["-c", code] if script else ["-m", "torchfx_cli", *arguments]
    environment = {k: v for k, v in os.environ.items() if k not in ("CI", "NO_COLOR")} | WIDE | env
    child = subprocess.Popen([sys.executable, *command], stdout=theirs, stderr=theirs, cwd=folder,
                             env=environment | {"PYTHONPATH": str(ROOT)})
    os.close(theirs)
    seen = b""
    try:
        while part := os.read(ours, 65536):
            seen += part
    except OSError:  # Linux: the last one at the other end has closed it
        pass
    os.close(ours)
    return child.wait(), seen.decode()


AT_ONCE = """
from torchfx_cli.cli import progress
from torchfx_cli.tasks import workers
progress.BAR_AFTER_S = workers.TELL_S = 0"""


def test_a_terminal_shows_a_bar_with_speed_and_time_left_and_then_the_line(ramp: Path, tmp_path: Path) -> None:
    code, seen = on_a_terminal(tmp_path, "process", "in.wav", "-e", HALF, "--chunk", "0.001", script=AT_ONCE)
    assert code == 0
    assert re.search(r"in\.wav.*\d+%  [\d.]+x  [\d:]+ left", seen), seen
    assert "in.wav -> processed/in.wav  1.00 s in " in seen.split("\x1b[2K")[-1], "the line must stand after the bar"


@pytest.mark.parametrize("env", [{"TERM": "dumb"}, {"CI": "true"}], ids=str)
def test_a_dumb_terminal_and_ci_get_plain_lines(ramp: Path, tmp_path: Path, env: dict[str, str]) -> None:
    code, seen = on_a_terminal(tmp_path, "process", "in.wav", "-e", HALF, script=AT_ONCE, **env)
    assert code == 0
    assert re.fullmatch(r"in\.wav -> processed/in\.wav  1\.00 s in .* dBFS\r\n", seen), seen


@pytest.mark.parametrize("columns", ["1", "20", "500"])
def test_a_terminal_of_any_width_will_do(ramp: Path, tmp_path: Path, columns: str) -> None:
    assert on_a_terminal(tmp_path, "process", "in.wav", "-e", HALF, script=AT_ONCE, COLUMNS=columns)[0] == 0
    assert on_a_terminal(tmp_path, "presets", COLUMNS=columns)[0] == 0
    assert on_a_terminal(tmp_path, "filters", "fir", COLUMNS=columns)[0] == 0


def test_failures_are_red_on_a_terminal_unless_no_color_says_otherwise(tmp_path: Path) -> None:
    arguments = ("process", "gone.wav", "-e", HALF)
    assert on_a_terminal(tmp_path, *arguments) == (3, "\x1b[31mgone.wav: does not exist\x1b[0m\r\n")
    assert on_a_terminal(tmp_path, *arguments, NO_COLOR="1") == (3, "gone.wav: does not exist\r\n")


def test_a_table_is_wrapped_to_the_terminal_and_a_row_a_line_in_a_pipe(torchfx: Any, tmp_path: Path) -> None:
    _, seen = on_a_terminal(tmp_path, "filters", COLUMNS="40")
    assert max(len(re.sub(r"\x1b\[\d*m", "", line)) for line in seen.splitlines()) <= 40
    piped = torchfx("filters", env={"COLUMNS": "40"}).stdout.splitlines()
    from torchfx_cli.effects.table import KINDS

    assert [line.split()[0] for line in piped] == list(KINDS)


def test_a_pipe_gets_nothing_of_a_bar_and_no_colour(torchfx: Any, ramp: Path) -> None:
    done = torchfx("process", "in.wav", "gone.wav", "-e", HALF, "--json", "--chunk", "0.001")
    assert done.returncode == 3
    assert "\x1b" not in done.stderr + done.stdout
    assert "\r" not in done.stderr
    assert len(done.stderr.splitlines()) == 4  # the first is a hint at -o
    assert sorted(json.loads(line)["status"] for line in done.stdout.splitlines()) == ["failed", "ok"]


@pytest.mark.parametrize(("shell", "codes"), [
    ('exec "$@" >&-', {1}),
    ('exec "$@" 2>&-', {0}),
    ('exec "$@" <&- >&- 2>&-', {1}),
    ('"$@" | true; exit ${PIPESTATUS[0]}', {0, 141}),
    ('"$@" 2>&1 >/dev/null | true; exit ${PIPESTATUS[0]}', {0, 141}),
    ('exec "$@" >/dev/full', {1}),
    ('exec "$@" 2>/dev/full', {0}),
])
def test_a_lost_stream_never_stops_the_work(
        torchfx: Any, ramp: Path, tmp_path: Path, shell: str, codes: set[int]) -> None:
    (tmp_path / "b.wav").write_bytes(ramp.read_bytes())
    done = torchfx("process", "in.wav", "b.wav", "-e", HALF, "--json", shell=shell)
    assert done.returncode in codes, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "processed").glob("*.wav")}
    assert sizes == {"in.wav": ramp.stat().st_size, "b.wav": ramp.stat().st_size}


def test_a_full_standard_output_is_told(torchfx: Any) -> None:
    done = torchfx("filters", shell='exec "$@" >/dev/full')
    assert done.returncode == 1
    assert done.stderr == "torchfx: error: cannot write to the standard output: No space left on device\n"


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["presets"], ["schema"]])
def test_a_reader_that_leaves_early_causes_no_noise(torchfx: Any, arguments: list[str]) -> None:
    done = torchfx(*arguments, shell='"$@" | true; exit ${PIPESTATUS[0]}')
    assert done.stderr == ""


def test_nothing_of_the_environment_is_needed(torchfx: Any, ramp: Path, tmp_path: Path) -> None:
    done = torchfx("process", "in.wav", "-e", HALF, shell=f'exec env -i PYTHONPATH="{ROOT}" "$@"')
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "processed" / "in.wav").stat().st_size == ramp.stat().st_size


def test_a_deleted_working_folder_is_a_plain_error(torchfx: Any, ramp: Path, tmp_path: Path) -> None:
    inside = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'
    relative = torchfx("process", "in.wav", "-e", HALF, shell=inside)
    assert relative.returncode in (1, 2, 3)
    assert "Traceback" not in relative.stderr
    assert torchfx("process", ramp, "-e", HALF, shell=inside).returncode == 0


@pytest.mark.parametrize(("seconds", "shown"), [
    (0.0, "0.00 s"), (0.314, "0.31 s"), (59.99, "59.99 s"), (60, "1:00"), (240, "4:00"), (3599.6, "1:00:00"),
    (3723, "1:02:03"),
])
def test_a_duration_is_shown_as_people_write_it(seconds: float, shown: str) -> None:
    assert show.clock(seconds) == shown


@pytest.mark.parametrize(
    ("peak", "shown"), [(1.0, "0.0 dBFS"), (0.5, "-6.0 dBFS"), (2.0, "+6.0 dBFS"), (0.0, "silence")])
def test_a_peak_is_shown_in_dbfs(peak: float, shown: str) -> None:
    assert show.level(peak) == shown


def test_the_note_beside_the_bar_says_how_far_how_fast_and_how_long() -> None:
    assert bar.progress_note(0.25, 0.5, 0.5) == " 25%  1.0x  0:02 left"
    assert bar.progress_note(0.25, 0.06, 0.5) == " 25%  0.1x  0:02 left"
    assert bar.progress_note(None, 600.0, 1.0) == "600x"
    assert bar.progress_note(0.0, 0.0, 0.0) == ""
    assert bar.progress_note(None, 0.0, 1.0) == ""


def test_a_long_name_keeps_its_beginning_and_end() -> None:
    shown = bar.shortened("a" * 20 + "b" * 200 + "end.wav")
    assert len(shown) <= bar.NAME_WIDTH
    assert shown.startswith("aaaa")
    assert shown.endswith("end.wav")


def test_a_name_that_the_message_begins_with_is_not_said_twice(capsys: pytest.CaptureFixture[str]) -> None:
    show.tell_failure("x.wav", "x.wav is empty")
    show.tell_failure("x\n.wav", "is empty")
    assert capsys.readouterr().err == "x.wav is empty\nx\\n.wav: is empty\n"
