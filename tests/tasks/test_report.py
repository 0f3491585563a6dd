"""What a run keeps of its results: all where a report is written, else counts and what failed."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest

from torchfx_cli.tasks.report import ON_REQUEST, FileResult, Report, failed

OK = FileResult("ok", "a.wav", "out/a.wav", fs=48000, channels=2, frames=96000, subtype="PCM_16", duration_s=2.0,
                elapsed_s=0.01, peak=0.5, engine="native")
RESULTS = [
    OK,
    replace(OK, warnings=("3 samples clipped",), clipped=3),
    failed("b\udcff.wav", "out/b\udcff.wav", "the file is empty (0 bytes)", "read"),
    FileResult("skipped", "c.wav", "out/c.wav", warnings=("done before",)),
    replace(OK, repaired=2, truncated=True, turned_down_db=1.5, warnings=("cut off", "repaired")),
]


def report_of(*, keeps_all: bool = True) -> Report:
    report = Report(planned=7, keeps_all=keeps_all)
    for number in (2, 0, 4, 1, 3):  # as they may end
        report.add(number, RESULTS[number])
    return report


@pytest.mark.parametrize("keeps_all", [True, False])
def test_every_result_is_counted_whether_or_not_it_is_kept(keeps_all: bool) -> None:
    report = report_of(keeps_all=keeps_all)
    assert report.counts == {"ok": 1, "warned": 2, "failed": 1, "skipped": 1}
    assert report.exit_code == 3
    assert {name: value for name, value in report.as_dict().items() if name != "files"} == {
        "counts": {"ok": 1, "warned": 2, "failed": 1, "skipped": 1, "not_done": 2},
        "duration_s": 6.0, "clipped_files": 1, "turned_down_files": 1, "repaired_files": 1, "truncated_files": 1,
    }


def test_results_are_in_the_order_of_the_jobs_and_failed_ones_are_always_kept() -> None:
    assert report_of().results == RESULTS
    assert report_of(keeps_all=False).results == [RESULTS[2]]


def test_a_record_has_every_field_of_the_result_but_those_on_request() -> None:
    record = RESULTS[4].as_dict()
    assert list(record) == [field.name for field in fields(FileResult) if field.name not in ON_REQUEST]
    assert FileResult(**record) == RESULTS[4]


def test_the_written_report_says_the_same_as_the_dictionary_a_line_a_file() -> None:
    report = report_of()
    text = "".join(report.json_lines())
    assert json.loads(text) == json.loads(json.dumps(report.as_dict()))
    lines = [line for line in text.splitlines() if '"input":' in line]
    assert [json.loads(line.strip().rstrip(","))["input"] for line in lines] == [r.input for r in RESULTS]


def test_an_empty_report_is_json_too() -> None:
    assert json.loads("".join(Report().json_lines())) == json.loads(json.dumps(Report().as_dict()))
