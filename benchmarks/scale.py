"""A million files on a hundred workers, simulated; and the simulation held against a measured run.

    python benchmarks/scale.py [--files 1000000]
    python benchmarks/scale.py --check        beside --cluster local:2 with 400 files, measured now

Discrete events: a worker takes a group, made and ordered as in a run, and is done when its own time has passed and its
shares of what all use together (cores, requests, bytes) have come, in the order of asking. A lost worker's group is
done again, as a whole. Caches, and networks with bottlenecks inside, are left out.
"""

from __future__ import annotations

import argparse
import heapq
import tempfile
from collections import deque
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
from hours import JOBS, Costs, inputs, measured, wall_s

from torchfx_cli.chain.parse import join
from torchfx_cli.tasks.groups import grouped
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.urls import Url
from torchfx_cli.tasks.workers import Task

KIND, SETTINGS = "FLAC to 16 kHz mono FLAC", Settings(join([], ["resample:16000", "mono"]))
MEASURED = Costs(start_s=0.5, file_s=7.1e-3, second_s=2.6e-3, in_bytes=128e3, out_bytes=23e3)  # by hours.py
SHARED = ("cores", "requests", "bytes")


@dataclass(frozen=True)
class World:
    """The assumptions. Each group starts an interpreter (`costs.start_s`); a client plans, and hears of each file."""

    costs: Costs = MEASURED
    workers: int = 100  # threads of workers: a file at a time each
    cores: int = 100
    plan_s: float = 0.10e-3  # a file, before the first begins; measured, as is hear_s, scheduler included
    hear_s: float = 0.62e-3
    appear_s: float = 60.0  # until the last worker is there
    requests: float = 6.0  # to the storage, a file, one after the other; each takes request_s
    request_s: float = 30e-3
    requests_a_s: float = 8250.0  # what S3 documents for one prefix: 5500 reads a second; 4 of 6 are such
    bytes_a_s: float = 2.5e9
    lost_an_hour: float = 0.1  # of each worker; heard_s until its group is done again, back_s until another is there
    heard_s: float = 30.0
    back_s: float = 60.0
    slow: float = 0.05  # of the workers, which take `slower` times as long
    slower: float = 2.0


S3 = World()
FILES = replace(S3, requests=38.0, request_s=0.5e-3, requests_a_s=50_000.0)
WORLDS = {"S3, a worker a core": S3, "S3, four workers a core": replace(S3, workers=400), "shared file system": FILES,
          "- nothing lost or slow": replace(FILES, lost_an_hour=0.0, slow=0.0),
          "- a worker lives an hour": replace(FILES, lost_an_hour=1.0),
          "- 15,000 operations/s": replace(FILES, requests_a_s=15_000.0)}


def simulated(world: World, lengths_s: np.ndarray, sizes: np.ndarray) -> dict[str, float]:
    """Seconds until all is known to be done, and what each thing alone would take at least."""
    rng, costs, began_s = np.random.default_rng(0), world.costs, len(sizes) * world.plan_s
    tasks = [Task(number, Job(cast(Path, Url(f"s3://in/{number}.flac")), Path("out"), stamp=f"{size:.0f}-"))
             for number, size in enumerate(sizes)]
    groups = [[task.number for task in group.tasks] for group in grouped(tasks, SETTINGS, world.workers)]
    files = np.array([len(numbers) for numbers in groups])
    sound_s, in_bytes = (np.array([of[numbers].sum() for numbers in groups]) for of in (lengths_s, sizes))
    cpu_s = costs.start_s + files * costs.file_s + sound_s * costs.second_s
    waits_s = files * world.requests * world.request_s
    shares_s = np.array([cpu_s / world.cores, files * world.requests / world.requests_a_s,
                         (in_bytes + sound_s * costs.out_bytes) / world.bytes_a_s])
    factors = np.where(rng.random(world.workers) < world.slow, world.slower, 1.0)
    free = [(began_s + place * world.appear_s / world.workers, place) for place in range(world.workers)]
    waiting, again, ends, lost = deque(range(len(groups))), list[tuple[float, int]](), list[tuple[float, int]](), 0
    free_s = np.zeros(len(SHARED))
    while free:
        now_s, worker = heapq.heappop(free)
        while again and again[0][0] <= now_s:
            waiting.appendleft(heapq.heappop(again)[1])
        if not waiting:
            if again:
                heapq.heappush(free, (again[0][0], worker))
            continue
        group = waiting.popleft()
        free_s = np.maximum(free_s, now_s) + shares_s[:, group]
        end_s = max(now_s + cpu_s[group] * factors[worker] + waits_s[group], free_s.max())
        lost_s = now_s + (rng.exponential(3600 / world.lost_an_hour) if world.lost_an_hour else np.inf)
        if lost_s < end_s:
            lost += 1
            heapq.heappush(again, (lost_s + world.heard_s, group))
            heapq.heappush(free, (lost_s + world.back_s, worker))
        else:
            ends.append((end_s, files[group]))
            heapq.heappush(free, (end_s, worker))
    known_s = began_s
    for end_s, count in sorted(ends):
        known_s = max(known_s + count * world.hear_s, end_s)
    return {"all": known_s, "lost": lost, "groups": len(groups), **dict(zip(SHARED, shares_s.sum(axis=1), strict=True)),
            "workers": (cpu_s + waits_s).sum() / world.workers, "client": began_s + len(sizes) * world.hear_s}


def check(folder: Path) -> None:
    """Calibrates with local runs, two at a time; the cluster's run is predicted from those, then measured."""
    suffix, options = JOBS[KIND]
    costs = measured(folder, suffix, lambda source, out: wall_s(source, out, "--jobs", "1", *options, at_a_time=2))
    cluster = (folder / "out", "--cluster", "local:2", *options)
    start_s = wall_s(inputs(folder / "one", suffix, [1.0]), *cluster) - costs.start_s
    rng = np.random.default_rng(1)
    kinds_s = np.round(np.quantile(rng.lognormal(3, 0.8, 10_000), (np.arange(20) + 0.5) / 20), 1)
    lengths_s = rng.permutation(np.repeat(kinds_s, 20))
    source = inputs(folder / "many", suffix, lengths_s.tolist())
    sizes = np.array([path.stat().st_size for path in sorted(source.iterdir())])
    found = simulated(World(costs, 2, 2, appear_s=0.0, requests=0.0, lost_an_hour=0.0, slow=0.0), lengths_s, sizes)
    predicted_s, measured_s = start_s + found["all"], wall_s(source, *cluster)
    print(f"two at a time: start {costs.start_s:.2f} s, a file {1e3 * costs.file_s:.1f} ms, a second "
          f"{1e3 * costs.second_s:.2f} ms; a cluster starts in {start_s:.1f} s\n{len(sizes)} files, "
          f"{lengths_s.sum() / 3600:.2f} h, {found['groups']} groups: predicted {predicted_s:.1f} s, measured "
          f"{measured_s:.1f} s, error {100 * (predicted_s / measured_s - 1):+.0f} %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    if given.check:
        with tempfile.TemporaryDirectory() as name:
            check(Path(name))
        return
    rng = np.random.default_rng(0)
    lengths_s = rng.lognormal(np.log(10), 1.0, given.files)
    sizes = lengths_s * MEASURED.in_bytes * rng.lognormal(0, 0.2, given.files)
    print(f"{KIND}, {given.files} files, {lengths_s.sum() / 3600:.0f} h, {sizes.sum() / 1e12:.2f} TB; assumed: "
          + ", ".join(f"{key} {value}" for key, value in asdict(S3).items()))
    for name, world in WORLDS.items():
        found = simulated(world, lengths_s, sizes)
        least_s = {part: found[part] for part in (*SHARED, "workers", "client")}
        work_s = (MEASURED.file_s * given.files + MEASURED.second_s * lengths_s.sum()) / world.cores
        print(f"{name:25} {found['all'] / 60:6.1f} min, efficiency {work_s / found['all']:.2f}, bound by "
              f"{max(least_s, key=least_s.__getitem__)}; {found['groups']} groups, {found['lost']} lost; each alone: "
              + ", ".join(f"{part} {value / 60:.1f}" for part, value in least_s.items()))


if __name__ == "__main__":
    main()
