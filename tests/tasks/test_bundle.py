"""Bundles: a file comes out the same, and is told of the same, whatever lies beside it and however it is done."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import butter, sosfilt

torch = pytest.importorskip("torch")

from torchfx_cli.chain.parse import join  # noqa: E402
from torchfx_cli.errors import DeviceError, Interrupted  # noqa: E402
from torchfx_cli.render import batched  # noqa: E402
from torchfx_cli.render.batched import BatchedRun  # noqa: E402
from torchfx_cli.tasks import bundle  # noqa: E402
from torchfx_cli.tasks.bundle import is_bundled, process_bundle, process_one  # noqa: E402
from torchfx_cli.tasks.job import Job, Settings  # noqa: E402
from torchfx_cli.tasks.onefile import RunObserver, process_file  # noqa: E402
from torchfx_cli.tasks.report import FileResult  # noqa: E402

EFFECTS = ("highpass:cutoff=80,order=4", "peaking:frequency=1000,gain=6,q=1", "fir:lowpass=3 kHz,taps=31,align=true")
SETTINGS = Settings(join([], EFFECTS), device="cpu", engine="torch")
KINDS = [(8000, 1, "PCM_16"), (44_100, 2, "PCM_16"), (44_100, 2, "FLOAT"), (8000, 3, "PCM_24"), (8000, 1, "PCM_U8")]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    torch.set_num_threads(1)
    bundle._run_of.cache_clear()
    yield
    bundle._run_of.cache_clear()


def noise(path: Path, frames: int, kind: tuple[int, int, str] = KINDS[0], level: float = 0.1) -> Path:
    fs, channels, subtype = kind
    rng = np.random.default_rng(frames)
    soundfile.write(path, rng.standard_normal((frames, channels)) * level, fs, subtype)
    return path


@pytest.fixture
def mixed(tmp_path: Path) -> list[Path]:
    """Rates, channels, formats and lengths in turn, too long ones too, and files among them that are none."""
    (tmp_path / "in").mkdir()
    lengths = 2 * (1, 300, 1000, 1025, 0, 5000, 5001, 20_000, 80_000, 700)
    files = []
    for number, frames in enumerate(lengths):
        kind = KINDS[(number + number // 10) % len(KINDS)]
        files.append(noise(tmp_path / "in" / f"{number:02}.wav", frames, kind))
    for number, data in ((3, b""), (7, b"RIFF no sound at all"), (12, files[12].read_bytes()[:-101])):
        files[number].write_bytes(data)
    samples = soundfile.read(files[17], always_2d=True)[0]
    samples[100, 0] = np.nan
    soundfile.write(files[17], samples, 44_100, "FLOAT")
    return files


def into(folder: Path, files: list[Path]) -> list[Job]:
    folder.mkdir()
    return [Job(path, folder / path.name) for path in files]


def bundled(jobs: list[Job], settings: Settings = SETTINGS) -> list[FileResult]:
    results = dict(process_bundle(jobs, settings, RunObserver()))
    return [results[place] for place in range(len(jobs))]


def told(result: FileResult) -> dict[str, object]:
    """All but where the output is, and how long it took."""
    return result.as_dict() | {"output": "", "elapsed_s": 0.0}


def bytes_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_neither_neighbours_nor_their_order_nor_being_alone_change_a_bit(mixed: list[Path], tmp_path: Path) -> None:
    together = bundled(into(tmp_path / "together", mixed))
    backwards = bundled(into(tmp_path / "backwards", mixed[::-1]))[::-1]
    alone = [process_one(job, SETTINGS, RunObserver()) for job in into(tmp_path / "alone", mixed)]
    assert [n for n, result in enumerate(together) if result.status == "failed"] == [3, 7, 17]
    assert len(bytes_in(tmp_path / "alone")) == len(mixed) - 3
    assert bytes_in(tmp_path / "together") == bytes_in(tmp_path / "backwards") == bytes_in(tmp_path / "alone")
    assert list(map(told, together)) == list(map(told, backwards)) == list(map(told, alone))


def test_bundles_give_what_the_engine_gives_and_say_what_it_says(mixed: list[Path], tmp_path: Path) -> None:
    together = bundled(into(tmp_path / "together", mixed))
    ones = [process_file(job, SETTINGS, RunObserver()) for job in into(tmp_path / "ones", mixed)]
    for one, other in zip(together, ones, strict=True):
        assert one.peak == pytest.approx(other.peak, rel=1e-12)
        assert told(replace(one, peak=0.0)) == told(replace(other, peak=0.0))
    for name in bytes_in(tmp_path / "ones"):  # less than a step of 24 bits: only floats may round in another order
        got, truth = (soundfile.read(tmp_path / folder / name)[0] for folder in ("together", "ones"))
        np.testing.assert_allclose(got, truth, rtol=0, atol=2.0**-24, err_msg=name)


def test_a_bundle_is_the_scipy_result(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    files = [noise(tmp_path / "in" / f"{frames}.wav", frames, (8000, 2, "DOUBLE")) for frames in (10, 999, 3000, 3001)]
    settings = replace(SETTINGS, chain=join([], ["highpass:cutoff=80,order=4", "gain:-6"]))
    for result in bundled(into(tmp_path / "out", files), settings):
        samples = soundfile.read(result.input)[0]
        truth = sosfilt(butter(4, 80, "highpass", fs=8000, output="sos"), samples, axis=0) * 10 ** (-6 / 20)
        np.testing.assert_allclose(soundfile.read(result.output)[0], truth, rtol=0, atol=1e-14)
        assert result.peak == pytest.approx(np.abs(truth).max(), rel=1e-12)


POLICIES: dict[str, tuple[dict[str, object], str | None]] = {
    "clipping is kept": ({"on_clip": "keep"}, None),
    "clipping fails": ({"on_clip": "fail"}, "samples clipped"),
    "clipping is turned down": ({"on_clip": "attenuate"}, None),
    "warnings fail": ({"strict": True}, "samples clipped"),
    "in chunks": ({"chunk_s": 0.01}, None),
    "with a tail": ({"tail_s": 0.25}, None),
    "times are kept": ({"keep_mtime": True}, None),
    "no tags": ({"tags": False}, None),
    "to .flac": ({}, None),
    "to .ogg": ({}, None),
    "in two passes": ({"chain": join([], [*EFFECTS, "normalize:-3"])}, None),
    "a chain that cannot be": ({"chain": join([], ["lowpass:30 kHz"])}, "30 kHz"),
}


@pytest.mark.parametrize("policy", POLICIES)
def test_policies_hold_in_bundles_as_elsewhere(policy: str, tmp_path: Path) -> None:
    changes, error = POLICIES[policy]
    settings = replace(SETTINGS, **changes)  # type: ignore[arg-type]
    (tmp_path / "in").mkdir()
    loud = noise(tmp_path / "in" / "loud.wav", 4000, level=0.5)
    with soundfile.SoundFile(loud, "r+") as sound:
        sound.title = "loud"
    jobs = into(tmp_path / "a", [loud, noise(tmp_path / "in" / "quiet.wav", 2000)])
    if policy.startswith("to "):
        jobs = [replace(job, output=job.output.with_suffix(policy[3:])) for job in jobs]
    others = [Job(job.source, tmp_path / "b" / job.output.name) for job in jobs]
    (tmp_path / "b").mkdir()
    results, ones = bundled(jobs, settings), [process_file(job, settings, RunObserver()) for job in others]
    assert (results[0].error is None) == (error is None)
    assert (error or "") in (results[0].error or "")
    for job, result, one, other in zip(jobs, results, ones, others, strict=True):
        assert told(replace(result, peak=0.0)) == told(replace(one, peak=0.0))
        assert job.output.exists() == other.output.exists() == (result.status == "ok")
        if job.output.exists():
            assert job.output.read_bytes() == other.output.read_bytes()
        if policy == "times are kept":
            assert job.output.stat().st_mtime_ns == job.source.stat().st_mtime_ns


def test_a_file_is_replaced_in_place_and_its_old_bytes_are_kept(tmp_path: Path) -> None:
    path = noise(tmp_path / "a.wav", 1000)
    path.chmod(0o640)
    before = path.read_bytes()
    job = Job(path, path, overwrite=True, backup=tmp_path / "a.wav.bak")
    assert bundled([job])[0].status == "ok"
    assert (tmp_path / "a.wav.bak").read_bytes() == before != path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o640


def refuse(run: BatchedRun, blocks: object) -> None:
    raise AssertionError("this was packed")


def test_only_short_files_of_one_pass_are_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BatchedRun, "render", refuse)
    short, long = noise(tmp_path / "short.wav", 1000), noise(tmp_path / "long.wav", 70_000)
    jobs = into(tmp_path / "out", [short, long])
    results = bundled(jobs)
    assert "this was packed" in (results[0].error or "")
    assert results[1].status == "ok"
    normalizing = replace(SETTINGS, chain=join([], ["normalize:-1"]), overwrite=True)
    for settings in (normalizing, replace(normalizing, on_clip="attenuate"), replace(normalizing, chunk_s=1.0)):
        assert [result.status for result in bundled(jobs, settings)] == ["ok", "ok"]


def test_a_file_that_turns_out_longer_than_its_header_says_is_read_anew(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise(tmp_path / "a.wav", 1000)
    answers = [True, False]
    monkeypatch.setattr(batched, "batchable", lambda *_: answers.pop(0))
    monkeypatch.setattr(BatchedRun, "render", refuse)
    truth = process_file(Job(tmp_path / "a.wav", tmp_path / "truth.wav"), SETTINGS, RunObserver())
    result = process_one(Job(tmp_path / "a.wav", tmp_path / "out.wav"), SETTINGS, RunObserver())
    assert answers == []
    assert told(result) == told(truth)
    assert (tmp_path / "out.wav").read_bytes() == (tmp_path / "truth.wav").read_bytes()


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("most", [1, 5000, 1 << 24])
def test_what_is_held_is_bounded_and_changes_nothing(
        mixed: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    truth = bundled(into(tmp_path / "truth", mixed))
    held: list[int] = []

    def render(run: BatchedRun, blocks: list[np.ndarray]) -> object:
        held.append(sum(block.size for block in blocks))
        return whole(run, blocks)

    whole = BatchedRun.render
    monkeypatch.setattr(bundle, "HELD_SAMPLES", most)
    monkeypatch.setattr(BatchedRun, "render", render)
    before = open_files()
    assert list(map(told, bundled(into(tmp_path / "out", mixed)))) == list(map(told, truth))
    assert open_files() == before
    assert max(held) <= most + 2 * 20_000
    assert bytes_in(tmp_path / "out") == bytes_in(tmp_path / "truth")


def failing(error: Exception) -> Callable[..., None]:
    def render(run: BatchedRun, blocks: object) -> None:
        raise error

    return render


def test_after_a_failure_of_the_device_nothing_more_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BatchedRun, "render", failing(DeviceError("cuda failed: it is gone; try --device cpu")))
    jobs = into(tmp_path / "out", [noise(tmp_path / f"{n}.wav", 100 + n) for n in range(3)])
    before = open_files()
    ((place, result),) = process_bundle(jobs, SETTINGS, RunObserver())
    assert (place, result.reason, result.error) == (0, "device", "cuda failed: it is gone; try --device cpu")
    assert os.listdir(tmp_path / "out") == []
    assert open_files() == before


@pytest.mark.parametrize(("error", "reason"), [(MemoryError(), "memory"), (ValueError("a mistake"), "internal")])
def test_an_error_in_the_middle_is_the_failure_of_every_file_that_was_in_it(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str) -> None:
    monkeypatch.setattr(BatchedRun, "render", failing(error))
    monkeypatch.delenv("TORCHFX_DEBUG", raising=False)
    (tmp_path / "in").mkdir()
    results = bundled(into(tmp_path / "out", [noise(tmp_path / "in" / f"{n}.wav", 100 + n) for n in range(3)]))
    assert [(result.reason, result.exit_code) for result in results] == [(reason, 3)] * 3


def test_a_signal_in_the_middle_is_no_failure_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BatchedRun, "render", failing(Interrupted(15)))
    with pytest.raises(Interrupted):
        process_one(Job(noise(tmp_path / "a.wav", 100), tmp_path / "out.wav"), SETTINGS, RunObserver())


def test_what_the_decoder_says_is_noted_at_the_file_that_was_read(tmp_path: Path) -> None:
    words = iter(["0 read", "1 read", "0 written", "1 written"])
    files = [noise(tmp_path / f"{n}.wav", 100 + n) for n in range(2)]
    results = process_bundle(into(tmp_path / "out", files), SETTINGS, RunObserver(), lambda: (next(words),))
    assert [result.notes for _, result in results] == [("0 read", "0 written"), ("1 read", "1 written")]


def test_a_listener_hears_of_each_file_and_its_frames(tmp_path: Path) -> None:
    heard: list[tuple[str, object]] = []

    class Ear(RunObserver):
        def planned(self, todo: bundle.JobPlan) -> None:
            heard.append((todo.job.source.name, "planned"))

        def advanced(self, job: Job, frames: int) -> None:
            heard.append((job.source.name, frames))

    files = [noise(tmp_path / f"{n}.wav", 100 + n) for n in range(2)]
    list(process_bundle(into(tmp_path / "out", files), SETTINGS, Ear()))
    assert heard == [("0.wav", "planned"), ("1.wav", "planned"), ("0.wav", 100), ("1.wav", 101)]


@pytest.mark.parametrize(("changes", "expected"), [
    ({}, True), ({"device": "cuda:1"}, True), ({"device": "cpu"}, False), ({"engine": "native"}, False),
    ({"chunk_s": 1.0}, False), ({"on_clip": "attenuate"}, False), ({"on_clip": "fail"}, True),
])
def test_bundles_are_for_gpus_and_whole_files(changes: dict[str, object], expected: bool) -> None:
    assert is_bundled(replace(SETTINGS, **({"device": "cuda"} | changes))) is expected  # type: ignore[arg-type]


def test_where_device_memory_ran_out_it_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = BatchedRun._launch

    def cramped(run: BatchedRun, launch: batched._Launch, *rest: object) -> None:
        if launch.rows * launch.frames > 20_000:
            raise torch.OutOfMemoryError("out of memory")
        whole(run, launch, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(BatchedRun, "_launch", cramped)
    files = [noise(tmp_path / f"{n}.wav", 1000 + n) for n in range(4)]
    results = bundled(into(tmp_path / "out", files))
    assert [result.status for result in results] == ["ok"] * 4
    assert [note for result in results for note in result.notes] == [
        "cpu ran out of memory: fewer files were batched together from there on"]
