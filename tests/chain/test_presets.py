"""Presets: the shipped ones are in order, and names are found where they should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from torchfx_cli.chain.parse import load_chain, parse_chain
from torchfx_cli.chain.presets import find, list_presets
from torchfx_cli.errors import ChainError

SHIPPED = sorted((Path(__file__).parents[2] / "presets").glob("*.yaml"))
WANTED = {
    "podcast-voice", "hum-removal-50hz", "hum-removal-60hz", "rumble-filter", "telephone", "am-radio",
    "deemphasis-50us", "deemphasis-75us", "deemphasis-cd", "riaa-playback", "three-band-eq", "ten-band-eq",
    "crossover-low", "crossover-high", "a-weighting", "c-weighting", "k-weighting",
    "speech-recognition", "dc-removal", "normalize-peak",
    "podcast", "broadcast-r128", "broadcast-a85", "audiobook-acx", "streaming", "speech-dataset", "voice-over",
    "mastering-eq", "vinyl-restoration", "lecture", "field-recording", "de-ess", "room-eq", "trim-ends",
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, so that no preset of the person who runs the tests is seen."""
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def user_preset(home: Path, name: str, text: str) -> Path:
    path = home / ".config/torchfx/presets" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_shipped_presets_are_those_that_people_want() -> None:
    assert {path.stem for path in SHIPPED} >= WANTED


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_preset_can_be_read_and_says_what_it_is_for(path: Path) -> None:
    chain = load_chain(path)
    assert chain.name == path.stem
    assert 10 < len(chain.description) < 80
    comment = [line for line in path.read_text().splitlines() if line.startswith("# ")]
    assert len(comment) >= 2
    assert path.read_text().startswith(comment[0])


def test_the_hum_presets_cut_the_mains_and_its_harmonics() -> None:
    for mains_hz in (50, 60):
        stages = load_chain(find(f"hum-removal-{mains_hz}hz")).stages
        assert [vars(stage)["frequency_hz"] for stage in stages] == [mains_hz * k for k in range(1, 9)]


def test_presets_are_listed_by_name_with_their_descriptions(home: Path) -> None:
    mine = user_preset(home, "mine.yaml", "description: My own\nchain: [invert]\n")
    hidden = user_preset(home, "telephone.yml", "chain: [gain: 3]\n")
    user_preset(home, "broken.yaml", "description: [\n")
    user_preset(home, "notes.txt", "not a preset")
    listed = {preset.name: preset for preset in list_presets()}
    assert list(listed) == sorted(WANTED | {path.stem for path in SHIPPED} | {"mine", "broken"})
    assert (listed["mine"].description, listed["mine"].path, listed["mine"].source) == ("My own", mine, "user")
    assert (listed["telephone"].path, listed["telephone"].source) == (hidden, "user")
    assert listed["broken"].description == ""
    assert listed["a-weighting"].description == "A-weighting for sound level measurements"
    assert listed["a-weighting"].source == "shipped"


def test_a_name_is_a_path_then_a_users_preset_then_a_shipped_one(home: Path, tmp_path: Path) -> None:
    shipped = SHIPPED[0].parent.resolve() / "telephone.yaml"
    assert find("telephone").resolve() == shipped
    (tmp_path / "telephone").mkdir()  # a folder of that name is in nobody's way
    assert find("telephone").resolve() == shipped
    mine = user_preset(home, "telephone.yaml", "chain: [invert]")
    assert find("telephone") == mine
    (tmp_path / "telephone").rmdir()
    (tmp_path / "telephone").write_text("chain: [invert]")
    assert find("telephone") == Path("telephone")
    assert find("telephone", relative_to=home) == mine


@pytest.mark.parametrize("name", ["eq.yaml", "eq.YML", "./eq", "/abs/eq", "sub/eq"])
def test_what_looks_like_a_path_is_one_even_if_nothing_is_there(name: str) -> None:
    assert find(name) == Path(name)
    assert find(name, relative_to="/base") == Path("/base") / name


@pytest.mark.parametrize(("name", "complaint"), [
    ("telefone", "'telefone': no preset and no file has this name; did you mean telephone?"),
    ("podcast.yaml", "'podcast.yaml': no file has this name; the preset is called podcast"),
    ("riaa_playback", "did you mean riaa-playback?"),
    ("qqqq", "'qqqq': no preset and no file has this name (`torchfx presets` lists all)"),
    ("", "'': is a folder, not a chain file"),
    ("..", "'..': is a folder, not a chain file"),
    ("a\0b\x1b", "'a\\x00b\\x1b': no preset"),
])
def test_an_unknown_name_is_refused_with_the_nearest(name: str, complaint: str) -> None:
    with pytest.raises(ChainError) as caught:
        find(name)
    assert complaint in str(caught.value)


def test_a_chain_file_that_is_named_without_its_ending_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "podcst.yaml").write_text("chain: [invert]")
    with pytest.raises(ChainError, match=r"no file has this name; did you mean podcst\.yaml\?$"):
        find("podcst", relative_to=tmp_path)
    (tmp_path / "podcast.yaml").write_text("chain: [invert]")
    assert find("podcast.yaml", relative_to=tmp_path) == tmp_path / "podcast.yaml"


def test_the_users_folder_may_lie_elsewhere_or_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config/torchfx/presets").mkdir(parents=True)
    mine = tmp_path / "config/torchfx/presets/mine.yaml"
    mine.write_text("chain: [invert]")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert find("mine") == mine
    monkeypatch.setenv("XDG_CONFIG_HOME", "config")  # relative: the specification says to ignore it
    monkeypatch.setenv("HOME", "")
    with pytest.raises(ChainError):
        find("mine")
    monkeypatch.delenv("HOME")
    assert find("telephone").name == "telephone.yaml"


def test_a_users_preset_may_build_on_a_shipped_one(home: Path) -> None:
    user_preset(home, "voice.yaml", "chain: [preset: podcast-voice, preset: normalize-peak]")
    stages = load_chain(find("voice")).stages
    assert stages == parse_chain("chain: [preset: podcast-voice, preset: normalize-peak]").stages
    assert stages[-1].kind == "normalize"
