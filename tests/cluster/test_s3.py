"""A real S3-compatible server on loopback: busy, with a token that runs out, and runs that are killed."""

from __future__ import annotations

import hashlib
import logging
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("s3fs")
server = pytest.importorskip("moto.server")

import fsspec  # noqa: E402
from werkzeug.serving import make_server  # noqa: E402

pytestmark = pytest.mark.cluster
FILES = 12
KILLS = 10
COMMAND = (sys.executable, "-m", "torchfx_cli", "process", "s3://corpus/raw/", "-o", "s3://corpus/clean/",
           "-e", "highpass:80", "--jobs", "2")

Application = Callable[[dict[str, Any], Any], Any]


class Front:
    """Stands before the server; `answer` may give (status, code) instead of its answer."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self.answer: Callable[[dict[str, Any]], tuple[str, str] | None] = lambda _: None

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        instead = self.answer(environ)
        if instead is None:
            return self._application(environ, start)
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        status, code = instead
        start(status, [("Content-Type", "application/xml")])
        return [f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()]


@pytest.fixture
def front() -> Iterator[Front]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    application = Front(server.DomainDispatcherApplication(server.create_backend_app))
    http = make_server("127.0.0.1", 0, application, threaded=True)
    thread = Thread(target=http.serve_forever, daemon=True)
    thread.start()
    os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{http.server_port}"
    yield application
    http.shutdown()
    thread.join()


@pytest.fixture
def s3(front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The file system, with the corpus in raw/."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", os.environ.pop("AWS_ENDPOINT_URL"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("TORCHFX_WARM", "off")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    use_key(tmp_path, "first")
    fs = fsspec.filesystem("s3", skip_instance_cache=True, use_listings_cache=False)
    if fs.exists("corpus"):
        fs.rm("corpus", recursive=True)
    fs.mkdir("corpus")
    (tmp_path / "raw").mkdir()
    for number in range(FILES):
        path = tmp_path / "raw" / f"{number:02}.wav"
        soundfile.write(path, np.random.default_rng(number).uniform(-0.5, 0.5, (4000, 2)), 8000)
        fs.put_file(str(path), f"corpus/raw/{path.name}")
    return fs


def use_key(folder: Path, key: str) -> None:
    (folder / "new").write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = x\n")
    (folder / "new").rename(folder / "credentials")


@pytest.fixture
def wanted(s3: Any, tmp_path: Path) -> dict[str, str]:
    """The sums of the outputs of a run on files here."""
    subprocess.run([*COMMAND[:4], str(tmp_path / "raw"), "-o", str(tmp_path / "out"), *COMMAND[7:], "-q"], check=True)
    return {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in (tmp_path / "out").glob("*.wav")}


def made(s3: Any) -> dict[str, str]:
    return {Path(name).name: hashlib.md5(s3.cat_file(name)).hexdigest() for name in s3.find("corpus/clean")
            if ".torchfx-journal" not in name}


def left_here(tmp_path: Path) -> list[str]:
    return [path.name for path in tmp_path.glob("torchfx-staging-*/file-*")]


def test_a_busy_server_is_asked_again(front: Front, s3: Any, wanted: dict[str, str], tmp_path: Path) -> None:
    drawn = random.Random(1)
    front.answer = lambda _: ("503 Slow Down", "SlowDown") if drawn.random() < 0.2 else None
    done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=300)
    front.answer = lambda _: None
    assert done.returncode == 0, done.stderr
    assert made(s3) == wanted
    assert left_here(tmp_path) == []


def test_a_token_that_runs_out_is_read_again(front: Front, s3: Any, wanted: dict[str, str], tmp_path: Path) -> None:
    asked = 0

    def refuse_the_first_key(environ: dict[str, Any]) -> tuple[str, str] | None:
        nonlocal asked
        asked += 1
        if asked == 20:
            use_key(tmp_path, "second")
        is_old = "Credential=first" in environ.get("HTTP_AUTHORIZATION", "")
        return ("400 Bad Request", "ExpiredToken") if asked >= 20 and is_old else None

    front.answer = refuse_the_first_key
    done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=300)
    front.answer = lambda _: None
    assert done.returncode == 0, done.stderr
    assert asked > 20
    assert made(s3) == wanted


def test_a_server_that_stays_away_is_named(front: Front, s3: Any, wanted: dict[str, str]) -> None:
    front.answer = lambda environ: ("503 Slow Down", "SlowDown") if "03.wav" in environ["PATH_INFO"] else None
    done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=300)
    front.answer = lambda _: None
    assert done.returncode == 3
    assert "cannot read s3://corpus/raw/03.wav: " in done.stderr
    assert "(tried 5 times)" in done.stderr
    assert made(s3) == {name: md5 for name, md5 in wanted.items() if name != "03.wav"}


def test_a_killed_run_is_resumed(s3: Any, wanted: dict[str, str], tmp_path: Path) -> None:
    drawn = random.Random(2)
    for _ in range(KILLS):
        run = subprocess.Popen([*COMMAND, "--resume"], start_new_session=True, stderr=subprocess.DEVNULL)
        time.sleep(drawn.uniform(1.0, 5.0))
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        assert made(s3).items() <= wanted.items()
    done = subprocess.run([*COMMAND, "--resume"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert made(s3) == wanted
    again = subprocess.run([*COMMAND, "--resume"], capture_output=True, text=True, timeout=300)
    assert f"{FILES} skipped" in again.stderr
    assert left_here(tmp_path) == []
