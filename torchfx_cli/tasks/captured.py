"""What decoders say on their own: libmpg123 to the standard error, libsndfile now and then to the standard output.

In a worker neither is anyone's place for that: lines are kept, and belong to the file that was being read.
"""

from __future__ import annotations

import os

MAX_BYTES = 1 << 16
MAX_LINES = 5


class CapturedOutput:
    """Takes descriptors 1 and 2 of this process; `lines` gives what has been said since."""

    def __init__(self) -> None:
        self._heard, said = os.pipe()
        os.set_blocking(self._heard, False)
        os.set_blocking(said, False)  # what does not fit is lost: nobody waits for it
        for descriptor in (1, 2):
            os.dup2(said, descriptor)
        os.close(said)

    def lines(self) -> tuple[str, ...]:
        """The first few different lines."""
        try:
            said = os.read(self._heard, MAX_BYTES).decode("utf-8", "replace")
        except BlockingIOError:
            return ()
        lines = dict.fromkeys(line.strip() for line in said.splitlines() if line.strip())
        return tuple(f"the decoder says: {line}" for line in list(lines)[:MAX_LINES])
