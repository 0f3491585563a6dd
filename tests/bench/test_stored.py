"""What is written is what is read back, and what people read is what was measured."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bench_fakes import MACHINE, of, results

from torchfx_cli.bench import columns, stored, tables
from torchfx_cli.bench.records import Cell, Measurement, Results
from torchfx_cli.errors import UsageError

ROWS = (
    (Cell("fir", "native", 5.0, 2), Measurement("ok", (0.01, 0.02, 0.04), "", 151.9, 12.5)),
    (Cell("fir", "scipy", 5.0, 2), Measurement("ok", (0.1, 0.2, 0.3), "", math.inf, None)),
    (Cell("fir", "cuda", 5.0, 2), Measurement("unavailable", reason='no CUDA device ("none", | or so)')),
    (Cell("fir", "cpu", 5.0, 2, label="pipe"), Measurement("wrong", (), "7 dB", 7.0, 1.0, 2.0)),
    (Cell("iir", "native", 0.1, 1), Measurement("wrong", (), "nothing like it", -math.inf)),
    (Cell("iir", "scipy", 0.1, 1, 48_000), Measurement("skipped", reason="needs 9 GB")),
)
EVERYTHING = Results(ROWS, replace(MACHINE, gpu="H200 · 143 GB"), (Cell("iir", "cpu", 1 / 3, 12),), (("fir", "abc"),))


def test_json_is_read_back_the_same() -> None:
    assert stored.from_json(stored.to_json(EVERYTHING)) == EVERYTHING


def test_results_that_were_stored_as_schema_1_are_read() -> None:
    document = json.loads(stored.to_json(EVERYTHING)) | {"schema": 1}
    for cell in document["cells"]:
        cell["error_db"] = cell.pop("snr_db")
    assert stored.from_json(json.dumps(document)) == EVERYTHING


@pytest.mark.parametrize("name", ["fir", "iir", "api"])
def test_recorded_results_are_read(name: str) -> None:
    found = stored.load(Path(__file__).parents[2] / "benchmarks" / "results" / f"{name}.json", "--compare")
    right = [measurement for _, measurement in found.rows if measurement.status == "ok"]
    assert right
    assert all(measurement.snr_db is not None and measurement.snr_db >= 140.0 for measurement in right)


def test_json_is_strict_and_says_its_schema() -> None:
    document = json.loads(stored.to_json(EVERYTHING), parse_constant=pytest.fail)
    assert (document["kind"], document["schema"]) == ("torchfx bench", 2)
    first = document["cells"][0]
    assert (first["median_s"], first["min_s"], first["times_s"]) == (0.02, 0.01, [0.01, 0.02, 0.04])
    assert document["cells"][1]["snr_db"] == "inf"


def test_csv_is_a_row_a_cell_with_all_digits() -> None:
    rows = list(csv.DictReader(io.StringIO(stored.to_csv(EVERYTHING))))
    assert len(rows) == len(ROWS)
    native, _, cuda, wrong, *_ = rows
    assert list(native)[:2] == ["time", "channels"]
    assert {key: native[key] for key in ("time", "channels", "suite", "backend", "label", "fs", "status")} == {
        "time": "5.0", "channels": "2", "suite": "fir", "backend": "native", "label": "", "fs": "44100", "status": "ok"}
    assert float(native["median_s"]) == 0.02
    assert float(native["min_s"]) == 0.01
    assert float(native["samples_per_s"]) == pytest.approx(441_000 / 0.02)
    assert float(native["realtime"]) == pytest.approx(250.0)
    assert float(native["speedup"]) == pytest.approx(10.0)
    assert (native["repetitions"], native["snr_db"]) == ("3", "151.9")
    assert (native["host_mb"], native["device_mb"]) == ("12.5", "")
    assert (cuda["median_s"], cuda["status"], cuda["reason"]) == ("", "unavailable", ROWS[2][1].reason)
    assert (wrong["median_s"], wrong["realtime"], wrong["speedup"], wrong["snr_db"]) == ("", "", "", "7.0")


def damaged(**changes: Any) -> str:
    document = json.loads(stored.to_json(EVERYTHING))
    document["cells"][0] |= changes
    return json.dumps(document)


@pytest.mark.parametrize(("text", "said"), [
    ("", "no JSON"), ("{", "no JSON"), ("[" * 100_000, "nested too deeply"), ("[]", "no results"),
    ('{"kind": "other"}', "no results"),
    ('{"kind": "torchfx bench", "schema": 3}', "schema 3; this torchfx reads 1 to 2"),
    ('{"kind": "torchfx bench", "schema": 1}', "damaged"), (damaged(times_s=[0.0]), "not above 0"),
    (damaged(times_s=["x"]), "not a number"), (damaged(times_s=3), "damaged"),
    (damaged(status="fine"), "status 'fine'"), (damaged(host_mb=[]), "not a number"),
    (damaged(channels=0), "whole number"), (damaged(channels=True), "whole number"), (damaged(fs=1.5), "whole number"),
    (damaged(duration_s=-1), "duration"), (damaged(snr_db="NaN"), "not a number"),
    ('{"kind": "torchfx bench", "schema": 1, "cells": NaN}', "NaN is no JSON"),
    ('{"kind": "torchfx bench", "schema": 1, "cells": [1], "environment": {}, "missing": [], "chains": {}}', "damaged"),
])
def test_what_is_no_such_file_is_told_in_one_line(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(UsageError) as caught:
        stored.load(tmp_path / "r.json", "--resume")
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"--resume {tmp_path}/r.json: ")
    assert "\n" not in str(caught.value)


def test_a_file_of_a_later_version_with_more_about_the_machine_is_read() -> None:
    document = json.loads(stored.to_json(EVERYTHING))
    document["environment"]["weather"] = "fine"
    assert stored.from_json(json.dumps(document)) == EVERYTHING


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"--compare .*r\.json: "):
        stored.load(tmp_path / "r.json", "--compare")


def test_the_speed_up_is_against_lfilter_on_the_same_work() -> None:
    found = results({("fir", "native", 5.0, 1): (1.0,), ("fir", "scipy", 5.0, 1): (4.0,),
                     ("fir", "native", 5.0, 2): (1.0,), ("iir", "scipy", 5.0, 2): (9.0,)})
    assert [row.speedup for row in columns.rows_of(found)] == [4.0, 1.0, None, 1.0]


def test_the_fastest_is_marked_where_there_is_more_than_one() -> None:
    found = results({("fir", "native", 5.0, 1): (1.0,), ("fir", "scipy", 5.0, 1): (4.0,),
                     ("fir", "cpu", 5.0, 2): (1.0,)})
    assert tables.fastest(found) == {Cell("fir", "native", 5.0, 1)}


def test_a_wrong_result_is_neither_fast_nor_shown_as_a_speed() -> None:
    wrong = Cell("fir", "cpu", 5.0, 1)
    found = of((wrong, Measurement("wrong", (1e-6,), "3 dB", 3.0)),
               (Cell("fir", "scipy", 5.0, 1), Measurement("ok", (1.0,))),
               (Cell("fir", "native", 5.0, 1), Measurement("ok", (2.0,))))
    assert wrong not in tables.fastest(found)
    first = columns.rows_of(found)[0]
    assert first.speedup is None
    assert columns.words(first, columns.SCREEN) == ["fir", "5 s x 1", "cpu", "wrong", *["-"] * 6, "3 dB", "-"]
    assert tables.notes(found) == ["fir 5 s x 1 cpu: wrong: 3 dB"]


def test_a_reason_that_many_cells_share_is_said_once() -> None:
    absent = Measurement("unavailable", reason="no CUDA device")
    found = of(*((Cell("fir", "cuda", 5.0, n), absent) for n in (1, 2, 3)))
    assert tables.notes(found) == ["cuda, 3 cells: unavailable: no CUDA device"]


def test_markdown_has_a_table_a_suite_and_the_machine() -> None:
    text = tables.markdown(EVERYTHING)
    assert text.count("## ") == 3
    assert "| **5 s x 2** | **native** | **20 ms** | **10 ms** | **75.0 %** | **250** | **22.1 M** | **10** | " in text
    assert '| 5 s x 2 | cuda | unavailable: no CUDA device ("none", \\| or so) | - |' in text
    assert "- cpu: a CPU\n- cores: 4\n" in text
    widths = {line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("|")}
    assert widths == {11}


@pytest.mark.parametrize(("seconds", "words"), [
    (1.234e-6, "1.23 µs"), (999e-6, "999 µs"), (999.6e-6, "1 ms"), (0.0123, "12.3 ms"), (1.5, "1.5 s"),
    (123.4, "123 s")])
def test_durations_have_three_digits(seconds: float, words: str) -> None:
    assert columns.duration(seconds) == words


@pytest.mark.parametrize(("number", "words"), [
    (0.0712, "0.0712"), (8.44, "8.44"), (774.4, "774"), (9999.0, "9999"), (12_300.0, "12.3 k"), (1.25e6, "1.25 M"),
    (3.14e9, "3.14 G")])
def test_counts_have_three_digits(number: float, words: str) -> None:
    assert columns.count(number) == words
