"""The command line's door. A warm process may do the call (see `warm`); else it is done here."""

from __future__ import annotations

import os
import sys

from torchfx_cli.warm import client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (default: the process's own, which alone may be handed over) and return its exit code."""
    if arguments is None:
        code = client.call(sys.argv[1:])
        if code is not None:
            os._exit(code)  # this process has nothing to end
    from torchfx_cli.cli.program import run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
