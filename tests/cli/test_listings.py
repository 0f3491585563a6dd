"""presets, filters, devices, info, help and completion: what they print is true and can be used again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from ramp import FS

from torchfx_cli import __version__
from torchfx_cli.chain.parse import load_chain, parse_chain, parse_effect
from torchfx_cli.chain.presets import find
from torchfx_cli.effects.table import KINDS

ROOT = Path(__file__).parents[2]


def test_presets_are_listed_with_what_they_do(run: Any) -> None:
    lines = run("presets").out.splitlines()
    names = [line.split()[0] for line in lines]
    assert {"podcast-voice", "hum-removal-50hz", "riaa-playback", "telephone"} <= set(names)
    assert all(len(line.split()) > 2 for line in lines), "each has a description"
    records = [json.loads(line) for line in run("presets", "--json").out.splitlines()]
    assert [record["name"] for record in records] == names


def test_a_printed_preset_is_its_file_and_can_be_used(run: Any, tmp_path: Path) -> None:
    printed = run("presets", "podcast-voice").out
    assert printed == (ROOT / "presets" / "podcast-voice.yaml").read_text()
    assert printed.startswith("#"), "it opens with the comment that says what it is for"
    (tmp_path / "mine.yaml").write_text(printed)
    assert load_chain(tmp_path / "mine.yaml").stages == load_chain(find("podcast-voice")).stages
    assert json.loads(run("presets", "podcast-voice", "--json").out)["text"] == printed.rstrip("\n")


def test_an_unknown_preset_or_filter_names_the_nearest(run: Any) -> None:
    done = run("presets", "podcast-voise")
    assert (done.code, done.out) == (2, "")
    assert "did you mean podcast-voice?" in done.err
    done = run("filters", "lowpas")
    assert (done.code, done.out) == (2, "")
    assert "did you mean lowpass?" in done.err
    assert run("filters", "eq").err == "torchfx: error: there is no filter 'eq'; here it is peaking\n"


def test_every_filter_is_listed_with_a_sentence(run: Any) -> None:
    lines = run("filters").out.splitlines()
    assert [line.split()[0] for line in lines] == list(KINDS)
    assert all(line.endswith((".", ")")) for line in lines)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("files_of_examples")
def test_the_examples_of_a_filter_can_be_used_both_ways(run: Any, kind: str) -> None:
    out = run("filters", kind).out
    chain_line, effect_line = (line.split(":  ", 1)[1].strip() for line in out.splitlines()[-2:])
    in_chain = parse_chain(f"chain:\n  {chain_line}\n")
    effect = parse_effect(effect_line.removeprefix('-e "').removesuffix('"'))
    assert kind == "repeat" or [stage.kind for stage in effect] == [kind]  # a repeated chain is written out
    assert in_chain.stages == effect


def test_a_filter_shows_its_keys_units_ranges_and_defaults(run: Any) -> None:
    rows = [line.split() for line in run("filters", "peaking").out.splitlines() if line.startswith("  ")]
    assert rows[0][:6] == ["frequency", "Hz", "above", "0", "required", "centre"]
    assert rows[1][:6] == ["gain", "dB", "-300", "to", "300", "required"]
    assert rows[2][:5] == ["q", "0.001", "to", "10000", "1"]
    assert [row[0] for row in rows[-4:]] == ["bypass", "channels", "mix", "repeat"]
    assert "butterworth, chebyshev1, chebyshev2, elliptic, bessel" in run("filters", "lowpass").out


def test_filters_in_json_and_the_schema_come_from_the_same_table(run: Any) -> None:
    records = [json.loads(line) for line in run("filters", "--json").out.splitlines()]
    assert [record["kind"] for record in records] == list(KINDS)
    assert [json.loads(run("filters", "notch", "--json").out)] == [r for r in records if r["kind"] == "notch"]
    schema = json.loads(run("schema").out)
    assert schema["$schema"].startswith("https://json-schema.org/draft/2020-12/")
    assert all(f'"{kind}"' in json.dumps(schema) for kind in KINDS)


def test_devices_tell_of_the_cpu_and_of_cuda_or_why_not(run: Any) -> None:
    out = run("devices").out
    assert out.splitlines()[0].startswith("cpu")
    assert "cuda" in out
    records = [json.loads(line) for line in run("devices", "--json").out.splitlines()]
    assert len(records) >= 1


def test_info_tells_what_a_file_is(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    with soundfile.SoundFile(path, "w", FS, 1, "PCM_24") as out:
        out.title = "escape \x1b[31m"
        out.write(np.full(FS * 90, 0.5))
    done = run("info", path)
    assert (done.code, done.err) == (0, "")
    lines = [line.strip() for line in done.out.splitlines()]
    assert lines[:2] == [str(path), "FLAC PCM_24, 8000 Hz, 1 channel"]
    assert lines[2].startswith("1:30 (720000 frames), ")
    assert "title: escape \\x1b[31m" in lines
    record = json.loads(run("info", path, "--json").out)
    assert (record["fs"], record["channels"], record["frames"], record["duration_s"]) == (FS, 1, FS * 90, 90.0)


def test_info_with_check_reads_everything(run: Any, ramp: Path) -> None:
    ramp.write_bytes(ramp.read_bytes()[: 44 + 4 * 1000])
    record = json.loads(run("info", ramp, "--check", "--json").out)
    assert (record["frames"], record["peak"]) == (1000, pytest.approx(8000 / 2**15))
    assert any("1000 of 8000 frames" in warning for warning in record["warnings"])
    out = run("info", ramp, "--check").out
    assert "peak -12.2 dBFS" in out
    assert "warning: 1000 of 8000 frames" in out


def test_info_names_what_a_file_holds_besides_samples(run: Any, ramp: Path) -> None:
    data = ramp.read_bytes() + b"bext\2\0\0\0ab" + b"cue \4\0\0\0\0\0\0\0"
    ramp.write_bytes(data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:])
    assert json.loads(run("info", ramp, "--json").out)["also"] == ["bext", "cue"]
    assert "  also holds: bext, cue" in run("info", ramp).out.splitlines()


def test_info_goes_on_after_a_bad_file(run: Any, ramp: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "nan.wav", np.array([0.0, np.nan]), FS, "FLOAT")
    done = run("info", tmp_path / "nan.wav", tmp_path / "gone.wav", ramp, "--check")
    assert done.code == 3
    assert "nan.wav: non-finite sample at 0.000125 s" in done.err
    assert "gone.wav: does not exist" in done.err
    assert done.out.startswith(str(ramp))


def test_help_and_version_load_nothing_heavy() -> None:
    script = """
import sys
from torchfx_cli.__main__ import main
code = main(sys.argv[1:])
heavy = ("numpy", "scipy", "torch", "rich", "yaml", "soundfile", "pydantic")
print(code, [name for name in heavy if name in sys.modules])
"""
    for arguments in (["--help"], ["process", "-h"], ["--version"]):
        done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, cwd=ROOT)
        assert done.stdout.splitlines()[-1] == "0 []", (arguments, done.stdout, done.stderr)


def test_the_version_is_that_of_the_package(run: Any) -> None:
    assert run("--version").out == f"torchfx {__version__}\n"


def test_a_mistyped_command_line_is_one_line(run: Any) -> None:
    for arguments in (["proces"], ["--nope"], ["process"], ["process", "x", "--chunk"], ["info"], ["devices", "x"]):
        done = run(*arguments)
        assert (done.code, done.out, len(done.told)) == (2, "", 1), arguments
        assert done.err.startswith("torchfx: error: ")


@pytest.mark.parametrize(("typed", "offered"), [
    ("torchfx pro", "process"),
    ("torchfx process x.wav -c podcast-", "podcast-voice"),
    ("torchfx process x.wav -e low", "low_shelf:"),
    ("torchfx process x.wav --engine sc", "scipy"),
    ("torchfx presets riaa", "riaa-playback"),
    ("torchfx filters not", "notch"),
])
def test_the_shell_completes_commands_presets_and_filters(typed: str, offered: str) -> None:
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1), "_TORCHFX_COMPLETE": "complete_bash"}
    done = subprocess.run([sys.executable, "-m", "torchfx_cli"], capture_output=True, text=True, cwd=ROOT,
                          env={**os.environ, **words})
    assert offered in done.stdout.split(), done.stderr
