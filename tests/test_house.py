"""The plan of the house holds: imports point one way, and the way to a file loads neither torch nor SciPy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "torchfx_cli"

# A package may import those named beside it, and itself.
ALLOWED = {
    "errors": set(),
    "samples": set(),
    "scratch": {"errors"},
    "kernel": set(),
    "design": {"errors", "samples"},
    "effects": {"errors", "samples", "scratch", "kernel", "design"},
    "chain": {"errors", "samples", "design", "effects"},
    "plan": {"errors", "samples", "design"},
    "exchange": {"errors", "samples", "chain", "design", "effects", "plan"},
    "render": {"errors", "kernel", "samples", "chain", "design", "plan"},
    "stream": {"errors", "samples", "scratch"},
    "tasks": {"errors", "samples", "scratch", "kernel", "chain", "design", "effects", "plan", "render", "stream",
              "__init__"},
    "analysis": {"errors", "samples", "kernel", "chain", "design", "effects", "plan", "render"},
    "bench": {"errors", "kernel", "samples", "analysis", "chain", "design", "effects", "exchange", "plan", "render",
              "stream", "tasks", "library", "wave", "__init__"},
    "cli": {"errors", "kernel", "samples", "chain", "design", "effects", "exchange", "plan", "render", "stream",
            "tasks", "analysis", "bench", "warm", "__init__"},
    "library": {"errors", "kernel", "samples", "chain", "design", "effects", "plan", "render"},
    "filter": {"effects", "library"},
    "effect": {"effects", "library"},
    "renderer": {"samples", "chain", "effects", "library", "effect", "render"},
    "wave": {"errors", "kernel", "samples", "plan", "render", "stream", "library"},
    "warm": {"errors", "__init__"},
    "__main__": {"cli", "warm"},
    "__init__": set(),
}
ONLY_IN = {
    "typer": {"cli", "__main__"},
    "rich": {"cli"},
    "torch": {"render", "bench", "library", "filter", "effect", "renderer", "wave"},
    "matplotlib": {"analysis", "bench"},
    "mutagen": {"stream"},
    "av": {"stream"},
    "multiprocessing": {"tasks"},
    "soundfile": {"stream", "design", "cli"},
}


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {node.module or ""} | {
                f"{node.module}.{alias.name}" for alias in node.names if node.module == "torchfx_cli"
            }
    return found


def place_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_only_leftward(path: Path) -> None:
    place = place_of(path)
    for name in imports_of(path):
        top, *rest = name.split(".")
        if top == "torchfx_cli" and rest:
            assert rest[0] == place or rest[0] in ALLOWED[place] or rest[0].startswith("__version"), (
                f"{place} imports {name}"
            )
        if top in ONLY_IN:
            assert place in ONLY_IN[top], f"{place} imports {name}"


STAGES = {"Sections", "Taps", "Gain", "Sum", "Normalize", "Loudness", "Resample", "Matrix", "Trim", "Compressor"}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_what_fuses_asks_for_the_type_of_a_stage(path: Path) -> None:
    """All others build from linear stages, and ask any other for its processor: a new kind is passed over by none."""
    asked = [ast.unparse(node) for node in ast.walk(ast.parse(path.read_text()))
             if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance"
             and STAGES & {name.id for name in ast.walk(node.args[1]) if isinstance(name, ast.Name)}]
    assert not asked or path == PACKAGE / "plan" / "fuse.py", asked


def test_processing_on_the_cpu_loads_neither_torch_nor_scipy(tmp_path: Path) -> None:
    script = f"""
import sys
import numpy, soundfile
soundfile.write(r"{tmp_path}/in.wav", numpy.ones(480, "int16"), 48000)
from torchfx_cli.__main__ import main
code = main(["process", r"{tmp_path}/in.wav", "-e", "highpass:80", "-e", "fir:lowpass=8000,taps=511", "-q"])
print(code, sorted(name for name in ("torch", "scipy", "rich.progress") if name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    heavy = [] if kernel_is_native() else ["scipy"]
    assert done.stdout.split(" ", 1)[1].strip() == str(heavy), done.stderr
    assert done.stdout.split()[0] == "0", done.stderr


def kernel_is_native() -> bool:
    from torchfx_cli.kernel.load import load

    return "twin" not in load().name
