"""Tasks in processes: each is done once, whatever happens to the processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.cluster import Task
from app.cluster.processes import in_processes
from tests.app.cluster import dying


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


PARENT = """
import sys
from app.cluster import Task
from app.cluster.processes import in_processes
from app.interrupts import sigterm_as_exit
from tests.app.cluster import dying
if __name__ == "__main__":
    with sigterm_as_exit():
        list(in_processes([Task("asleep", dying.sleep, (sys.argv[1],))], 1))
"""


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_its_parent(tmp_path: Path, ending: signal.Signals):
    begun = tmp_path / "begun"
    (tmp_path / "parent.py").write_text(PARENT)
    command = [sys.executable, str(tmp_path / "parent.py"), str(begun)]
    parent = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])})
    until = time.monotonic() + 30
    while not (begun.exists() and begun.read_text()) and time.monotonic() < until:
        time.sleep(0.05)
    parent.send_signal(ending)
    assert parent.wait(20) == (143 if ending == signal.SIGTERM else -9)
    child = Path(f"/proc/{begun.read_text()}")
    while child.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not child.exists()
