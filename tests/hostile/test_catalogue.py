"""Every odd file of the catalogue has the fate that the catalogue says, and nothing that anyone had is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import soundfile
from support.catalogue import CATALOGUE, put_all
from support.children import ROOT, Fate, Work, fates_together
from support.invariants import check_exit, check_told, is_whole, nothing_lost
from support.odd import Odd


def test_there_are_hundreds_and_every_row_of_the_catalogue_of_hazards_that_one_file_can_show() -> None:
    assert len(CATALOGUE) >= 300
    shown = {odd.row for odd in CATALOGUE.values()}
    # 4, 8, 22: among the WAV headers; 31: a chunk among those of 30; 38 to 43: not one file, or gigabytes.
    assert set(range(1, 38)) - shown <= {4, 8, 22, 31}


def test_odd_files_have_the_fates_that_the_catalogue_says(tmp_path: Path) -> None:
    """They are done in child processes, as a few have killed decoders and encoders."""
    chosen = CATALOGUE.items()
    paths = put_all(tmp_path)
    (tmp_path / "out").mkdir()
    works = [Work(paths[name], tmp_path / "out" / odd.output_name, odd.effects, odd.settings) for name, odd in chosen]
    with nothing_lost(paths.values(), {work.output: None for work in works}):
        results = fates_together(works)
    for (_, odd), fate in zip(chosen, results, strict=True):
        check_fate(odd, fate)
    grown_mb = max(fate.grown_kib for fate in results) / 1024
    assert grown_mb < 60, "with headers that promise terabytes, 1024 channels, and two minutes of silence in 3 kB"


def check_fate(odd: Odd, fate: Fate) -> None:
    output = fate.work.output
    assert fate.is_fine, fate
    warned = "warned" if fate.status == "ok" and fate.words else fate.status
    assert warned in (("ok", "warned") if odd.status == "read" else (odd.status,)), fate
    assert odd.words in fate.words, fate
    if odd.status == "failed":
        assert not output.exists(), fate
        return
    assert is_whole(output), fate
    with soundfile.SoundFile(bytes(output)) as sound:
        assert sound.frames == fate.frames, fate
    if odd.frames is not None:
        assert fate.frames == odd.frames, fate


def test_the_command_line_tells_of_each_bad_file_once_and_does_the_others(tmp_path: Path) -> None:
    def belongs(odd: Odd) -> bool:
        plain = odd.effects == ("highpass:80",) and not odd.settings and not odd.output
        return plain and odd.status in ("ok", "warned", "failed")

    chosen = {name: odd for name, odd in CATALOGUE.items() if belongs(odd)}
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    paths = put_all(folder)
    outputs = {out / name: None for name in chosen}
    inputs = [paths[name] for name in chosen]
    failed = [paths[name] for name, odd in chosen.items() if odd.status == "failed"]
    command = [sys.executable, "-m", "torchfx_cli", "process", "-e", "highpass:80", "-o", f"{out}/", "--", *inputs]
    with nothing_lost(inputs, outputs, also=[r"\.torchfx.*"]):
        done = subprocess.run(command, capture_output=True, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, timeout=60)
    assert done.returncode == 3, done.stderr
    check_exit(done.returncode, outputs)
    check_told(done.stderr, failed, len(inputs))
    assert len(list(out.glob("[!.]*")) + list(out.glob(".hidden*"))) == len(inputs) - len(failed)
