"""The command line's door. A warm process may do the call (see `warm`); else it is done here."""

from __future__ import annotations

import gc
import os
import sys

from torchfx_cli.warm import client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

OBJECTS = 200_000  # between two searches for cycles: a run makes 60,000, which stay


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (default: the process's own, which alone may be handed over) and return its exit code."""
    if arguments is not None:
        from torchfx_cli.cli.program import run

        return run(arguments)
    code = client.call(sys.argv[1:])
    if code is None:
        alone()
    os._exit(code)


def alone() -> NoReturn:
    """Do the command line of this process in it, and end it."""
    gc.set_threshold(OBJECTS)
    from torchfx_cli.cli import program

    code = program.run()
    program.end()
    os._exit(code)  # taking the interpreter apart, module by module, would take as long as to filter a minute of sound


if __name__ == "__main__":
    sys.exit(main())
