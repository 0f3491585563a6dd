"""Whether a call may be done by a warm process; if so it is handed over (see `handover`).

A call that cannot be handed over is done here without a word: there is no such process, it is of another version or
environment, it does not answer at once.
"""

from __future__ import annotations

import os
import sys

from torchfx_cli.warm import place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

VARIABLE = "TORCHFX_WARM"
OFF = ("0", "off", "no")
ALWAYS_COLD = ("warm", "watch", "bench")  # it manages these processes; it stays; it measures


def check() -> None:
    """Raise UsageError where the variable holds neither seconds nor `off`."""
    wanted = os.environ.get(VARIABLE, "")
    if wanted and wanted not in OFF and place.seconds(wanted) is None:
        from torchfx_cli.errors import UsageError

        raise UsageError(f"{VARIABLE}: expected seconds or off, got {wanted!r}")


def call(words: Sequence[str]) -> int | None:
    """The exit code of the command line `words`, done by a warm process; None: it is to be done here."""
    wanted = os.environ.get(VARIABLE, "")
    if wanted in OFF or (words and words[0] in ALWAYS_COLD) or sys.warnoptions or sys._xoptions:
        return None
    if wanted and place.seconds(wanted) is None:
        return None  # `program` complains
    inside = place.folder(make=bool(wanted))
    identity = inside and place.identity()
    if not identity:
        return None
    from torchfx_cli.warm import handover

    address = place.address(inside, identity)
    connection = handover.connected(address)
    if connection is None:
        if wanted:
            handover.start(address, wanted)
        return None
    try:
        return handover.done(connection, words, identity)
    finally:
        connection.close()
