"""What runs the tests, in pytest's first lines. torch is not imported for it."""

from __future__ import annotations

from torchfx_cli.kernel.load import load
from torchfx_cli.render.device import torch_version, why_no_cuda


def pytest_report_header() -> list[str]:
    kernel = load()
    return [
        f"torch: {torch_version() or 'not installed'}; cuda: {why_no_cuda() or 'asked of torch when a test needs it'}",
        f"kernel: {kernel.name}" + (f" ({kernel.reason})" if kernel.reason else ""),
    ]
