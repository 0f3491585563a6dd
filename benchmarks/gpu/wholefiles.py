"""End to end: a file read, filtered on the device and written, against reading, writing and the bus alone.

Raw 16-bit samples as well as WAV where soundfile is installed: raw files ask the most of the engine. To reach: 0.8 of
the slowest of the three. Then what `--device auto` has to know (see render/costs.py).
"""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accuracy import INT16

from gpu.correct import packed_plan
from gpu.rows import Check
from gpu.speed import FS, SUITES, chain_of
from torchfx_cli.design.stages import Gain
from torchfx_cli.plan.assemble import assemble
from torchfx_cli.render.torch_engine import TorchEngine
from torchfx_cli.tasks import pipeline

ROOT = Path(__file__).resolve().parents[2]
BLOCK_FRAMES = 1 << 16
TO_REACH = 0.8

Blocks = Iterator[np.ndarray]


def everything(check: Check) -> None:
    with tempfile.TemporaryDirectory() as folder:
        frames = FS * (5 if check.small else 600)
        for kind in (Raw, Wav):
            name = f"{kind.__name__.lower()}, {frames // FS} s x 2"
            check.row("end2end", name, partial(end_to_end, check, kind, folder, frames))
    check.row("costs", "for render/costs.py", partial(costs, check))


class Raw:
    """Samples without a header."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Blocks:
        with self.path.open("rb") as file:
            while data := file.read(BLOCK_FRAMES * 4):
                yield np.frombuffer(data, np.int16).reshape(-1, 2)

    def write(self, blocks: Callable[[Callable[[np.ndarray], object]], object]) -> None:
        with self.path.open("wb") as file:
            blocks(lambda block: file.write(np.ascontiguousarray(block).data))


class Wav(Raw):
    """A WAV file through libsndfile."""

    def read(self) -> Blocks:
        import soundfile

        with soundfile.SoundFile(self.path) as sound:
            while len(block := sound.read(BLOCK_FRAMES, "int16")):
                yield block

    def write(self, blocks: Callable[[Callable[[np.ndarray], object]], object]) -> None:
        import soundfile

        with soundfile.SoundFile(self.path, "w", FS, 2, "PCM_16", format="WAV") as sound:
            blocks(sound.write)


def end_to_end(check: Check, kind: type[Raw], folder: str, frames: int) -> dict[str, Any]:
    source, sink = kind(Path(folder, "in")), kind(Path(folder, "out"))
    block = (np.random.default_rng(1).standard_normal((BLOCK_FRAMES, 2)) * 3000).astype(np.int16)
    parts = [block[: min(BLOCK_FRAMES, frames - n)] for n in range(0, frames, BLOCK_FRAMES)]
    write_s = wall(lambda: source.write(lambda put: [put(part) for part in parts]))
    read_s = wall(lambda: sum(len(part) for part in source.read()))
    bus_s = 0.0 if check.small else max(bus(check, frames, down) for down in (False, True))
    taken = wall(lambda: rendered(check, source, sink))
    slowest = max(read_s, write_s, bus_s)
    share = slowest / taken
    return {"seconds": taken, "read_s": read_s, "write_s": write_s, "bus_s": bus_s, "share": share,
            "reached": share >= TO_REACH}


def rendered(check: Check, source: Raw, sink: Raw) -> None:
    engine = TorchEngine(packed_plan(INT16), check.device)

    def steps(blocks: Blocks) -> Blocks:
        for block in blocks:
            if len(done := engine.process(block)):
                yield done
        yield from engine.flush()

    sink.write(lambda put: pipeline.run(source.read(), steps, put))


def wall(work: Callable[[], object], repeats: int = 3) -> float:
    """The best of a few: files in the page cache, the machine as quiet as it gets."""
    times = []
    for _ in range(repeats):
        before = time.perf_counter()
        work()
        times.append(time.perf_counter() - before)
    return min(times)


def bus(check: Check, frames: int, down: bool) -> float:
    host = torch.empty(frames, 2, dtype=torch.int16, pin_memory=True)
    device = torch.empty(frames, 2, dtype=torch.int16, device=check.device)
    to, source = (host, device) if down else (device, host)
    return check.seconds(lambda: to.copy_(source, non_blocking=True))


START = """
import sys
sys.path[:0] = sys.argv[1:3]
import numpy as np
from gpu.correct import packed_plan
from torchfx_cli.render.torch_engine import TorchEngine
engine = TorchEngine(packed_plan(), sys.argv[3])
engine.process(np.zeros((100, 2), np.int16))
list(engine.flush())
"""


def costs(check: Check) -> dict[str, Any]:
    """A process that filters nothing to speak of; a short file; a sample through a gain; then the suites' parts."""
    command = [sys.executable, "-c", START, str(ROOT), str(ROOT / "benchmarks"), check.device]
    start_s = wall(lambda: subprocess.run(command, check=True, capture_output=True))
    file_s = wall(lambda: through_engine(check, packed_plan(INT16), 100))
    frames = 1 << (19 if check.small else 24)
    plan = assemble([Gain(0.5)], FS, 2, INT16, INT16)
    sample_s = max(0.0, wall(lambda: through_engine(check, plan, frames)) - file_s) / (2 * frames)
    signal = torch.rand(2, frames, dtype=torch.float64, device=check.device)
    with torch.inference_mode():
        seconds = {name: check.seconds(partial(chain_of(name).to(check.device), signal), 3) for name in SUITES}
    return {
        "start_s": start_s,
        "file_s": file_s,
        "sample_s": sample_s,
        "section_s": seconds["iir"] / signal.numel() / 4,
        "octave_s": seconds["fir"] / signal.numel() / math.log2(1 + 511),
    }


def through_engine(check: Check, plan: Any, frames: int) -> None:
    engine = TorchEngine(plan, check.device)
    engine.process(np.zeros((frames, 2), np.int16))
    for _ in engine.flush():
        pass
