"""Files behind URLs: a storage that fails on request, kept in memory, stands for all that fsspec reaches."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import numpy as np
import pytest
import soundfile
from fsspec.implementations.memory import MemoryFileSystem

from torchfx_cli.chain.parse import join
from torchfx_cli.cli import progress, reporter
from torchfx_cli.cli.program import run
from torchfx_cli.errors import FileError, UsageError
from torchfx_cli.tasks import remotejournal, staging, storage
from torchfx_cli.tasks.inputs import gather
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.journal import DONE_BEFORE
from torchfx_cli.tasks.onefile import RunObserver, process_file, step_of
from torchfx_cli.tasks.planning import plan_jobs
from torchfx_cli.tasks.urls import Url, is_url, local_path

ROOT = "faulty://bucket"


class Faulty(MemoryFileSystem):
    """Raises the next of `faults` before it does anything; `spoiled` calls write or read a byte too few."""

    protocol = "faulty"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    faults: ClassVar[list[Exception]] = []
    spoiled: ClassVar[int] = 0
    cleared: ClassVar[int] = 0

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + path.removeprefix("faulty://").strip("/")

    @classmethod
    def clear_instance_cache(cls) -> None:
        cls.cleared += 1

    def _fail(self) -> None:
        if self.faults:
            raise self.faults.pop(0)

    def _is_spoiled(self) -> bool:
        Faulty.spoiled, is_spoiled = max(0, self.spoiled - 1), self.spoiled > 0
        return is_spoiled

    def get_file(self, rpath: str, lpath: str, **more: Any) -> None:
        self._fail()
        data = self.cat_file(rpath)
        Path(lpath).write_bytes(data[:-1] if self._is_spoiled() else data)

    def put_file(self, lpath: str, rpath: str, **more: Any) -> None:
        self._fail()
        data = Path(lpath).read_bytes()
        self.pipe_file(rpath, data[:-1] if self._is_spoiled() else data)


@pytest.fixture
def stored() -> Faulty:
    """An empty storage whose faults are waited for no longer than they take."""
    fsspec.register_implementation("faulty", Faulty, clobber=True)
    Faulty.store.clear()
    Faulty.pseudo_dirs[:] = [""]
    Faulty.faults[:], Faulty.spoiled, Faulty.cleared = [], 0, 0
    return Faulty()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr(storage.time, "sleep", slept.append)
    return slept


@pytest.fixture
def corpus(stored: Faulty, tmp_path: Path) -> Path:
    """Three sounds, here and under `ROOT`/raw/; returns where they are here."""
    here = tmp_path / "raw"
    (here / "sub").mkdir(parents=True)
    for number, name in enumerate(("a.wav", "b.flac", "sub/c.wav")):
        soundfile.write(here / name, np.random.default_rng(number).uniform(-0.5, 0.5, (400, 2)), 8000)
        stored.pipe_file(f"/bucket/raw/{name}", (here / name).read_bytes())
    return here


def settings(**more: Any) -> Settings:
    given = {"engine": "native", "device": "cpu", "remote": True, "noted": "x"} | more
    return Settings(join([], ["gain:-3"]), **given)  # type: ignore[arg-type]


def planned(output: str = f"{ROOT}/clean/", **more: Any) -> list[Job]:
    resume = more.pop("resume", False)
    return plan_jobs(gather([f"{ROOT}/raw/"], output=output).inputs, output, settings(**more), resume=resume)


def done(jobs: list[Job], **more: Any) -> list[Any]:
    return [step_of(settings(**more))(job, settings(**more), RunObserver()) for job in jobs]


def names(stored: Faulty, folder: str = "/bucket/clean") -> list[str]:
    return [name for name in stored.find(folder) if ".torchfx-journal" not in name]


def test_urls_have_the_parts_of_a_path() -> None:
    url = Url("s3://bucket/a//b.x/in.tar.wav")
    assert (url.name, url.suffix, url.parent, url / "c") == (
        "in.tar.wav", ".wav", "s3://bucket/a//b.x", "s3://bucket/a//b.x/in.tar.wav/c")
    assert Url("s3://bucket/clean/") / "a.wav" == "s3://bucket/clean/a.wav"
    assert is_url("s3://b/x")
    assert is_url("https://host/x")
    assert is_url("gs://b")
    assert not any(map(is_url, ("file:///x", "a/b.wav", "c:/x", "://x", "a b://x")))
    assert local_path("file:///tmp/in.wav") == "/tmp/in.wav"
    assert local_path("s3://b/x") == "s3://b/x"


def test_outputs_are_those_of_a_run_on_files_here(stored: Faulty, corpus: Path, tmp_path: Path) -> None:
    assert [result.error for result in done(planned())] == [None] * 3
    jobs = plan_jobs(gather([str(corpus)], output=str(tmp_path / "out")).inputs, str(tmp_path / "out"), settings())
    (tmp_path / "out").mkdir()
    for job in jobs:
        assert process_file(job, Settings(settings().chain), RunObserver()).status == "ok"
        assert stored.cat_file(f"/bucket/clean/{job.output.relative_to(tmp_path / 'out')}") == job.output.read_bytes()
    assert len(names(stored)) == 3


def test_a_url_and_a_path_may_be_mixed(stored: Faulty, corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    [result, *_] = done(planned(f"{tmp_path}/out/"), noted="")
    assert (result.status, result.input) == ("ok", f"{ROOT}/raw/a.wav")
    up = plan_jobs(gather([str(corpus)], output=f"{ROOT}/up/").inputs, f"{ROOT}/up/", settings())
    assert [result.output for result in done(up)] == [f"{ROOT}/up/{name}" for name in ("a.wav", "b.flac", "sub/c.wav")]
    assert stored.cat_file("/bucket/up/a.wav") == (tmp_path / "out" / "a.wav").read_bytes()


def test_a_resumed_run_does_what_is_missing_or_changed(stored: Faulty, corpus: Path) -> None:
    done(planned())

    def left(**more: Any) -> list[str]:
        jobs = planned(resume=True, **more)
        with remotejournal.opened(Url(f"{ROOT}/clean"), settings(**more).work) as notes:
            return [job.source.name for job in notes.settled(jobs) if job.skip != DONE_BEFORE]

    assert left() == []
    assert left(subtype="PCM_24") == ["a.wav", "b.flac", "c.wav"]
    stored.rm_file("/bucket/clean/b.flac")
    assert left() == ["b.flac"]
    soundfile.write(corpus / "a.wav", np.zeros((500, 2)), 8000)
    stored.pipe_file("/bucket/raw/a.wav", (corpus / "a.wav").read_bytes())
    assert left() == ["a.wav", "b.flac"]


def test_what_a_run_has_not_made_is_not_replaced(stored: Faulty, corpus: Path) -> None:
    stored.pipe_file("/bucket/clean/sub/c.wav", b"mine")
    for resume in (False, True):
        with pytest.raises(UsageError, match=r"faulty://bucket/clean/sub/c.wav exists.*--overwrite"):
            planned(resume=resume)
    job = planned(overwrite=True)[2]
    (result,) = done([job])
    assert result.error == f"{job.output} exists; --overwrite replaces it"
    assert stored.cat_file("/bucket/clean/sub/c.wav") == b"mine"


def test_what_a_lost_worker_has_delivered_already_is_left(stored: Faulty, corpus: Path) -> None:
    (job, *_) = planned()
    for _ in range(2):
        assert [result.error for result in done([job])] == [None]


def test_an_output_must_not_be_an_input(stored: Faulty, corpus: Path) -> None:
    with pytest.raises(UsageError, match="would be searched for inputs and is the output folder"):
        planned(f"{ROOT}/raw/")
    found = gather([f"{ROOT}/raw/a.wav"]).inputs
    with pytest.raises(UsageError, match="would overwrite the input"):
        plan_jobs(found, f"{ROOT}/raw/a.wav", settings(overwrite=True))


def test_a_folder_is_searched_as_one_here(stored: Faulty, corpus: Path) -> None:
    for name in (".hidden.wav", ".git/x.wav", "notes.txt", "processed/old.wav", "clean/a.wav", "a//b.wav"):
        stored.store[f"/bucket/raw/{name}"] = stored.store["/bucket/raw/a.wav"]

    def found(word: str = "raw/", **more: Any) -> list[str]:
        return [one.relative for one in gather([f"{ROOT}/{word}"], **more).inputs if not one.fault]

    assert found() == ["a.wav", "b.flac", "clean/a.wav", "sub/c.wav"]
    assert found(output=f"{ROOT}/raw/clean/") == ["a.wav", "b.flac", "processed/old.wav", "sub/c.wav"]
    assert found("raw/**/*.wav", exclude=["clean"]) == ["a.wav", "sub/c.wav"]
    assert found("raw/b.flac") == ["b.flac"]
    assert [one.relative for one in gather([f"{ROOT}/raw/"]).inputs if one.fault] == ["a//b.wav"]


@pytest.mark.parametrize(("verb", "act"), [
    ("read", lambda path: storage.fetch(Url(f"{ROOT}/raw/a.wav"), "", path)),
    ("write", lambda path: storage.deliver(path, Url(f"{ROOT}/x.wav"), *storage.measured(path), overwrite=False)),
])
def test_what_may_pass_is_tried_again(stored: Faulty, corpus: Path, waits: list[float], tmp_path: Path, verb: str,
                                      act: Callable[[Path], None]) -> None:
    path = tmp_path / "here"
    path.write_bytes((corpus / "a.wav").read_bytes())
    Faulty.faults[:] = [OSError("503 Slow Down"), TimeoutError("timed out")]
    act(path)
    assert waits == [0.5, 1.0]
    Faulty.faults[:] = [PermissionError("The provided token has expired.")]
    stored.store.pop("/bucket/x.wav", None)
    act(path)
    assert (waits, Faulty.cleared) == ([0.5, 1.0, 0.5], 1)
    stored.store.pop("/bucket/x.wav", None)
    Faulty.faults[:] = [OSError("503 Slow Down")] * 5
    with pytest.raises(FileError, match=rf"cannot {verb} faulty://.*wav: 503 Slow Down \(tried 5 times\)"):
        act(path)
    Faulty.faults[:] = [PermissionError("Access Denied"), OSError("not reached")]
    with pytest.raises(FileError, match=rf"cannot {verb} faulty://.*wav: Access Denied$"):
        act(path)
    assert waits[3:] == [0.5, 1.0, 2.0, 4.0]


def test_what_arrives_cut_is_fetched_again(stored: Faulty, corpus: Path, waits: list[float], tmp_path: Path) -> None:
    Faulty.spoiled = 1
    url = Url(f"{ROOT}/raw/a.wav")
    storage.fetch(url, storage.stamp_of(url), tmp_path / "here")
    assert (tmp_path / "here").read_bytes() == (corpus / "a.wav").read_bytes()
    stamp = storage.stamp_of(url)
    stored.pipe_file("/bucket/raw/a.wav", b"shorter")
    with pytest.raises(FileError, match="changed after it was listed"):
        storage.fetch(url, stamp, tmp_path / "here")


@pytest.mark.parametrize("spoiled", [1, 9])
def test_what_is_written_is_read_back(stored: Faulty, corpus: Path, waits: list[float], spoiled: int) -> None:
    Faulty.spoiled = spoiled
    path, url = corpus / "a.wav", Url(f"{ROOT}/deep/er/x.wav")
    if spoiled == 1:
        storage.deliver(path, url, *storage.measured(path), overwrite=False)
        assert stored.cat_file("/bucket/deep/er/x.wav") == path.read_bytes()
    else:
        with pytest.raises(FileError, match=r"reading it back gives other bytes than were written \(tried 5 times\)"):
            storage.deliver(path, url, *storage.measured(path), overwrite=False)
        assert not stored.exists("/bucket/deep/er/x.wav")
    assert not [name for name in stored.find("/bucket/deep") if "torchfx" in name]


@pytest.mark.parametrize("options", [(), ("--verbose",), ("--report", "r.html"), ("--device", "auto", "--json")])
def test_one_object_is_done_as_one_file(stored: Faulty, corpus: Path, monkeypatch: pytest.MonkeyPatch,
                                        capsys: pytest.CaptureFixture[str], options: tuple[str, ...]) -> None:
    monkeypatch.chdir(corpus)
    monkeypatch.setattr(reporter, "bars_are_welcome", lambda: True)
    monkeypatch.setattr(progress, "BAR_AFTER_S", 0.0)
    assert run(["process", f"{ROOT}/raw/a.wav", "-e", "gain:-3", "-o", f"{ROOT}/out.flac", *options]) == 0
    assert f"{ROOT}/raw/a.wav" in "".join(capsys.readouterr())
    assert soundfile.info(io.BytesIO(stored.cat_file("/bucket/out.flac"))).frames == 400


def test_a_dry_run_fetches_nothing(stored: Faulty, corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Faulty.faults[:] = [OSError("fetched")]
    assert run(["process", f"{ROOT}/raw/", "-e", "gain:-3", "-o", f"{ROOT}/clean/", "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        f"{ROOT}/raw/a.wav -> {ROOT}/clean/a.wav", "  1.6 kB, looked at when it is fetched"]
    assert names(stored) == []


def test_storage_that_tells_no_md5_tells_the_size() -> None:
    md5 = "0123456789abcdef0123456789abcdef"
    assert storage.agrees(f"5-{md5}", 5, md5)
    assert storage.agrees("5-", 5, md5)
    assert storage.agrees(f"5-{md5}-2", 5, md5)  # of several parts, S3 tells no MD5 of all
    assert not storage.agrees(f"5-{md5[::-1]}", 5, md5)
    assert not storage.agrees("6-", 5, md5)


def test_files_wait_until_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging.tempfile, "gettempdir", lambda: str(tmp_path))
    entered = threading.Event()

    def second() -> None:
        with staging.room(60, 100):
            entered.set()

    with staging.room(50, 100) as folder, staging.room(50, 100):
        other = threading.Thread(target=second)
        other.start()
        assert not entered.wait(0.2)
        assert folder.is_dir()
    other.join(5)
    assert entered.is_set()
    assert not folder.exists()
    with pytest.raises(FileError, match=r"about 0.0 MB are needed here, and --scratch allows"), staging.room(101, 100):
        pass


def test_the_folder_of_a_killed_process_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging.tempfile, "gettempdir", lambda: str(tmp_path))
    with staging.room(1, None) as folder:
        left = folder.parent / "file-left"
        left.mkdir()
        (left / staging.NEED).write_text("1000000000")
        with staging.room(1, 100):
            assert not left.exists()
            assert folder.exists()


@pytest.mark.parametrize(("words", "error"), [
    ((f"{ROOT}/raw/", "-o", f"{ROOT}/out/", "--keep-mtime"), "--keep-mtime: storage behind a URL sets the times"),
    ((f"{ROOT}/raw/a.wav", "--in-place", "--backup", ".bak"), "is not a file of this machine; give --output"),
    (("nowhere://x/a.wav",), "nowhere://x/a.wav: no storage is known as nowhere://"),
    (("abfs://x/a.wav",), "abfs://x/a.wav: adlfs is not installed; pip install fsspec adlfs"),
    (("raw/a.wav", "--scratch", "1GB"), "--scratch is for files that are fetched"),
    ((f"{ROOT}/raw/", "--scratch", "lots"), "--scratch: found 'lots'; allowed is a size such as 500M or 20GB"),
])
def test_what_cannot_be_is_refused(stored: Faulty, corpus: Path, monkeypatch: pytest.MonkeyPatch,
                                   capsys: pytest.CaptureFixture[str], words: tuple[str, ...], error: str) -> None:
    monkeypatch.chdir(corpus.parent)
    assert run(["process", *words, "-e", "gain:-3"]) == 2
    assert error in capsys.readouterr().err
