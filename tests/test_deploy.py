"""The page on clusters shows what their programs generate and take; and the simulation counts as one would by hand."""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from support import pages

from torchfx_cli.cli.app import app

ROOT = Path(__file__).parents[1]
BLOCKS = pages.blocks_of(ROOT / "docs/deploy.md")
MANIFESTS = [manifest for block in BLOCKS if block.language == "yaml" for manifest in yaml.safe_load_all(block.text)]
JOBS = [manifest for manifest in MANIFESTS if manifest["kind"] == "Job"]
LEAST = "1.33"  # the page says so


def named(manifest: dict[str, Any]) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def line_of(job: dict[str, Any]) -> str:
    (line,) = job["spec"]["template"]["spec"]["containers"][0]["args"]
    return str(line)


@pytest.mark.parametrize("manifest", MANIFESTS, ids=named)
def test_kubernetes_takes_each_manifest(manifest: dict[str, Any]) -> None:
    validator = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    for version in (LEAST, validator.latest_version()):
        assert version.startswith(validator.validate(manifest, version, strict=True))


@pytest.mark.parametrize("job", JOBS, ids=line_of)
def test_the_command_of_a_job_has_options_that_exist(job: dict[str, Any]) -> None:
    pages.check_options(line_of(job), app().commands)


def test_there_are_as_many_shares_as_indexes_and_clients_find_the_scheduler() -> None:
    indexed, client = JOBS
    shares = re.search(r"--shard \$\(\(JOB_COMPLETION_INDEX\+1\)\)/(\d+) ", line_of(indexed))
    assert shares is not None
    assert int(shares[1]) == indexed["spec"]["completions"]
    service = next(manifest for manifest in MANIFESTS if manifest["kind"] == "Service")
    address = f"tcp://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"
    workers = next(manifest for manifest in MANIFESTS if manifest["metadata"]["name"] == "workers")
    assert f"--cluster {address} " in line_of(client)
    assert address in workers["spec"]["template"]["spec"]["containers"][0]["command"]


def test_what_slurm_starts_is_what_dask_jobqueue_generates() -> None:
    slurm = pytest.importorskip("dask_jobqueue.slurm", reason="dask-jobqueue is not installed")
    code = next(block.text for block in BLOCKS if block.language == "python")
    call = next(node for node in ast.walk(ast.parse(code))
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "SLURMCluster")
    given = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
    script = slurm.SLURMJob("tcp://scheduler:8786", name="torchfx", **given).job_script()
    shown = next(block.text for block in BLOCKS if "#SBATCH" in block.text)
    assert script.replace(sys.executable, "python") == shown


def test_the_simulation_of_a_million_files_counts_as_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve files of 1000 s, each a group, 1 s to start and 10 s to do: on three workers four rounds of 11 s."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import scale

    lengths_s, sizes = np.full(12, 1000.0), np.full(12, 1e9)
    world = scale.World(scale.Costs(1.0, 0.0, 0.01, 0.0, 0.0), workers=3, cores=3, plan_s=0.0, hear_s=0.0,
                        appear_s=0.0, requests=0.0, bytes_a_s=np.inf, lost_an_hour=0.0, slow=0.0)
    assert scale.simulated(world, lengths_s, sizes)["all"] == pytest.approx(44.0)
    one_by_one = replace(world, bytes_a_s=1e8)  # 10 s for the input of each, and 12 of these
    assert scale.simulated(one_by_one, lengths_s, sizes)["all"] == pytest.approx(120.0)
    slow_client = replace(world, hear_s=5.0)  # busy from the end of the first group on, which it heard of meanwhile
    assert scale.simulated(slow_client, lengths_s, sizes)["all"] == pytest.approx(11.0 + 11 * 5.0)
    lossy = scale.simulated(replace(world, lost_an_hour=60.0), lengths_s, sizes)
    assert lossy["lost"] >= 1
    assert lossy["all"] > 44.0
