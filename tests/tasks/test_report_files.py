"""The files of --report: a page, a table and records tell of each file what was measured by other means."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from torchfx_cli.__main__ import main
from torchfx_cli.analysis.glance import Glance
from torchfx_cli.chain.parse import parse_chain
from torchfx_cli.errors import UsageError
from torchfx_cli.tasks import reportfiles
from torchfx_cli.tasks.csvline import csv_line
from torchfx_cli.tasks.job import Settings
from torchfx_cli.tasks.report import FileResult, Report, failed

FS = 48_000
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sine of 997 Hz, half of full scale, in two channels; a file that is none; and where to work."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    sine = 0.5 * np.sin(2 * np.pi * 997 * np.arange(FS) / FS)
    soundfile.write(tmp_path / "in/sine <b>&.wav", np.stack([sine, sine], axis=1), FS, subtype="PCM_24")
    (tmp_path / "in/broken.wav").write_bytes(b"RIFF")
    return tmp_path


def process(report: str, *more: str) -> int:
    return main(["process", "in", "-o", "out", "-e", "gain:-6", "--report", report, "-q", "--jobs", "1", *more])


@pytest.mark.parametrize(("name", "is_allowed"), [
    ("r.xlsx", False), ("r.txt", False), ("r.HTM", True), ("r.json", True), ("r", True), ("r.2026", True)])
def test_a_name_that_promises_what_no_report_is_is_refused(name: str, is_allowed: bool) -> None:
    with nullcontext() if is_allowed else pytest.raises(UsageError, match=r"names that end in \.html, \.csv"):
        reportfiles.check_name(name)


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_records_hold_levels_before_and_behind_the_chain_and_the_digest_of_the_output(folder: Path) -> None:
    assert process("report.jsonl", "--hash") == 3
    broken, sine = map(json.loads, Path("report.jsonl").read_text().splitlines())
    assert tuple(sine) == reportfiles.COLUMNS
    assert (sine["input_peak_dbfs"], sine["peak_dbfs"]) == (-6.02, -12.02)
    assert (sine["input_rms_dbfs"], sine["rms_dbfs"]) == (-9.03, -15.03)
    assert sine["input_loudness_lufs"] == pytest.approx(-6.02, abs=0.03), "997 Hz in both channels: -3.01 + 3.01 - 6.02"
    assert sine["loudness_lufs"] == pytest.approx(-12.02, abs=0.03)
    assert sine["sha256"] == hashlib.sha256(Path(sine["output"]).read_bytes()).hexdigest()
    assert sine["chain_sha256"] == parse_chain("chain: [gain: -6]").digest
    assert (broken["status"], broken["loudness_lufs"]) == ("failed", None)
    assert broken["error"] == "WAV header cut off at byte 4"


def test_a_table_has_a_row_a_file_and_may_be_written_again(folder: Path) -> None:
    assert process("report.csv") == 3
    with open("report.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["failed", "ok"]
    assert (rows[1]["frames"], rows[1]["fs"], rows[1]["sha256"], rows[1]["duration_s"]) == ("48000", "48000", "", "1.0")
    assert process("report.csv", "--overwrite") == 3
    Path("mine.csv").write_text("status,mine\n")
    assert process("mine.csv") == 2
    assert Path("mine.csv").read_text() == "status,mine\n"


def test_what_was_done_before_is_told_as_far_as_its_header_goes_and_the_unknown_is_null(folder: Path) -> None:
    process("first.jsonl", "--hash")
    process("again.jsonl", "--hash", "--resume")
    (broken, first), (_, again) = (list(map(json.loads, Path(name).read_text().splitlines()))
                                   for name in ("first.jsonl", "again.jsonl"))
    told = ("input", "output", "duration_s", "fs", "channels", "frames", "subtype", "sha256")
    assert {key: again[key] for key in told} == {key: first[key] for key in told}
    assert (again["status"], again["peak_dbfs"], again["warnings"]) == ("skipped", None, ["done before"])
    assert [broken[key] for key in told[2:]] == [None] * 6
    Path("out/sine <b>&.wav").unlink()
    soundfile.write("out/sine <b>&.wav", np.zeros(9), 8000)
    process("other.jsonl", "--skip-existing")
    other = json.loads(Path("other.jsonl").read_text().splitlines()[1])
    assert (other["status"], other["frames"]) == ("skipped", None), "it may be of anybody"
    process("page.html", "--resume", "--overwrite")
    assert data_of(Path("page.html").read_text())["run"]["duration_s"] == 1.0
    process("page.html", "--resume")
    page = data_of(Path("page.html").read_text())
    assert (page["run"]["duration_s"], page["files"][1]["d"]) == (0.0, 1.0), "nothing was done, and it is a second long"


def test_no_name_is_a_formula_in_a_table_and_every_table_is_utf_8(folder: Path) -> None:
    os.chdir("in")
    names = ["=cmd().wav", "-1.wav", "@a.wav", "\t=b.wav", "a=b.wav", "two\nlines.wav"]
    for name in [*names, "\udcff.wav"]:
        os.symlink("sine <b>&.wav", name)
    arguments = [*(f"./{name}" for name in names), "\udcff.wav", "-e", "gain:-6", "-q", "--report", "r.csv"]
    assert main(["process", *arguments]) == 0
    with open("r.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["input"] for row in rows] == [*(f"./{name}" for name in names[:4]), *names[4:], "\\xff.wav"]
    assert {row["peak_dbfs"] for row in rows} == {"-12.02"}, "numbers stay numbers"
    assert csv_line({"input": "-3", "title": "=1+1", "genre": "-3", "comment": "+x"}) == "-3,'=1+1,-3,'+x"


def test_a_page_holds_all_and_nothing_of_it_ends_its_script(folder: Path) -> None:
    assert process("report.html") == 3
    page = Path("report.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page
    data = data_of(page)
    broken, sine = data["files"]
    assert (broken["k"], broken["a"]) == ("failed", None)
    assert sine["i"] == "in/sine <b>&.wav"
    assert (sine["b"]["p"], sine["a"]["p"]) == (-6.02, -12.02)
    assert data["run"]["counts"]["ok"] == 1
    assert data["chain"]["sha256"] == parse_chain("chain: [gain: -6]").digest
    curve = data["chain"]["curve"]
    assert curve["lines"] == [pytest.approx([-6.0] * len(curve["hz"]), abs=0.01)]
    assert curve["low"] < -6.0 < curve["high"]
    assert process("report.html", "--overwrite") == 3


def test_other_kinds_of_report_ask_for_no_measurement(folder: Path) -> None:
    assert process("report.json") == 3
    assert set(json.loads(Path("report.json").read_text())["files"][0]).isdisjoint({"before", "after", "sha256"})


def test_a_chunk_changes_nothing_of_what_is_told(folder: Path) -> None:
    process("a.jsonl")
    process("b.jsonl", "--overwrite", "--chunk", "0.01")
    assert Path("a.jsonl").read_text() == Path("b.jsonl").read_text()


def many(count: int) -> Report:
    glance = Glance(-3.0, -20.0, -18.5, tuple(range(0, 256, 3)), tuple(range(-80, -49)))
    report = Report(planned=count)
    for number in range(count):
        name = f"/music/album {number % 37}/take {number}.wav"
        if number % 100 == 7:
            result = failed(name, name.replace("music", "done"), "not an audio file", "damaged")
        else:
            result = FileResult("ok", name, name.replace("music", "done"), FS, 2, FS, "PCM_24", float(number % 61), 0.1,
                                before=glance, after=glance,
                                warnings=("3 samples clipped",) if number % 50 == 3 else ())
        report.add(number, result)
    return report


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_in_a_browser_ten_thousand_files_sort_and_filter_at_once(tmp_path: Path) -> None:
    """One start shows the dark page, and the light one after the rules for a dark scheme are taken away."""
    content = "".join(reportfiles.content("r.html", many(10_000), Settings(parse_chain("chain: [gain: -6]"))))
    spy = "<script>const problems = []; addEventListener('error', e => problems.push(e.message));" \
          "console.error = (...words) => problems.push(words.join(' '));</script>"
    steps = """<script>
      const told = {}, names = () => [...document.querySelectorAll(".row .name .name")];
      const seen = () => names().slice(0, 2).map(name => name.textContent);
      const started = performance.now();
      told.first = seen(); told.rows = document.querySelectorAll(".row").length;
      const heads = document.querySelectorAll("#head button");
      heads[2].click(); heads[2].click(); told.longest = document.querySelector(".row .number").textContent;
      heads[1].click(); told.byName = seen();
      document.querySelector("#kinds .failed").click();
      told.failed = document.getElementById("count").textContent;
      const words = document.getElementById("words"); words.value = "TAKE 107"; words.dispatchEvent(new Event("input"));
      told.found = [document.getElementById("count").textContent, ...seen()];
      document.querySelector(".row").click(); told.open = document.getElementById("open").textContent;
      told.seconds = (performance.now() - started) / 1000;
      const back = () => getComputedStyle(document.body).backgroundColor;
      told.dark = back();
      for (const sheet of document.styleSheets) for (let at = sheet.cssRules.length; at--;)
        if (sheet.cssRules[at].media?.mediaText.includes("dark")) sheet.deleteRule(at);
      told.light = back();
      words.value = ""; words.dispatchEvent(new Event("input")); dispatchEvent(new Event("beforeprint"));
      told.printed = names().map(name => name.textContent); told.chain = document.getElementById("chain").open;
      told.problems = problems;
      document.body.textContent = JSON.stringify(told);</script>"""
    page = tmp_path / "report.html"
    page.write_text(content.replace("<head>", f"<head>{spy}").replace("</body>", f"{steps}</body>"))
    assert BROWSER is not None
    done = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile",
         "--blink-settings=preferredColorScheme=0", "--virtual-time-budget=5000", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=120, env={**os.environ, "HOME": str(tmp_path)})
    found = re.search(r"<body[^>]*>(\{.*\})\s*</body>", done.stdout, re.DOTALL)
    assert found is not None, done.stdout[-300:] + done.stderr[-300:]
    told = json.loads(found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    assert told["problems"] == []
    assert told["first"] == ["album 0/take 0.wav", "album 1/take 1.wav"]
    assert told["rows"] < 60
    assert told["longest"] == "1:00"
    assert told["byName"] == ["album 0/take 0.wav", "album 0/take 37.wav"]
    assert told["failed"] == "100 of 10000"
    assert told["found"] == ["10 of 10000", "album 0/take 4107.wav", "album 1/take 5107.wav"]
    assert "not an audio file" in told["open"]
    assert (told["dark"], told["light"]) == ("rgb(20, 24, 31)", "rgb(255, 255, 255)")
    assert told["seconds"] < 5
    assert (len(told["printed"]), told["printed"][:2], told["chain"]) == (
        100, ["album 0/take 407.wav", "album 0/take 4107.wav"], True), "on paper there are all that pass the filter"
