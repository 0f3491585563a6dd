"""What the README says can be done: its chains are read, its commands run, its links lead somewhere."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from torchfx_cli.chain.parse import parse_chain
from torchfx_cli.effects.table import KINDS

README = (Path(__file__).parents[1] / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.S)
YAML = re.findall(r"```yaml\n(.*?)```", README, re.S)
SHELL = "".join(re.findall(r"```sh\n(.*?)```", README, re.S))
# A GPU may not be there, completion would change the user's own shell, and those of bench take long: see tests/bench.
LEFT_OUT = ("--device cuda", "--install-completion", "--compare", "--advise", "--calibrate", "--channels")
# On a few seconds of sound, which may have no loudness, and of time.
SMALLER = {"--durations 5,60": "--durations 1", "--durations 60": "--durations 1", "--reps 50": "--reps 2",
           "--budget 20": "--budget 0.2", "loudness=-16±1,": "", "loudness=-23±0.5,": "", ",noise_floor<=-60": ""}


def smaller(command: str) -> str:
    for words, fewer in SMALLER.items():
        command = command.replace(words, fewer)
    return command if re.search("--(budget|reps)", command) else command.replace("torchfx bench",
                                                                                 "torchfx bench --budget 0.2")


COMMANDS = list(dict.fromkeys(
    smaller(line.split("  #")[0].strip()) for line in SHELL.splitlines()
    if "torchfx " in line and not line.startswith("pip") and not any(word in line for word in LEFT_OUT)
))


def test_the_first_chain_of_the_readme_is_read_as_it_stands() -> None:
    assert [stage.kind for stage in parse_chain(YAML[0]).stages] == ["highpass", "notch", "peaking", "normalize"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the commands of the README speak of."""
    noise = (np.random.default_rng(1).standard_normal((4800, 2)) * 3000).astype(np.int16)
    for name in ("in.wav", "other.wav", "episode.wav", "recordings/a.wav", "recordings/x/b_raw.wav", "raw/x/c.flac",
                 "incoming/d.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / name, noise, 48_000)
    (tmp_path / "eq.yaml").write_text(YAML[0])
    (tmp_path / "cover.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    (tmp_path / "names.txt").write_text("other.wav\n")
    (tmp_path / "failed.txt").write_text("recordings/./a.wav\n")
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_of_the_readme_runs(command: str, folder: Path) -> None:
    if "--resume" in command:
        run(command.replace("--resume", ""), folder)
    done = run(command, folder)
    assert done.returncode == 0, done.stderr
    words = shlex.split(command)
    if words[:2] == ["torchfx", "process"] and not {"--dry-run", "--in-place"} & set(words):
        wanted = folder / words[words.index("-o") + 1] if "-o" in words else folder / "processed" / "in.wav"
        assert wanted.exists()


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """`command` as a shell reads it, with the torchfx of this checkout."""
    function = f'torchfx() {{ {shlex.quote(sys.executable)} -m torchfx_cli "$@"; }}'
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "XDG_CONFIG_HOME": str(folder / "config")}
    return subprocess.run(["bash", "-c", f"{function}\nset -o pipefail; {command}"], cwd=folder, capture_output=True,
                          text=True, env=env, stdin=subprocess.DEVNULL, timeout=60)


def test_the_table_of_stages_names_every_kind() -> None:
    table = README.split("## Chains")[1].split("## ")[0]
    assert [kind for kind in KINDS if f"`{kind}`" not in table] == []


def test_the_verbs_that_the_readme_names_are_in_the_makefile() -> None:
    makefile = (Path(__file__).parents[1] / "Makefile").read_text()
    assert all(re.search(rf"^{verb}:", makefile, re.M) for verb in set(re.findall(r"`make ([\w-]+)`", README)))


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_knows_what_to_do_for_each_verb_without_doing_it() -> None:
    for verb in ("demo", "test", "lint", "clean"):
        subprocess.run(["make", "-n", verb], cwd=Path(__file__).parents[1], check=True, capture_output=True)


def test_the_python_of_the_readme_runs_block_after_block(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).standard_normal((48_000, 2)) * 3000
    for name in ("in.wav", "take1.wav", "take2.wav"):
        soundfile.write(tmp_path / name, noise.astype(np.int16), 48_000)
    script = "\n".join(PYTHON) + """
assert bright.ys.shape == both.ys.shape == wave.ys.shape
assert torch.allclose(torch.cat(pieces, dim=-1).cpu(), (wave | fx.load_chain("podcast-voice")).ys, atol=1e-6)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = {"out.wav", "voice.flac", "take1.flac", "take2.flac", "trace.json"}
    assert made <= {path.name for path in tmp_path.iterdir()}
    assert np.abs(soundfile.read(tmp_path / "out.wav")[0]).max() == pytest.approx(0.9, abs=1e-4)
