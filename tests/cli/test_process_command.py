"""`torchfx process`: what is written, what is told, and which exit code says so."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from ramp import FS, samples

HALF = "gain:-6.020599913279624"  # 20 log10(1/2)


def test_the_output_holds_the_filtered_samples_and_the_line_says_where(run: Any, read: Any, ramp: Path) -> None:
    done = run("process", ramp, "-e", HALF, "--dither", "none")
    assert (done.code, done.out) == (0, "")
    np.testing.assert_array_equal(read(ramp.parent / "processed" / "in.wav"), samples() // 2)
    line = re.escape(f"{ramp} -> {ramp.parent}/processed/in.wav")
    assert re.fullmatch(line + r"  1\.00 s in \d+\.\d\d s( \([\d.]+x\))?  peak -18\.3 dBFS\n", done.err), done.err


def test_chains_come_in_order_and_effects_after_them(run: Any, read: Any, ramp: Path, tmp_path: Path) -> None:
    (tmp_path / "full.yaml").write_text("chain:\n  - normalize: 0 dB\n")
    (tmp_path / "half.yaml").write_text(f"chain:\n  - gain: {HALF.removeprefix('gain:')} dB\n")
    half, full = ("-c", tmp_path / "half.yaml"), ("-c", tmp_path / "full.yaml")
    for stages, peak in (((*half, *full), 2**15 - 1), ((*full, *half), 2**14), (("-e", HALF, *half, *full), 2**14)):
        assert run("process", ramp, "--dither", "none", *stages, "--overwrite").code == 0
        found = np.abs(read(tmp_path / "processed" / "in.wav").astype(int)).max()
        assert peak - 1 <= found <= peak + 1, f"{stages}: full scale leaves a step for dither"


def test_a_preset_is_found_by_its_name(run: Any, ramp: Path, tmp_path: Path) -> None:
    done = run("process", ramp, "-c", "podcast-voice", "--dry-run")
    assert done.code in (0, 3)
    done = run("process", ramp, "-c", "podcast-voise")
    assert done.code == 2
    assert "podcast-voice" in done.err, "the nearest preset must be named"


def test_json_gives_a_record_a_file_on_stdout(run: Any, ramp: Path, tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    done = run("process", ramp, tmp_path / "text.wav", "-e", HALF, "--json", "-o", tmp_path / "out", "-q")
    good, bad = sorted((json.loads(line) for line in done.out.splitlines()), key=lambda record: record["exit_code"])
    assert done.code == 3
    assert (good["status"], good["frames"], good["fs"], good["channels"]) == ("ok", FS // 1, FS, 2)
    assert good["output"] == str(tmp_path / "out" / "in.wav")
    assert good["peak"] == pytest.approx(FS / 2 / 2**15, rel=1e-3)
    assert (bad["status"], bad["exit_code"], bad["input"]) == ("failed", 3, str(tmp_path / "text.wav"))


def test_a_bad_file_is_one_line_and_the_counts_add_up(run: Any, ramp: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    done = run("process", ramp, tmp_path / "empty.wav", tmp_path / "gone.wav", "-e", "gain:40", "-o", tmp_path / "out")
    assert done.code == 3
    assert [p.name for p in (tmp_path / "out").glob("*.*v")] == ["in.wav"]
    assert sum(line.startswith(f"{tmp_path}/empty.wav: ") for line in done.told) == 1
    assert sum(line.startswith(f"{tmp_path}/gone.wav: ") for line in done.told) == 1
    assert f"{ramp}: warning: " in done.err, "clipping must be told"
    assert done.told[-1].startswith("0 ok, 1 warned, 2 failed, 0 skipped")


def test_strict_turns_a_warning_into_a_failure_and_leaves_no_output(run: Any, ramp: Path) -> None:
    done = run("process", ramp, "-e", "gain:40", "--strict")
    assert done.code == 3
    assert "clipped" in done.err
    assert list((ramp.parent / "processed").iterdir()) == []


def test_quiet_tells_failures_only(run: Any, ramp: Path, tmp_path: Path) -> None:
    assert run("process", ramp, "-e", HALF, "-q").err == ""
    done = run("process", tmp_path / "gone.wav", "-e", HALF, "-q")
    assert done.code == 3
    assert done.told == [f"{tmp_path}/gone.wav: does not exist"]


def test_verbose_tells_the_plan_before_the_result(run: Any, ramp: Path) -> None:
    told = run("process", ramp, "-e", "highpass:cutoff=80,order=4", "-v", "--device", "cpu").told
    assert told[0] == f"{ramp} -> {ramp.parent}/processed/in.wav"
    assert "WAV PCM_16, 8000 Hz, 2 channels -> WAV PCM_16" in told[1]
    assert any("2 second-order sections" in line for line in told)


def test_existing_outputs_are_refused_skipped_or_replaced_as_asked(run: Any, read: Any, ramp: Path) -> None:
    output = ramp.parent / "processed" / "in.wav"
    assert run("process", ramp, "-e", "gain:0").code == 0
    refused = run("process", ramp, "-e", "invert")
    assert refused.code == 2
    assert "--overwrite" in refused.err
    skipped = run("process", ramp, "-e", "invert", "--skip-existing")
    assert (skipped.code, skipped.told) == (0, [f"{ramp}: skipped, the output exists"])
    np.testing.assert_array_equal(read(output), samples())
    assert run("process", ramp, "-e", "invert", "--overwrite", "--dither", "none").code == 0
    np.testing.assert_array_equal(read(output), -samples())


def test_a_dry_run_shows_the_fused_plan_and_writes_nothing(run: Any, ramp: Path, tmp_path: Path) -> None:
    effects = ["-e", "highpass:80", "-e", "notch:50", "-e", "gain:-3", "-e", "normalize"]
    done = run("process", ramp, *effects, "--dry-run", "--tail", "0.5", "--format", "flac")
    assert done.code == 0
    assert re.fullmatch(r"1 file, 0:01 of audio; needs about [\d.]+ kB of [\d.]+ .B free; would take about .* s",
                        done.err.strip())
    assert "-> FLAC PCM_16, dithered, 1.00 s" in done.out
    assert "tail 0.500 s" in done.out
    assert "  1  2 second-order sections" in done.out, "high-pass, notch and gain are one cascade"
    assert "native on cpu, 2 passes" in done.out
    assert os.listdir(tmp_path) == ["in.wav"]


def test_a_dry_run_finds_what_would_fail(run: Any, ramp: Path, tmp_path: Path) -> None:
    done = run("process", ramp, "-e", "lowpass:5 kHz", "--dry-run", "--json")
    record = json.loads(done.out)
    assert (done.code, record["status"]) == (3, "failed")
    assert "8" in record["error"], "the rate of the file must be named"
    assert os.listdir(tmp_path) == ["in.wav"]


def test_a_dry_run_in_json_is_a_record_of_the_plan(run: Any, ramp: Path) -> None:
    record = json.loads(run("process", ramp, "-e", "highpass:80", "--dry-run", "--json").out)
    assert (record["status"], record["frames"], record["passes"], record["latency_frames"]) == ("planned", FS, 1, 0)
    assert len(record["stages"]) == 1


def test_without_a_chain_the_way_to_give_one_is_told(run: Any, ramp: Path) -> None:
    done = run("process", ramp)
    assert done.code == 2
    for word in ("-c podcast-voice", "-e highpass:80", "torchfx presets"):
        assert word in done.err


@pytest.mark.parametrize(("option", "value", "allowed"), [
    ("--chunk", "0", "above 0"),
    ("--chunk", "-1", "above 0"),
    ("--chunk", "nan", "above 0"),
    ("--chunk", "1e12", "to 1e+06"),
    ("--chunk", "soon", "number of seconds"),
    ("--tail", "-1", "0 to 3600 or auto"),
    ("--tail", "1e9", "0 to 3600 or auto"),
    ("--engine", "warp", "auto, native, torch, scipy"),
    ("--dither", "much", "auto, none, tpdf"),
    ("--device", "tpu", "cuda"),
    ("--device", "", "cuda"),
    ("--format", "mp5", "flac"),
    ("--subtype", "PCM_12", "PCM_24"),
])
def test_a_wrong_value_is_answered_with_what_is_allowed(
        run: Any, ramp: Path, option: str, value: str, allowed: str) -> None:
    done = run("process", ramp, "-e", HALF, option, value)
    assert done.code == 2
    assert allowed in done.err
    assert not (ramp.parent / "processed" / "in.wav").exists()


@pytest.mark.parametrize("chunk", ["0.001", "1", "1.5", "1e6"])
def test_the_chunk_never_changes_a_bit(run: Any, read: Any, ramp: Path, tmp_path: Path, chunk: str) -> None:
    chain = ["-e", "highpass:80", "-e", "peaking:frequency=1 kHz,gain=3"]
    assert run("process", ramp, *chain, "-o", tmp_path / "whole.wav").code == 0
    assert run("process", ramp, *chain, "-o", tmp_path / "cut.wav", "--chunk", chunk).code == 0
    np.testing.assert_array_equal(read(tmp_path / "cut.wav"), read(tmp_path / "whole.wav"))


@pytest.mark.parametrize("pair", [("--overwrite", "--skip-existing"), ("--quiet", "--verbose")])
def test_contradicting_options_are_refused(run: Any, ramp: Path, pair: tuple[str, str]) -> None:
    done = run("process", ramp, "-e", HALF, *pair)
    assert done.code == 2
    assert all(option in done.err for option in pair)


def test_every_mistake_of_a_chain_is_a_line(run: Any, ramp: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("chain:\n  - lowpas: 100\n  - gain: loud\n")
    done = run("process", ramp, "-c", tmp_path / "bad.yaml")
    assert done.code == 2
    assert [re.findall(r"^torchfx: error: .*bad\.yaml:(\d): ", line) for line in done.told] == [["2"], ["3"]]
    assert "lowpass" in done.told[0]


@pytest.mark.parametrize(("name", "shown"), [
    ("[bold] [red.wav", "[bold] [red.wav"),
    ("new\nline.wav", "new\\nline.wav"),
    ("red \x1b[31m.wav", "red \\x1b[31m.wav"),
    ("rtl \u202e.wav", "rtl \\u202e.wav"),
    (os.fsdecode(b"\xff\xfe.wav"), "\\xff\\xfe.wav"),
    ("-e.wav", "-e.wav"),
])
def test_odd_names_are_processed_and_shown_escaped(
        torchfx: Any, ramp: Path, tmp_path: Path, name: str, shown: str) -> None:
    ramp.rename(tmp_path / name)
    done = torchfx("process", "-e", HALF, "--json", "--", name, env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(f"{shown} -> processed/{shown}  1.00 s in ")
    assert json.loads(done.stdout)["input"] == name
    assert (tmp_path / "processed" / name).stat().st_size == (tmp_path / name).stat().st_size


def test_a_device_that_is_not_there_is_refused_before_anything_is_written(run: Any, ramp: Path) -> None:
    done = run("process", ramp, "-e", HALF, "--device", "cuda:63")
    assert done.code == 2
    assert "--device cpu" in done.err or "cuda" in done.err
    assert not (ramp.parent / "processed" / "in.wav").exists()


def test_tags_and_24_bits_go_through(run: Any, tmp_path: Path) -> None:
    with soundfile.SoundFile(tmp_path / "in.flac", "w", FS, 1, "PCM_24") as out:
        out.title = "A [bold] tune"
        out.write(np.arange(100, dtype=np.int32) << 8)
    assert run("process", tmp_path / "in.flac", "-e", "gain:0").code == 0
    with soundfile.SoundFile(tmp_path / "processed" / "in.flac") as made:
        assert (made.subtype, made.title) == ("PCM_24", "A [bold] tune")
        np.testing.assert_array_equal(made.read(dtype="int32"), np.arange(100, dtype=np.int32) << 8)


def test_an_unforeseen_error_is_one_line_and_shows_its_trace_only_when_debugging(
        run: Any, ramp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> Callable[..., None]:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("torchfx_cli.cli.batch.plan_jobs", broken)
    done = run("process", ramp, "-e", HALF)
    assert done.code == 1
    assert done.told == ["torchfx: error: ZeroDivisionError: oops (a mistake in torchfx; TORCHFX_DEBUG=1 shows where)"]
    assert "Traceback" in run("process", ramp, "-e", HALF, "-v").err
    assert "Traceback" not in run("process", ramp, "-e", "lowpas", "-v").err, "the message of this one says all"
    monkeypatch.setenv("TORCHFX_DEBUG", "1")
    assert "Traceback" in run("process", ramp, "-e", HALF).err


def test_verbose_says_why_the_device_was_chosen(run: Any, ramp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchfx_cli.cli.batch.has_driver", lambda: False)
    assert "cpu: no driver of a GPU is installed" in run("process", ramp, "-e", HALF, "-v").told
    assert "cpu: " not in run("process", ramp, "-e", HALF, "--overwrite").err
    assert "cpu: " not in run("process", ramp, "-e", HALF, "--overwrite", "-v", "--device", "cpu").err
