"""The plan of the house holds: imports point one way, and the way to a file loads neither torch nor SciPy."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

from torchfx_cli.stream import forsome

PACKAGE = Path(__file__).parents[1] / "torchfx_cli"

EVERYWHERE = {"records", "later"}
# A package may import those named beside it, and itself.
ALLOWED = {
    "records": set(),
    "later": set(),
    "errors": set(),
    "samples": set(),
    "libsndfile": {"errors"},
    "scratch": {"errors", "samples"},
    "kernel": set(),
    "design": {"errors", "samples", "libsndfile"},
    "effects": {"errors", "samples", "scratch", "kernel", "design"},
    "chain": {"errors", "samples", "design", "effects"},
    "plan": {"errors", "samples", "design"},
    "exchange": {"errors", "samples", "chain", "design", "effects", "plan"},
    "render": {"errors", "kernel", "samples", "chain", "design", "plan"},
    "stream": {"errors", "samples", "scratch", "libsndfile"},
    "analysis": {"errors", "samples", "scratch", "kernel", "chain", "design", "effects", "plan", "render", "stream"},
    "tasks": {"errors", "samples", "scratch", "kernel", "chain", "design", "effects", "plan", "render", "stream",
              "analysis", "__init__"},
    "bench": {"errors", "kernel", "samples", "analysis", "chain", "design", "effects", "exchange", "plan", "render",
              "stream", "tasks", "library", "wave", "__init__"},
    "cli": {"errors", "libsndfile", "kernel", "samples", "chain", "design", "effects", "exchange", "plan", "render",
            "stream", "tasks", "analysis", "bench", "warm", "__init__"},
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
    "distributed": {"tasks"},
    "fsspec": {"tasks"},
    "soundfile": {"libsndfile"},  # which chooses its library
}


PATHS = sorted(PACKAGE.rglob("*.py"))


@cache
def nodes_of(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text())))


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in nodes_of(path):
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


def is_allowed(place: str, name: str) -> bool:
    top, *rest = name.split(".")
    if top == "torchfx_cli" and rest:
        return rest[0] == place or rest[0] in ALLOWED[place] | EVERYWHERE or rest[0].startswith("__version")
    return place in ONLY_IN.get(top, {place})


def test_imports_point_only_leftward() -> None:
    assert len(PATHS) > 100
    wrong = [f"{path} imports {name}" for path in PATHS for name in imports_of(path)
             if not is_allowed(place_of(path), name)]
    assert not wrong


def test_only_one_file_knows_dask() -> None:
    known = {path.relative_to(PACKAGE).as_posix() for path in PATHS
             if {name.split(".")[0] for name in imports_of(path)} & {"dask", "distributed"}}
    assert known == {"tasks/cluster.py"}


STAGES = {"Sections", "Taps", "Gain", "Sum", "Normalize", "Loudness", "Resample", "Matrix", "Trim", "Compressor"}


def test_only_what_fuses_asks_for_the_type_of_a_stage() -> None:
    """All others build from linear stages, and ask any other for its processor: a new kind is passed over by none."""
    asked = {path: ast.unparse(node) for path in PATHS for node in nodes_of(path)
             if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance"
             and STAGES & {name.id for name in ast.walk(node.args[1]) if isinstance(name, ast.Name)}}
    assert asked.keys() == {PACKAGE / "plan" / "fuse.py"}, asked


# None of it is needed for one plain file, and each costs every call of a shell loop milliseconds.
HEAVY = ("torch", "scipy", "yaml", "rich", "typer", "json", "hashlib", "secrets", "difflib", "email", "http", "asyncio",
         "logging", "unittest", "mutagen", "av", "soxr", "dask", "distributed", "numpy.random", "numpy.polynomial",
         "torchfx_cli.bench", "torchfx_cli.exchange", "torchfx_cli.library", "torchfx_cli.tasks.watch",
         "torchfx_cli.cli.app", "torchfx_cli.cli.choices", "torchfx_cli.cli.dryrun",
         *(f"torchfx_cli.stream.{name}" for names in forsome.TABLE.values() for name in names))


def test_processing_one_file_on_the_cpu_loads_nothing_heavy(tmp_path: Path) -> None:
    script = f"""
import sys
import numpy, soundfile
soundfile.write(r"{tmp_path}/in.wav", numpy.ones(480, "int16"), 48000)
from torchfx_cli.__main__ import main
code = main(["process", r"{tmp_path}/in.wav", "-c", "podcast-voice", "-e", "fir:lowpass=8000,taps=511", "-q"])
print(code, sorted(name for name in {HEAVY} if name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    heavy = [] if kernel_is_native() else ["scipy"]
    assert done.stdout.split(" ", 1)[1].strip() == str(heavy), done.stderr
    assert done.stdout.split()[0] == "0", done.stderr


def kernel_is_native() -> bool:
    from torchfx_cli.kernel.load import load

    return "twin" not in load().name


def test_no_two_files_of_tests_share_a_name() -> None:
    """Pytest would collect the first alone."""
    names = sorted(path.name for path in Path(__file__).parent.rglob("test_*.py"))
    assert names == sorted(set(names))
