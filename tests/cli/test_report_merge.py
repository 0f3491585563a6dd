"""`torchfx report merge`: the reports of shards and of resumed runs tell together what one run would."""

from __future__ import annotations

import csv
import json
import os
import re
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from torchfx_cli.analysis.glance import Glance
from torchfx_cli.chain.parse import parse_chain
from torchfx_cli.errors import RunError
from torchfx_cli.tasks import merging, reportfiles
from torchfx_cli.tasks.job import Settings
from torchfx_cli.tasks.report import FileResult, Report, failed
from torchfx_cli.tasks.reportrows import Row, row_of
from torchfx_cli.tasks.shards import Shard

FS = 8000
GLANCE = Glance(-3.0, -20.0, None, tuple(range(0, 256, 2)), tuple(range(-100, -69)))
OK = FileResult("ok", "in/a.wav", "out/a.wav", FS, 2, FS, "PCM_24", 1.0, 0.1, before=GLANCE, after=GLANCE, sha256="ab")


def at(name: str, **more: Any) -> FileResult:
    return FileResult(**{"status": "ok", "input": f"in/{name}", "output": f"out/{name}", "duration_s": 1.0} | more)


DONE_BEFORE = {"status": "skipped", "warnings": ("done before",), "duration_s": 0.0}
FAILED = {"status": "failed", "error": "cut off", "exit_code": 3, "duration_s": 0.0}


def write(path: Path, results: Sequence[FileResult], *, shard: str = "", written: str = "", planned: int = 0,
          chain: str = "gain: -3", numbers: Sequence[int] | None = None) -> str:
    settings = Settings(parse_chain(f"chain: [{chain}]"), shard=Shard(*map(int, shard.split("/"))) if shard else None)
    report = Report(planned=planned)
    for number, result in enumerate(results):
        report.add(number, result)
    text = "".join(reportfiles.content(path.name, report, settings, numbers))
    path.write_text(re.sub(r'"written": "[^"]*"', f'"written": "{written}"', text) if written else text)
    return str(path)


def merged(*paths: str) -> dict[str, Any]:
    """The kept results by output, and what else there is."""
    found = merging.merged(paths)
    told = found.told()
    return {"rows": {row.result.output: row.result for row in told.rows}, "remarks": found.remarks,
            "counts": told.head["counts"], "is_whole": found.is_whole}


def data_of(page: Path) -> dict[str, Any]:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page.read_text(), re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    for file in data["files"]:
        del file["t"]
        file["o"] = os.path.basename(file["o"])
    return data


@pytest.mark.parametrize("kind", ["json", "jsonl"])
def test_the_page_of_shards_is_that_of_one_run(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                               kind: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for number, name in enumerate("abcde"):
        sound = np.sin(np.arange(4000) * (number + 1) / 30) * (1.2 if name == "d" else 0.5)
        soundfile.write(f"in/{name}.wav", sound, FS, "FLOAT" if name == "d" else "PCM_16")
    Path("in/broken.wav").write_bytes(b"RIFF")
    Path("eq.yaml").write_text("chain:\n  - highpass: 80\n")
    words = ("-c", "eq.yaml", "--subtype", "16", "--hash", "-q")
    assert run("process", "in/", *words, "-o", "one/", "--report", "one.html").code == 3
    assert run("process", "in/", *words, "-o", "one/", "--report", "one.csv", "--overwrite").code == 3
    for n in (1, 2, 3):
        run("process", "in/", *words, "-o", "out/", "--shard", f"{n}/3", "--report", f"out/shard-{n}.{kind}")
    reports = [f"out/shard-{n}.{kind}" for n in (3, 1, 2)]
    done = run("report", "merge", *reports, "-o", "all.html")
    assert (done.code, done.told) == (3, ["3 reports: 4 ok, 1 warned, 1 failed, 0 skipped -> all.html"])
    one, page = data_of(Path("one.html")), data_of(Path("all.html"))
    assert page["run"].pop("remarks") == []
    assert page["files"] == one["files"]
    assert page["run"] == one["run"]
    unknown = {} if kind == "json" else {"name": "", "texts": [], "curve": None}
    assert page["chain"] == one["chain"] | unknown
    assert run("report", "merge", *reports, "-o", "all.csv", "-q").code == 3
    table = Path("all.csv").read_text().replace("out/", "one/")
    assert list(csv.reader(table.splitlines())) == list(csv.reader(Path("one.csv").read_text().splitlines()))
    for name in ("all.json", "all.jsonl"):
        assert run("report", "merge", *reports, "-o", name).code == 3
        assert run("report", "merge", name, "-o", "again.csv", "--overwrite").code == 3
        assert Path("again.csv").read_text() == Path("all.csv").read_text(), "a merged report may be merged"


def test_a_row_that_is_kept_comes_back_as_it_was() -> None:
    for result in (OK, at("b.wav", before=None), at("c.wav", warnings=("1 sample clipped",), clipped=1, notes=("n",)),
                   failed("b\udcff.wav", "out/b\udcff.wav", "empty", "read")):
        row = Row(result, "abc", 7)
        assert row_of(json.loads(json.dumps(row.as_dict())), "") == row


@pytest.mark.parametrize(("first", "second", "wanted"), [
    ({}, DONE_BEFORE, "ok"), (DONE_BEFORE, {}, "ok"), (FAILED, {}, "ok"), ({}, FAILED, "failed"),
    (FAILED, DONE_BEFORE, "skipped"), ({"warnings": ("clipped",)}, DONE_BEFORE, "warned"),
    (DONE_BEFORE, DONE_BEFORE, "skipped"), ({}, {"warnings": ("late",)}, "warned")])
@pytest.mark.parametrize("is_turned", [False, True])
def test_of_several_reports_the_last_counts_and_what_was_done_stands_behind_done_before(
        tmp_path: Path, first: dict[str, Any], second: dict[str, Any], wanted: str, is_turned: bool) -> None:
    early = write(tmp_path / "z.json", [at("a.wav", **first)], shard="1/1", written="2026-01-01T00:00:00Z")
    late = write(tmp_path / "a.json", [at("a.wav", **second)], shard="1/1", written="2026-01-01T00:00:01Z")
    found = merged(*([late, early] if is_turned else [early, late]))
    assert [result.kind for result in found["rows"].values()] == [wanted]
    assert found["counts"] == {"ok": 0, "warned": 0, "failed": 0, "skipped": 0, "not_done": 0, wanted: 1}
    assert found["is_whole"] is (wanted != "failed")


def test_where_a_report_tells_no_time_the_order_given_counts(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain.json", [at("a.wav", **FAILED)])
    dated = write(tmp_path / "dated.json", [at("a.wav")], shard="1/1", written="2030-01-01T00:00:00Z")
    assert merged(plain, dated)["rows"]["out/a.wav"].status == "ok"
    assert merged(dated, plain)["rows"]["out/a.wav"].status == "failed"


def test_a_plain_report_is_merged_with_blanks(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain.json", [at("a.wav", peak=0.5)])
    lines = write(tmp_path / "plain.jsonl", [OK, at("c.wav", **FAILED)])
    found = merged(plain, lines)["rows"]
    assert found["out/a.wav"].after == Glance(-3.0, -20.0, None, (), ()), "a line a file has levels"
    assert (found["out/a.wav"].sha256, found["out/c.wav"].error) == ("ab", "cut off")
    assert merged(lines, plain)["rows"]["out/a.wav"].after is None
    page = "".join(reportfiles.pieces("r.html", merging.merged([plain]).told()))
    assert '"chain":{"name":"","sha256":""' in page


def test_shards_that_are_missing_and_files_that_were_not_done_are_named(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{n}.json", [at(f"{n}.wav")], shard=f"{n}/5") for n in (1, 4)]
    assert merged(*paths)["remarks"] == ["shards 2, 3, 5 of 5 are not among the reports"]
    paths += [write(tmp_path / f"{n}.json", [], shard=f"{n}/5") for n in (2, 3)]
    assert merged(*paths)["remarks"] == ["shard 5 of 5 is not among the reports"]
    whole = write(tmp_path / "whole.json", [at("5.wav")], shard="1/1")
    assert merged(*paths, whole)["remarks"] == [], "another division is all there"
    killed = write(tmp_path / "5.json", [at("5.wav")], shard="5/5", planned=3, written="2026-01-01T00:00:00Z")
    found = merged(*paths, killed)
    assert (found["counts"]["not_done"], found["is_whole"]) == (2, False)
    resumed = write(tmp_path / "5b.json", [at("5.wav", **DONE_BEFORE), at("6.wav"), at("7.wav")], shard="5/5")
    found = merged(*paths, killed, resumed)
    assert (found["counts"]["not_done"], found["counts"]["ok"], found["is_whole"]) == (0, 5, True)


def test_reports_of_several_chains_are_named_and_the_page_shows_that_of_most_files(tmp_path: Path) -> None:
    one = write(tmp_path / "1.json", [at("a.wav")], shard="1/3")
    more = [write(tmp_path / f"{n}.json", [at(f"{n}{name}.wav") for name in "bc"], shard=f"{n}/3", chain="gain: -6")
            for n in (2, 3)]
    found = merging.merged([one, *more])
    digests = [parse_chain(f"chain: [gain: {db}]").digest for db in (-3, -6)]
    assert found.remarks == [f"the reports are of 2 chains: {digests[0][:12]} in {one}; "
                             f"{digests[1][:12]} in {more[0]}, {more[1]}"]
    assert found.told().chain()["sha256"] == digests[1]
    assert [row.chain_sha256 for row in found.told().rows] == [digests[0], *[digests[1]] * 4]


def test_files_are_in_the_order_of_the_batch(tmp_path: Path) -> None:
    first = write(tmp_path / "1.json", [at("b.wav"), at("d.wav")], shard="1/2", numbers=[1, 30])
    second = write(tmp_path / "2.json", [at("a.wav"), at("c.wav")], shard="2/2", numbers=[0, 2])
    plain = write(tmp_path / "3.json", [at("z.wav"), at("y.wav")])
    assert list(merged(plain, first, second)["rows"]) == [f"out/{name}.wav" for name in "abcdzy"]


@pytest.mark.parametrize("spoil", [
    lambda text: text[:-20], lambda text: text[: len(text) // 2], lambda text: "", lambda text: "status,input\n",
    lambda text: text.replace('"input"', '"inputs"'), lambda text: text.replace('"counts"', '"count"'),
    lambda text: '{"status": "ok"}\n', lambda text: "[]", lambda text: text.replace('"number": 0', "number: 0"),
    lambda text: text.replace('"1/1"', '"x"')])
def test_what_is_no_report_or_cut_off_is_an_error(tmp_path: Path, spoil: Any) -> None:
    path = tmp_path / "1.json"
    write(path, [OK], shard="1/1", numbers=[0])
    path.write_text(spoil(path.read_text()))
    with pytest.raises(RunError, match=r"1\.json is no report that torchfx wrote as \.json or \.jsonl, or is cut off"):
        merged(str(path))


def test_no_file_of_the_user_and_no_report_that_is_read_is_replaced(run: Any, tmp_path: Path) -> None:
    report = write(tmp_path / "1.json", [OK], shard="1/1")
    (tmp_path / "mine.csv").write_text("mine\n")
    for output, code, told in (
            ("mine.csv", 2, "--overwrite replaces it"), ("1.json", 2, "choose another file"),
            ("all.json", 0, "1 report"), ("all.json", 0, "1 report"), ("no/x.json", 2, "does not exist")):
        done = run("report", "merge", report, "-o", tmp_path / output)
        assert (done.code, told in done.err) == (code, True), done.err
    assert (tmp_path / "mine.csv").read_text() == "mine\n"
    assert run("report", "merge", report, "-o", tmp_path / "mine.csv", "--overwrite", "-q").err == ""
    for words, code in ((["merge", report], 2), (["add", report, "-o", "x"], 2), (["merge", "-o", "x.json"], 2),
                        (["merge", tmp_path / "none.json", "-o", tmp_path / "x.json"], 1)):
        assert run("report", *words).code == code


def test_memory_does_not_grow_with_what_is_told_of_a_file(tmp_path: Path) -> None:
    def peak_bytes(notes: int) -> int:
        results = [at(f"{n}.wav", before=GLANCE, after=GLANCE, notes=("x" * 50_000,) * notes) for n in range(60)]
        path = write(tmp_path / "1.json", results, shard="1/1")
        tracemalloc.start()
        told = merging.merged([path]).told()
        assert sum(len(row.result.notes) for row in told.rows) == 60 * notes
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert peak_bytes(1) < peak_bytes(0) + 500_000, "3 MB more are read"
