"""What README and manual say can be done: their chains are read, their commands run, their references are current."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from support import pages

from torchfx_cli.__main__ import main
from torchfx_cli.chain.parse import parse_chain
from torchfx_cli.cli.app import app
from torchfx_cli.effects.table import KINDS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
# How a command may end that shows a failure, a difference or a norm that is missed; the others end with 0.
CODES = {
    "corpus/": (0, 3), "torchfx diff": (0, 1), "bad.yaml": (2,), "--files-from failed.txt": (0, 1),
    "info podcast/ --stats --require": (3,), "info recordings/ --stats --require": (3,), "info acx/": (0, 3),
    "info air/": (0, 3), "info episodes/": (0, 3), "info data/ --require": (0, 3),
}


@pytest.fixture(scope="session")
def practice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pages speak of: the recordings to practise on, and small files of any other name."""
    folder = tmp_path_factory.mktemp("practice")
    sys.path.insert(0, str(DOCS))
    import practice as made

    sys.path.remove(str(DOCS))
    made.make(folder)
    sound = made.recording(1, 1.5, 0.0)
    for name in ("in.wav", "other.wav", "episode.wav", "take1.wav", "take2.wav", "recordings/a.wav",
                 "recordings/x/b_raw.wav", "raw/x/c.flac", "incoming/d.wav"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, sound, made.FS)
    (folder / "eq.yaml").write_text(next(block.text for block in pages.blocks_of(ROOT / "README.md")
                                         if block.language == "yaml"))
    (folder / "bad.yaml").write_text("chain:\n  - highpas: 80\n  - notch: 50 dB\n"
                                     "  - peaking: {frequency: 1 kHz, gain: 1, gain: 2}\n")
    (folder / "ParametricEQ.txt").write_text("Preamp: -3 dB\nFilter 1: ON PK Fc 100 Hz Gain 3 dB Q 1\n")
    (folder / "cover.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100) + b"\xff\xd9")
    (folder / "tags.csv").write_text("file,title\na.wav,Dawn\n")
    (folder / "names.txt").write_text("other.wav\n")
    (folder / "failed.txt").write_text("recordings/./a.wav\n")
    return folder


@pytest.fixture
def folder(practice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    here = tmp_path / "here"
    shutil.copytree(practice, here)
    monkeypatch.chdir(here)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("COLUMNS", "80")
    return here


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_of_a_page_does_what_it_says(page: Path, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def run(command: str) -> tuple[int, str]:
        words = pages.words_of(command)
        if words is None:
            return pages.in_shell(command)
        capfd.readouterr()
        code = main([*words, "--seconds", "0.01"] if words[0] == "verify" else words)
        return code, "".join(capfd.readouterr())

    names: dict[str, Any] = {}
    for block in pages.blocks_of(page):
        where = f"{page.name}:{block.line}"
        if block.compares:
            continue
        if block.language in ("sh", "console"):
            for command, wanted in block.commands:
                run_command(run, command, wanted, where, block.reason)
        elif block.reason is not None:
            continue
        elif block.language == "yaml":
            read_chain(block, where)
        elif block.language == "python":
            exec(compile(block.text, where, "exec"), names)
    if page.name == "python.md":
        check_what_python_made(names)


def check_what_python_made(names: dict[str, Any]) -> None:
    wave = names["wave"]
    assert names["bright"].ys.shape == names["both"].ys.shape == wave.ys.shape
    whole = (wave | names["fx"].load_chain("podcast-voice")).ys
    torch.testing.assert_close(torch.cat(names["pieces"], dim=-1).cpu(), whole, rtol=0, atol=1e-6)
    assert np.abs(soundfile.read("out.wav")[0]).max() == pytest.approx(0.9, abs=1e-4)
    assert all(Path(name).exists() for name in ("voice.flac", "take1.flac", "take2.flac", "trace.json"))


def run_command(run: Callable[[str], tuple[int, str]], command: str, wanted: list[str], where: str,
                reason: str | None) -> None:
    if reason is not None or pages.is_left_out(command):
        if re.search(r"\btorchfx [a-z]", command):
            pages.check_options(command, app().commands)
        return
    code, printed = run(command)
    allowed = next((codes for words, codes in CODES.items() if words in command), (0,))
    assert code in allowed, f"{where}: {command}: exit code {code}\n{printed}"
    if wanted:
        assert pages.unlike(printed, wanted) == [], f"{where}: {command}\n{printed}"


def read_chain(block: pages.Block, where: str) -> None:
    if block.file is not None:
        Path(block.file).write_text(block.text, encoding="utf-8")
    is_whole = re.search("^chain:", block.text, re.M)
    text = block.text if is_whole else f"chain:\n{textwrap.indent(block.text, '  ')}"
    assert parse_chain(text, where).stages


RECIPE = re.compile(r"^## ([^\n]+)\n\n(Null|Level) test: (\S+) (?:dB|dBFS)\n\n```sh\n(.*?)```", re.S | re.M)
RECIPES = RECIPE.findall((DOCS / "recipes.md").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def band_limited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of in.wav, 2 s of stereo noise from 20 Hz to 6 kHz that swells and fades, and of quiet.wav, its middle
    between silence."""
    spectrum = np.fft.rfft(np.random.default_rng(3).standard_normal((96_000, 2)), axis=0)
    hz = np.fft.rfftfreq(96_000, 1 / 48_000)
    spectrum[(hz < 20) | (hz > 6000)] = 0
    sound = np.fft.irfft(spectrum, axis=0) * np.hanning(96_000)[:, None]
    path = tmp_path_factory.mktemp("recipes") / "in.wav"
    sound /= np.abs(sound).max() * 2
    soundfile.write(path, sound, 48_000, "PCM_24")
    silence = np.zeros((9_600, 2))
    quiet = np.concatenate([silence, sound[24_000:72_000], silence])
    soundfile.write(path.with_name("quiet.wav"), quiet, 48_000, "PCM_24")
    return path.parent


def middle_db(sound: np.ndarray) -> float:
    return float(10 * np.log10((sound[len(sound) // 4 : -len(sound) // 4] ** 2).mean()))


@pytest.mark.parametrize(("title", "test", "bound_db", "text"), RECIPES, ids=[title for title, *_ in RECIPES])
def test_what_is_typed_in_other_programs_gives_the_same(title: str, test: str, bound_db: str, text: str,
                                                        band_limited: Path, tmp_path: Path,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("in.wav", "quiet.wav"):
        shutil.copy(band_limited / name, name)
    *others, ours = text.splitlines()
    words = pages.words_of(ours)
    assert words is not None
    assert main(words) == 0, ours
    wanted = soundfile.read(words[words.index("-o") + 1], always_2d=True)[0]
    there = [line for line in others if shutil.which(line.split()[0])]
    for line in there:
        program, *rest = shlex.split(line)
        quiet = ["-D"] if program == "sox" else ["-nostdin", "-v", "error"]
        subprocess.run([program, *quiet, *rest], check=True, stdin=subprocess.DEVNULL)
        (made,) = Path().glob(f"{program}.*")
        found = soundfile.read(made, always_2d=True)[0]
        assert found.shape == wanted.shape, line
        if test == "Null":
            assert 20 * np.log10(np.abs(found - wanted).max() + 1e-20) <= float(bound_db), line
        else:
            assert middle_db(found) == pytest.approx(middle_db(wanted), abs=float(bound_db)), line
    if not there:
        pytest.skip("neither sox nor ffmpeg is installed")


def test_every_pair_of_the_recipes_has_a_test_and_a_row() -> None:
    page = (DOCS / "recipes.md").read_text(encoding="utf-8")
    table, *sections = page.split("\n## ")
    compared = [section.partition("\n")[0] for section in sections if re.search("^(?:sox|ffmpeg) ", section, re.M)]
    assert compared == [title for title, *_ in RECIPES]
    assert len(compared) >= 25
    assert [title for title in compared if f"](#{title.lower().replace(' ', '-').replace(',', '')})" not in table] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_fence_of_a_page_is_a_block(page: Path) -> None:
    """Also behind a block that is not run: none may hide those that follow."""
    lines = page.read_text(encoding="utf-8").splitlines()
    fences = [number for number, line in enumerate(lines, 1) if re.match(r"```\w", line)]
    assert [block.line for block in pages.blocks_of(page)] == fences


def test_no_block_is_in_a_language_that_nothing_runs() -> None:
    languages = {block.language for page in PAGES for block in pages.blocks_of(page)}
    assert languages <= {"sh", "console", "yaml", "python", "text", "toctree"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_link_of_a_page_leads_to_a_file(page: Path) -> None:
    """Sphinx holds links and anchors of the manual together; this holds those that leave it, as from README."""
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    made = {"generated/stages.md", "generated/commands.md"}
    assert [link for link in links if "://" not in link and link not in made
            and not (page.parent / link).exists()] == []


def test_the_man_page_is_what_the_commands_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    import commandpages

    assert (DOCS / "torchfx.1").read_text(encoding="utf-8") == commandpages.man(), \
        "run python docs/commandpages.py"


def test_the_table_of_stages_names_every_kind() -> None:
    table = (DOCS / "chains.md").read_text(encoding="utf-8").split("## The stages")[1].split("## ")[0]
    assert [kind for kind in KINDS if f"`{kind}`" not in table] == []


def test_every_kind_has_its_place_among_the_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    import stagepages

    assert [kind for kinds in stagepages.GROUPS.values() for kind in kinds if kind not in KINDS] == []
    text = stagepages.markdown({})
    assert [kind for kind in KINDS if f"({stagepages.slug(kind)})=" not in text] == []


def test_a_kind_is_drawn_for_light_and_for_dark_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    import stagepages

    assert stagepages.draw(tmp_path, ["gain", "hum"]) == {"gain": "plots/gain"}
    light, dark = (tmp_path.joinpath(name).read_text() for name in ("gain.svg", "gain-dark.svg"))
    assert "#222222" in light
    assert "#222222" not in dark
    assert "#ffffff" not in light + dark


@pytest.mark.skipif(not all(map(find_spec, ("sphinx", "myst_parser", "furo"))), reason="make docs installs Sphinx")
def test_the_manual_is_built_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-n", "-b", "dummy", str(DOCS),
                           str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_verbs_that_the_pages_name_are_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = {verb for page in PAGES for verb in re.findall(r"`make ([\w-]+)`", page.read_text(encoding="utf-8"))}
    assert [verb for verb in named if not re.search(rf"^{verb}:", makefile, re.M)] == []


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_knows_what_to_do_for_each_verb_without_doing_it() -> None:
    for verb in ("demo", "test", "lint", "docs", "clean"):
        subprocess.run(["make", "-n", verb], cwd=ROOT, check=True, capture_output=True)


