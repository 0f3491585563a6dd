"""A share of a batch for each of several runs that know nothing of each other, such as the tasks of a job array.

An input falls to a shard by a hash of its place under the output folder, so that every run divides the same way and a
file that is added moves no other. The form of accents (NFC, NFD) does not count, for a copy on another system may have
the other one. With --album the place of the folder counts, for the files of one are measured together.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace

from torchfx_cli.errors import UsageError, printable
from torchfx_cli.records import dataclass
from torchfx_cli.tasks.inputs import Input

WORD = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")
VARIABLES = ("ID", "MIN", "MAX", "STEP", "COUNT")  # of SLURM_ARRAY_TASK_...
BY_HAND = 'give --shard I/N, such as --shard "$TASK/16" where the tasks are 1 to 16'


@dataclass(frozen=True)
class Shard:
    """The shard `index`, from 1 on, of `count`."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def takes(self, place: str) -> bool:
        """Whether what lies at `place` under the output folder falls to it."""
        plain = place if place.isascii() else unicodedata.normalize("NFC", place)
        digest = hashlib.blake2b(os.fsencode(plain), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.count == self.index - 1


def shard_of(word: str, environment: Mapping[str, str]) -> Shard:
    """`3/16`, or `auto` for that of a task of a Slurm job array by its `environment`; raises UsageError."""
    if word == "auto":
        return _of_array(environment)
    found = WORD.fullmatch(word)
    index, count = map(int, found.groups()) if found else (0, 0)
    if not 1 <= index <= count:
        raise UsageError(f"--shard: found '{printable(word)}'; allowed are auto, and I/N with I from 1 to N, such as "
                         "3/16")
    return Shard(index, count)


def _of_array(environment: Mapping[str, str]) -> Shard:
    words = {name: environment.get(f"SLURM_ARRAY_TASK_{name}", "") for name in VARIABLES}
    if not words["ID"]:
        raise UsageError("--shard auto: this is no task of a Slurm job array (SLURM_ARRAY_TASK_ID is not set; sbatch "
                         f"--array=1-16 sets it); elsewhere {BY_HAND}")
    wrong = [f"SLURM_ARRAY_TASK_{name} is '{printable(word)}'" for name, word in words.items()
             if not re.fullmatch("[0-9]{1,9}", word)]
    if wrong:
        raise UsageError(f"--shard auto: {', '.join(wrong)}, not a whole number; {BY_HAND}")
    task, first, last, step, count = (int(words[name]) for name in VARIABLES)
    step = max(1, step)
    if (last - first) // step + 1 != count or (task - first) % step or not first <= task <= last:
        raise UsageError(f"--shard auto: the tasks of this array are not evenly spaced ({count} from {first} to "
                         f"{last}, step {step}); submit one such as --array=1-16, or {BY_HAND}")
    return Shard((task - first) // step + 1, count)


def divided(inputs: Sequence[Input], shard: Shard, *, by_folder: bool) -> list[Input]:
    """`inputs`, those of other shards marked. `by_folder`: what lies in one folder stays together."""
    places = [found.relative for found in inputs]
    if by_folder:
        folders = [os.path.dirname(os.path.abspath(found.path)) for found in inputs]
        first: dict[str, str] = {}  # one folder may be reached by several inputs, and have several places
        for folder, place in zip(folders, places, strict=True):
            below = os.path.dirname(place)
            first[folder] = min(first.get(folder, below), below)
        places = [first[folder] for folder in folders]
    return [found if shard.takes(place) else replace(found, is_elsewhere=True)
            for found, place in zip(inputs, places, strict=True)]
