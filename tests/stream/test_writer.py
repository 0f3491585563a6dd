"""Writing: what is under the final name is whole and bit-exact, or what was there before; nothing else is left."""

from __future__ import annotations

import errno
import os
import resource
import struct
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile as sf

from torchfx_cli.errors import RunError, WriteError
from torchfx_cli.stream import atomicfile, writer
from torchfx_cli.stream.formats import CONTAINERS, LOSSY, OutputFormat, choose_output, read_format
from torchfx_cli.stream.reader import FileFacts, open_source
from torchfx_cli.stream.writer import Output, remove_stale

FS = 48000
OLD = b"the old output"
Array = npt.NDArray[np.generic]


def output_format(name: str, subtype: str = "PCM_16", channels: int = 2, fs: int = FS) -> OutputFormat:
    facts = FileFacts(Path("in"), fs, channels, "WAV", subtype, None, read_format(subtype), {}, (), 0)
    return choose_output(name, facts, None, subtype)


def noise(chosen: OutputFormat, frames: int = 5000, channels: int = 2) -> Array:
    """Full-scale noise in the form that `chosen` wants."""
    kind, rng = chosen.sample_format, np.random.default_rng(7)
    if not kind.is_integer:
        return rng.uniform(-1, 1, (frames, channels)).astype(kind.dtype)
    width = np.iinfo(kind.dtype).bits
    values = rng.integers(-(2 ** (kind.bits - 1)), 2 ** (kind.bits - 1), (frames, channels)) << (width - kind.bits)
    values[:1], values[1:2] = -(2 ** (width - 1)), (2 ** (kind.bits - 1) - 1) << (width - kind.bits)
    return values.astype(kind.dtype)


def write(path: Path, samples: Array, chosen: OutputFormat, *, expected: int | None = 0, overwrite: bool = False,
          meanwhile: Callable[[], object] = lambda: None) -> None:
    """`samples` through an Output; `meanwhile` happens before the commit."""
    with Output(path, FS, samples.shape[1], chosen, {}, expected, overwrite=overwrite) as output:
        for start in range(0, len(samples), 1700):
            output.write(samples[start : start + 1700])
        meanwhile()
        written = output.commit()
        assert (written.frames, written.file_bytes) == (len(samples), path.stat().st_size)


def left_in(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


LOSSLESS = [(row.extensions[0], subtype) for row in CONTAINERS for subtype in row.subtypes if subtype not in LOSSY]


@pytest.mark.parametrize(("extension", "subtype"), LOSSLESS)
def test_every_lossless_format_gives_every_bit_back(tmp_path: Path, extension: str, subtype: str) -> None:
    path = tmp_path / f"out{extension}"
    channels = 1 if extension == ".8svx" else 2
    chosen = output_format(path.name, subtype, channels)
    samples = noise(chosen, channels=channels)
    write(path, samples, chosen)
    back, fs = sf.read(path, dtype=chosen.sample_format.dtype, always_2d=True)
    np.testing.assert_array_equal(back, samples)
    assert fs == FS
    assert sf.info(path).subtype == subtype
    assert left_in(tmp_path) == [path.name]


@pytest.mark.parametrize("name", ["a.ogg", "a.opus", "a.mp3", "a.wav"])
@pytest.mark.parametrize("frames", [1, 7, 100, 8191])
def test_lossy_formats_keep_the_number_of_frames(tmp_path: Path, name: str, frames: int) -> None:
    chosen = output_format(name, {"a.wav": "ALAW", "a.mp3": "MPEG_LAYER_III", "a.ogg": "VORBIS"}.get(name, "OPUS"))
    path = tmp_path / name
    write(path, noise(chosen, frames), chosen)
    assert len(sf.read(path)[0]) == frames


def test_a_lossy_output_still_sounds_like_its_input(tmp_path: Path) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 / FS * np.arange(FS, dtype=np.float32))[:, None]
    for name, subtype in (("a.ogg", "VORBIS"), ("a.opus", "OPUS"), ("a.mp3", "MPEG_LAYER_III")):
        write(tmp_path / name, tone.astype(np.float32), output_format(name, subtype, 1))
        back = sf.read(tmp_path / name, always_2d=True)[0]
        assert np.sqrt(np.mean((back - tone)[2000:-2000] ** 2)) < 0.01, name


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.caf", "a.w64", "a.rf64", "a.au", "a.ogg"])
def test_0_frames_are_an_empty_file_that_can_be_opened(tmp_path: Path, name: str) -> None:
    chosen = output_format(name, "VORBIS" if name == "a.ogg" else "PCM_16")
    write(tmp_path / name, noise(chosen)[:0], chosen)
    assert sf.info(tmp_path / name).frames == 0


@pytest.mark.parametrize(("name", "subtype", "words"), [("a.flac", "PCM_16", "FLAC"), ("a.opus", "OPUS", "Opus"),
                                                        ("a.mp3", "MPEG_LAYER_III", "MP3")])  # fmt: skip
def test_a_format_that_cannot_hold_0_frames_says_so(tmp_path: Path, name: str, subtype: str, words: str) -> None:
    chosen = output_format(name, subtype)
    with pytest.raises(WriteError, match=f"{words} cannot hold 0 frames"):
        write(tmp_path / name, noise(chosen)[:0], chosen)
    assert left_in(tmp_path) == []


# Names


def test_an_existing_output_is_refused_before_work_and_keeps_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(OLD)
    with pytest.raises(WriteError, match=r"a\.wav exists; with overwrite it is replaced"):
        write(path, noise(output_format("a.wav")), output_format("a.wav"))
    assert path.read_bytes() == OLD
    assert left_in(tmp_path) == ["a.wav"]


def test_an_output_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    chosen, path = output_format("a.wav"), tmp_path / "a.wav"
    with pytest.raises(WriteError, match="exists"):
        write(path, noise(chosen), chosen, meanwhile=lambda: path.write_bytes(OLD))
    assert path.read_bytes() == OLD
    assert left_in(tmp_path) == ["a.wav"]


def test_a_file_system_without_hard_links_still_gets_its_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    chosen = output_format("a.wav")
    write(tmp_path / "a.wav", noise(chosen), chosen)
    np.testing.assert_array_equal(sf.read(tmp_path / "a.wav", dtype="int16")[0], noise(chosen))
    assert left_in(tmp_path) == ["a.wav"]


def test_overwriting_replaces_the_name_and_leaves_other_links_alone(tmp_path: Path) -> None:
    path, other = tmp_path / "a.wav", tmp_path / "other.wav"
    path.write_bytes(OLD)
    os.link(path, other)
    write(path, noise(output_format("a.wav")), output_format("a.wav"), overwrite=True)
    assert sf.info(path).frames == 5000
    assert other.read_bytes() == OLD


def test_a_symbolic_link_stays_and_the_file_behind_it_is_replaced_or_made(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    target, path = tmp_path / "far" / "target", tmp_path / "a.wav"
    target.write_bytes(OLD)
    path.symlink_to(tmp_path / "between")
    (tmp_path / "between").symlink_to("far/target")
    chosen = output_format("a.wav")
    with pytest.raises(WriteError, match=r"a\.wav exists"):
        write(path, noise(chosen), chosen)
    assert target.read_bytes() == OLD
    write(path, noise(chosen), chosen, overwrite=True)
    dangling = tmp_path / "b.wav"
    dangling.symlink_to("far/new")
    write(dangling, noise(chosen), chosen, overwrite=True)
    assert (os.readlink(path), os.readlink(dangling)) == (f"{tmp_path}/between", "far/new")
    assert target.read_bytes() == (tmp_path / "far" / "new").read_bytes() != OLD
    assert (left_in(tmp_path), left_in(tmp_path / "far")) == (["a.wav", "b.wav", "between", "far"], ["new", "target"])


def test_a_loop_of_links_and_a_link_to_a_stream_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.wav").symlink_to("b.wav")
    (tmp_path / "b.wav").symlink_to("a.wav")
    (tmp_path / "c.wav").symlink_to("/proc/self/fd/1")
    chosen = output_format("a.wav")
    for name in ("a.wav", "c.wav"):
        with pytest.raises(WriteError):
            write(tmp_path / name, noise(chosen), chosen, overwrite=True)
    assert left_in(tmp_path) == ["a.wav", "b.wav", "c.wav"]


def test_an_output_that_is_not_a_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.wav")
    (tmp_path / "folder.wav").mkdir()
    chosen = output_format("a.wav")
    for name, words in (("fifo.wav", "is a FIFO, not a regular file"), ("folder.wav", "is a folder")):
        with pytest.raises(WriteError, match=words):
            write(tmp_path / name, noise(chosen), chosen, overwrite=True)


@pytest.mark.parametrize("name", ["x" * 251 + ".wav", "name_\udcff.wav", "new\nline.wav", "-dash.wav"])
def test_any_name_can_be_written(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, noise(output_format("a.wav")), output_format("a.wav"))
    assert left_in(tmp_path) == [name]


def test_a_folder_that_is_missing_or_a_file_is_said_in_words(tmp_path: Path) -> None:
    chosen = output_format("a.wav")
    with pytest.raises(RunError, match="nowhere does not exist"):
        write(tmp_path / "nowhere/a.wav", noise(chosen), chosen)
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="its folder is a file"):
        write(tmp_path / "file/a.wav", noise(chosen), chosen)


def test_a_folder_replaced_during_the_run_is_noticed(tmp_path: Path) -> None:
    folder, chosen = tmp_path / "out", output_format("a.wav")
    folder.mkdir()

    def replace_folder() -> None:
        folder.rename(tmp_path / "moved")
        folder.mkdir()

    with pytest.raises(RunError, match="removed or replaced"):
        write(folder / "a.wav", noise(chosen), chosen, meanwhile=replace_folder)
    assert left_in(folder) == []
    assert left_in(tmp_path / "moved") == []


# What is left behind


def test_without_commit_nothing_is_left_and_the_old_output_stays(tmp_path: Path) -> None:
    path, chosen = tmp_path / "a.flac", output_format("a.flac")
    path.write_bytes(OLD)

    def interrupt() -> None:
        assert len(left_in(tmp_path)) == 2
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(path, noise(chosen), chosen, overwrite=True, meanwhile=interrupt)
    assert path.read_bytes() == OLD
    assert left_in(tmp_path) == ["a.flac"]


def test_stale_temporary_files_are_removed_and_live_ones_are_not(tmp_path: Path) -> None:
    stale = tmp_path / atomicfile.part_name("0123abcd")
    stale.write_bytes(OLD)
    foreign = ["user.part", ".torchfx-mine.part", ".torchfx-1-0123abcd.part", ".torchfx-1-0123abcd-00000000.part"]
    for name in foreign:
        (tmp_path / name).write_bytes(OLD)
    (tmp_path / atomicfile.part_name("4567cdef")).mkdir()
    chosen = output_format("a.wav")
    with Output(tmp_path / "a.wav", FS, 2, chosen, {}, 0) as output:
        output.write(noise(chosen))
        assert remove_stale(tmp_path) == 1
        output.commit()
    assert left_in(tmp_path) == sorted([*foreign, atomicfile.part_name("4567cdef"), "a.wav"])
    assert remove_stale(tmp_path / "nowhere") == 0


def test_a_killed_run_leaves_a_file_that_the_next_one_removes(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from torchfx_cli.stream.atomicfile import AtomicFile\n"
        "AtomicFile(Path(sys.argv[1]), overwrite=False)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.wav")], check=False)
    assert len(left_in(tmp_path)) == 1
    assert remove_stale(tmp_path) == 1
    assert left_in(tmp_path) == []


def test_the_umask_decides_who_may_read_the_output(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "a.wav", noise(output_format("a.wav")), output_format("a.wav"))
    finally:
        os.umask(before)
    assert (tmp_path / "a.wav").stat().st_mode & 0o777 == 0o640


def test_no_descriptor_is_lost_on_success_or_failure(tmp_path: Path) -> None:
    chosen = output_format("a.wav")
    before = len(os.listdir("/dev/fd"))
    for _ in range(10):
        write(tmp_path / "a.wav", noise(chosen), chosen, overwrite=True)
        with pytest.raises(WriteError):
            write(tmp_path / "a.wav", noise(chosen), chosen)
    assert len(os.listdir("/dev/fd")) == before


# Bytes


@pytest.mark.parametrize(("name", "subtype"), [("a.wav", "FLOAT"), ("a.aiff", "FLOAT"), ("a.flac", "PCM_16")])
def test_the_same_samples_give_the_same_bytes_at_any_time(
    tmp_path: Path, name: str, subtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = output_format(name, subtype)
    write(tmp_path / name, noise(chosen), chosen)
    content = (tmp_path / name).read_bytes()
    assert b"PEAK" not in content, "libsndfile's PEAK chunk holds the time of day"
    write(tmp_path / f"b{name}", noise(chosen), chosen)
    assert (tmp_path / f"b{name}").read_bytes() == content


def chunks_of(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    assert content[:4] == b"RIFF"
    assert content[8:12] == b"WAVE"
    assert struct.unpack("<I", content[4:8])[0] == len(content) - 8
    at = 12
    while at < len(content):
        size = struct.unpack("<I", content[at + 4 : at + 8])[0]
        yield content[at : at + 4], content[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


@pytest.mark.parametrize("expected", [None, 1 << 33])
def test_a_wav_of_unknown_length_that_stays_small_is_a_plain_wav(tmp_path: Path, expected: int | None) -> None:
    path, chosen = tmp_path / "a.wav", output_format("a.wav")
    samples = noise(chosen)
    write(path, samples, chosen, expected=expected)
    chunks = dict(chunks_of(path.read_bytes()))
    assert chunks[b"data"] == samples.tobytes()
    assert struct.unpack("<HIIHH", chunks[b"fmt "][2:16]) == (2, FS, FS * 4, 4, 16)
    np.testing.assert_array_equal(sf.read(path, dtype="int16")[0], samples)


def test_a_wav_of_known_length_is_the_simplest_there_is(tmp_path: Path) -> None:
    path, chosen = tmp_path / "a.wav", output_format("a.wav")
    write(path, noise(chosen), chosen)
    with wave.open(str(path)) as truth:
        assert truth.getparams()[:4] == (2, 2, FS, 5000)
        assert truth.readframes(5000) == noise(chosen).tobytes()
    assert [name for name, _ in chunks_of(path.read_bytes())] == [b"fmt ", b"data"]


def test_a_wav_that_outgrows_its_promise_is_stopped_at_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "RIFF_LIMIT_BYTES", 10_000)
    chosen = output_format("a.wav")
    with pytest.raises(WriteError, match=r"WAV cannot hold more than 10 kB; use --format rf64, w64 or caf"):
        write(tmp_path / "a.wav", noise(chosen), chosen, expected=9_000)
    assert left_in(tmp_path) == []
    write(tmp_path / "a.wav", noise(chosen), chosen, expected=20_000)
    assert sf.info(tmp_path / "a.wav").frames == 5000


def test_a_channel_mask_goes_into_the_output(tmp_path: Path) -> None:
    surround = (2, 3, 4, 11, 9, 10)  # L R C LFE Ls Rs in libsndfile's numbers
    facts = FileFacts(Path("in"), FS, 6, "WAVEX", "PCM_16", None, read_format("PCM_16"), {}, surround, 0)
    for name in ("a.wav", "a.rf64", "a.caf"):
        chosen = choose_output(name, facts)
        write(tmp_path / name, noise(chosen, 100, 6), chosen)
        with open_source(tmp_path / name) as source:
            assert source.facts.channel_map == surround, name
    fmt = dict(chunks_of((tmp_path / "a.wav").read_bytes()))[b"fmt "]
    assert struct.unpack("<I", fmt[20:24])[0] == 0x3F


# When it goes wrong


def test_a_sample_that_changes_on_its_way_is_found_by_reading_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original: Callable[..., bool] = writer.library.Feed.write

    def flips_a_bit(feed: writer.library.Feed, block: Array) -> bool:
        wrong = block.copy()
        wrong[3, 1] ^= 1
        return original(feed, wrong)

    monkeypatch.setattr(writer.library.Feed, "write", flips_a_bit)
    chosen = output_format("a.wav")
    with pytest.raises(WriteError, match="samples that read back are not those"):
        write(tmp_path / "a.wav", noise(chosen), chosen)
    assert left_in(tmp_path) == []


def test_a_file_larger_than_the_process_may_write_fails_by_name_and_leaves_nothing(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    chosen = output_format("a.wav")
    samples = noise(chosen, 60_000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(WriteError, match="file too large for the limit"):
            write(tmp_path / "a.wav", samples, chosen)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("frames", [17, 18])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("subtype", "width"), [("PCM_S8", 1), ("PCM_24", 3), ("ULAW", 1), ("ALAW", 1)])
def test_an_aiff_whose_samples_take_an_odd_number_of_bytes_is_written(
        tmp_path: Path, subtype: str, width: int, channels: int, frames: int) -> None:
    chosen = output_format("out.aiff", subtype, channels)
    write(tmp_path / "out.aiff", noise(chosen, frames, channels), chosen)
    content = (tmp_path / "out.aiff").read_bytes()
    at, comm = content.index(b"SSND"), content.index(b"COMM")
    assert struct.unpack_from(">I", content, at + 4)[0] == 8 + frames * channels * width
    assert struct.unpack_from(">I", content, comm + 10)[0] == frames
    assert struct.unpack_from(">I", content, 4)[0] == len(content) - 8
    assert len(content) % 2 == 0
    assert sf.info(tmp_path / "out.aiff").frames == frames
