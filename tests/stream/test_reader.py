"""Reading: every odd input gives all of its samples, or a warning, or an error that names what is wrong."""

from __future__ import annotations

import io
import os
import resource
import socket
import struct
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile as sf
from support import oddfiles
from support.oddfiles import FS, TONE, put

from torchfx_cli.errors import ReadError, RunError
from torchfx_cli.samples import SampleFormat
from torchfx_cli.stream.headercheck import CUT_APART
from torchfx_cli.stream.reader import Source, open_source


def read(source: Source, frames: int = 1000) -> npt.NDArray[np.generic]:
    """All blocks as one array; asserts that each is of the promised type and a fresh one."""
    blocks = list(source.blocks(frames))
    assert all(block.dtype == source.facts.sample_format.dtype for block in blocks)
    assert all(len(block) == frames for block in blocks[:-1])
    if not blocks:
        return np.empty((0, source.facts.channels), source.facts.sample_format.dtype)
    return np.concatenate(blocks)


@pytest.mark.parametrize("name", oddfiles.NOT_AUDIO)
def test_a_file_that_is_not_audio_is_called_what_it_is(tmp_path: Path, name: str) -> None:
    content, words = oddfiles.NOT_AUDIO[name]
    with pytest.raises(ReadError, match=r".") as caught, open_source(put(tmp_path, content, name)):
        pass
    assert words in str(caught.value)


@pytest.mark.parametrize("name", oddfiles.BROKEN_WAV)
def test_a_broken_wav_header_is_refused_naming_the_field(tmp_path: Path, name: str) -> None:
    make, words = oddfiles.BROKEN_WAV[name]
    with pytest.raises(ReadError, match=r".") as caught, open_source(put(tmp_path, make())):
        pass
    assert words in str(caught.value)


@pytest.mark.parametrize("name", oddfiles.ODD_WAV)
def test_an_odd_wav_gives_its_frames_and_the_right_warning(tmp_path: Path, name: str) -> None:
    make, frames, words = oddfiles.ODD_WAV[name]
    content = make()
    path = put(tmp_path, content)
    with open_source(path) as source:
        samples = read(source)
        warnings = "; ".join(source.warnings)
        bits = source.facts.sample_format.bits
    assert len(samples) == frames
    assert words in warnings if words else not warnings
    if samples.shape[1] == 1 and bits == 16:
        np.testing.assert_array_equal(samples[:, 0], TONE[:frames])
    assert path.read_bytes() == content


def test_a_size_of_zero_before_a_wave_of_silence_still_gives_every_frame(tmp_path: Path) -> None:
    silent = oddfiles.lie(oddfiles.riff(oddfiles.fmt_chunk(), oddfiles.data_chunk(0 * TONE)), 0, 0)
    with open_source(put(tmp_path, silent)) as source:
        assert len(read(source)) == len(TONE)


def test_a_recording_in_rf64_that_was_never_closed_gives_every_frame(tmp_path: Path) -> None:
    with open_source(put(tmp_path, oddfiles.rf64(0), "in.rf64")) as source:
        np.testing.assert_array_equal(read(source)[:, 0], TONE)
        assert "never closed" in source.warnings[0]


def test_an_aiff_that_was_never_closed_is_refused_and_not_taken_for_empty(tmp_path: Path) -> None:
    whole = oddfiles.encode(TONE, format="AIFF", subtype="PCM_16")
    at = whole.index(b"SSND") + 4
    broken = whole[:at] + struct.pack(">I", 8) + whole[at + 4 :]
    with pytest.raises(ReadError, match="promises 0 frames, but 9600 bytes follow"), open_source(
        put(tmp_path, broken, "in.aiff")
    ):
        pass


@pytest.mark.parametrize(
    ("major", "name"), [("AIFF", "in.aiff"), ("W64", "in.w64"), ("CAF", "in.caf"), ("AU", "in.au"), ("RF64", "in.rf64")]
)
def test_a_file_cut_in_the_middle_says_how_many_frames_of_how_many(tmp_path: Path, major: str, name: str) -> None:
    whole = oddfiles.encode(TONE, format=major, subtype="PCM_16")
    with open_source(put(tmp_path, whole[:-4800], name)) as source:
        np.testing.assert_array_equal(read(source)[:, 0], TONE[:2400])
        assert source.warnings == ["2400 of 4800 frames (cut off)"]


def test_an_aiff_that_lies_about_its_frames_is_read_with_a_warning(tmp_path: Path) -> None:
    with open_source(put(tmp_path, oddfiles.aiff_with_frames(2**31), "in.aiff")) as source:
        np.testing.assert_array_equal(read(source)[:, 0], TONE)
        assert source.warnings == ["4800 of 2147483648 frames (cut off)"]


def test_a_caf_of_unknown_size_is_read_to_its_end(tmp_path: Path) -> None:
    with open_source(put(tmp_path, oddfiles.caf_of_unknown_size(), "in.caf")) as source:
        np.testing.assert_array_equal(read(source)[:, 0], TONE)
        assert source.warnings == []


def test_a_flac_from_a_pipe_has_no_promised_length_and_is_read_whole(tmp_path: Path) -> None:
    with open_source(put(tmp_path, oddfiles.flac_without_total(), "in.flac")) as source:
        assert source.facts.frames is None
        np.testing.assert_array_equal(read(source)[:, 0], TONE)


@pytest.mark.parametrize("make", [oddfiles.damaged_flac, oddfiles.cut_flac])
def test_a_damaged_flac_is_an_error_that_says_where(tmp_path: Path, make: Callable[[], bytes]) -> None:
    with open_source(put(tmp_path, make(), "in.flac")) as source, pytest.raises(ReadError, match=r"near 0\.\d\d s"):
        read(source)


def test_a_chained_ogg_warns_that_only_its_first_stream_was_read(tmp_path: Path) -> None:
    with open_source(put(tmp_path, oddfiles.chained_ogg(), "in.ogg")) as source:
        assert len(read(source)) == 48000
        assert source.warnings == ["holds a second stream; only the first 1.0 s was read" + CUT_APART]


def test_concatenated_mp3_warns_that_only_the_first_was_read(tmp_path: Path) -> None:
    with open_source(put(tmp_path, oddfiles.concatenated_mp3(), "in.mp3")) as source:
        assert len(read(source)) == 48000
        assert source.warnings == ["holds a second stream; only the first 1.0 s was read" + CUT_APART]


def test_a_cut_mp3_says_how_many_frames_of_how_many(tmp_path: Path) -> None:
    with open_source(put(tmp_path, oddfiles.cut_mp3(), "in.mp3")) as source:
        frames = len(read(source))
        assert source.warnings == [f"{frames} of 96000 frames (cut off)"]
        assert 30000 < frames < 60000


def test_whole_lossy_files_give_no_warning(tmp_path: Path) -> None:
    for major, subtype, name in (("OGG", "VORBIS", "a.ogg"), ("OGG", "OPUS", "a.opus"), ("MP3", None, "a.mp3")):
        how = {"format": major} | ({"subtype": subtype} if subtype else {})
        with open_source(put(tmp_path, oddfiles.encode(TONE, **how), name)) as source:
            assert source.facts.sample_format == SampleFormat("float32")
            assert len(read(source)) == len(TONE), name
            assert source.warnings == [], name


def test_an_ogg_full_of_false_marks_is_refused_before_libsndfile_looks_at_each(tmp_path: Path) -> None:
    whole = oddfiles.encode(np.tile(TONE, 20), format="OGG", subtype="VORBIS")
    apart = b"OggS\0\0" + b"\xff" * 34  # each says that its page has 64 KiB
    for content in (whole + b"OggS" * 500_000, whole + b"OggS" * 20_000 + whole, whole + apart * 100_000):
        since_s = time.perf_counter()
        with pytest.raises(ReadError, match=r"damaged Ogg stream: from byte [0-9]+ on it holds marks of pages without"):
            open_source(put(tmp_path, content, "in.ogg"))
        assert time.perf_counter() - since_s < 1.0  # 2 s a MB


def test_an_ogg_cut_before_its_samples_is_an_error(tmp_path: Path) -> None:
    whole = oddfiles.encode(TONE, format="OGG", subtype="VORBIS")
    with pytest.raises(ReadError, match="cut off"), open_source(put(tmp_path, whole[:-500], "in.ogg")) as source:
        read(source)


def test_junk_before_an_mp3_is_skipped_by_its_name(tmp_path: Path) -> None:
    content = b"hello" * 1000 + oddfiles.encode(TONE, format="MP3")
    with open_source(put(tmp_path, content, "in.mp3")) as source:
        assert len(read(source)) == len(TONE)


@pytest.mark.parametrize("frames", [1, 17, 509, 4800, 100_000])
def test_the_size_of_the_blocks_changes_nothing(tmp_path: Path, frames: int) -> None:
    noise = np.random.default_rng(3).integers(-(2**31), 2**31, (4800, 3)) >> 8 << 8
    path = tmp_path / "in.flac"
    sf.write(path, noise.astype(np.int32), FS, "PCM_24")
    with open_source(path) as source:
        np.testing.assert_array_equal(read(source, frames), noise)
        assert source.frames_read == 4800


def test_rewind_gives_the_same_samples_again_and_no_warning_twice(tmp_path: Path) -> None:
    with open_source(put(tmp_path, oddfiles.lie(oddfiles.plain(), 0, 0))) as source:
        first = read(source)
        source.rewind()
        assert source.frames_read == 0
        np.testing.assert_array_equal(read(source), first)
        assert len(source.warnings) == 1


def test_samples_are_what_the_standard_library_reads(tmp_path: Path) -> None:
    path = put(tmp_path, oddfiles.plain())
    with wave.open(str(path)) as other, open_source(path) as source:
        truth = np.frombuffer(other.readframes(10_000), np.int16)
        np.testing.assert_array_equal(read(source)[:, 0], truth)


@pytest.mark.parametrize(
    ("subtype", "expected"),
    [
        ("PCM_U8", SampleFormat("int16", 8)), ("PCM_16", SampleFormat("int16", 16)),
        ("PCM_24", SampleFormat("int32", 24)), ("PCM_32", SampleFormat("int32", 32)),
        ("FLOAT", SampleFormat("float32")), ("DOUBLE", SampleFormat("float64")),
        ("ULAW", SampleFormat("int16", 16)), ("IMA_ADPCM", SampleFormat("int16", 16)),
        ("GSM610", SampleFormat("int16", 16)),
    ],
)  # fmt: skip
def test_each_subtype_is_read_in_the_smallest_type_that_holds_it(
    tmp_path: Path, subtype: str, expected: SampleFormat
) -> None:
    with open_source(put(tmp_path, oddfiles.encode(TONE, format="WAV", subtype=subtype))) as source:
        assert source.facts.sample_format == expected
        assert source.facts.subtype == subtype


def test_the_most_negative_sample_stays_what_it_is(tmp_path: Path) -> None:
    least = np.full(100, -32768, np.int16)
    with open_source(put(tmp_path, oddfiles.encode(least, format="WAV", subtype="PCM_16"))) as source:
        np.testing.assert_array_equal(read(source)[:, 0], least)


def test_content_wins_over_the_name(tmp_path: Path) -> None:
    with open_source(put(tmp_path, oddfiles.encode(TONE, format="FLAC"), "in.wav")) as source:
        assert source.facts.container == "FLAC"
        np.testing.assert_array_equal(read(source)[:, 0], TONE)


def test_a_big_endian_riff_is_read(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    sf.write(buffer, TONE, FS, "PCM_16", endian="BIG", format="WAV")
    with open_source(put(tmp_path, buffer.getvalue())) as source:
        np.testing.assert_array_equal(read(source)[:, 0], TONE)
        assert source.warnings == []


@pytest.mark.parametrize(
    "name", ["name_\udcff\udcfe.wav", "new\nline.wav", "-dash.wav", "x" * 251 + ".wav", "no_extension"]
)
def test_any_name_can_be_opened(tmp_path: Path, name: str) -> None:
    with open_source(put(tmp_path, oddfiles.plain(), name)) as source:
        assert len(read(source)) == len(TONE)


def test_what_is_not_a_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.wav")
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s.wav"))
    listener.close()
    for name, words in (("fifo.wav", "is a FIFO, not a regular file; `torchfx process -` reads what is piped"),
                        ("folder.wav", "is a folder"), ("loop.wav", "loop of symbolic links"), ("s.wav", "is a socket"),
                        ("missing.wav", "does not exist")):  # fmt: skip
        with pytest.raises(ReadError, match=words), open_source(tmp_path / name):
            pass
    with pytest.raises(ReadError, match="is a device"), open_source("/dev/null"):
        pass


def test_a_file_that_grows_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    path = put(tmp_path, oddfiles.plain())
    with open_source(path) as source:
        blocks = source.blocks(1000)
        next(blocks)
        with path.open("ab") as writer:
            writer.write(bytes(100))
        with pytest.raises(ReadError, match="changed while it was read"):
            list(blocks)


def test_a_file_that_is_rewritten_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    path = put(tmp_path, oddfiles.plain())
    with open_source(path) as source:
        blocks = source.blocks(1000)
        next(blocks)
        os.utime(path, ns=(1, 1))  # as a writer of the same size would leave it, whatever the clock's step
        with pytest.raises(ReadError, match="changed while it was read"):
            list(blocks)


def test_a_file_that_is_replaced_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    path = put(tmp_path, oddfiles.plain())
    with open_source(path) as source:
        blocks = source.blocks(1000)
        next(blocks)
        put(tmp_path, oddfiles.plain(), "other.wav").replace(path)
        with pytest.raises(ReadError, match="another file has its name"):
            list(blocks)


def test_descriptors_are_given_back_after_success_and_failure(tmp_path: Path) -> None:
    good, bad = put(tmp_path, oddfiles.plain()), put(tmp_path, b"no", "bad.wav")
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    for _ in range(20):
        with open_source(good) as source:
            read(source)
        with pytest.raises(ReadError), open_source(bad):
            pass
    after = len(os.listdir("/proc/self/fd")) if before else 0
    assert after == before


def test_files_read_in_threads_do_not_disturb_each_other(tmp_path: Path) -> None:
    paths = [put(tmp_path, oddfiles.encode(np.roll(TONE, k), format="FLAC"), f"{k}.flac") for k in range(4)]
    results: dict[int, npt.NDArray[np.generic]] = {}

    def work(k: int) -> None:
        with open_source(paths[k]) as source:
            results[k] = read(source, 100)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(4):
        np.testing.assert_array_equal(results[k][:, 0], np.roll(TONE, k))


def test_headers_that_promise_terabytes_and_bombs_of_silence_take_little_memory(tmp_path: Path) -> None:
    silence = tmp_path / "silence.flac"
    with sf.SoundFile(silence, "w", FS, 2, "PCM_16") as sound:
        for _ in range(100):
            sound.write(np.zeros((2**17, 2), np.int16))
    lying = put(tmp_path, oddfiles.rf64(1 << 40), "lies.rf64")
    aiff = put(tmp_path, oddfiles.aiff_with_frames(2**32 - 1), "lies.aiff")
    code = (
        "import resource, sys\n"
        "from torchfx_cli.stream.reader import open_source\n"
        "start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for path in sys.argv[1:]:\n"
        "    with open_source(path) as source:\n"
        "        print(sum(len(block) for block in source.blocks(65536)))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start)\n"
    )
    names = [str(silence), str(lying), str(aiff)]
    done = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True, check=True)
    bomb, *rest, grown_kib = map(int, done.stdout.split())
    assert bomb == 100 * 2**17
    assert rest == [4800, 4800]
    assert grown_kib < 20_000, "52 MB of silence were read in blocks of 0.25 MB"


def test_no_descriptor_left_is_said_to_be_the_run_s_trouble(tmp_path: Path) -> None:
    path = put(tmp_path, oddfiles.plain())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        with pytest.raises(RunError, match="too many open files"), open_source(path):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("make", [oddfiles.chained_ogg, oddfiles.concatenated_mp3,
                                  lambda: 2 * oddfiles.encode(oddfiles.TONE, format="FLAC")])
def test_a_second_stream_fails_where_nothing_may_be_missing(tmp_path: Path, make: Callable[[], bytes]) -> None:
    with (pytest.raises(ReadError, match="holds a second stream; only the first "),
          open_source(put(tmp_path, make(), "in"), on_truncated="fail") as source):
        read(source)
