"""Whether system calls can be made to fail here."""

from __future__ import annotations

import shutil
import subprocess

import pytest


def needs_strace() -> None:
    """Skip where there is no strace, or no permission to trace."""
    probe = ["strace", "-f", "-e", "inject=getcwd:error=EIO", "true"]
    if shutil.which("strace") is None or subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("needs strace and permission to trace")
