"""A tree of recordings, what an undisturbed run makes of it, and a disk that is too small for that."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.trees import Tree, make_tree


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """The recordings, and by their places the outputs of a run that nothing disturbs."""
    folder = tmp_path_factory.mktemp("model")
    make_tree(folder / "in", 16, 1.0)
    tree = Tree(folder, {})
    done = tree.run()
    assert done.returncode == 0, done.stderr
    paths = [path for path in tree.out.rglob("*") if path.is_file() and not path.name.startswith(".")]
    assert len(paths) == 16
    return folder / "in", {str(path.relative_to(tree.out)): path.read_bytes() for path in paths}


@pytest.fixture
def tree(model: tuple[Path, dict[str, bytes]], tmp_path: Path) -> Tree:
    shutil.copytree(model[0], tmp_path / "in")
    return Tree(tmp_path, {tmp_path / "out" / name: data for name, data in model[1].items()})


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a small file system on tmp_path/out, or changes the options of the one that is there."""
    folder = tmp_path / "out"
    folder.mkdir()
    mounted = []

    def mount(options: str) -> Path:
        options += ",remount" if mounted else ""
        command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("needs permission to mount a tmpfs")
        mounted.append(folder)
        return folder

    yield mount
    if os.path.ismount(folder):
        subprocess.run(["umount", str(folder)], check=True)
