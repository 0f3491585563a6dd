"""A hot folder: each file once, whole, also when the watch is started again; nothing is made anew unasked."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from torchfx_cli.chain.parse import join
from torchfx_cli.errors import RunError
from torchfx_cli.tasks import journal
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.onefile import RunObserver
from torchfx_cli.tasks.report import FileResult
from torchfx_cli.tasks.watch import OTHER_CHAIN, OUTPUT_EXISTS, Look, Place, watch

FS = 8000
SETTINGS = Settings(join([], ["gain:-6.0206"]), dither="none")
LATER_S = 4e9  # the year 2096: a time that tells nothing about how long a file has been there


def put(path: Path, level: int = 1000, seconds_ago: float = 60) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(80, level, np.int16), FS)
    age(path, seconds_ago)
    return path


def age(path: Path, seconds_ago: float) -> None:
    now = path.stat().st_ctime - seconds_ago
    os.utime(path, (now, now))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "in").mkdir()
    return Place(str(tmp_path / "in"), tmp_path / "in" / "done")


class Enough(Exception):
    """The script of a test is over."""


def script(*steps: Callable[[], object]) -> Callable[[float], None]:
    """A `pause` that does the next of `steps`, and ends the watch behind the last."""
    waiting: Iterator[Callable[[], object]] = iter(steps)

    def pause(seconds: float) -> None:
        step = next(waiting, None)
        if step is None:
            raise Enough
        step()

    return pause


def watched(place: Place, *steps: Callable[[], object], settings: Settings = SETTINGS, once: bool = False
            ) -> list[tuple[str, str, str]]:
    """What came of each file: its name, how it went, and in which words."""
    results: list[FileResult] = []
    settings = replace(settings, jobs=2, once=once)
    try:
        for result in watch(place, settings, lambda jobs: RunObserver(), script(*steps)):
            results.append(result)
    except Enough:
        assert not once
    return [(os.path.relpath(r.input, place.folder), r.status, r.error or "".join(r.warnings)) for r in results]


def level(path: Path) -> set[int]:
    return set(soundfile.read(path, dtype="int16")[0].tolist())


def test_what_is_there_and_what_comes_is_done_once_in_the_same_tree(place: Place) -> None:
    folder = Path(place.folder)
    put(folder / "a.wav", 1000)
    results = watched(place, lambda: put(folder / "sub" / "deep" / "b.wav", 2000), lambda: None, lambda: None)
    assert results == [("a.wav", "ok", ""), ("sub/deep/b.wav", "ok", "")]
    assert level(place.root / "a.wav") == {500}
    assert level(place.root / "sub" / "deep" / "b.wav") == {1000}


def test_once_ends_when_nothing_is_left_to_do(place: Place) -> None:
    assert watched(place, once=True) == []
    put(Path(place.folder) / "a.wav")
    assert watched(place, once=True) == [("a.wav", "ok", "")]
    assert watched(place, once=True) == []


def test_what_a_watch_has_done_the_next_one_leaves_alone(place: Place) -> None:
    source = put(Path(place.folder) / "a.wav")
    assert watched(place, once=True) == [("a.wav", "ok", "")]
    os.utime(place.root / "a.wav", (1, 1))  # older than its input, but the journal knows better
    with open(place.root / "a.wav", "rb") as made:
        job = Job(source, place.root / "a.wav", root=place.root)
        journal.note(job, replace(SETTINGS, noted=journal.NAME), source.stat(), made.fileno(), 0)
    assert watched(place, once=True) == []


def test_outputs_are_never_inputs(place: Place) -> None:
    put(Path(place.folder) / "a.wav")
    assert len(watched(place, *[lambda: None] * 3)) == 1
    assert sorted(path.name for path in place.root.iterdir()) == [".torchfx-journal", "a.wav"]


def test_a_failure_is_told_once_and_tried_again_when_the_file_changes(place: Place) -> None:
    source = Path(place.folder) / "a.wav"
    source.write_bytes(b"hallo")
    age(source, 60)
    results = watched(place, lambda: None, lambda: None, lambda: put(source), lambda: None)
    assert results == [("a.wav", "failed", "not an audio file (5 bytes)"), ("a.wav", "ok", "")]


@pytest.mark.parametrize("seconds_ago", [40, 4000], ids=["newer", "older"])
def test_an_input_that_has_changed_is_done_again_whatever_its_time(place: Place, seconds_ago: float) -> None:
    source = put(Path(place.folder) / "a.wav", 1000, seconds_ago=400)
    results = watched(place, lambda: put(source, 3000, seconds_ago=seconds_ago), lambda: None)
    assert results == [("a.wav", "ok", ""), ("a.wav", "ok", "")]
    assert level(place.root / "a.wav") == {1500}
    put(source, 5000, seconds_ago=seconds_ago + 1)
    assert watched(place, once=True) == [("a.wav", "ok", "")]
    assert level(place.root / "a.wav") == {2500}
    assert watched(place, once=True) == []


@pytest.mark.parametrize("change", ["written to", "replaced"])
def test_an_output_that_somebody_has_changed_stays_and_is_told_of_once(place: Place, change: str) -> None:
    source, output = put(Path(place.folder) / "a.wav", 1000), place.root / "a.wav"

    def meddle() -> None:
        if change == "replaced":
            output.unlink()
        put(output, 7)
        put(source, 3000)

    results = watched(place, meddle, lambda: None, lambda: None)
    assert results == [("a.wav", "ok", ""), ("a.wav", "skipped", OUTPUT_EXISTS)]
    assert level(output) == {7}


def test_another_chain_makes_nothing_anew_unasked(place: Place) -> None:
    put(Path(place.folder) / "a.wav", 1000)
    watched(place, once=True)
    louder = replace(SETTINGS, chain=join([], ["gain:6.0206"]))
    assert watched(place, once=True, settings=louder) == [("a.wav", "skipped", OTHER_CHAIN)]
    assert watched(place, once=True, settings=replace(louder, overwrite=True)) == [("a.wav", "ok", "")]
    assert level(place.root / "a.wav") == {2000}


def test_an_output_of_another_input_stays(place: Place) -> None:
    folder = Path(place.folder)
    put(folder / "a.flac", 1000)
    into_wav = replace(SETTINGS, format="wav")
    watched(place, once=True, settings=into_wav)
    (folder / "a.flac").unlink()
    put(folder / "a.wav", 3000)
    words = f"its output was made of {folder / 'a.flac'}; --overwrite would replace it"
    assert watched(place, once=True, settings=into_wav) == [("a.wav", "skipped", words)]
    assert level(place.root / "a.wav") == {500}


def test_numbers_go_on_after_a_restart(place: Place) -> None:
    folder, numbered = Path(place.folder), replace(place, template="take{number}{ext}")
    put(folder / "b.wav", 2000)
    put(folder / "c.wav", 4000)
    watched(numbered, once=True)
    put(folder / "a.wav", 6000)
    put(folder / "c.wav", 8000, seconds_ago=50)
    assert watched(numbered, once=True) == [("a.wav", "ok", ""), ("c.wav", "ok", "")]
    assert watched(numbered, once=True) == []
    assert {path.name: level(path) for path in place.root.glob("*.wav")} == {
        "take1.wav": {1000}, "take2.wav": {4000}, "take3.wav": {3000}}


def test_an_upload_that_pauses_is_waited_for_and_what_was_taken_too_soon_is_done_again(place: Place) -> None:
    source = put(Path(place.folder) / "a.wav", 1000)
    whole = source.read_bytes()
    source.write_bytes(whole[: len(whole) // 2])
    age(source, 5)  # more than --settle, less than what an unfinished file is given

    def go_on() -> None:
        source.write_bytes(whole)
        age(source, 4)

    results = watched(place, lambda: None, lambda: None, go_on, lambda: None)
    assert results == [("a.wav", "ok", "")]
    assert len(soundfile.read(place.root / "a.wav")[0]) == 80
    source.write_bytes(whole[: len(whole) // 2])
    age(source, 100)
    half, again = watched(place, go_on, lambda: None)
    assert half[:2] == ("a.wav", "ok")
    assert "cut off" in half[2]
    assert again == ("a.wav", "ok", "")
    assert len(soundfile.read(place.root / "a.wav")[0]) == 80


def test_a_file_that_failed_and_comes_again_with_equal_size_and_time_is_tried_again(place: Place) -> None:
    source = put(Path(place.folder) / "a.wav")
    facts, whole = source.stat(), source.read_bytes()
    source.write_bytes(bytes(len(whole)))
    os.utime(source, ns=(facts.st_atime_ns, facts.st_mtime_ns))

    def mend() -> None:
        source.write_bytes(whole)
        os.utime(source, ns=(facts.st_atime_ns, facts.st_mtime_ns))

    results = watched(place, lambda: None, mend, lambda: None)
    assert [status for _, status, _ in results] == ["failed", "ok"]


def test_what_was_done_with_a_warning_fails_where_warnings_are_forbidden(place: Place) -> None:
    source = put(Path(place.folder) / "a.wav")
    source.write_bytes(source.read_bytes()[:-40])
    age(source, 100)
    assert [status for _, status, _ in watched(place, once=True)] == ["ok"]
    strict = watched(place, once=True, settings=replace(SETTINGS, strict=True))
    assert [status for _, status, _ in strict] == ["failed"]


def test_looking_at_many_files_that_are_done_is_quick(place: Place) -> None:
    """4,000 files took a minute when the journal was read for each."""
    root = place.root
    root.mkdir()
    settings = replace(SETTINGS, noted=journal.NAME)
    with journal.opened(root, settings.work) as notes:
        for number in range(1500):
            source, output = Path(place.folder) / f"{number}.wav", root / f"{number}.wav"
            source.touch()
            output.touch()
            os.utime(source, (1, 1))
            with output.open("rb") as made:
                journal.note(Job(source, output, root=root), settings, source.stat(), made.fileno(), 0)
        reads = [notes.is_done(Job(Path(place.folder) / f"{n}.wav", root / f"{n}.wav", root=root)) for n in range(1500)]
        assert all(reads)
        parsed: list[object] = []
        loads, json.loads = json.loads, lambda line: parsed.append(line) or loads(line)
        try:
            assert Look(place, settings, notes).ripe() == []
        finally:
            json.loads = loads
        assert len(parsed) <= 3 * 1500, "each record is read a few times, not once a file"


def test_with_overwrite_a_changed_input_is_done_again(place: Place) -> None:
    source = put(Path(place.folder) / "a.wav", 1000)
    results = watched(place, lambda: put(source, 3000, seconds_ago=30), lambda: None,
                      settings=replace(SETTINGS, overwrite=True))
    assert [status for _, status, _ in results] == ["ok", "ok"]
    assert level(place.root / "a.wav") == {1500}


def test_two_inputs_of_one_output_do_not_overwrite_each_other(place: Place) -> None:
    folder = Path(place.folder)
    put(folder / "a.flac", 1000)
    put(folder / "a.wav", 2000)
    results = watched(place, settings=replace(SETTINGS, format="wav", overwrite=True), once=True)
    assert [(name, status) for name, status, _ in results] == [("a.wav", "skipped"), ("a.flac", "ok")]
    assert results[0][2] == f"{folder / 'a.flac'} becomes {place.root / 'a.wav'}, too"
    assert level(place.root / "a.wav") == {500}


def test_a_subtype_that_one_container_cannot_hold_fails_that_file_alone(place: Place) -> None:
    folder = Path(place.folder)
    put(folder / "a.flac")
    put(folder / "b.wav")
    results = watched(place, settings=replace(SETTINGS, subtype="float"), once=True)
    assert [(name, status) for name, status, _ in results] == [("a.flac", "failed"), ("b.wav", "ok")]
    assert "FLAC cannot hold float" in results[0][2]


def test_names_follow_the_template_and_patterns_choose(place: Place) -> None:
    folder = Path(place.folder)
    for name in ("a.wav", "b.wav", "c.flac", ".hidden.wav", "notes.txt"):
        put(folder / name) if name.endswith(("wav", "flac")) else (folder / name).write_text("x")
    chosen = replace(place, template="{stem}.{chain}{ext}", chain="voice", include=["*.wav"], exclude=["b*"])
    assert watched(chosen, once=True) == [("a.wav", "ok", "")]
    assert sorted(path.name for path in place.root.iterdir()) == [".torchfx-journal", "a.voice.wav"]


def test_a_folder_that_is_gone_ends_the_watch(place: Place) -> None:
    put(Path(place.folder) / "a.wav")
    away = replace(place, root=Path(place.folder).parent / "done")
    with pytest.raises(RunError, match=r"the watched folder .*in is gone"):
        watched(away, lambda: os.rename(place.folder, f"{place.folder}.old"), lambda: None)


def test_two_watches_do_not_share_an_output_folder(place: Place) -> None:
    place.root.mkdir()
    with journal.opened(place.root, SETTINGS.work), pytest.raises(RunError, match="is in use by process"):
        watched(place, once=True)


class Clock:
    """Seconds that pass when the test says so."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_file_is_taken_when_it_has_stayed_the_same_for_long_enough(place: Place) -> None:
    source = Path(place.folder) / "a.wav"
    place.root.mkdir()
    clock = Clock()
    with journal.opened(place.root, SETTINGS.work) as notes:
        look = Look(place, SETTINGS, notes, clock)
        seen = []
        size = 0
        for clock.now_s, wanted in ((0.0, 100), (1.9, 100), (2.1, 200), (4.0, 200), (4.2, 200), (9.0, 200),
                                    (10.0, 300), (12.0, 300)):
            if wanted != size:
                size = wanted
                soundfile.write(source, np.zeros(size, np.int16), FS)
                os.utime(source, (LATER_S, LATER_S))
            seen.append((clock.now_s, len(look.ripe()), look.unripe))
    assert seen == [(0.0, 0, 1), (1.9, 0, 1), (2.1, 0, 1), (4.0, 0, 1), (4.2, 1, 0), (9.0, 0, 0), (10.0, 0, 1),
                    (12.0, 1, 0)]


def test_a_file_that_is_old_need_not_be_waited_for(place: Place) -> None:
    put(Path(place.folder) / "old.wav", seconds_ago=60)
    put(Path(place.folder) / "new.wav", seconds_ago=0)
    place.root.mkdir()
    with journal.opened(place.root, SETTINGS.work) as notes:
        look = Look(replace(place, settle_s=30), SETTINGS, notes, Clock())
        assert [job.source.name for job in look.ripe()] == ["old.wav"]
        assert look.unripe == 1
