"""Shards: every file falls to one, always the same, and runs of several know of each other what they must."""

from __future__ import annotations

import contextlib
import fcntl
import os
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from torchfx_cli.errors import RunError, UsageError
from torchfx_cli.tasks import journal
from torchfx_cli.tasks.inputs import Input
from torchfx_cli.tasks.shards import Shard, divided, shard_of

NAMES = [f"speaker{n % 37}/take {n}.wav" for n in range(1600)]


def found(*names: str, root: str = "in") -> list[Input]:
    return [Input(f"{root}/{name}", name, root) for name in names]


def own(inputs: list[Input], shard: Shard, *, by_folder: bool = False) -> list[str]:
    return [one.relative for one in divided(inputs, shard, by_folder=by_folder) if not one.is_elsewhere]


def test_a_file_falls_to_the_shard_that_it_always_fell_to() -> None:
    """By `b2sum -l 64`. Reports and journals may be of another version: it must not change."""
    names = ["a.wav", "b.wav", "x/a.wav", "é.wav", "\udcff.wav"]
    assert {name: [n for n in range(1, 17) if Shard(n, 16).takes(name)] for name in names} == {
        "a.wav": [7], "b.wav": [3], "x/a.wav": [11], "é.wav": [15], "\udcff.wav": [15]}


def test_each_file_falls_to_one_shard_and_shards_are_alike() -> None:
    inputs = found(*NAMES)
    shares = [own(inputs, Shard(n, 16)) for n in range(1, 17)]
    assert Counter(name for share in shares for name in share) == Counter(NAMES)
    assert all(65 <= len(share) <= 135 for share in shares), [len(share) for share in shares]  # 100, sigma 9.7


def test_a_file_that_is_added_moves_no_other() -> None:
    before = own(found(*NAMES[1::2]), Shard(3, 16))
    assert [name for name in own(found(*NAMES), Shard(3, 16)) if name in set(NAMES[1::2])] == before


def test_neither_the_form_of_accents_nor_where_the_folder_lies_counts() -> None:
    names = [f"été {n}.wav" for n in range(50)]
    other = [unicodedata.normalize("NFD", name) for name in names]
    assert set(names).isdisjoint(other)
    assert [NFC(name) for name in own(found(*other, root="/mnt/copy"), Shard(1, 3))] == own(found(*names), Shard(1, 3))


def NFC(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def test_by_folder_what_lies_in_one_stays_together_however_it_was_named() -> None:
    inputs = [*found(*NAMES[:400]), *(Input(f"in/speaker{n}/named.wav", "named.wav", None) for n in range(37))]
    shares = [own(inputs, Shard(n, 5), by_folder=True) for n in range(1, 6)]
    assert sum(map(len, shares)) == len(inputs)
    folders = [{os.path.dirname(name) for name in share} - {""} for share in shares]
    assert sum(map(len, folders)) == 37, "no folder is in two shards"
    named_in = {one.path for one in inputs if one.root is None}
    for n in range(1, 6):
        mine = [one for one in divided(inputs, Shard(n, 5), by_folder=True) if not one.is_elsewhere]
        folders_of_named = {os.path.dirname(one.path) for one in mine if one.path in named_in}
        assert folders_of_named <= {os.path.dirname(one.path) for one in mine if one.path not in named_in}


@pytest.mark.parametrize(("word", "shard"), [("1/1", Shard(1, 1)), ("3/16", Shard(3, 16)), ("03/16", Shard(3, 16))])
def test_a_shard_is_its_number_of_how_many(word: str, shard: Shard) -> None:
    assert shard_of(word, {}) == shard


@pytest.mark.parametrize("word", ["0/16", "17/16", "3/0", "0/0", "x", "", "3", "3/", "/3", "-1/3", "1/3/5", "1.5/3",
                                  " 1/3", "1/3 ", "³/16", "1/1000000", "AUTO"])  # fmt: skip
def test_other_words_are_no_shard(word: str) -> None:
    with pytest.raises(UsageError, match=r"--shard: found '.*'; allowed are auto, and I/N"):
        shard_of(word, {})


def array(task: object, first: object, last: object, step: object, count: object) -> dict[str, str]:
    values = {"ID": task, "MIN": first, "MAX": last, "STEP": step, "COUNT": count}
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in values.items()}


@pytest.mark.parametrize(("environment", "shard"), [
    (array(3, 1, 16, 1, 16), Shard(3, 16)), (array(0, 0, 15, 1, 16), Shard(1, 16)),
    (array(7, 3, 11, 4, 3), Shard(2, 3)),
    (array(8, 0, 10, 4, 3), Shard(3, 3)),  # --array=0-10:4
    (array(5, 5, 5, 0, 1), Shard(1, 1)), (array(100000, 99999, 100001, 1, 3), Shard(2, 3))])
def test_auto_is_the_place_of_a_task_in_its_array(environment: dict[str, str], shard: Shard) -> None:
    assert shard_of("auto", environment) == shard


@pytest.mark.parametrize(("environment", "words"), [
    ({}, "no task of a Slurm job array .* sets it.; elsewhere give --shard I/N"),
    ({"SLURM_ARRAY_TASK_ID": ""}, "no task of a Slurm job array"),
    ({"SLURM_ARRAY_TASK_ID": "3"}, "SLURM_ARRAY_TASK_MIN is '', .*not a whole number"),
    (array("x", 1, 16, 1, 16), "SLURM_ARRAY_TASK_ID is 'x', not a whole number; give --shard I/N"),
    (array(5, 1, 7, 1, 3), r"not evenly spaced \(3 from 1 to 7, step 1\); submit one such as --array=1-16, or give"),
    (array(6, 1, 9, 4, 3), "not evenly spaced"), (array(17, 1, 16, 1, 16), "not evenly spaced"),
    (array(0, 1, 16, 1, 16), "not evenly spaced"), (array(1, 1, 16, 1, 15), "not evenly spaced")])
def test_auto_tells_why_there_is_no_shard(environment: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        shard_of("auto", environment)


def held(root: Path, *, shard: Shard | None = None, shared: bool) -> contextlib.AbstractContextManager[journal.Journal]:
    return journal.opened(root, "work", shard=shard, shared=shared)


def test_shards_of_as_many_work_side_by_side_each_with_its_journal(tmp_path: Path) -> None:
    with contextlib.ExitStack() as runs:
        entered = [runs.enter_context(held(tmp_path, shard=Shard(n, 16), shared=n % 3 == 0)) for n in range(1, 17)]
    assert [one.name for one in entered] == [f".torchfx-journal-{n}of16" for n in range(1, 17)]
    assert journal.is_kept_in(tmp_path)
    with held(tmp_path, shared=False) as whole:
        assert whole.name == ".torchfx-journal"


@pytest.mark.parametrize("other", [None, Shard(3, 8), Shard(2, 16)], ids=str)
@pytest.mark.parametrize("shared", [False, True])
def test_a_resumed_shard_refuses_while_a_run_is_at_work_that_may_do_its_files(tmp_path: Path, other: Shard | None,
                                                                              shared: bool) -> None:
    with (held(tmp_path, shard=other, shared=shared), pytest.raises(RunError, match=f"in use by process {os.getpid()}"),
          held(tmp_path, shard=Shard(2, 16), shared=False)):
        pass
    with held(tmp_path, shard=Shard(2, 16), shared=False) as one:
        assert one.name == ".torchfx-journal-2of16"


def test_runs_that_look_at_the_same_journal_at_one_time_do_not_hinder_each_other(tmp_path: Path) -> None:
    with held(tmp_path, shared=False):
        pass
    with open(tmp_path / ".torchfx-journal") as looked_at:
        fcntl.flock(looked_at, fcntl.LOCK_SH)
        with held(tmp_path, shard=Shard(2, 16), shared=False) as one:
            assert one.name == ".torchfx-journal-2of16"


def test_a_whole_run_that_is_resumed_refuses_while_a_shard_is_at_work(tmp_path: Path) -> None:
    with held(tmp_path, shard=Shard(2, 16), shared=False):
        with pytest.raises(RunError, match="in use"), held(tmp_path, shared=False):
            pass
        with held(tmp_path, shared=True) as whole:
            assert whole.name == ".torchfx-journal"


def test_only_whole_names_are_journals(tmp_path: Path) -> None:
    names = [".torchfx-journal", ".torchfx-journal-2", ".torchfx-journal-3of16"]
    for name in [*names, ".torchfx-journal-3of", ".torchfx-journal-0of3", ".torchfx-journal-3of16.bak"]:
        (tmp_path / name).touch()
    assert sorted(journal.files.names_in(tmp_path)) == names
