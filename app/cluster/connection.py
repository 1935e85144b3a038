"""Connecting to a Ray cluster: one started here, one that runs, or one from outside of it."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import re
import site
import socket
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import app
from app.cluster import nodes as of_nodes
from app.cluster.resources import Node, Resources, nodes_of
from app.cluster.tasks import Dispatcher, FreeWorkers, Outcome, Pool, Task
from app.cluster.worker import Call
from app.interrupts import sigterm_as_exit

LOCAL = "ray"
AUTO = "auto"
CLIENT = re.compile(r"ray://(?P<host>[^/:]+|\[[0-9a-fA-F:]+\]):(?P<port>\d+)/?")
DIRECT = re.compile(r"(?P<host>[^/:]+|\[[0-9a-fA-F:]+\]):(?P<port>\d+)")
REACH_SECONDS = 5.0
LOCAL_OPTIONS: dict[str, Any] = {"include_dashboard": False, "object_store_memory": 100 * 2**20}
"""Of a local cluster. Little shared memory is enough: tasks exchange names of files, and no arrays."""
_FORWARDED = ("MLFLOW_", "FRUGAL_", "OMP_NUM_THREADS")

logger = logging.getLogger(__name__)


def add_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--on`` to a command."""
    parser.add_argument(
        "--on",
        metavar="CLUSTER",
        type=_place,
        help="run on Ray: 'ray' starts a cluster on this machine, ray://HEAD:10001 uses one from outside, and 'auto' "
        "the one that this machine belongs to or RAY_ADDRESS names (needs the extra 'ray')",
    )


def _place(text: str) -> str:
    if text not in (LOCAL, AUTO) and not CLIENT.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r}: must be 'ray', 'auto' or ray://HEAD:10001")
    return text


class Cluster:
    """A cluster that was connected to.

    Args:
        ray: The module.
        folders: Folders that every node must see, and write to.
        read: Folders that every node must see, beside the working folder.
    """

    def __init__(self, ray: Any, folders: Sequence[Path], read: Sequence[Path] = ()) -> None:  # noqa: ANN401
        self._ray = ray
        self._dispatchers: list[Dispatcher] = []
        of_nodes.check_nodes(ray, self.nodes(), folders, [Path.cwd(), *read])

    def nodes(self) -> list[Node]:
        """The nodes that are alive now."""
        return nodes_of(self._ray.nodes())

    def require(self, claim: Resources) -> None:
        """Raise ValueError if no node can meet a claim."""
        of_nodes.require(self.nodes(), claim)

    def slots(self, claim: Resources) -> int:
        """How many tasks with this claim can run at once; at least 1."""
        return max(1, sum(node.slots(claim) for node in self.nodes()))

    def run(self, tasks: Iterable[Task | None], preload: Sequence[str]) -> Iterator[Outcome]:
        """Run each task in a process of its own; a worker or node that dies costs only the try of a task.

        Args:
            tasks: Drawn as there is room for them. None says that the next has to wait until another has ended.
            preload: Modules that processes have imported when they start.

        Yields:
            Outcomes, in the order in which tasks end.
        """
        return self._dispatcher(FreeWorkers(self._ray), tuple(preload)).outcomes(tasks)

    def run_in_pool(self, tasks: Iterable[Task], claim: Resources, size: int | None = None) -> Iterator[Outcome]:
        """Run tasks in long-lived worker processes, which keep what a function has cached in its module.

        Args:
            tasks: Drawn as there is room for them; their own claims do not count.
            claim: Of each worker; a worker keeps its GPU.
            size: Workers; None for as many as there is room for.

        Yields:
            Outcomes, in the order in which tasks end.
        """
        pool = Pool(self._ray, claim, size or self.slots(claim))
        try:
            yield from self._dispatcher(pool, None, claim).outcomes(tasks)
        finally:
            pool.end()

    def close(self) -> None:
        """End what is still running."""
        for dispatcher in self._dispatchers:
            dispatcher.end()

    def _dispatcher(
        self, workers: FreeWorkers | Pool, preload: tuple[str, ...] | None, claim: Resources | None = None
    ) -> Dispatcher:
        folder, environment = str(Path.cwd()), _forwarded(os.environ)

        def make_call(task: Task, resources: Resources, delay: float) -> Call:
            resources = claim or resources
            threads = {"OMP_NUM_THREADS": str(max(1, int(resources.cpus)))}
            has_gpu = resources.gpus > 0
            return Call(task.function, task.arguments, folder, {**threads, **environment}, has_gpu, delay, preload)

        dispatcher = Dispatcher(self._ray, workers, make_call)
        self._dispatchers.append(dispatcher)
        return dispatcher


@contextmanager
def connected(place: str, folders: Sequence[Path] = (), read: Sequence[Path] = ()) -> Iterator[Cluster]:
    """Connect to Ray, and disconnect at the end; a local cluster ends with it.

    Ray sends nobody statistics, starts no dashboard, and keeps its files in ``RAY_TMPDIR`` (by default ``/tmp/ray``).

    Args:
        place: ``ray``, ``auto`` or ``ray://HEAD:10001``.
        folders: Folders that every node must see, and write to; they exist.
        read: Folders that every node must see, beside the working folder; nothing is written to them.

    Raises:
        ValueError: Ray is not installed, the cluster is not reached, or a node cannot do the work.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # no warning about it; `worker` sees to it
    address = os.environ.get("RAY_ADDRESS", AUTO) if place == AUTO else place
    ray = _imported(address)
    _require_reachable(address)
    with (
        sigterm_as_exit()
    ):  # once more below: `init` leaves a handler of Ray's, which ends the driver with another status
        try:
            ray.init(**_options(address))
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ValueError(f"--on {place}: {address}: {reason[:500]}") from error
        with sigterm_as_exit():
            try:
                cluster = Cluster(ray, *([folder.absolute() for folder in each] for each in (folders, read)))
                try:
                    yield cluster
                finally:
                    cluster.close()
            finally:
                ray.shutdown()


def _imported(address: str) -> Any:  # noqa: ANN401 - the module
    try:
        import ray

        if address.startswith("ray://"):
            importlib.import_module("grpc")  # by which Ray's client speaks
    except ImportError as error:
        raise ValueError(f"--on needs Ray ({error}): pip install 'frugal-cxr[ray]'") from error
    return ray


def _options(address: str) -> dict[str, Any]:
    options: dict[str, Any] = {"address": address, "logging_level": logging.ERROR, "log_to_driver": False}
    if address == LOCAL:
        options |= {"address": "local", **LOCAL_OPTIONS}
    root = str(Path(app.__file__).resolve().parents[1])
    if root not in (*site.getsitepackages(), sysconfig.get_path("purelib")):  # a checkout
        path = ":".join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        options["runtime_env"] = {"env_vars": {"PYTHONPATH": path}}
    return options


def _require_reachable(address: str) -> None:
    """Refuse an address at which nobody answers; Ray would try for minutes."""
    match = CLIENT.fullmatch(address) or DIRECT.fullmatch(address)
    if match is None:
        return
    host, port = match["host"].strip("[]"), int(match["port"])
    try:
        socket.create_connection((host, port), REACH_SECONDS).close()
        if address.startswith("ray://"):
            grpc = importlib.import_module("grpc")
            grpc.channel_ready_future(grpc.insecure_channel(f"{match['host']}:{port}")).result(REACH_SECONDS)
    except Exception as error:
        reason = str(error) or "no Ray answers there"
        raise ValueError(
            f"{address}: the head of the cluster cannot be reached ({reason}). Is it running, and is the port right? A "
            "head that 'ray start --head' started listens at 6379 for its nodes, and at 10001 for ray://."
        ) from error


def _forwarded(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_FORWARDED)}
