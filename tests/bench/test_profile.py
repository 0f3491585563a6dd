"""The profile of the torch modules: its table from known events, its trace from a real run."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from bench_fakes import suite

from torchfx_cli.bench import profile
from torchfx_cli.bench.loads import load_of
from torchfx_cli.errors import UsageError

LOAD = load_of(suite("highpass:80", "compressor:-20", "fir:lowpass=3000,taps=63"), 0.2, 2)


def event(name: str, calls: int, host_us: float, device_us: float = 0.0) -> SimpleNamespace:
    return SimpleNamespace(key=name, count=calls, self_cpu_time_total=host_us, self_device_time_total=device_us)


def test_the_trace_is_chromes_json_and_holds_the_operations_of_the_table(
        capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    operations, trace = profile.run(LOAD)
    events = json.loads(trace)["traceEvents"]
    named = {one.get("name") for one in events}
    assert {operation.name for operation in operations if operation.name.startswith("aten::")} <= named
    assert any("fft" in name for name in named if name)
    assert sum(operation.share for operation in operations) <= 1.0 + 1e-9
    assert profile.is_trace(trace[:100])
    assert capfd.readouterr() == ("", "")


def test_operations_are_ranked_by_the_devices_time_where_there_is_one_else_by_the_hosts() -> None:
    found = profile.top_operations([event("a", 3, 250.0), event("b", 6, 750.0)], top=5)
    assert [(one.name, one.calls, one.share, one.host_s) for one in found] == [
        ("b", 6, 0.75, pytest.approx(750e-6)), ("a", 3, 0.25, pytest.approx(250e-6))]
    found = profile.top_operations([event("launch", 3, 900.0, 0.0), event("gemm", 3, 100.0, 40.0)], top=1)
    assert [(one.name, one.device_s, one.share) for one in found] == [("gemm", 40e-6, 1.0)]


def test_the_table_tells_times_of_one_run() -> None:
    rows = profile.table([profile.Operation("aten::mm", 3 * profile.RUNS, 0.006 * profile.RUNS, 0.0, 0.5)])
    assert rows[1] == ("50.0%", "3", "6.00 ms", "0.00 ms", "aten::mm")


def test_missing_torch_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "torch_version", lambda: None)
    with pytest.raises(UsageError, match=r"torch is not installed; pip install"):
        profile.run(LOAD)
