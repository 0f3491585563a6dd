"""A Dask cluster: the only file that knows Dask, which is loaded when a run with --cluster begins to work.

Of Dask a run takes the queue of tasks, the worker processes and the moving of lost tasks to other workers. All else,
such as what is noted, what a crash of a decoder costs and how outputs get their names, is as on one machine.
See `clusterpool` for the run's side and `clustertask` for the worker's.
"""

from __future__ import annotations

import contextlib
import logging
import pickle
import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from torchfx_cli.errors import RunError, TorchfxError, UsageError
from torchfx_cli.tasks.clustertask import Order, Surroundings, Unwanted, look, run_group
from torchfx_cli.tasks.job import Settings
from torchfx_cli.tasks.report import FileResult
from torchfx_cli.tasks.workers import FROM_TERMINALS

CONNECT_S = 5.0
CLOSE_S = 1.0
SILENT = logging.CRITICAL + 1
INSTALL = "pip install 'torchfx-cli[cluster]'"
PACKAGES = ("torchfx-cli", "numpy", "soxr", "soundfile")  # whose versions may change the sound
GPU = {"GPU": 1}
LOCAL = "local:"  # and how many processes of this machine
EVENTS = "torchfx"
ALIVE = ("running", "paused", "closing_gracefully")  # workers that go on with what they have begun


class ConnectionLost(RunError):
    """The scheduler cannot be reached, now."""


class Cluster:
    """The cluster at `address`; all verbs may wait for it.

    messages  what it says, from threads of its own: ("events", list of Event), or ("ended", name, outcome) of a group,
              where the outcome is "done", "killed", "lost", or a RunError.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.messages: SimpleQueue[tuple[Any, ...]] = SimpleQueue()
        self._client: Any = None
        self._local: Any = None
        self._folder = ""
        self._futures: dict[str, Any] = {}
        self._settings: Any = None

    def connect(self) -> None:
        """Anew, where there was a connection. Raises RunError."""
        distributed = _distributed()
        resource_tracker.ensure_running()  # or its start, later, would let signals through again
        signal.pthread_sigmask(signal.SIG_BLOCK, FROM_TERMINALS)  # of this thread and of all that it starts
        self._drop_client()
        try:
            self._client = distributed.Client(self._start(distributed), timeout=CONNECT_S, set_as_default=False,
                                              name="torchfx")
        except (OSError, ValueError) as error:
            why = " ".join(str(error).split()) or type(error).__name__
            words = f"cannot reach the scheduler at {self.address} within {CONNECT_S:g} s: {why}"
            raise ConnectionLost(words) from None
        self._client.subscribe_topic(self._client.id, self._hear)

    def _start(self, distributed: Any) -> Any:
        if not self.address.startswith(LOCAL):
            return self.address
        if self._local is None:
            self._folder = tempfile.mkdtemp(prefix="torchfx-cluster-")
            self._local = distributed.LocalCluster(
                n_workers=int(self.address.removeprefix(LOCAL)), threads_per_worker=1, processes=True, host="127.0.0.1",
                dashboard_address="127.0.0.1:0", local_directory=self._folder, memory_limit=0, silence_logs=SILENT)
        return self._local

    def _hear(self, event: tuple[float, Any]) -> None:
        _, said = event
        if isinstance(said, Mapping) and EVENTS in said:
            self.messages.put(("events", pickle.loads(said[EVENTS])))

    @property
    def is_connected(self) -> bool:
        return self._client is not None and self._client.status == "running"

    def threads(self, *, gpu: bool) -> int:
        """How many groups are done at a time; 0 where there are no workers, or none that offers a GPU."""
        return sum(worker["nthreads"] for worker in self._workers(gpu=gpu).values())

    def _workers(self, *, gpu: bool) -> dict[str, Any]:
        with self._told():
            workers = self._client.scheduler_info(n_workers=-1)["workers"]
        return {name: worker for name, worker in workers.items() if not gpu or worker["resources"].get("GPU", 0) >= 1}

    def versions(self) -> dict[str, dict[str, str | None]]:
        """Of Python and of `PACKAGES`, by the address of the worker; needs no torchfx there. "" is this process."""
        with self._told():
            found = self._client.get_versions(packages=PACKAGES)
        return {"": found["client"]["packages"], **{name: told["packages"] for name, told in found["workers"].items()
                                                   if isinstance(told, Mapping)}}

    def look(self, marker: Path | None, token: bytes, source: Path, settings: Settings, *, gpu: bool
             ) -> dict[str, Surroundings | Exception]:
        """What each worker sees, see `clustertask.look`; an error where it could not even look."""
        workers = list(self._workers(gpu=gpu))
        with self._told():
            found = self._client.run(look, marker, token, source, settings.engine, settings.device, workers=workers,
                                     on_error="return")
        return {name: seen for name, seen in found.items() if not isinstance(seen, OSError)}  # those have just left

    def share(self, settings: Settings) -> None:
        """All groups that are submitted from now on are done with `settings`."""
        with self._told():
            self._settings = self._client.submit(_given, settings, key=f"torchfx-settings-{_unique()}", pure=False)

    def submit(self, order: Order, priority: float, *, gpu: bool) -> str:
        """The name by which messages tell of the group."""
        name = f"torchfx-{_unique()}"
        with self._told():
            future = self._client.submit(_run_here, order, self._settings, self._client.id, key=name, pure=False,
                                         priority=priority, resources=GPU if gpu else None)
        self._futures[name] = future
        future.add_done_callback(partial(self._ended, name))
        return name

    def _ended(self, name: str, future: Any) -> None:
        self.messages.put(("ended", name, _outcome(future)))

    def results(self, name: str) -> list[tuple[int, FileResult]]:
        """Of a group that is done; none where they are lost."""
        try:
            return list(self._futures[name].result())
        except Exception:  # the worker that had them has gone
            return []

    def forget(self, name: str) -> None:
        """A group that is not done yet ends, after the block of samples that it is at."""
        future = self._futures.pop(name, None)
        if future is not None and not future.done():
            with contextlib.suppress(Exception):  # the connection may be lost
                future.cancel()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turns what Dask says where the connection is lost in the middle into an error for the user."""
        try:
            yield
        except TorchfxError:
            raise
        except Exception as error:
            if isinstance(error, OSError) or not self.is_connected:
                raise ConnectionLost(f"lost the scheduler at {self.address}: {error}") from None
            raise

    def close(self) -> None:
        for name in list(self._futures):
            self.forget(name)
        self._drop_client()
        if self._local is not None:
            with contextlib.suppress(Exception):
                self._local.close(timeout=CLOSE_S)
            self._local.shutdown_on_close = False  # its processes end with this one; they need not be waited for
            self._local = None
            shutil.rmtree(self._folder, ignore_errors=True)

    def _drop_client(self) -> None:
        client, self._client = self._client, None
        self._futures.clear()
        if client is not None:
            with contextlib.suppress(Exception):
                client.unsubscribe_topic(client.id)  # or the scheduler would tell it of its own end
                client.close(timeout=CLOSE_S)


def _outcome(future: Any) -> Any:
    from distributed import KilledWorker

    if future.status == "finished":
        return "done"
    if future.status != "error":
        return "lost"
    error = future.exception()
    if isinstance(error, KilledWorker):
        return "killed"
    if isinstance(error, TorchfxError):
        return error
    return RunError(f"a worker failed: {type(error).__name__}: {error}")


def _given(settings: Settings) -> Settings:
    """A task of its own, so that what a chain holds goes once to each worker and not along with every group."""
    return settings


def _run_here(order: Order, settings: Settings, topic: str) -> list[tuple[int, FileResult]]:
    from distributed import Reschedule, get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def is_wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state in ("executing", "long-running") and worker.status.name in ALIVE

    def tell(events: bytes) -> None:
        worker.log_event(topic, {EVENTS: events})

    try:
        return run_group(order, settings, tell, is_wanted)
    except Unwanted:  # the worker is closing, or the client has gone and this is not heard
        raise Reschedule from None
    except TorchfxError as error:
        raise RunError(f"the worker at {worker.address}: {error}") from None


def _unique() -> str:
    import uuid

    return uuid.uuid4().hex


def _distributed() -> Any:
    """The package; its remarks are for those who run clusters, and not for the screen."""
    try:
        import distributed
    except ImportError:
        raise UsageError(f"--cluster needs Dask: {INSTALL}") from None
    for name in ("distributed", "tornado", "asyncio"):
        logging.getLogger(name).setLevel(SILENT)
    warnings.filterwarnings("ignore", category=distributed.versions.VersionMismatchWarning)
    return distributed
