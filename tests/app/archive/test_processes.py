"""Tasks in processes: each is done once, whatever happens to the processes."""

from pathlib import Path

import pytest

from app.archive.processes import in_processes
from app.cluster import Task
from tests.app.archive import dying


@pytest.fixture(autouse=True)
def _no_gpus(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def test_every_task_is_done_though_processes_die(tmp_path: Path):
    drawn = []

    def tasks():
        for number in range(4):
            drawn.append(number)
            yield Task(f"{number}", dying.double, (number,))
        yield Task("killed", dying.die_once, (tmp_path / "marker",))
        yield Task("refused", dying.refuse, (7,))

    outcomes = {outcome.task.name: outcome for outcome in in_processes(tasks(), 2)}
    assert drawn == [0, 1, 2, 3]
    assert [outcomes[str(number)].value for number in range(4)] == [0, 2, 4, 6]
    assert (outcomes["killed"].error, outcomes["killed"].attempts) == ("", 2)
    assert (outcomes["refused"].error, outcomes["refused"].kind) == ("no file 7", "other")
    assert len(outcomes) == 6


def test_a_task_that_kills_each_process_is_given_up():
    tasks = [Task("deadly", dying.die), Task("good", dying.double, (1,))]
    outcomes = {outcome.task.name: outcome for outcome in in_processes(tasks, 1)}
    assert outcomes["good"].value == 2
    assert (outcomes["deadly"].kind, outcomes["deadly"].attempts) == ("died", 4)
    assert outcomes["deadly"].error == "its process ended with exit code 3"


def test_processes_live_on_and_share_the_gpus(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    tasks = [Task(str(number), dying.process, (number,)) for number in range(8)]
    values = [outcome.value for outcome in in_processes(tasks, 2)]
    assert {device for _, device in values} <= {"4", "6"}
    assert len(set(values)) <= 2  # one device a process
    assert len(values) == 8
