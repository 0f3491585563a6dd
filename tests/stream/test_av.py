"""What FFmpeg decodes through PyAV: lossless sounds bit for bit, lossy ones in place and of their length, damage told.

Inputs are made with PyAV's own encoders, half a second long.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from support.avfiles import FRAMES, FS, Samples, encode, sweeps
from support.oddfiles import put

from torchfx_cli.__main__ import main
from torchfx_cli.errors import ReadError
from torchfx_cli.stream import pipereader
from torchfx_cli.stream.oggpages import pages, sealed
from torchfx_cli.stream.reader import open_source

av = pytest.importorskip("av", reason="PyAV is not installed")

HALF = "gain:-6"
IN_PLACE_DB = 20.0  # an SNR that only the same sound in the same place has


@dataclass(frozen=True)
class Read:
    samples: Samples
    container: str
    subtype: str
    promised: int | None
    fs: int
    warnings: list[str]
    notes: list[str]
    damaged: bool


def read(path: Path, block: int = 777) -> Read:
    with open_source(path) as source:
        facts, blocks = source.facts, list(source.blocks(block))
        assert all(part.dtype.name == facts.sample_format.dtype for part in blocks)
        whole = np.concatenate(blocks) if blocks else np.zeros((0, facts.channels))
        return Read(whole, facts.container, facts.subtype, facts.frames, facts.fs, source.warnings, source.notes,
                    source.damaged)


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    def run(*words: object) -> Done:
        capsys.readouterr()
        code = main([str(word) for word in words])
        return Done(code, *capsys.readouterr())

    return run


def snr_db(found: Samples, wanted: Samples) -> float:
    noise = float(np.mean((found - wanted.astype(np.float64)) ** 2))
    return float(10 * np.log10(np.mean(wanted.astype(np.float64) ** 2) / noise)) if noise else np.inf


def lag(found: Samples, wanted: Samples) -> int:
    """By how many frames `found` comes too late, by the peak of the cross-correlation."""
    size = 1 << (len(found) + len(wanted)).bit_length()
    product = np.fft.rfft(found[:, 0], size) * np.fft.rfft(wanted[:, 0], size).conj()
    place = int(np.argmax(np.fft.irfft(product, size)))
    return place if place < size // 2 else place - size


@pytest.mark.parametrize(("name", "codec", "form", "container", "subtype"), [
    ("a.m4a", "alac", "s16p", "MP4", "ALAC_16"),
    ("b.m4a", "alac", "s32p", "MP4", "ALAC_24"),
    ("c.oga", "flac", "s16", "Ogg FLAC", "PCM_16"),
    ("d.ogg", "flac", "s32", "Ogg FLAC", "PCM_24"),
    ("e.mka", "flac", "s16", "Matroska", "PCM_16"),
    ("f.wv", "wavpack", "s16p", "WavPack", "PCM_16"),
    ("g.wv", "wavpack", "s32p", "WavPack", "PCM_32"),
    ("h.wv", "wavpack", "fltp", "WavPack", "FLOAT"),
    ("i.tta", "tta", "s16", "TTA", "PCM_16"),
    ("wrong.mp3", "alac", "s16p", "MP4", "ALAC_16"),
])
def test_lossless_sounds_are_read_bit_for_bit(tmp_path: Path, name: str, codec: str, form: str, container: str,
                                              subtype: str) -> None:
    made = tmp_path / ("a.m4a" if name == "wrong.mp3" else name)
    given = encode(made, codec, sweeps(), form=form)
    made.rename(tmp_path / name)
    found = read(tmp_path / name)
    assert (found.container, found.subtype, found.fs, found.warnings, found.notes) == (container, subtype, FS, [], [])
    assert found.promised == (None if container == "Matroska" else FRAMES)  # that tells milliseconds only
    assert found.samples.dtype == given.dtype
    assert np.array_equal(found.samples, given)
    assert np.array_equal(read(tmp_path / name, 1 << 16).samples, given)


@pytest.mark.parametrize(("name", "codec", "fs", "channels", "options"), [
    ("a.m4a", "aac", FS, 2, {}),
    ("b.m4a", "aac", FS, 1, {"movflags": "faststart"}),
    ("c.mov", "aac", 48000, 2, {}),
    ("d.mp4", "aac", 48000, 6, {}),
    ("e.webm", "libopus", 48000, 2, {}),
])
def test_lossy_sounds_keep_their_length_and_their_place(tmp_path: Path, name: str, codec: str, fs: int, channels: int,
                                                        options: dict[str, str]) -> None:
    given = sweeps(channels, fs=fs)
    encode(tmp_path / name, codec, given, fs=fs, options=options)
    found = read(tmp_path / name)
    assert (found.samples.shape, lag(found.samples, given)) == (given.shape, 0)
    assert found.promised in (None, FRAMES)
    assert found.warnings == []
    assert snr_db(found.samples[:, :2], given[:, :2]) > IN_PLACE_DB  # 5.1 has an LFE that keeps only the lows


@pytest.mark.parametrize(("name", "codec", "options", "late"), [
    ("a.mkv", "aac", {}, 0),
    ("b.aac", "aac", {}, 1024),
    ("c.mp4", "aac", {"movflags": "frag_keyframe+empty_moov"}, 1024),
    ("d.ac3", "ac3", {}, 256),
    ("e.eac3", "eac3", {}, 256),
])
def test_where_a_file_does_not_tell_what_was_put_in_front_all_is_read(tmp_path: Path, name: str, codec: str,
                                                                      options: dict[str, str], late: int) -> None:
    given = sweeps()
    encode(tmp_path / name, codec, given, options=options)
    found = read(tmp_path / name)
    assert (lag(found.samples, given), found.warnings, found.damaged) == (late, [], False)
    kept = found.samples[late : late + FRAMES]
    assert snr_db(kept, given[: len(kept)]) > IN_PLACE_DB
    assert FRAMES - 1536 < len(kept) <= FRAMES


def test_of_a_wma_it_is_told_that_its_beginning_may_be_missing(tmp_path: Path) -> None:
    given = sweeps()
    encode(tmp_path / "a.wma", "wmav2", given)
    found = read(tmp_path / "a.wma")
    assert lag(found.samples, given) == -2048, "two packets of this encoder's own"
    assert found.warnings == ["WMA: the decoder may leave out the first two packets, about 0.05 s, and does not tell"]


def test_itunes_count_tells_the_length_where_no_edit_list_does(tmp_path: Path) -> None:
    mp4 = pytest.importorskip("mutagen.mp4")
    path, given = tmp_path / "a.m4a", sweeps()
    encode(path, "aac", given, options={"use_editlist": "0"})
    count = " 00000000 00000400 00000{:03X} {:016X} 00000000"
    for frames, length in ((FRAMES - 300, FRAMES - 300), (FRAMES * 40, FRAMES), (100, FRAMES)):
        song = mp4.MP4(path)
        song["----:com.apple.iTunes:iTunSMPB"] = count.format(0x100, frames).encode()
        song.save()
        found = read(path)  # a count that cannot be is of another file
        assert (len(found.samples), found.promised, found.warnings) == (length, length, [])
        assert lag(found.samples, given) == 0


def test_the_sum_of_a_flac_in_an_ogg_is_held_against_its_samples(tmp_path: Path) -> None:
    plain, path = tmp_path / "a.flac", tmp_path / "a.oga"
    given = np.round(sweeps() * 32767).astype(np.int16)
    soundfile.write(plain, given, FS)
    with av.open(str(plain)) as old, av.open(str(path), "w") as new:
        stream = new.add_stream_from_template(old.streams.audio[0])
        for packet in old.demux():
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    assert np.array_equal(read(path).samples, given)
    raw = bytearray(path.read_bytes())
    raw[28 + 13 + 4 + 4 + 20] ^= 1  # the sum ends the STREAMINFO in the first page
    with open(path, "rb") as file:
        first = next(pages(file.fileno(), len(raw)))
    put(tmp_path, sealed(bytes(raw[: first.end])) + bytes(raw[first.end :]), "b.oga")
    wrong = read(tmp_path / "b.oga")
    assert wrong.damaged
    assert "do not fit the MD5 sum" in wrong.warnings[0]


def _cut(raw: bytes) -> bytes:
    return raw[: len(raw) * 3 // 5]


def _holed(raw: bytes) -> bytes:
    return raw[: len(raw) // 2] + bytes(900) + raw[len(raw) // 2 + 900 :]


@pytest.mark.parametrize(("name", "codec", "harm", "words", "least"), [
    ("a.m4a", "aac", _cut, "of 20000 frames (cut off)", 0.4),
    ("b.m4a", "alac", _cut, "of 20000 frames (cut off)", 0.4),
    ("c.oga", "flac", _cut, "the Ogg stream has no end (cut off)", 0.2),
    ("d.wv", "wavpack", _cut, "of 60000 frames (cut off)", 0.3),
    ("n.oga", "flac", _holed, "are missing and are silence", 1.0),
    ("e.aac", "aac", _cut, "the last packet lacks", 0.5),
    ("f.mkv", "aac", _cut, "s (cut off)", 0.4),
    ("g.wma", "wmav2", _cut, "", 0.2),
    ("h.ac3", "ac3", _cut, "the last packet lacks", 0.5),
    ("i.m4a", "aac", _holed, "frames (0.", 1.0),
    ("j.m4a", "alac", _holed, "4096 frames (0.09 s) are missing and are silence", 1.0),
    ("k.aac", "aac", _holed, "bytes are no AAC", 0.4),
    ("l.webm", "libopus", _holed, "s (cut off)", 0.4),
    ("m.ac3", "ac3", _holed, "missing and are silence", 0.8),
])
def test_what_is_cut_or_damaged_is_told_and_the_rest_is_in_place(
        tmp_path: Path, run: Callable[..., Done], name: str, codec: str, harm: Callable[[bytes], bytes], words: str,
        least: float) -> None:
    fs = 48000 if codec == "libopus" else FS
    options = {"movflags": "faststart"} if name.endswith("m4a") else {}
    form = "s16p" if codec in ("alac", "wavpack") else None
    frames = 3 * FRAMES if codec in ("flac", "wavpack") else FRAMES  # several pages or blocks
    noise = np.random.default_rng(1).uniform(-0.3, 0.3, (frames, 2)) if frames > FRAMES else 0.0
    encode(tmp_path / name, codec, sweeps(frames=frames, fs=fs) + noise, fs=fs, options=options, form=form)
    whole = read(tmp_path / name)
    path = put(tmp_path, harm((tmp_path / name).read_bytes()), f"harmed_{name}")
    found = read(path)
    assert found.damaged
    assert any(words in warning for warning in found.warnings), found.warnings
    assert least * frames <= len(found.samples) <= len(whole.samples)
    same = np.isclose(found.samples[:8000], whole.samples[:8000], atol=1e-6).all(1)
    assert same[:5000].all()
    if least == 1.0:
        assert snr_db(found.samples[-3000:], whole.samples[-3000:]) > IN_PLACE_DB  # behind the hole nothing moved
    with pytest.raises(ReadError), open_source(path, on_truncated="fail") as source:
        list(source.blocks(1 << 16))
    checked = run("info", "--check", "--json", path)
    assert (checked.code, json.loads(checked.out)["damaged"]) == (3, True)


@pytest.mark.parametrize(("start", "words"), [
    (b"\0\0\0\x20ftypM4A ", "MP4 or M4A"), (b"\x1aE\xdf\xa3", "Matroska"), (b"wvpk", "WavPack"), (b"TTA1", "TTA"),
    (b"MAC ", "Monkey's Audio"), (b"\x0bw\0\0\x14\x40", "AC-3"),
    (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), "WMA"),
    (b"OggS\0\2" + bytes(20) + b"\1\x33\x7fFLAC\1\0", "Ogg FLAC"), (b"\xff\xf1\x50\x80", "AAC"),
])
def test_noise_behind_a_known_beginning_is_refused_by_its_kind(tmp_path: Path, start: bytes, words: str) -> None:
    path = put(tmp_path, start + np.random.default_rng(1).bytes(20_000), "a.m4a")
    with pytest.raises(ReadError, match=words), open_source(path):
        pass


def test_of_several_streams_the_first_is_read_and_that_is_told(tmp_path: Path) -> None:
    given = encode(tmp_path / "a.mp4", "alac", sweeps(), form="s16p", streams=2, video=True)
    found = read(tmp_path / "a.mp4")
    assert np.array_equal(found.samples, given)
    assert found.warnings == ["holds 2 audio streams; only the first is read"]
    assert found.notes == ["its video is left out"]


def test_a_file_without_sound_is_refused(tmp_path: Path) -> None:
    encode(tmp_path / "a.mp4", "aac", sweeps(), streams=1, video=True)
    with av.open(str(tmp_path / "a.mp4")) as old, av.open(str(tmp_path / "b.mp4"), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(old.streams.video[0]):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    with pytest.raises(ReadError, match="MP4 or M4A file that holds no sound"), open_source(tmp_path / "b.mp4"):
        pass


def test_a_rate_that_changes_is_refused(tmp_path: Path) -> None:
    encode(tmp_path / "a.aac", "aac", sweeps())
    encode(tmp_path / "b.aac", "aac", sweeps(1), fs=22050)
    path = put(tmp_path, b"".join((tmp_path / name).read_bytes() for name in ("a.aac", "b.aac")), "c.aac")
    with pytest.raises(ReadError, match=r"changes near 0\.\d\d s from 44100 Hz and 2 channels"):
        read(path)


def test_a_second_pass_gives_the_same(tmp_path: Path) -> None:
    encode(tmp_path / "a.m4a", "aac", sweeps())
    with open_source(tmp_path / "a.m4a") as source:
        first = np.concatenate(list(source.blocks(999)))
        source.rewind()
        assert np.array_equal(np.concatenate(list(source.blocks(5000))), first)
        assert source.frames_read == FRAMES


def test_speakers_are_told(tmp_path: Path, run: Callable[..., Done]) -> None:
    encode(tmp_path / "a.m4a", "aac", sweeps(6))
    told = json.loads(run("info", "--json", tmp_path / "a.m4a").out)
    assert told["speakers"] == ["FL", "FR", "FC", "LFE", "BL", "BR"]


def test_tags_and_covers_of_an_m4a_go_along(tmp_path: Path, run: Callable[..., Done]) -> None:
    mp4, flac = pytest.importorskip("mutagen.mp4"), pytest.importorskip("mutagen.flac")
    path, cover = tmp_path / "a.m4a", b"\x89PNG\r\n\x1a\n" + bytes(90)
    encode(path, "aac", sweeps())
    song = mp4.MP4(path)
    song.update({"\xa9nam": "Title", "\xa9ART": "Zoë", "aART": "Band", "trkn": [(3, 12)], "disk": [(1, 2)],
                 "covr": [mp4.MP4Cover(cover, mp4.MP4Cover.FORMAT_PNG)],
                 "----:com.apple.iTunes:REPLAYGAIN_TRACK_GAIN": b"-3 dB"})
    song.save()
    with open_source(path) as source:
        assert dict(source.facts.tags) == {"title": "Title", "artist": "Zoë", "tracknumber": "3/12"}
    done = run("process", path, "-e", HALF, "-o", tmp_path / "out.flac", "-v")
    assert done.code == 0, done.err
    made = flac.FLAC(tmp_path / "out.flac")
    assert {key: made[key] for key in ("title", "artist", "albumartist", "tracknumber", "discnumber")} == {
        "title": ["Title"], "artist": ["Zoë"], "albumartist": ["Band"], "tracknumber": ["3/12"],
        "discnumber": ["1/2"]}
    assert "replaygain_track_gain" not in made
    assert [(picture.mime, picture.data) for picture in made.pictures] == [("image/png", cover)]


def test_what_comes_out_of_a_pipe_is_kept_and_read(tmp_path: Path) -> None:
    encode(tmp_path / "a.m4a", "alac", given := sweeps(), form="s16p")
    inlet, outlet = os.pipe()
    with subprocess.Popen(["cat", tmp_path / "a.m4a"], stdout=outlet):
        os.close(outlet)
        with pipereader.open_pipe(inlet) as source:
            found = np.concatenate(list(source.blocks(999)))
            assert source.notes == ["kept in a temporary file, because its format cannot be read from a pipe"]
    assert np.array_equal(found, np.round(given * 32767).astype(np.int16))


def test_outputs_get_a_format_that_can_be_written(tmp_path: Path, run: Callable[..., Done]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    encode(folder / "a.m4a", "aac", sweeps())
    encode(folder / "b.wv", "wavpack", sweeps(), form="s16p")
    done = run("process", folder, "-e", HALF)
    assert done.code == 0, done.err
    assert "cannot be written in their own format: 1 m4a as wav, 1 wv as flac; --format names another" in done.err
    made = {path.name: soundfile.info(path) for path in (folder / "processed").iterdir() if path.suffix != ".jsonl"
            and not path.name.startswith(".")}
    assert {name: (found.format, found.subtype, found.frames) for name, found in made.items()} == {
        "a.wav": ("WAV", "PCM_16", FRAMES), "b.flac": ("FLAC", "PCM_16", FRAMES)}
    planned = run("process", folder / "a.m4a", "-e", HALF, "-o", tmp_path / "x.flac", "--dry-run", "--json")
    assert json.loads(planned.out.splitlines()[0])["output"] == str(tmp_path / "x.flac")
    chosen = run("process", folder / "a.m4a", "-e", HALF, "-o", f"{tmp_path}/out/", "--format", "aiff", "-q")
    assert (chosen.code, soundfile.info(tmp_path / "out/a.aiff").frames) == (0, FRAMES)


def test_ogg_flac_does_not_become_vorbis_unasked(tmp_path: Path, run: Callable[..., Done]) -> None:
    encode(tmp_path / "a.oga", "flac", sweeps())
    refused = run("process", tmp_path / "a.oga", "-e", HALF)
    assert refused.code == 3
    assert "Ogg FLAC cannot be written" in refused.err
    done = run("process", tmp_path / "a.oga", "-e", HALF, "--format", "flac")
    assert (done.code, soundfile.info(tmp_path / "processed/a.flac").frames) == (0, FRAMES)


def test_the_disk_s_fault_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encode(tmp_path / "a.m4a", "aac", sweeps(), options={"movflags": "faststart"})
    preadv = os.preadv
    bad = (tmp_path / "a.m4a").stat().st_size * 2 // 3

    def failing(fd: int, views: Any, at: int) -> int:
        if at + len(views[0]) > bad:
            raise OSError(5, "Input/output error")
        return preadv(fd, views, at)

    monkeypatch.setattr(os, "preadv", failing)
    with pytest.raises(ReadError, match="cannot be read"):
        read(tmp_path / "a.m4a")


def test_av_is_not_imported_for_other_files_nor_for_a_folder(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", sweeps(), FS)
    put(tmp_path, b"", "b.m4a")
    code = ("import sys\nfrom torchfx_cli.tasks.inputs import gather\n"
            "from torchfx_cli.stream.reader import open_source\n"
            f"found = gather([{str(tmp_path)!r}])\nopen_source({str(tmp_path / 'a.wav')!r}).close()\n"
            "print(len(found.inputs), 'av' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "2 False\n"
