"""One table of programs over the same filters, each a whole process from file to file: ourselves, SoX, ffmpeg, others.

Filters cross as numbers, see `exchange.words`; a script of SciPy takes sections and taps. pedalboard has filters of its
own, of which the peaking and shelving ones are the cookbook's.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from torchfx_cli.chain.spec import ChainSpec
from torchfx_cli.design.stages import Gain, Sections, Stage, Sum, Taps
from torchfx_cli.exchange.words import CannotSayError, FfmpegWords, SoxWords, built_of
from torchfx_cli.plan.fuse import fuse


@dataclass(frozen=True)
class Work:
    """A chain as written, in options of `torchfx process`, and as designed; from the WAV `source` to `output`.

    subtype  of both files: "PCM_16", "PCM_24" or "FLOAT".
    """

    chain: ChainSpec
    words: tuple[str, ...]
    stages: tuple[Stage, ...]
    source: Path
    output: Path
    subtype: str = "FLOAT"


@dataclass(frozen=True)
class Tool:
    """`command` gives the words that start it, or raises CannotSayError; `why_not` says why it is not here, or "".

    delay_frames  what it takes of the delay of a chain.
    """

    name: str
    why_not: Callable[[], str]
    command: Callable[[Work], list[str]]
    delay_frames: Callable[[Sequence[Stage]], int] = lambda stages: sum(stage.latency_frames for stage in stages)


def process_command(words: Sequence[str], source: Path, output: Path, *options: str) -> list[str]:
    """`torchfx process` in a new interpreter."""
    return [sys.executable, "-m", "torchfx_cli", "process", str(source), "-o", str(output), "--overwrite", "--quiet",
            *options, *words]


def _torchfx(work: Work) -> list[str]:
    return process_command(work.words, work.source, work.output, "--dither", "none")


def _sox(work: Work) -> list[str]:
    words = []
    for n, stage in enumerate(fuse(work.stages)):
        words += built_of(stage, SoxWords(work.output.with_name(f"taps{n}.txt")))
    return ["sox", "-D", str(work.source), str(work.output), *words]


def _sox_delay(stages: Sequence[Stage]) -> int:
    """Its `fir` takes half of the taps for delay. Several become one, or each would cut the others' beginnings."""
    return sum((stage.tap_count - 1) // 2 for stage in fuse(stages) if stage.tap_count)


FFMPEG_CODECS = {"PCM_16": "pcm_s16le", "PCM_24": "pcm_s24le", "FLOAT": "pcm_f32le"}


def _ffmpeg(work: Work) -> list[str]:
    filters = ",".join(word for stage in work.stages for word in built_of(stage, FfmpegWords()))
    return ["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", str(work.source), "-af", filters or "anull", "-c:a",
            FFMPEG_CODECS[work.subtype], str(work.output)]


SCIPY = """
import json, sys, numpy as np, soundfile
from scipy.signal import oaconvolve, sosfilt
x, fs = soundfile.read(sys.argv[1], always_2d=True)
for kind, numbers in json.load(open(sys.argv[3])):
    if kind == "sections":
        x = sosfilt(np.array(numbers), x, axis=0)
    elif kind == "taps":
        x = oaconvolve(x, np.array(numbers)[:, None], axes=0)[: len(x)]
    else:
        x = x * numbers
if sys.argv[4] == "PCM_16":
    x = np.clip(np.rint(x * 32768), -32768, 32767).astype(np.int16)
soundfile.write(sys.argv[2], x, fs, sys.argv[4])
"""


def _scipy(work: Work) -> list[str]:
    numbers = work.output.with_name("chain.json")
    numbers.write_text(json.dumps([built_of(stage, _Numbers()) for stage in fuse(work.stages)]))
    return [sys.executable, "-c", SCIPY, str(work.source), str(work.output), str(numbers), work.subtype]


class _Numbers:
    """A `Builder` of what the SciPy script reads."""

    def sections(self, stage: Sections) -> tuple[str, object]:
        return "sections", stage.sos.tolist()

    def taps(self, stage: Taps) -> tuple[str, object]:
        return "taps", stage.taps.tolist()

    def gain(self, stage: Gain) -> tuple[str, object]:
        return "gain", stage.factor

    def sum(self, stage: Sum) -> tuple[str, object]:
        raise CannotSayError(stage.label)


PEDALBOARD = """
import json, sys, pedalboard
from pedalboard.io import AudioFile
board = pedalboard.Pedalboard([getattr(pedalboard, name)(*numbers) for name, numbers in json.loads(sys.argv[3])])
source = AudioFile(sys.argv[1])
with AudioFile(sys.argv[2], "w", source.samplerate, source.num_channels, bit_depth=int(sys.argv[4])) as out:
    while source.tell() < source.frames:
        out.write(board(source.read(1 << 18), source.samplerate, reset=False))
"""
PEDALS = {  # of a kind of stage: the class, and the fields that its arguments are
    "peaking": ("PeakFilter", ("frequency_hz", "gain_db", "q")),
    "low_shelf": ("LowShelfFilter", ("frequency_hz", "gain_db", "q")),
    "high_shelf": ("HighShelfFilter", ("frequency_hz", "gain_db", "q")),
    "gain": ("Gain", ("gain_db",)),
}


def _pedalboard(work: Work) -> list[str]:
    board = []
    for spec in work.chain.stages:
        if spec.kind not in PEDALS or getattr(spec, "order", 2) != 2:
            raise CannotSayError(spec.kind)
        name, fields = PEDALS[spec.kind]
        board.append((name, [getattr(spec, field) for field in fields]))
    bits = "16" if work.subtype == "PCM_16" else "32"
    return [sys.executable, "-c", PEDALBOARD, str(work.source), str(work.output), json.dumps(board), bits]


def _program(name: str) -> Callable[[], str]:
    return lambda: "" if shutil.which(name) else f"{name} is not installed"


def _package(name: str) -> Callable[[], str]:
    return lambda: "" if find_spec(name) else f"{name} is not installed"


TOOLS = {tool.name: tool for tool in (
    Tool("torchfx process", lambda: "", _torchfx),
    Tool("sox", _program("sox"), _sox, _sox_delay),
    Tool("ffmpeg", _program("ffmpeg"), _ffmpeg),
    Tool("pedalboard", _package("pedalboard"), _pedalboard),
    Tool("scipy script", _package("scipy"), _scipy, lambda stages: 0),
)}
