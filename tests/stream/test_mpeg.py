"""MP3s that are damaged, cut, count nothing, or go on as something else: all that is there is read, what is missing is
told before it is read, and nothing is said of whole ones."""

from __future__ import annotations

import io
import itertools
import os
import re
import struct
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from support import oddfiles

from torchfx_cli.__main__ import main
from torchfx_cli.errors import ReadError
from torchfx_cli.stream.headercheck import CUT_APART
from torchfx_cli.stream.mpeg import HEADER_MASK, kind_of
from torchfx_cli.stream.mpegstream import Stream
from torchfx_cli.stream.mpegwalk import walk
from torchfx_cli.stream.reader import open_source

SECONDS = 2.0
RATES = (44100, 48000, 32000, 22050, 24000, 16000, 11025, 12000, 8000)
MODES = ("CONSTANT", "AVERAGE", "VARIABLE")
LAME_DELAY, DECODER_DELAY = 576, 529
ID3 = b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10)
ID3_V1 = b"TAG" + bytes(125)
APE = b"".join(b"APETAGEX" + struct.pack("<IIIIQ", 2000, 40, 1, flags, 0) + rest
               for flags, rest in ((0xA0000000, bytes(8)), (0x80000000, b"")))
LYRICS = b"LYRICSBEGIN" + b"IND0000200" + b"000021LYRICS200"


@cache
def encoded(fs: int, channels: int, mode: str) -> bytes:
    noise = np.random.default_rng(fs).uniform(-0.2, 0.2, (round(SECONDS * fs), channels))
    how = {"bitrate_mode": mode, "compression_level": 0.5}  # the mode alone is not heeded
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", fs, channels, "MPEG_LAYER_III", format="MP3", **how) as sound:
        sound.write(noise)
    assert (b"Info" if mode == "CONSTANT" else b"Xing") in file.getvalue()[:64]
    return file.getvalue()


def mp3(path: Path, fs: int = 44100, channels: int = 2, mode: str = "CONSTANT", tagged: bool = True) -> Path:
    """Noise; without `tagged`, the packet in front that counts the others is taken away."""
    content = encoded(fs, channels, mode)
    path.write_bytes(content if tagged else b"".join(packets(content)[1:]))
    return path


def packets(content: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(content):
        word = int.from_bytes(content[at : at + 4], "big") & HEADER_MASK
        kind = kind_of(word)
        assert kind is not None
        found.append(content[at : at + kind.sizes[word]])
        at += len(found[-1])
    return found


def samples(path: Path, **how: Any) -> tuple[npt.NDArray[Any], list[str], bool]:
    """All of it, the warnings, and whether frames are known to be missing."""
    with open_source(path, **how) as source:
        before = list(source.warnings)
        read = np.concatenate([np.zeros((0, source.facts.channels), np.float32), *source.blocks(1 << 15)])
        assert source.warnings == before, "all is known before the first sample is read"
        return read, source.warnings, source.truncated


def read(path: Path, **how: Any) -> tuple[int, list[str], bool]:
    found, warnings, truncated = samples(path, **how)
    return len(found), warnings, truncated


def walked(path: Path) -> Stream | None:
    with path.open("rb") as file:
        return walk(file.fileno(), path.stat().st_size)


def put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("raw", "fs", "is_mono", "frames", "size"), [
    ("fffb90c4", 44100, True, 1152, 417), ("fffb9244", 44100, False, 1152, 418), ("fff384c4", 24000, True, 576, 192),
    ("ffe328c4", 8000, True, 576, 144), ("fffdc404", 48000, False, 1152, 768), ("ffff8804", 32000, False, 384, 384),
    ("fff58404", 24000, False, 1152, 384),
])
def test_a_header_says_how_long_its_packet_is(raw: str, fs: int, is_mono: bool, frames: int, size: int) -> None:
    """ISO 11172-3, 2.4.3.1: 144 times the bit rate over the rate, and the padding; layer I in words of four bytes."""
    word = int(raw, 16) & HEADER_MASK
    kind = kind_of(word)
    assert kind is not None
    assert (kind.fs, kind.is_mono, kind.frames, kind.sizes[word]) == (fs, is_mono, frames, size)


@pytest.mark.parametrize("raw", ["fffbf0c4", "fffb9cc4", "fff990c4", "ffeb90c4", "7ffb90c4"])
def test_what_is_reserved_is_no_header(raw: str) -> None:
    assert kind_of(int(raw, 16) & HEADER_MASK) is None


@pytest.mark.parametrize(("fs", "channels", "mode"), list(itertools.product(RATES, (1, 2), MODES))[::4])
def test_of_a_whole_file_nothing_is_said(tmp_path: Path, fs: int, channels: int, mode: str) -> None:
    path = mp3(tmp_path / "a.mp3", fs, channels, mode)
    content, whole = path.read_bytes(), (round(SECONDS * fs), [], False)
    assert read(path) == whole
    for before, behind in ((ID3, ID3_V1), (ID3 + ID3, LYRICS + APE + ID3_V1), (b"", bytes(3000)), (b"junk", b"")):
        assert read(put(path, before + content + behind)) == whole, (before[:4], behind[:4])


@pytest.mark.parametrize(("fs", "channels", "mode"), list(itertools.product(RATES, (1, 2), MODES))[::5])
def test_of_a_file_that_does_not_count_its_packets_all_is_read(
        tmp_path: Path, fs: int, channels: int, mode: str) -> None:
    """libsndfile guesses the length from the first packet: of variable rate it left up to 73 % unread."""
    truth = samples(mp3(tmp_path / "a.mp3", fs, channels, mode))[0]
    path = mp3(tmp_path / "b.mp3", fs, channels, mode, tagged=False)
    count, content = len(packets(path.read_bytes())), path.read_bytes()
    for before, behind in ((b"", b""), (ID3, APE), (ID3 + bytes(500), LYRICS + APE + ID3_V1)):
        found, warnings, truncated = samples(put(path, before + content + behind))
        assert (warnings, truncated) == ([], False)
        assert len(found) == count * (1152 if fs >= 32000 else 576)
        sound = found[LAME_DELAY + DECODER_DELAY :][: len(truth)]
        assert np.abs(sound - truth).max() <= 2e-7  # libmpg123 adds in another order where it leaves frames out


@pytest.mark.parametrize(("tagged", "mode"), list(itertools.product((True, False), MODES)))
@pytest.mark.parametrize(("fs", "channels"), [(44100, 2), (48000, 1), (16000, 2)])
def test_whatever_800_zeroed_bytes_take_is_told_and_all_else_is_read(
        tmp_path: Path, fs: int, channels: int, mode: str, tagged: bool) -> None:
    """17 of 20 such files were said to be ok with up to 1,809 frames missing, or up to all that came behind."""
    path = mp3(tmp_path / "a.mp3", fs, channels, mode, tagged)
    content, whole = path.read_bytes(), samples(path)[0]
    packet_frames = 1152 if fs >= 32000 else 576
    pattern = (r"damaged near ([0-9.]+) s: ([0-9]+) bytes are no MPEG audio; (about )?([0-9]+) frames are missing"
               r"(, [0-9]+ beside them are silence)?")
    for part in (0, 1, 4, 7, 10, 13, 16, 18, 19):
        at = (len(content) - 800) * part // 19
        found, warnings, truncated = samples(put(path, content[:at] + bytes(800) + content[at + 800 :]))
        if part == 19:
            what = r"[0-9]+ of [0-9]+ frames \(cut off\)" if tagged else "[0-9]+ bytes behind the samples are not read"
            assert re.fullmatch(what, warnings[0]), warnings
            continue
        (words,), match = warnings, re.fullmatch(pattern, warnings[0])
        assert match, words
        assert truncated
        assert abs(float(match[1]) - len(whole) / fs * at / len(content)) < 0.25
        missing = len(whole) - len(found)
        if part:
            assert missing % packet_frames == 0
            assert 0 < missing <= 8 * packet_frames
            assert int(match[4]) == missing or (match[3] and not tagged)
            behind = round(float(match[1]) * fs) + 8 * packet_frames
            difference = np.abs(found[behind:] - whole[behind + missing :])
            assert difference.max(initial=0) <= 2e-7, "what comes behind is as it was"
        assert np.abs(found).max() < 1.5 * np.abs(whole).max(), "packets that need lost bytes are silent, not loud"


def test_several_holes_are_one_warning(tmp_path: Path) -> None:
    path = mp3(tmp_path / "a.mp3", mode="VARIABLE")
    parts = packets(path.read_bytes())
    for number in (20, 30, 40):
        parts[number] = bytes(len(parts[number]))
    count, (words,), _ = read(put(path, b"".join(parts)))
    assert count == SECONDS * 44100 - 3 * 1152
    assert "(and 2 more such places); 3456 frames are missing" in words


def test_a_packet_that_is_not_there_is_told_of_by_the_count_alone(tmp_path: Path) -> None:
    path = mp3(tmp_path / "a.mp3")
    parts = packets(path.read_bytes())
    count, (words,), truncated = read(put(path, b"".join(parts[:30] + parts[31:])))
    assert truncated
    assert words == f"{count} of 88200 frames (cut off)"


def test_a_damaged_file_can_be_read_twice(tmp_path: Path) -> None:
    with open_source(put(tmp_path / "a.mp3", oddfiles.holed_mp3())) as source:
        first = np.concatenate(list(source.blocks(509)))
        source.rewind()
        np.testing.assert_array_equal(np.concatenate(list(source.blocks(1 << 15))), first)
        assert len(source.warnings) == 1


def test_missing_frames_are_refused_where_that_is_asked_for(tmp_path: Path) -> None:
    path = mp3(tmp_path / "a.mp3")
    content = path.read_bytes()
    put(path, content[:9000] + bytes(800) + content[9800:])
    with pytest.raises(ReadError, match=r"damaged near 0.4[0-9] s"), open_source(path, on_truncated="fail"):
        pass
    put(path, content[:9000])
    with pytest.raises(ReadError, match="of 88200 frames"), open_source(path, on_truncated="fail"):
        pass


@pytest.mark.parametrize("tagged", [True, False])
def test_a_file_that_is_cut_is_said_to_be(tmp_path: Path, tagged: bool) -> None:
    path = mp3(tmp_path / "a.mp3", tagged=tagged)
    parts = packets(path.read_bytes())
    count, (words,), truncated = read(put(path, b"".join(parts[:50]) + parts[50][:100]))
    before = LAME_DELAY + DECODER_DELAY if tagged else 0
    assert (count, truncated) == ((50 - tagged) * 1152 - before, True)
    lacking = len(parts[50]) - 100
    told = f"{count} of 88200 frames" if tagged else f"the last frame of MPEG audio lacks {lacking} bytes"
    assert words == f"{told} (cut off)"


@pytest.mark.parametrize(("fs", "channels"), [(48000, 2), (22050, 2), (44100, 1)])
@pytest.mark.parametrize("tagged", [True, False])
def test_what_goes_on_at_another_rate_or_layout_is_told_with_its_time(
        tmp_path: Path, fs: int, channels: int, tagged: bool) -> None:
    first = mp3(tmp_path / "a.mp3", tagged=tagged)
    second = mp3(tmp_path / "b.mp3", fs, channels, tagged=False)
    alone = read(first)[0]
    joined = put(first, first.read_bytes() + ID3_V1 + ID3 + second.read_bytes())
    told = f"holds a second stream; only the first {alone / 44100:.1f} s was read{CUT_APART}"
    assert read(joined) == (alone, [told], False)
    with open_source(joined) as source:
        assert source.damaged


def test_joined_files_of_one_kind_that_count_nothing_are_read_to_the_end(tmp_path: Path) -> None:
    content = mp3(tmp_path / "a.mp3", mode="VARIABLE", tagged=False).read_bytes()
    count = len(packets(content))
    for between in (b"", ID3_V1 + ID3, APE):
        assert read(put(tmp_path / "b.mp3", content + between + content)) == (2 * count * 1152, [], False)


@pytest.mark.parametrize("count_wrong_by", [-1, 0, 1])
def test_a_count_without_delays_may_be_wrong_by_one(tmp_path: Path, count_wrong_by: int) -> None:
    """As those of the first encoders of variable rate are, which count their own packet."""
    path = mp3(tmp_path / "a.mp3", mode="VARIABLE")
    first, *others = packets(path.read_bytes())
    at = first.index(b"Xing") + 8
    count = struct.pack(">I", len(others) + count_wrong_by)
    first = first[:at] + count + first[at + 4 : at + 112] + bytes(len(first) - at - 112)
    found = read(put(path, first + b"".join(others)))
    assert found == (len(others) * 1152 - DECODER_DELAY, [], False)


def test_the_count_of_fraunhofer_is_heeded(tmp_path: Path) -> None:
    path = mp3(tmp_path / "a.mp3", mode="VARIABLE")
    first, *others = packets(path.read_bytes())
    vbri = b"VBRI" + struct.pack(">HHHII", 1, 0, 75, 0, len(others))
    first = first[:4] + bytes(32) + vbri + bytes(len(first) - 36 - len(vbri))
    assert read(put(path, first + b"".join(others))) == (len(others) * 1152, [], False)
    half = len(others) // 2
    told = [f"{half * 1152} of {len(others) * 1152} frames (cut off)"]
    assert read(put(path, first + b"".join(others[:half]))) == (half * 1152, told, True)


def test_free_format_is_walked(tmp_path: Path) -> None:
    """Headers that leave the rate open: the length is the distance from one to the next."""
    path = mp3(tmp_path / "a.mp3", 48000, 1, tagged=False)
    free = b"".join(packet[:2] + bytes([packet[2] & 0x0F]) + packet[3:] for packet in packets(path.read_bytes()))
    stream = walked(put(path, free))
    assert stream is not None
    assert (stream.packets, stream.kind.free_bytes, stream.holes) == (len(free) // 480, 480, ())
    damaged = walked(put(path, free[: 480 * 20] + bytes(700) + free[480 * 20 + 700 :]))
    assert damaged is not None
    assert [(hole.packets, hole.size) for hole in damaged.holes] == [(20, 960)]


def test_what_only_looks_like_a_header_here_and_there_is_no_mp3(tmp_path: Path) -> None:
    """libmpg123 found packets in noise and in M4A, and made 0.03 s of full-scale noise of them, in silence."""
    rng = np.random.default_rng(1)
    with pytest.raises(ReadError, match="MP4 or M4A"), open_source(put(tmp_path / "a.mp3", oddfiles.m4a())):
        pass
    adts = b"\xff\xf1\x50\x80\x10\x1f\xfc" + rng.bytes(40_000)
    with pytest.raises(ReadError, match="looks like AAC"), open_source(put(tmp_path / "b.mp3", adts)):
        pass
    lone = mp3(tmp_path / "c.mp3").read_bytes()[:300]
    with pytest.raises(ReadError, match="MP3 file is damaged or cut off"), open_source(put(tmp_path / "c.mp3", lone)):
        pass
    assert walked(put(tmp_path / "noise.mp3", rng.bytes(1 << 21))) is None


@pytest.mark.parametrize("filling", [b"\0", b"\xff", b"\xff\xfb\x90\x44", b"\xff\xfb\x00\x44"])
def test_the_way_through_files_made_to_have_none_is_short(tmp_path: Path, filling: bytes) -> None:
    path = mp3(tmp_path / "a.mp3")
    content = path.read_bytes()
    stream = walked(put(path, content[:20_000] + filling * (4_000_000 // len(filling)) + content[20_000:]))
    assert stream is not None
    assert len(stream.holes) < 3


def test_info_tells_damage_without_reading_the_samples(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = mp3(tmp_path / "a.mp3")
    content = path.read_bytes()
    put(path, content[:9000] + bytes(800) + content[9800:])
    assert main(["info", os.fspath(path)]) == 0
    assert "warning: damaged near 0.4" in capsys.readouterr().out
