"""Small files that ask for gigabytes or hours: refused in words, before memory is taken and time spent."""

from __future__ import annotations

import struct
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.forked import torchfx

from torchfx_cli.stream.metadatasource import MetadataSource
from torchfx_cli.stream.richtags import TagError, read

FS = 48_000
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
IDLE_MIB = 150  # of a run that does nothing unusual, with room; nothing here may take much more
IDLE_S = 8.0  # of computing: what is refused in time takes one at most


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "in.wav", np.random.default_rng(0).standard_normal((FS // 10, 2)) * 0.1, FS)
    return tmp_path


def chain(folder: Path, *stages: str, name: str = "chain.yaml") -> str:
    (folder / name).write_text("chain:\n" + "".join(f"  - {stage}\n" for stage in stages))
    return name


# What a chain costs.


@pytest.mark.parametrize(("stage", "count", "place", "words"), [
    ("lowpass: {cutoff: 1 kHz, order: 40, family: bessel}", 2600, 2500, "lowpass: up to here the chain has 100040 "
     "orders of recursive stages; at most 100000 are allowed"),
    ("bandstop: {low: 1 kHz, high: 2 kHz, order: 40}", 1300, 1250, "bandstop: up to here the chain has 100080 "
     "orders of recursive stages; at most 100000 are allowed"),
    ("fir: {lowpass: 1 kHz, taps: 1000001}", 1000, 4, "fir: up to here the chain has 5000005 "
     "taps of impulse responses; at most 4194304 are allowed"),
    ("normalize: -1", 1000, 100, "normalize: up to here the chain has 101 "
     "stages that measure the whole file, each of which reads it once more; at most 100 are allowed"),
])
@pytest.mark.parametrize("way", [(), ("--dry-run",)])
def test_a_chain_of_endless_work_is_refused_before_it_is_designed(
        folder: Path, stage: str, count: int, place: int, words: str, way: tuple[str, ...]) -> None:
    done = torchfx("process", "in.wav", "-c", chain(folder, *[stage] * count), *way, cwd=folder)
    assert (done.code, done.told) == (2, f"torchfx: error: chain.yaml:{place + 2}: chain[{place}].{words}\n")
    assert done.cpu_s < IDLE_S
    assert done.peak_mib < IDLE_MIB
    assert not (folder / "processed").exists()


def test_presets_of_presets_are_counted_together(folder: Path) -> None:
    chain(folder, *["lowpass: {cutoff: 1 kHz, order: 40}"] * 5, name="0.yaml")
    for level in range(3):
        chain(folder, *[f"preset: ./{level}.yaml"] * 10, name=f"{level + 1}.yaml")
    done = torchfx("process", "in.wav", "-c", "3.yaml", cwd=folder)
    assert done.code == 2
    assert "100040 orders of recursive stages; at most 100000 are allowed" in done.told
    assert done.cpu_s < IDLE_S


def test_chains_that_are_joined_are_counted_together(folder: Path) -> None:
    name = chain(folder, *["fir: {lowpass: 1 kHz, taps: 1000001}"] * 3)
    done = torchfx("process", "in.wav", "-c", name, "-c", name, cwd=folder)
    assert done.code == 2
    assert "chain[1].fir: up to here the chain has 5000005 taps" in done.told


def test_taps_in_files_are_counted_too(folder: Path) -> None:
    np.save(folder / "a.npy", np.full(1 << 20, 1e-6))
    done = torchfx("process", "in.wav", "-c", chain(folder, *["fir: {file: a.npy}"] * 1000), cwd=folder)
    assert done.code == 2
    assert "chain[4].fir: up to here the chain has 5242880 taps of impulse responses; at most 4194304" in done.told
    assert done.cpu_s < IDLE_S


def test_a_circuit_has_a_bounded_number_of_poles(folder: Path) -> None:
    stage = "analog: {poles: [" + ", ".join(str(1000 + i) for i in range(9000)) + "]}"
    done = torchfx("process", "in.wav", "-c", chain(folder, stage), cwd=folder)
    assert (done.code, done.told) == (2, "torchfx: error: chain.yaml:2: chain[0].analog.poles: found 9000; "
                                         "at most 40 are allowed\n")


@pytest.mark.parametrize(("stage", "count"), [
    ("lowpass: {cutoff: %d Hz, order: 40, family: bessel}", 100),
    ("peaking: {frequency: %d Hz, gain: 0.01}", 1000),
    ("fir: {lowpass: %d Hz, taps: 101}", 1000),
    ("sos: {sections: [" + ", ".join(["[1, 0, 0, 1, 0, 0.1]"] * 2500) + "]}", 1),
])
def test_thousands_of_stages_are_done_in_linear_time(folder: Path, stage: str, count: int) -> None:
    name = chain(folder, *(stage % (1000 + i) if "%" in stage else stage for i in range(count)))
    done = torchfx("process", "in.wav", "-c", name, "--dry-run", cwd=folder)
    assert done.code == 0
    assert "would take about" in done.told
    assert done.cpu_s < 6.0  # one or two; half a minute where each is joined to all before, or each Bessel is made anew
    assert done.peak_mib < 700


# What the taps are read from.


def npy(shape: str, descr: str = "'<f8'", data: bytes = b"") -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


TOO_MANY = "it holds more than 1048576 taps; 1 to 1048576 are possible"
EACH = "it holds %d taps; 1 to 1048576 are possible"


@pytest.mark.parametrize(("name", "content", "times", "words"), [
    ("a.npy", npy("(400000000,)"), 1, EACH % 400000000),
    ("a.npy", npy("(10000000000000000000000000,)"), 1, EACH % 10**25),
    ("a.npy", npy("(-1,)"), 1, EACH % -1),
    ("a.npy", npy("(0, 4000000000)"), 1, "it holds an array [0, 4000000000] of float64; taps are one row of real"),
    ("a.npy", npy("(1,)", "'<U400000000'"), 1, "it holds an array [1] of <U400000000; taps are one row of real"),
    ("a.npy", npy("(3,)", "'|O'", b"cos\nsystem\n"), 1, "it holds an array [3] of object; taps are one row of real"),
    ("a.npy", npy("(1000000,)", data=b"\0" * 800), 1, "cut off: it should hold 1000000 taps"),
    ("a.npy", npy("(" * 30_000), 1, "not a NumPy array of numbers"),
    ("a.npy", npy("[" * 9000), 1, "not a NumPy array of numbers"),
    ("a.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\xff", 1, "not a NumPy array of numbers"),
    ("a.txt", b"1 1\n", 2 << 20, TOO_MANY),
    ("a.txt", b"#\n", 4 << 20, "it holds more than 1048576 comments"),
    ("a.txt", b"\n", 9 << 20, "it holds 0 taps; 1 to 1048576 are possible"),
    ("a.txt", b"1", 9 << 20, "line 1 holds something that is not a number"),
    ("a.txt", b"\0", 9 << 20, "line 1 holds something that is not a number"),
])
def test_taps_that_lie_about_their_number_cost_nothing(folder: Path, name: str, content: bytes, times: int,
                                                               words: str) -> None:
    (folder / name).write_bytes(content * times)
    done = torchfx("process", "in.wav", "-e", f"fir:file={name}", cwd=folder)
    assert done.code == 3
    assert done.told.startswith(f"in.wav: -e 'fir:file={name}': fir.file: {folder}/{name}: {words}")
    assert done.peak_mib < IDLE_MIB
    assert done.cpu_s < IDLE_S


def test_a_taps_file_without_end_is_not_read(folder: Path) -> None:
    with (folder / "a.txt").open("wb") as file:
        file.truncate(10 << 30)
    done = torchfx("process", "in.wav", "-e", "fir:file=a.txt", cwd=folder)
    assert done.code == 2
    assert "is too large: at most 32 768 KiB are read" in done.told
    assert done.peak_mib < IDLE_MIB


@pytest.mark.parametrize(("channels", "words"), [
    (1, EACH % (10 * FS * 48)),
    (8, "it has 8 channels; an impulse response has one"),
])
def test_minutes_of_packed_silence_as_taps_is_not_unpacked(folder: Path, channels: int, words: str) -> None:
    with soundfile.SoundFile(folder / "a.flac", "w", FS, channels, "PCM_16") as sound:
        for _ in range(10):
            sound.write(np.zeros((FS * 8 // channels * 6, channels), np.int16))
    (folder / "a.flac").rename(folder / "a.wav")  # the name decides nothing
    assert (folder / "a.wav").stat().st_size < 1 << 20
    done = torchfx("process", "in.wav", "-e", "fir:file=a.wav", cwd=folder)
    assert (done.code, done.told) == (3, f"in.wav: -e 'fir:file=a.wav': fir.file: {folder}/a.wav: {words}\n")
    assert done.peak_mib < IDLE_MIB
    assert done.cpu_s < IDLE_S


# What lists hold.


@pytest.mark.parametrize(("size", "content", "words", "way"), [
    (10 << 30, b"", "is larger than 256 MiB; divide it", ["list.txt@"]),
    (0, b"\n" * (64 << 20), "has more than 1000000 names; divide it", ["list.txt@"]),
    (0, b"a\n" * (8 << 20), "has more than 1000000 names; divide it", ["list.txt@"]),
    (0, b"a\n" * (8 << 20), "has more than 1000000 names; divide it", ["--files-from", "list.txt"]),
])
def test_a_list_without_end_is_refused(folder: Path, size: int, content: bytes, words: str, way: list[str]) -> None:
    with (folder / "list.txt").open("wb") as file:
        file.write(content)
        file.truncate(size or None)
    done = torchfx("process", *way, "-e", "gain:-1", cwd=folder)
    assert (done.code, done.told) == (2, f"torchfx: error: the list list.txt {words}\n")
    assert done.peak_mib < 700
    assert done.cpu_s < IDLE_S


def test_a_device_that_never_ends_is_no_list(folder: Path) -> None:
    done = torchfx("process", "/dev/zero@", "-e", "gain:-1", cwd=folder)
    assert (done.code, done.told) == (2, "torchfx: error: the list /dev/zero is larger than 256 MiB; divide it\n")
    assert done.peak_mib < 700


# What tags hold.


def synchsafe(size: int) -> bytes:
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def frame(name: bytes, content: bytes, flags: int = 0) -> bytes:
    return name + synchsafe(len(content)) + struct.pack(">H", flags) + content


def chapter(content: bytes) -> bytes:
    return frame(b"CHAP", b"c\0" + bytes(16) + content)


@cache
def packed(mib: int) -> bytes:
    """A byte 3 and `mib` MiB of the letter a, packed by zlib; a MiB is packed once and stands there `mib` times."""
    packer, letters = zlib.compressobj(9), b"a" * (1 << 20)
    begin = packer.compress(b"\3") + packer.flush(zlib.Z_FULL_FLUSH)
    each = packer.compress(letters) + packer.flush(zlib.Z_FULL_FLUSH)
    total = zlib.adler32(b"\3")
    for _ in range(mib):
        total = zlib.adler32(letters, total)
    return begin + each * mib + b"\3\0" + total.to_bytes(4, "big")  # an empty last block, and the sum of all


def chapters(depth: int) -> bytes:
    content = frame(b"TIT2", b"\3" + b"a" * (1 << 20))
    for _ in range(depth):
        content = chapter(content)
    return content


PACKED, SIZE_FOLLOWS, UNSYNCHRONISED = 8, 1, 2
UNPACKED = "they unpack to more than 64 MiB"
TEXTS = "they hold too many or too long texts"
BOMBS = {
    "packed": (lambda: frame(b"TIT3", bytes(4) + packed(400), PACKED | SIZE_FOLLOWS), "TIT3", UNPACKED),
    "packed without size": (lambda: frame(b"TIT3", packed(400), PACKED), "TIT3", UNPACKED),
    "packed and unsynchronised": (lambda: frame(b"TIT3", bytes(4) + packed(400).replace(b"\xff", b"\xff\0"),
                                                PACKED | SIZE_FOLLOWS | UNSYNCHRONISED), "TIT3", UNPACKED),
    "many packed": (lambda: b"".join(frame(b"TXXX", bytes(4) + packed(30), PACKED | SIZE_FOLLOWS) for _ in range(9)),
                    "TXXX", UNPACKED),
    "packed in chapters": (lambda: chapter(chapter(frame(b"TIT3", bytes(4) + packed(400), PACKED | SIZE_FOLLOWS))),
                           "CHAP", UNPACKED),
    "chapters in chapters": (lambda: chapters(200), "CHAP", UNPACKED),
    "texts": (lambda: frame(b"TIT3", b"\3" + b"\0".join(b"%d" % n for n in range(1_000_000))), "TIT3", TEXTS),
    "a long text": (lambda: frame(b"TIT3", b"\1\xff\xfe" + b"a\0" * (8 << 20)), "TIT3", TEXTS),
    "a long description": (lambda: frame(b"APIC", b"\1image/png\0\3" + b"a\0" * (8 << 20)), "APIC", TEXTS),
    "syllables": (lambda: frame(b"SYLT", b"\3eng\2\1d\0" + b"a\0\0\0\0\1" * 1_000_000), "SYLT", TEXTS),
}


@pytest.mark.parametrize(("name", "kind"), [
    *((name, "mp3") for name in BOMBS), ("packed", "wav"), ("chapters in chapters", "wav"), ("texts", "wav"),
])
def test_a_tag_that_would_take_gigabytes_or_minutes_is_left_behind_with_a_word(
        folder: Path, name: str, kind: str) -> None:
    make, tag_name, words = BOMBS[name]
    content = make()
    tag = b"ID3\4\0\0" + synchsafe(len(content)) + content
    sound = folder / f"in.{kind}"
    soundfile.write(sound, np.zeros((FS // 10, 2)), FS)
    plain = sound.read_bytes()
    chunk = b"id3 " + struct.pack("<I", len(tag)) + tag + bytes(len(tag) % 2)
    whole = plain[:4] + struct.pack("<I", len(plain) + len(chunk) - 8) + plain[8:] + chunk
    sound.write_bytes(tag + plain if kind == "mp3" else whole)
    done = torchfx("process", sound.name, "-e", "gain:-1", "-o", "out.flac", cwd=folder)
    assert done.code == 0
    assert f"not carried over: {tag_name if kind == 'mp3' else 'id3'}; {words}\n" in done.told
    assert done.peak_mib < 300  # 64 MiB of content, as it is and unpacked, and the file; gigabytes before
    assert done.cpu_s < IDLE_S


def test_an_mp3_with_endless_frames_in_its_tag_is_refused_before_its_decoder_reads_them(folder: Path) -> None:
    soundfile.write(folder / "in.mp3", np.zeros((FS // 10, 2)), FS)
    content = b"".join(frame(b"TXXX", b"\3%d\0x" % n) for n in range(300_000))
    tag = b"ID3\4\0\0" + synchsafe(len(content)) + content
    (folder / "in.mp3").write_bytes(tag + (folder / "in.mp3").read_bytes())
    for words in (("info", "in.mp3"), ("process", "in.mp3", "-e", "gain:-1")):
        done = torchfx(*words, cwd=folder)
        assert (done.code, done.told) == (3, "in.mp3: its ID3 tag has more than 10000 frames, far more than any "
                                             "program writes\n")
        assert done.cpu_s < IDLE_S


@pytest.mark.parametrize(("kind", "subtype"), [("ogg", "VORBIS"), ("opus", "OPUS")])
def test_endless_comments_are_left_behind_with_a_word(folder: Path, kind: str, subtype: str) -> None:
    mutagen = pytest.importorskip("mutagen")
    soundfile.write(folder / f"in.{kind}", np.zeros((FS // 10, 2)), FS, format="OGG", subtype=subtype)
    song = mutagen.File(folder / f"in.{kind}")
    song.tags[:] = [(f"k{n}", "v") for n in range(200_000)]
    song.save()
    done = torchfx("process", f"in.{kind}", "-e", "gain:-1", "-o", "out.flac", cwd=folder)
    assert done.code == 0
    assert "K10, K11 and 9988 more; there are more than 10000 of them\n" in done.told
    assert done.peak_mib < 300
    assert done.cpu_s < IDLE_S


def test_a_picture_that_lies_about_its_size_is_read_no_further_than_its_block(folder: Path) -> None:
    pytest.importorskip("mutagen")
    soundfile.write(folder / "in.flac", np.zeros((FS // 10, 2)), FS)
    picture = struct.pack(">II", 3, 9) + b"image/png" + struct.pack(">6I", 0, 0, 0, 0, 0, 0xFFFFFFF0) + b"x" * 100
    plain = (folder / "in.flac").read_bytes()
    block = bytes([6]) + len(picture).to_bytes(3, "big") + picture
    (folder / "in.flac").write_bytes(plain[:42] + block + plain[42:])
    with (folder / "in.flac").open("rb") as file, pytest.raises(TagError, match="said 4294967280 bytes, read 100"):
        read(MetadataSource(file.fileno(), len(plain) + len(block), "FLAC", 2, None))


def test_names_in_a_list_are_counted_up_to_a_bound(folder: Path) -> None:
    plain = (folder / "in.wav").read_bytes()
    names = (f"{a}{b}{c}{d}" for a in LETTERS for b in LETTERS for c in LETTERS for d in LETTERS)
    content = b"INFO" + b"".join(name.encode() + b"\2\0\0\0x\0" for name in names)
    chunk = b"LIST" + struct.pack("<I", len(content)) + content
    (folder / "in.wav").write_bytes(plain[:4] + struct.pack("<I", len(plain) + len(chunk) - 8) + plain[8:] + chunk)
    done = torchfx("process", "in.wav", "-e", "gain:-1", "-o", "out.flac", cwd=folder)
    assert done.code == 0
    assert "not carried over: AAAA, AAAB" in done.told
    assert "and 9988 more\n" in done.told
    assert done.peak_mib < IDLE_MIB


# What an engine holds.


@pytest.mark.parametrize("way", [(), ("--dry-run",), ("--engine", "scipy")])
def test_long_taps_for_a_thousand_channels_are_refused(folder: Path, way: tuple[str, ...]) -> None:
    soundfile.write(folder / "wide.wav", np.zeros((100, 1024)), FS, subtype="PCM_16")
    np.save(folder / "a.npy", np.full(32767, 1e-5))
    done = torchfx("process", "wide.wav", "-e", "fir:file=a.npy", *way, cwd=folder)
    assert done.code == 3
    assert done.told == ("wide.wav: 1024 channels through impulse responses of 32767 taps need about 3.5 GB of memory; "
                         "2.1 GB are allowed: use fewer taps\n")
    assert done.peak_mib < IDLE_MIB


def test_many_responses_are_refused_for_the_tables_of_each(folder: Path) -> None:
    name = chain(folder, *["fir: {lowpass: 1 kHz, taps: 9999}"] * 419)
    done = torchfx("process", "in.wav", "-c", name, cwd=folder)
    assert done.code == 3
    assert "2 channels through impulse responses of 4189581 taps need about 4.2 GB of memory" in done.told
    assert done.peak_mib < 500
