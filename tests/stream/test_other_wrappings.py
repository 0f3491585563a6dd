"""What is whole, but wrapped otherwise than libsndfile knows: it is read, or named in one line."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.oddfiles import FS, data_chunk, encode, fmt_chunk, put, rf64, riff
from support.rewrite import rewrite, wav_chunks

from torchfx_cli.__main__ import main
from torchfx_cli.errors import ReadError
from torchfx_cli.stream.headercheck import CUT_APART
from torchfx_cli.stream.metadataplan import contents
from torchfx_cli.stream.reader import open_source

SAMPLES = np.arange(-500, 500, dtype="<i2")
BEXT = b"bext", b"A description".ljust(602, b"\0")
TITLE = b"TIT2" + struct.pack(">I", 6) + b"\0\0" + b"\0Title"
TAG = b"ID3\x03\0\0" + bytes([0, 0, 0, len(TITLE)]) + TITLE


def samples(path: Path) -> np.ndarray:
    with open_source(path) as source:
        found = np.concatenate(list(source.blocks(99)))
        assert (source.facts.fs, source.warnings) == (FS, [])
        return found[:, 0]


def test_chunks_behind_a_tag_in_front_of_a_wav_are_carried_and_so_is_the_tag(tmp_path: Path) -> None:
    """They were lost, in silence."""
    wav = put(tmp_path, TAG + riff(BEXT, fmt_chunk(), data_chunk(SAMPLES)))
    np.testing.assert_array_equal(samples(wav), SAMPLES)
    assert rewrite(tmp_path / "out.wav", wav)[0] == []
    np.testing.assert_array_equal(samples(tmp_path / "out.wav"), SAMPLES)
    chunks = dict(wav_chunks((tmp_path / "out.wav").read_bytes()))
    assert chunks[b"bext"] == BEXT[1]
    assert chunks[b"id3 "] == TAG


def test_a_wav_behind_a_tag_that_lacks_samples_is_told(tmp_path: Path) -> None:
    wav = put(tmp_path, TAG + riff(fmt_chunk(), data_chunk(SAMPLES))[:-500])
    with open_source(wav) as source:
        assert len(np.concatenate(list(source.blocks(99)))) == 750
        assert source.warnings == ["750 of 1000 frames (cut off)"]


def test_bw64_is_read_as_the_rf64_that_it_is(tmp_path: Path) -> None:
    small = put(tmp_path, riff(fmt_chunk(), data_chunk(SAMPLES), (b"axml", b"<x/>"), magic=b"BW64"))
    np.testing.assert_array_equal(samples(small), SAMPLES)
    rewrite(tmp_path / "out.wav", small)
    assert dict(wav_chunks((tmp_path / "out.wav").read_bytes()))[b"axml"] == b"<x/>"
    large = rf64(9600)
    wrapped = samples(put(tmp_path, b"BW64" + large[4:], "b.wav"))
    np.testing.assert_array_equal(wrapped, samples(put(tmp_path, large, "c.wav")))


@pytest.mark.parametrize(("content", "told"), [
    (b"NIST_1A\n   1024\nsample_coding -s26 pcm,embedded-shorten-v2.00\nend_head\n".ljust(2000, b"\1"),
     "packed with shorten cannot be decoded here"),
])
def test_what_cannot_be_decoded_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    with pytest.raises(ReadError, match=told), open_source(put(tmp_path, content, "a.wav")):
        pass


def mpeg_in_wav(packets: bytes, fact: int, codec: int = 0x55) -> bytes:
    fmt = struct.pack("<HHIIHHHHIHHH", codec, 1, FS, 8000, 1, 0, 12, 1, 2, 192, 1, 1393)
    return riff((b"fmt ", fmt), (b"fact", struct.pack("<I", fact)), (b"LIST", b"INFOINAM\6\0\0\0Title\0"),
                (b"data", packets))


def test_mpeg_audio_in_a_wav_is_held_against_its_packets_and_not_against_a_guess(tmp_path: Path) -> None:
    """Whole files were called cut off, as ffmpeg counts the delay of the encoder twice."""
    mp3 = encode(np.sin(np.arange(FS) / 20) / 2, format="MP3")
    first = mp3.index(b"\xff\xfb")
    alone = samples(put(tmp_path, mp3, "a.mp3"))
    wav = put(tmp_path, mpeg_in_wav(mp3[first:], FS + 4000))
    np.testing.assert_array_equal(samples(wav), alone)
    with open_source(wav) as source:
        assert source.facts.tags["title"] == "Title"
    cut = put(tmp_path, mpeg_in_wav(mp3[first:-1500], FS))
    with open_source(cut) as source:
        list(source.blocks(9999))
        assert source.truncated
    with pytest.raises(ReadError, match="no run of packets"), \
            open_source(put(tmp_path, mpeg_in_wav(bytes(999), FS, 0x50))):
        pass


@pytest.mark.parametrize(("first", "second"), [(4800, 4800), (4800, 2000), (2000, 4800)])
def test_of_joined_flacs_the_first_is_read_and_the_second_told(tmp_path: Path, first: int, second: int) -> None:
    """They were called damaged, or heard as far as the decoder came."""
    tone = np.arange(4800, dtype="<i2") - 2400
    path = put(tmp_path, b"".join(encode(tone[:count], format="FLAC", subtype="PCM_16") for count in (first, second)))
    with open_source(path) as source:
        np.testing.assert_array_equal(np.concatenate(list(source.blocks(999)))[:, 0], tone[:first])
        assert (source.warnings, source.notes, source.damaged) == (
            [f"holds a second stream; only the first {first / FS:.1f} s was read{CUT_APART}"], [], True)


def test_info_exits_3_where_sound_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wav = riff(fmt_chunk(), data_chunk(SAMPLES))
    assert main(["info", "--check", os.fspath(put(tmp_path, wav))]) == 0
    assert main(["info", "--check", os.fspath(put(tmp_path, wav + wav))]) == 3
    assert f"only the first 0.0 s was read{CUT_APART}" in capsys.readouterr().out


def test_the_comments_in_the_header_of_a_sphere_are_named(tmp_path: Path) -> None:
    """They were lost, in silence."""
    head = (b"NIST_1A\n   1024\nspeaker_id -s4 fadg\nsample_rate -i 48000\nchannel_count -i 1\nsample_n_bytes -i 2\n"
            b"sample_byte_format -s2 01\nsample_sig_bits -i 16\nsample_coding -s3 pcm\nsample_count -i 1000\n"
            b"snr -r 31.5\nend_head\nnot_one -i 3\n")
    path = put(tmp_path, head.ljust(1024) + SAMPLES.tobytes(), "in.sph")
    np.testing.assert_array_equal(samples(path), SAMPLES)
    for name in ("out.wav", "out.sph"):
        assert rewrite(tmp_path / name, path)[0] == ["not carried over: speaker_id, snr"]
    with open_source(tmp_path / "out.sph") as source:
        assert contents(source.metadata) == ()


def test_the_annotation_of_an_au_is_named(tmp_path: Path) -> None:
    head = struct.pack(">4s5I", b".snd", 40, 2 * len(SAMPLES), 3, FS, 1)
    for text, told in ((b"field recording".ljust(16, b"\0"), ["not carried over: annotation"]), (bytes(16), [])):
        au = put(tmp_path, head + text + SAMPLES.astype(">i2").tobytes(), "in.au")
        np.testing.assert_array_equal(samples(au), SAMPLES)
        assert rewrite(tmp_path / "out.wav", au)[0] == told
        assert rewrite(tmp_path / "out.au", au)[0] == told


@pytest.mark.parametrize("bits", [16, 20, 24])
@pytest.mark.parametrize("is_wrapped", [True, False])
def test_alac_in_a_caf_without_the_width_of_its_samples_is_read(tmp_path: Path, bits: int, is_wrapped: bool) -> None:
    """As ffmpeg writes it; the cookie of the decoder tells the width, in an atom or bare."""
    path, x = tmp_path / "a.caf", np.random.default_rng(1).integers(-2**15, 2**15, 5000) << 16
    soundfile.write(path, x.astype("<i4"), FS, f"ALAC_{bits}")
    content = path.read_bytes()
    at = content.index(b"kuki")
    size = int.from_bytes(content[at + 4 : at + 12], "big")
    cookie = content[at + 12 : at + 12 + size]
    bare = cookie[24:] if cookie[4:8] == b"frma" else cookie
    atoms = struct.pack(">I4s4sI4sI", 12, b"frma", b"alac", 12 + len(bare), b"alac", 0) if is_wrapped else b""
    kuki = b"kuki" + struct.pack(">q", len(atoms + bare)) + atoms + bare
    content = content[:at] + kuki + content[at + 12 + size :]
    path.write_bytes(content[:32] + bytes(4) + content[36:])
    with open_source(path) as source:
        assert (source.facts.subtype, source.facts.frames) == (f"ALAC_{bits}", 5000)
        found = np.concatenate(list(source.blocks(999)))[:, 0]
        np.testing.assert_array_equal(found.astype(np.int64) << (0 if found.dtype == np.int32 else 16), x)
