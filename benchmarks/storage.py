"""How long it takes to list a large corpus in S3 and to plan a batch over it, and the memory for that.

    python benchmarks/storage.py [KEYS]

A server of moto on loopback holds so many empty objects (pip install '.[test-cluster]'). Beside it the same listing by
boto3 alone, in the same run: what the server itself takes.
"""

from __future__ import annotations

import logging
import os
import resource
import subprocess
import sys
import time

PORT = 5566
URL = "s3://corpus/raw/"
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_DEFAULT_REGION": "us-east-1",
               "AWS_ENDPOINT_URL": f"http://127.0.0.1:{PORT}"}


def serve(keys: int) -> None:
    from moto.s3.models import s3_backends
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    bucket = s3_backends["123456789012"]["aws"]
    bucket.create_bucket("corpus", "us-east-1")
    for number in range(keys):
        bucket.put_object("corpus", f"raw/speaker{number // 1000:04}/utterance-{number:07}.flac", b"")
    ThreadedMotoServer(ip_address="127.0.0.1", port=PORT, verbose=False).start()
    print("ready", flush=True)
    sys.stdin.read()


def alone() -> None:
    import boto3

    began_s = time.perf_counter()
    pages = boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket="corpus", Prefix="raw/")
    count = sum(len(page.get("Contents", ())) for page in pages)
    print(f"boto3 alone, a thousand a page: {count} keys in {time.perf_counter() - began_s:.1f} s")


def planned() -> None:
    from torchfx_cli.chain.parse import join
    from torchfx_cli.tasks.inputs import gather
    from torchfx_cli.tasks.job import Settings
    from torchfx_cli.tasks.planning import plan_jobs

    began_s = time.perf_counter()
    inputs = gather([URL], output="s3://corpus/clean/").inputs
    listed_s = time.perf_counter() - began_s
    jobs = plan_jobs(inputs, "s3://corpus/clean/", Settings(join([], ["gain:-3"])))
    print(f"torchfx: {len(inputs)} keys listed in {listed_s:.1f} s, {len(jobs)} jobs planned after "
          f"{time.perf_counter() - began_s:.1f} s, of which {time.process_time():.1f} s of this process's own; at most "
          f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")


def main() -> None:
    keys = sys.argv[1] if len(sys.argv) > 1 else "100000"
    server = subprocess.Popen([sys.executable, __file__, "serve", keys], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        while b"ready" not in server.stdout.readline():
            pass
        for what in ("planned", "alone"):
            subprocess.run([sys.executable, __file__, what], env=os.environ | ENVIRONMENT, check=True)
    finally:
        server.stdin.close()
        server.wait()


if __name__ == "__main__":
    words = sys.argv[1:]
    if words[:1] == ["serve"]:
        serve(int(words[1]))
    else:
        {"planned": planned, "alone": alone}.get(words[0] if words else "", main)()
