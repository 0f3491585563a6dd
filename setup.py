"""Builds the client of warm processes, a small program in C, beside the kernel; all else is in pyproject.toml."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_ext import build_ext

SOURCE = "torchfx_cli/warm/client.c"


class BuildWithClient(build_ext):
    def run(self) -> None:
        super().run()
        root = Path() if self.inplace else Path(self.build_lib)
        folder = root / Path(SOURCE).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            objects = self.compiler.compile([SOURCE], self.build_temp, extra_postargs=["-O2", "-std=c11"])
            self.compiler.link_executable(objects, "client", str(folder))
        except Exception as error:  # as where there is no compiler: calls are then made by the interpreter
            self.warn(f"no client of warm processes: {error}")


setup(cmdclass={"build_ext": BuildWithClient})
