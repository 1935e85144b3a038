"""Tasks handed to Ray, their outcomes in order of ending, and their retries."""

from __future__ import annotations

import dataclasses
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from app.cluster.fresh_process import PATIENCE
from app.cluster.kinds import DIED, MEMORY, OTHER, STORAGE, TRIES_AGAIN
from app.cluster.resources import Node, Resources, more_memory, nodes_of
from app.cluster.worker import Call, Reply, perform

MOST_SUBMITTED = 1000
QUEUED = 2
"""Tasks that a long-lived worker has at a time: one that runs, and one that it need not wait for."""
STORAGE_DELAY = 5.0
"""Seconds before another try after a failure of storage."""
PATIENCE_SECONDS = 60.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """A call that can be repeated.

    Attributes:
        name: For messages.
        function: Importable, at module level.
        arguments: Small and picklable. Paths are absolute, or relative to the driver's working folder.
        resources: What it claims of a node.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    resources: Resources = field(default_factory=Resources)


@dataclass(frozen=True)
class Outcome:
    """How a task ended.

    Attributes:
        task: The task.
        value: What its function returned; None if it failed or ran in a process of its own.
        error: Why it failed, in a line; empty if it went well.
        kind: ``died``, ``memory``, ``storage`` or ``other`` if it failed.
        attempts: How often it was tried.
        node: Where it ran last; empty if its worker died.
    """

    task: Task
    value: Any
    error: str
    kind: str
    attempts: int
    node: str


@dataclass
class Attempt:
    """A task on its way, with its failures so far by kind."""

    task: Task
    resources: Resources
    failures: Counter[str] = field(default_factory=Counter)
    delay: float = 0.0

    def next(self, kind: str, nodes: Sequence[Node]) -> Attempt | None:
        """The next try after a failure; None if there is none."""
        self.failures[kind] += 1
        if self.failures[kind] > TRIES_AGAIN[kind]:
            return None
        resources: Resources | None = self.resources
        if kind == MEMORY:
            resources = more_memory(self.resources, nodes)
        if resources is None:
            return None
        return dataclasses.replace(self, resources=resources, delay=STORAGE_DELAY if kind == STORAGE else 0.0)


class Workers(Protocol):
    """Where attempts go."""

    def has_room(self) -> bool:
        """Whether another attempt may be submitted now."""

    def submit(self, call: Call, resources: Resources) -> Any:  # noqa: ANN401 - Ray's reference to a result
        """Hand a call over."""

    def ended(self, reference: Any, kind: str) -> bool:  # noqa: ANN401
        """Take note that a call has ended, and how; False if it failed without having begun."""

    def end(self, references: Sequence[Any]) -> None:
        """End these calls, which are running or wait."""


class FreeWorkers:
    """Any worker that Ray chooses; each task has its own claim."""

    def __init__(self, ray: Any) -> None:  # noqa: ANN401 - the module
        self._ray = ray
        self._running = 0

    def has_room(self) -> bool:
        """Whether another attempt may be submitted now."""
        return self._running < MOST_SUBMITTED

    def submit(self, call: Call, resources: Resources) -> Any:  # noqa: ANN401
        """Hand a call over. ``max_calls=0`` lets the worker live on, which Ray refuses to GPU tasks by default."""
        self._running += 1
        return self._ray.remote(max_calls=0, max_retries=0, **claimed(resources))(perform).remote(call)

    def ended(self, reference: Any, kind: str) -> bool:  # noqa: ANN401
        """Take note that a call has ended."""
        self._running -= 1
        return True

    def end(self, references: Sequence[Any]) -> None:
        """Interrupt these calls, and wait for them to end in order."""
        for reference in references:
            self._ray.cancel(reference)
        if references:
            self._ray.wait(list(references), num_returns=len(references), timeout=PATIENCE)


class Pool:
    """Long-lived workers that keep what they have loaded, and their GPU; each takes one task after the other.

    Args:
        ray: The module.
        resources: What each worker claims.
        size: How many there are. One that dies is replaced.
    """

    def __init__(self, ray: Any, resources: Resources, size: int) -> None:  # noqa: ANN401
        self._ray = ray
        self._resources = resources
        self._queues: dict[Any, list[Any]] = {self._new(): [] for _ in range(size)}
        self._worker_of: dict[Any, Any] = {}
        self._not_begun: set[Any] = set()

    def has_room(self) -> bool:
        """Whether another attempt may be submitted now."""
        return min(map(len, self._queues.values())) < QUEUED

    def submit(self, call: Call, resources: Resources) -> Any:  # noqa: ANN401
        """Hand a call to the worker with the fewest."""
        worker = min(self._queues, key=lambda each: len(self._queues[each]))
        reference = worker.perform.remote(call)
        self._queues[worker].append(reference)
        self._worker_of[reference] = worker
        return reference

    def ended(self, reference: Any, kind: str) -> bool:  # noqa: ANN401
        """Take note that a call has ended; replace its worker if that has died or had too little memory.

        A worker takes calls in their order, so what stood behind the first one then has not begun.
        """
        worker = self._worker_of.pop(reference)
        if worker in self._queues and kind in (DIED, MEMORY):
            self._not_begun.update(self._queues.pop(worker)[1:])
            self._ray.kill(worker)
            self._queues[self._new()] = []
        elif worker in self._queues:
            self._queues[worker].remove(reference)
        has_begun = reference not in self._not_begun
        self._not_begun.discard(reference)
        return has_begun

    def end(self, references: Sequence[Any] = ()) -> None:
        """Kill the workers; what they write is whole or not there."""
        for worker in self._queues:
            self._ray.kill(worker)

    def _new(self) -> Any:  # noqa: ANN401
        return self._ray.remote(max_restarts=0, max_task_retries=0, **claimed(self._resources))(_Worker).remote()


class _Worker:
    def perform(self, call: Call) -> Reply:
        return perform(call)


def claimed(resources: Resources) -> dict[str, Any]:
    """The options by which Ray's tasks and actors claim resources."""
    memory = {"memory": resources.memory} if resources.memory else {}
    return {"num_cpus": resources.cpus, "num_gpus": resources.gpus, **memory}


class Dispatcher:
    """Hands tasks to workers and gives their outcomes in the order in which they end.

    Args:
        ray: The module.
        workers: Where they go.
        make_call: From a task, its claim and a delay to the call.
    """

    def __init__(self, ray: Any, workers: Workers, make_call: Callable[[Task, Resources, float], Call]) -> None:  # noqa: ANN401
        self._ray = ray
        self._workers = workers
        self._make_call = make_call
        self._pending: dict[Any, Attempt] = {}

    def outcomes(self, tasks: Iterable[Task | None]) -> Iterator[Outcome]:
        """Run tasks, drawn as there is room for them; None says that the next has to wait for another to end."""
        waiting = iter(tasks)
        while True:
            while self._workers.has_room() and (task := next(waiting, None)) is not None:
                self._submit(Attempt(task, task.resources))
            if not self._pending:
                return
            ended, _ = self._ray.wait(list(self._pending), timeout=PATIENCE_SECONDS)
            if not ended:
                self._warn_of_unmet_claims()
            for reference in ended:
                outcome = self._outcome(reference)
                if outcome is not None:
                    yield outcome

    def end(self) -> None:
        """End what has not ended."""
        self._workers.end(tuple(self._pending))

    def _submit(self, attempt: Attempt) -> None:
        call = self._make_call(attempt.task, attempt.resources, attempt.delay)
        self._pending[self._workers.submit(call, attempt.resources)] = attempt

    def _outcome(self, reference: Any) -> Outcome | None:  # noqa: ANN401
        """The outcome of a call that has ended; None if its task is tried again."""
        attempt, reply = self._pending.pop(reference), self._reply(reference)
        has_begun = self._workers.ended(reference, reply.kind)
        if reply.kind and not has_begun:
            self._submit(attempt)
            return None
        if reply.kind:
            again = attempt.next(reply.kind, nodes_of(self._ray.nodes()))
            if again is not None:
                logger.warning(f"{attempt.task.name}: {reply.error}; trying again")
                self._submit(again)
                return None
        attempts = attempt.failures.total() + (not reply.kind)
        return Outcome(attempt.task, reply.value, reply.error, reply.kind, attempts, reply.node)

    def _reply(self, reference: Any) -> Reply:  # noqa: ANN401
        exceptions = self._ray.exceptions
        try:
            reply: Reply = self._ray.get(reference)
            return reply
        except exceptions.OutOfMemoryError:
            return Reply(None, MEMORY, "Ray ended its worker, as the node ran out of memory")
        except (exceptions.RayTaskError, exceptions.RuntimeEnvSetupError, exceptions.TaskCancelledError) as error:
            return Reply(None, OTHER, str(error).strip().splitlines()[-1])
        except exceptions.RayError as error:
            return Reply(None, DIED, f"its worker or node died ({type(error).__name__})")

    def _warn_of_unmet_claims(self) -> None:
        nodes = nodes_of(self._ray.nodes())
        claims = {attempt.resources for attempt in self._pending.values()}
        for claim in sorted(claims, key=str):
            if not any(node.slots(claim) for node in nodes):
                logger.warning(f"waiting for a node with {claim}: none that is alive has so much")
