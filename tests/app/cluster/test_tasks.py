"""Tasks in long-lived workers: one that ends its worker harms no other. Ray is played by a few lines."""

from types import SimpleNamespace
from typing import Any

import pytest

from app.cluster.resources import Resources
from app.cluster.tasks import Dispatcher, Outcome, Pool, Task
from app.cluster.worker import Call, Reply


class RayError(Exception):
    pass


class OutOfMemoryError(RayError):
    pass


class OtherError(RayError):
    pass


class Worker:
    """Does calls in their order; a call of `deadly` ends it, and with it those that wait."""

    def __init__(self, ending: type[RayError]) -> None:
        self.ending = ending
        self.is_dead = False
        self.perform = SimpleNamespace(remote=lambda call: Reference(self, call))

    def reply(self, call: Call) -> Reply:
        self.is_dead |= call.function is deadly
        if self.is_dead:
            raise self.ending
        return Reply(call.function(), node="here")


class Reference:
    def __init__(self, worker: Worker, call: Call) -> None:
        self.worker = worker
        self.call = call


class PlayedRay:
    exceptions = SimpleNamespace(
        OutOfMemoryError=OutOfMemoryError,
        RayTaskError=OtherError,
        RuntimeEnvSetupError=OtherError,
        TaskCancelledError=OtherError,
        RayError=RayError,
    )

    def __init__(self, ending: type[RayError], newest_first: bool) -> None:
        self.ending = ending
        self.newest_first = newest_first

    def remote(self, **options: object) -> Any:
        return lambda kind: SimpleNamespace(remote=lambda: Worker(self.ending))

    def wait(self, references: list[Any], timeout: float) -> tuple[list[Any], list[Any]]:
        dead = [each for each in references if each.worker.is_dead]
        first = dead[-1] if dead and self.newest_first else references[0]
        return [first], []

    def get(self, reference: Reference) -> Reply:
        return reference.worker.reply(reference.call)

    def kill(self, worker: Worker) -> None:
        worker.is_dead = True

    def nodes(self) -> list[dict[str, object]]:
        return [{"Alive": True, "Resources": {"CPU": 4.0}, "NodeID": "1", "NodeManagerHostname": "here"}]


def deadly() -> None:
    pass


def good() -> int:
    return 1


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize(
    ("ending", "kind", "attempts"), [(RayError, "died", 4), (OutOfMemoryError, "memory", 2)], ids=["died", "memory"]
)
def test_what_waits_behind_a_deadly_task_is_done_at_its_first_try(ending, kind, attempts, newest_first):
    ray = PlayedRay(ending, newest_first)

    def make_call(task: Task, resources: Resources, delay: float) -> Call:
        return Call(task.function, (), "/", {}, False)

    dispatcher = Dispatcher(ray, Pool(ray, Resources(), 1), make_call)
    tasks = [Task("deadly", deadly), *(Task(f"good {number}", good) for number in range(3))]
    outcomes: dict[str, Outcome] = {each.task.name: each for each in dispatcher.outcomes(tasks)}
    assert (outcomes["deadly"].kind, outcomes["deadly"].attempts) == (kind, attempts)
    for number in range(3):
        assert (outcomes[f"good {number}"].error, outcomes[f"good {number}"].value) == ("", 1)
        assert outcomes[f"good {number}"].attempts == 1
