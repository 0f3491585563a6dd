"""--tag, --cover and --tags-from on the command line; what each container makes of them, see tests/stream."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

FS = 48_000
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 4 + b"\xff\xd9"


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    sf.write(tmp_path / "in.wav", np.zeros(480), FS)
    return tmp_path / "in.wav"


def tags_in(path: Path) -> dict[str, str]:
    """As libsndfile reads them."""
    with sf.SoundFile(path) as sound:
        return {name: text for name, text in sound.copy_metadata().items() if text and name != "software"}


def test_tags_need_no_chain_and_come_alone_with_no_tags(run: Any, tmp_path: Path, bare: Path) -> None:
    first, second = tmp_path / "first.flac", tmp_path / "second.flac"
    assert run("process", bare, "--tag", "title=One", "--tag", "artist=Zoë", "-o", first).code == 0
    assert tags_in(first) == {"title": "One", "artist": "Zoë"}
    assert run("process", first, "--no-tags", "--tag", "album=Two", "-o", second).code == 0
    assert tags_in(second) == {"album": "Two"}


def test_a_dry_run_tells_which_tags_are_set(run: Any, tmp_path: Path, bare: Path) -> None:
    (tmp_path / "c.jpg").write_bytes(JPEG)
    done = run("process", bare, "--dry-run", "--tag", "title=x", "--tag", "year=2024", "--cover", tmp_path / "c.jpg")
    assert "tags that are set: title, date, cover" in done.out


def test_what_a_format_cannot_hold_fails_the_file_before_it_is_written(run: Any, tmp_path: Path, bare: Path) -> None:
    for more in ((), ("--dry-run",)):
        done = run("process", bare, "-o", tmp_path / "out.w64", "--tag", "title=x", *more)
        assert done.code == 3
        assert "W64 holds no tags: leave out --tag and --cover, or choose another --format" in done.err
        assert not (tmp_path / "out.w64").exists()


def test_what_is_no_tag_or_picture_is_refused(run: Any, tmp_path: Path, bare: Path) -> None:
    (tmp_path / "c.txt").write_text("no picture")
    for name, content in (("cut.jpg", JPEG[:-2] + b"\xff\xda"), ("cut.png", b"\x89PNG\r\n\x1a\n" + bytes(99)),
                          ("cut.gif", b"GIF89a" + bytes(99))):
        (tmp_path / name).write_bytes(content)
    for more, told in ((("--tag", "title"), "--tag: found 'title'; expected a key and a text"),
                       (("--tag", "=x"), "expected a key"), (("--tag", "tïtle=x"), "expected a key"),
                       (("--tag", "title=Zo\udceb"), "--tag: TITLE is not in UTF-8: 'Zo\\xeb'"),
                       (("--cover", tmp_path / "c.txt"), "expected a JPEG, PNG or GIF"),
                       (("--cover", tmp_path / "cut.jpg"), "cut.jpg: the picture is cut off"),
                       (("--cover", tmp_path / "cut.png"), "cut.png: the picture is cut off"),
                       (("--cover", tmp_path / "cut.gif"), "cut.gif: the picture is cut off"),
                       (("--cover", tmp_path / "none.jpg"), "No such file")):
        done = run("process", bare, "-o", tmp_path / "out.wav", *more)
        assert done.code == 2
        assert told in done.err
        assert len(done.told) == 1


def _batch(folder: Path) -> Path:
    for name in ("a/x.wav", "b/x.wav", "b/y.wav"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        sf.write(folder / name, np.zeros(480), FS)
    return folder


def test_a_table_gives_each_file_its_row(run: Any, tmp_path: Path) -> None:
    batch = _batch(tmp_path / "in")
    table = tmp_path / "tags.csv"
    table.write_text('\ufefffile;title;year\na/x.wav;"One; two";2001\r\nb/x.wav;;2002\ny.wav;Three;\nz.wav;Four;\n')
    done = run("process", batch, "-o", tmp_path / "out", "--tags-from", table, "--tag", "artist=All",
               "--tag", "year=1999")
    assert done.code == 0, done.err
    assert "--tags-from: no input is z.wav" in done.err
    tags = {name: tags_in(tmp_path / "out" / name) for name in ("a/x.wav", "b/x.wav", "b/y.wav")}
    assert tags == {"a/x.wav": {"title": "One; two", "artist": "All", "date": "1999"},
                    "b/x.wav": {"artist": "All", "date": "1999"},
                    "b/y.wav": {"title": "Three", "artist": "All", "date": "1999"}}


@pytest.mark.parametrize("text", [
    "file,title,,\ny.wav,Three,,\n,,,\n", "\r\n\r\nfile;title\r\ny.wav;Three\r\n",
    "sep=;\r\nfile;title;\r\ny.wav;Three;\r\n",
])
def test_what_spreadsheets_write_beside_a_table_does_not_count(run: Any, tmp_path: Path, text: str) -> None:
    table = tmp_path / "tags.csv"
    table.write_text(text)
    done = run("process", _batch(tmp_path / "in"), "-o", tmp_path / "out", "--tags-from", table)
    assert done.code == 0, done.err
    assert tags_in(tmp_path / "out/b/y.wav") == {"title": "Three"}


@pytest.mark.parametrize(("text", "told"), [
    ("name,title\na,b\n", "one must be file; found name, title"), ("", "one must be file; found nothing"),
    ("file,title\nx.wav,b\n", "could be of"), ("file,title\ny.wav,b\n./y.wav,c\n", "rows 2 and 3 are both of"),
    ("file,title\ny.wav,b,c\n", "row 2 has 3 cells"), ("file,title\n,b\n", "row 2 names no file"),
    ("file,cover\ny.wav,c.jpg\n", "give a picture with --cover"), ('file,title\ny.wav,"b\n', "is no CSV"),
    (b"file,title\ny.wav,\xff\n", "is not in UTF-8"),
])
def test_a_table_that_leaves_doubts_is_refused(run: Any, tmp_path: Path, text: str | bytes, told: str) -> None:
    table = tmp_path / "tags.csv"
    table.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = run("process", _batch(tmp_path / "in"), "-o", tmp_path / "out", "--tags-from", table)
    assert done.code == 2
    assert told in done.err
    assert not (tmp_path / "out").exists()


def test_resume_does_again_what_has_other_tags(run: Any, tmp_path: Path) -> None:
    batch, table = _batch(tmp_path / "in"), tmp_path / "tags.csv"
    table.write_text("file,title\na/x.wav,One\nb/y.wav,Two\n")
    command = ["process", batch, "-o", tmp_path / "out", "--resume", "--json", "--quiet", "--tags-from", table]

    def done_again(*more: str) -> set[str]:
        records = [json.loads(line) for line in run(*command, *more).out.splitlines()]
        return {Path(record["output"]).name for record in records if record["status"] == "ok"}

    assert done_again() == {"x.wav", "y.wav"}
    assert done_again() == set()
    table.write_text("file,title\na/x.wav,One\nb/y.wav,Three\n")
    assert done_again() == {"y.wav"}
    assert tags_in(tmp_path / "out/b/y.wav") == {"title": "Three"}
    assert done_again("--tag", "artist=Me") == {"x.wav", "y.wav"}
    (tmp_path / "c.jpg").write_bytes(JPEG)
    assert done_again("--tag", "artist=Me", "--cover", str(tmp_path / "c.jpg")) == {"x.wav", "y.wav"}
    (tmp_path / "c.jpg").write_bytes(JPEG + b"1")
    assert done_again("--tag", "artist=Me", "--cover", str(tmp_path / "c.jpg")) == {"x.wav", "y.wav"}
