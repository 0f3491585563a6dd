"""A pipe is read as the file of the same bytes is, however it is cut, and written as a file is."""

from __future__ import annotations

import io
import os
import random
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from torchfx_cli.errors import FileError, ReadError, RunError, UsageError
from torchfx_cli.stream import inpipe, pipereader, stdio
from torchfx_cli.stream.formats import choose_output
from torchfx_cli.stream.headercheck import CUT_APART
from torchfx_cli.stream.metadatasource import MetadataSource
from torchfx_cli.stream.pipereader import PipeSource, SpooledSource, open_pipe
from torchfx_cli.stream.pipewriter import STREAMED, PipeOutput, check_format
from torchfx_cli.stream.reader import Source, open_source
from torchfx_cli.stream.writer import Output

FS = 48_000
SOUND = np.random.default_rng(5).uniform(-0.9, 0.9, (7001, 2))
STREAMS = [("WAV", subtype) for subtype in
           ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")]
STREAMS += [("WAVEX", "PCM_24"), ("RF64", "PCM_16"), ("AU", "PCM_16"), ("AU", "FLOAT"), ("AU", "ULAW"),
            ("FLAC", "PCM_16"), ("FLAC", "PCM_24")]
SPOOLED = [("WAV", "MS_ADPCM"), ("AIFF", "PCM_24"), ("CAF", "PCM_16"), ("W64", "PCM_16"), ("OGG", "VORBIS"),
           ("MP3", "MPEG_LAYER_III")]


def sound_bytes(container: str, subtype: str, sound: np.ndarray = SOUND) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, sound, FS, subtype, format=container)
    return file.getvalue()


@pytest.fixture
def pipe() -> Iterator[Callable[..., int]]:
    """A descriptor out of which `data` comes in pieces of 1 to `most` bytes."""
    threads = []

    def pipe(data: bytes, most: int = 5000) -> int:
        reads, writes = os.pipe()

        def feed() -> None:
            pieces, at = random.Random(most), 0
            with open(writes, "wb", buffering=0) as file:
                while at < len(data):
                    try:
                        at += file.write(data[at : at + pieces.randint(1, most)])
                    except BrokenPipeError:
                        return

        threads.append(threading.Thread(target=feed))
        threads[-1].start()
        return reads

    yield pipe
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def drained(source: Source, frames: int = 1000) -> np.ndarray:
    with source:
        blocks = list(source.blocks(frames))
    return np.concatenate(blocks) if blocks else np.empty((0, source.facts.channels))


def as_file(folder: Path, data: bytes, **policies: Any) -> Source:
    (folder / "same").write_bytes(data)
    return open_source(folder / "same", **policies)


def said(source: Source) -> tuple[Any, ...]:
    facts = source.facts
    return (facts.fs, facts.channels, facts.container, facts.subtype, facts.tags, facts.channel_map,
            source.warnings, source.truncated, source.frames_read)


@pytest.mark.parametrize("most", [7, 5000, 1 << 20])
@pytest.mark.parametrize(("container", "subtype"), STREAMS)
def test_a_stream_is_read_as_the_file(tmp_path: Path, pipe: Callable[..., int], container: str, subtype: str,
                                      most: int) -> None:
    data = sound_bytes(container, subtype, SOUND[:500] if most == 7 else SOUND)
    file, stream = as_file(tmp_path, data), open_pipe(pipe(data, most))
    assert isinstance(stream, PipeSource)
    assert stream.facts.frames == file.facts.frames
    np.testing.assert_array_equal(drained(stream, 999), drained(file))
    assert said(stream) == said(file)


@pytest.mark.parametrize(("container", "subtype"), SPOOLED)
def test_what_cannot_be_streamed_is_kept_in_a_file(tmp_path: Path, pipe: Callable[..., int], container: str,
                                                   subtype: str) -> None:
    data = sound_bytes(container, subtype)
    file, stream = as_file(tmp_path, data), open_pipe(pipe(data))
    assert isinstance(stream, SpooledSource)
    np.testing.assert_array_equal(drained(stream), drained(file))
    assert said(stream) == said(file)
    assert stream.notes == [*file.notes, "kept in a temporary file, because its format cannot be read from a pipe"]


def test_a_stream_that_is_read_twice_is_kept_and_rewinds(pipe: Callable[..., int]) -> None:
    with open_pipe(pipe(sound_bytes("WAV", "PCM_16")), twice=True) as source:
        first = np.concatenate(list(source.blocks(500)))
        source.rewind()
        np.testing.assert_array_equal(np.concatenate(list(source.blocks(3000))), first)
    assert source.notes == ["kept in a temporary file, because it is read twice"]


@pytest.mark.parametrize(("container", "subtype"), [*STREAMS[:13], *SPOOLED[1:4]])
@pytest.mark.parametrize("lacking", [1, 1001])
def test_a_cut_stream_gets_the_warning_of_a_cut_file(tmp_path: Path, pipe: Callable[..., int], container: str,
                                                     subtype: str, lacking: int) -> None:
    data = sound_bytes(container, subtype)[:-lacking]
    file, stream = as_file(tmp_path, data), open_pipe(pipe(data))
    np.testing.assert_array_equal(drained(stream), drained(file))
    assert said(stream) == said(file)
    assert [warning for warning in stream.warnings if "cut off" in warning] or lacking == 1
    if stream.truncated:
        with pytest.raises(ReadError, match="cut off"):
            drained(open_pipe(pipe(data), on_truncated="fail"))


@pytest.mark.parametrize("unknown_length", [False, True])
def test_a_cut_flac_is_an_error_as_in_a_file(tmp_path: Path, pipe: Callable[..., int], unknown_length: bool) -> None:
    data = bytearray(sound_bytes("FLAC", "PCM_24")[:-999])
    if unknown_length:  # 36 bits in STREAMINFO, as flac writes them into a pipe
        data[21] &= 0xF0
        data[22:26] = bytes(4)
    for source in (as_file(tmp_path, bytes(data)), open_pipe(pipe(bytes(data)))):
        with pytest.raises(ReadError, match="FLAC stream damaged or cut off near 0"):
            drained(source)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0xFFFFFFFF])
@pytest.mark.parametrize("lap_bytes", [inpipe.PIECE_BYTES // 8, 1 << 30])
def test_a_stream_without_a_size_is_read_to_its_end(tmp_path: Path, pipe: Callable[..., int], subtype: str, size: int,
                                                    lap_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipereader, "LAP_BYTES", lap_bytes)  # for the limit of 4 GiB
    data = bytearray(sound_bytes("WAV", subtype))
    at = data.index(b"data")
    data[4:8], data[at + 4 : at + 8] = struct.pack("<I", size), struct.pack("<I", size)
    file, stream = as_file(tmp_path, bytes(data)), open_pipe(pipe(bytes(data)))
    assert stream.facts.frames is None
    np.testing.assert_array_equal(drained(stream), drained(file))
    assert said(stream) == said(file)
    assert stream.notes == file.notes


def with_chunks(before: bytes, behind: bytes) -> bytes:
    data = sound_bytes("WAV", "PCM_16")
    at = data.index(b"data")
    data = data[:at] + before + data[at:] + behind
    return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def test_chunks_before_the_samples_go_along_and_those_behind_are_named(pipe: Callable[..., int]) -> None:
    data = with_chunks(chunk(b"bext", bytes(603)) + chunk(b"abcd", b"xyz"), chunk(b"cue ", bytes(4)) + b"\0\0")
    with open_pipe(pipe(data)) as source:
        metadata = source.metadata
        assert isinstance(metadata, MetadataSource)
        contents = {chunk.name: b"".join(metadata.content(chunk)) for chunk in metadata.chunks()}
        assert contents == {"bext": bytes(603), "abcd": b"xyz"}
        assert sum(len(block) for block in source.blocks(1000)) == len(SOUND)
    assert source.warnings == ["not carried over, because a pipe has it behind the samples: cue"]


def test_an_empty_wav_with_chunks_behind_is_empty(pipe: Callable[..., int]) -> None:
    data = sound_bytes("WAV", "PCM_16", SOUND[:0]) + chunk(b"abcd", bytes(400))
    data = data[:4] + struct.pack("<I", len(data) - 8) + data[8:]
    with open_pipe(pipe(data)) as source:
        assert list(source.blocks(10)) == []
    assert source.warnings == ["0 frames", "not carried over, because a pipe has it behind the samples: abcd"]


@pytest.mark.parametrize(("data", "words"), [
    (b"", r"the standard input is empty \(0 bytes\)"),
    (b"hallo, hallo, hallo", "not an audio file"),
    (b"RI", "WAV header cut off at byte 2"),
    (sound_bytes("WAV", "PCM_16")[:30], "WAV header cut off at byte 30"),
    (sound_bytes("WAV", "PCM_16")[:36], "WAV file has no data chunk"),
    (sound_bytes("WAV", "PCM_16")[:44], "promises 7001 frames"),
    (sound_bytes("FLAC", "PCM_16")[:30], "FLAC file is damaged or cut off"),
])
def test_what_is_no_sound_is_told(pipe: Callable[..., int], data: bytes, words: str) -> None:
    with pytest.raises(ReadError, match=words):
        drained(open_pipe(pipe(data)))


def test_a_header_without_end_is_not_kept_for_ever(pipe: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inpipe, "MAX_HEAD_BYTES", 1 << 16)
    data = b"RIFF\xff\xff\xff\xffWAVE" + chunk(b"junk", bytes(1 << 20))
    with pytest.raises(ReadError, match="no samples within its first"):
        open_pipe(pipe(data))


def test_reading_holds_no_more_than_the_header(pipe: Callable[..., int]) -> None:
    with open_pipe(pipe(sound_bytes("WAV", "PCM_16"))) as source:
        assert isinstance(source, PipeSource)
        list(source.blocks(100))
        assert len(source._pipe.head) < 100


def test_blocks_come_before_the_pipe_ends() -> None:
    data = sound_bytes("WAV", "PCM_16")
    reads, writes = os.pipe()
    os.write(writes, data[: 44 + 400])
    with open_pipe(reads) as source:
        assert len(next(source.blocks(100))) == 100
    os.close(writes)


def test_a_read_that_waits_can_be_cancelled() -> None:
    reads, writes = os.pipe()
    os.write(writes, sound_bytes("WAV", "PCM_16")[:1000])
    with open_pipe(reads) as source:
        waiting = threading.Thread(target=lambda: list(source.blocks(4000)))
        waiting.start()
        source.cancel()
        waiting.join(10)
        assert not waiting.is_alive()
    os.close(writes)


def test_a_spool_that_has_no_room_is_told(pipe: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**options: Any) -> Any:
        return open("/dev/full", "wb", buffering=0)

    monkeypatch.setattr(inpipe.tempfile, "TemporaryFile", full)
    with pytest.raises(FileError, match=r"cannot keep the standard input in .*: No space left on device; TMPDIR"):
        open_pipe(pipe(sound_bytes("AIFF", "PCM_16")))


class Facts:
    """A source of `subtype`, as `choose_output` asks for it."""

    fs, channel_map = FS, ()

    def __init__(self, subtype: str, channels: int = 2) -> None:
        self.container, self.subtype, self.channels = "WAV", subtype, channels


def written(word: str, subtype: str, fd: int, monkeypatch: pytest.MonkeyPatch, *, known: bool = True,
            tags: dict[str, str] | None = None) -> int:
    """Write SOUND to `fd`, as `Output` would get it; frames that were said to be written."""
    out_format = choose_output("-", Facts(subtype), word)
    sound = whole(word, subtype)
    monkeypatch.setattr(stdio, "_audio", fd)
    size = len(sound) * 2 * out_format.bytes_per_sample if known else None
    with PipeOutput(FS, 2, out_format, tags or {}, size, None) as output:
        in_blocks(sound, output)
        return output.commit().frames


def in_blocks(sound: np.ndarray, output: PipeOutput | Output) -> None:
    for at in range(0, len(sound), 1000):
        output.write(sound[at : at + 1000])


def whole(word: str, subtype: str) -> np.ndarray:
    """SOUND in the dtype of the format's blocks."""
    sample_format = choose_output("-", Facts(subtype), word).sample_format
    if not sample_format.is_integer:
        return SOUND.astype(sample_format.dtype)
    spare = np.iinfo(sample_format.dtype).bits - sample_format.bits
    return (SOUND * 2 ** (sample_format.bits - 1)).astype(sample_format.dtype) << spare


def through_a_pipe(write: Callable[[int], object]) -> bytes:
    reads, writes = os.pipe()
    pieces: list[bytes] = []

    def read() -> None:
        with open(reads, "rb") as file:
            pieces.append(file.read())

    thread = threading.Thread(target=read)
    thread.start()
    try:
        write(writes)
    finally:
        os.close(writes)
        thread.join(10)
    return pieces[0]


WRITTEN = [("wav", subtype) for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW")]
WRITTEN += [("au", "PCM_16"), ("au", "FLOAT"), ("flac", "PCM_24"), ("ogg", "VORBIS"), ("opus", "OPUS")]


@pytest.mark.parametrize(("word", "subtype"), WRITTEN)
@pytest.mark.parametrize("known", [True, False])
def test_what_goes_into_a_pipe_reads_back_as_the_file_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                            word: str, subtype: str, known: bool) -> None:
    data = through_a_pipe(lambda fd: written(word, subtype, fd, monkeypatch, known=known))
    with Output(tmp_path / f"out.{word}", FS, 2, choose_output(f"out.{word}", Facts(subtype))) as output:
        in_blocks(whole(word, subtype), output)
        output.commit()
    np.testing.assert_array_equal(drained(as_file(tmp_path, data)), drained(open_source(tmp_path / f"out.{word}")))


@pytest.mark.parametrize(("word", "subtype"), WRITTEN[:9])
def test_a_header_whose_sizes_are_known_is_that_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                            word: str, subtype: str) -> None:
    data = through_a_pipe(lambda fd: written(word, subtype, fd, monkeypatch))
    with Output(tmp_path / f"out.{word}", FS, 2, choose_output(f"out.{word}", Facts(subtype)),
                expected_bytes=1) as output:
        in_blocks(whole(word, subtype), output)
        output.commit()
    file = (tmp_path / f"out.{word}").read_bytes()
    at = data.find(b"fact")
    if at > 0:  # frames; nobody reads it, and libsndfile wrote it for a file of none
        file = file[: at + 8] + data[at + 8 : at + 12] + file[at + 12 :]
    assert data == file


def test_an_unknown_size_is_all_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    data = through_a_pipe(lambda fd: written("wav", "PCM_16", fd, monkeypatch, known=False))
    assert data[4:8] == data[40:44] == b"\xff\xff\xff\xff"
    assert data[44:] == whole("wav", "PCM_16").tobytes()


@pytest.mark.parametrize(("word", "subtype"), [*WRITTEN, ("mp3", "MPEG_LAYER_III")])
def test_a_redirected_output_is_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, subtype: str
                                         ) -> None:
    with open(tmp_path / "redirected", "w+b", buffering=0) as file:
        assert written(word, subtype, file.fileno(), monkeypatch, known=False) == len(SOUND)
    with Output(tmp_path / f"out.{word}", FS, 2, choose_output(f"out.{word}", Facts(subtype)),
                expected_bytes=1) as output:
        in_blocks(whole(word, subtype), output)
        output.commit()
    assert (tmp_path / "redirected").read_bytes() == (tmp_path / f"out.{word}").read_bytes()


def test_a_redirected_output_does_not_touch_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "log").write_bytes(b"before")
    with open(tmp_path / "log", "ab", buffering=0) as file:
        written("wav", "PCM_16", file.fileno(), monkeypatch, known=False)
    data = (tmp_path / "log").read_bytes()
    assert data[:10] == b"beforeRIFF"
    assert data[10:14] == b"\xff\xff\xff\xff"


def test_tags_go_into_the_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = through_a_pipe(lambda fd: written("wav", "PCM_16", fd, monkeypatch, tags={"title": "Ton"}))
    with as_file(tmp_path, data) as source:
        assert source.facts.tags["title"] == "Ton"
    assert source.warnings == []


@pytest.mark.parametrize("word", ["aiff", "caf", "rf64", "w64", "nist", "voc", "svx"])
def test_formats_that_need_their_end_are_refused(word: str) -> None:
    with pytest.raises(UsageError, match="it can be wav, au, flac, ogg, opus, mp3"):
        check_format(word)
    assert word not in STREAMED


def test_a_full_device_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(RunError, match="No space left on device"):
        written("wav", "PCM_16", full.fileno(), monkeypatch)


def test_a_reader_that_has_left_ends_the_program_as_sigpipe_would(monkeypatch: pytest.MonkeyPatch) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    with pytest.raises(SystemExit) as end:
        written("wav", "PCM_16", writes, monkeypatch)
    assert end.value.code == 141
    os.close(writes)


def test_a_write_that_waits_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    reads, writes = os.pipe()
    monkeypatch.setattr(stdio, "_audio", writes)
    with PipeOutput(FS, 2, choose_output("-", Facts("PCM_16"), "wav"), {}, None, None) as output:
        waiting = threading.Thread(target=lambda: output.write(np.zeros((1 << 20, 2), np.int16)))
        waiting.start()
        output.cancel()
        waiting.join(10)
        assert not waiting.is_alive()
    os.close(reads)
    os.close(writes)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("frames", [500, 501])
@pytest.mark.parametrize("container", ["WAV", "WAVEX", "RF64", "AIFF", "CAF", "W64", "AU"])
def test_a_second_file_behind_the_samples_is_told_and_is_no_part_of_them(
        tmp_path: Path, pipe: Callable[..., int], container: str, frames: int, count: int) -> None:
    """As `cat` joins them."""
    alone = sound_bytes(container, "PCM_24", SOUND[:frames, :1])
    truth = drained(as_file(tmp_path, alone))
    file, stream = as_file(tmp_path, alone * count), open_pipe(pipe(alone * count))
    for source in (file, stream):
        np.testing.assert_array_equal(drained(source), truth)
        padded = container == "CAF" and len(truth) % 2  # libsndfile does so, but no CAF is to be
        assert any("holds a second stream; only the first 0.0 s was read" in warning or (
            (container == "AU" or padded) and warning.endswith(" bytes behind the samples are not read")
        ) for warning in source.warnings)


def test_what_lies_behind_the_samples_of_a_wave64_is_not_heard(tmp_path: Path) -> None:
    """libsndfile takes it for samples."""
    alone = sound_bytes("W64", "PCM_16", SOUND[:501])
    data = alone.index(b"data")
    guid = alone[data + 4 : data + 16]
    behind = bytes(-len(alone) % 8) + b"summ" + guid + struct.pack("<q", 24 + 800) + b"\1" * 800
    source = as_file(tmp_path, alone + behind)
    assert source.facts.frames == 501
    with soundfile.SoundFile(io.BytesIO(alone)) as truth:
        np.testing.assert_array_equal(drained(source), truth.read(dtype="int16"))
    assert source.warnings == []


@pytest.mark.parametrize("most", [1, 700, 1 << 16])
def test_of_joined_flacs_the_first_is_read_and_the_second_is_told_of(pipe: Callable[..., int], most: int) -> None:
    first, second = (sound_bytes("FLAC", "PCM_16", SOUND[:frames]) for frames in (2000, 1500))
    wanted = soundfile.read(io.BytesIO(first), dtype="int16")[0]
    with open_pipe(pipe(first + second, most)) as source:
        np.testing.assert_array_equal(np.concatenate(list(source.blocks(333))), wanted)
        assert source.warnings == [f"holds a second stream; only the first 0.0 s was read{CUT_APART}"]
        assert source.damaged
    strict = open_pipe(pipe(first + second), on_truncated="fail")
    with pytest.raises(ReadError, match="second stream"), strict:
        list(strict.blocks(333))


@pytest.mark.parametrize("cut", [(0, -3000), (0, -300)])
def test_a_flac_that_is_damaged_before_the_second_begins_is_damaged(pipe: Callable[..., int], cut: Any) -> None:
    flac = sound_bytes("FLAC", "PCM_16", SOUND[:6000])
    with pytest.raises(ReadError, match="FLAC stream damaged or cut off"), open_pipe(pipe(flac[slice(*cut)] + flac)
                                                                                    ) as source:
        list(source.blocks(333))


def test_a_wav_that_holds_the_beginning_of_a_flac_among_its_samples_is_one_stream(pipe: Callable[..., int]) -> None:
    wav = sound_bytes("WAV", "PCM_16")[:-800] + (b"fLaC\0\0\0\x22" * 100)
    with open_pipe(pipe(wav)) as source:
        assert sum(map(len, source.blocks(333))) == len(SOUND)
        assert source.warnings == []
