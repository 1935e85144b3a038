"""Trainings that are killed, stopped or started together end as if uninterrupted; see killed_trainings.py."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
KILLED, TERMINATED, INTERRUPTED = -9, 143, 130
LIMIT = 500
"""Seconds for all trainings, which the first test waits for."""

pytestmark = pytest.mark.timeout(LIMIT + 60)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The outcome of all trainings."""
    folder = tmp_path_factory.mktemp("killed")
    environment = os.environ | {"PYTHONPATH": str(HERE.parents[2]), "OMP_NUM_THREADS": "1"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    done = subprocess.run(
        [sys.executable, str(HERE / "killed_trainings.py"), str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    logs = "\n".join(f"{path}:\n{path.read_text()[-1500:]}" for path in folder.rglob("*.log"))
    assert done.returncode == 0, done.stderr[-3000:] + logs
    return json.loads(done.stdout.splitlines()[-1])


def test_a_training_killed_twenty_times_ends_with_equal_weights(outcome):
    killed = outcome["killed-0"]
    assert killed["codes"] == [KILLED] * 20 + [0]
    assert killed["differences"] == []
    assert killed["partial"] == []


def test_a_killed_training_with_two_workers_ends_with_equal_weights(outcome):
    assert outcome["killed-2"]["codes"] == [KILLED] * 4 + [0]
    assert outcome["killed-2"]["differences"] == []


def test_two_stages_killed_eight_times_end_with_equal_weights_and_two_processes_agree(outcome):
    staged = outcome["staged"]
    assert staged["codes"] == [KILLED] * 8 + [0]
    assert staged["differences"] == []
    assert staged["together"] == [[0, 0], [0, 0]]
    assert staged["differences of two"] == []


@pytest.mark.parametrize(("name", "epochs"), [("killed-0", 32), ("killed-2", 4)])
def test_one_run_logs_every_epoch_once(outcome, name, epochs):
    # Other runs were killed before there was a checkpoint that names them.
    whole = [run for run in outcome["runs"][name] if run["epochs"]]
    assert [(run["status"], run["epochs"]) for run in whole] == [("FINISHED", list(range(1, epochs + 1)))]
    assert whole[0]["error"] is None
    others = [run for run in outcome["runs"][name] if not run["epochs"]]
    assert {run["status"] for run in others} <= {"KILLED"}
    assert len(others) <= 3


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", TERMINATED), ("SIGINT", INTERRUPTED)])
def test_a_signal_while_a_checkpoint_is_written(outcome, name, code):
    assert outcome[name]["codes"] == [code, 0]
    assert outcome[name]["partial"] == []
    assert outcome[name]["differences"] == []
    (run,) = outcome["runs"][name.lower()]
    assert (run["status"], run["epochs"], run["error"]) == ("FINISHED", [1, 2, 3, 4], None)
    assert outcome[name]["status_between"] == "KILLED"


def test_two_trainings_start_at_once_on_a_new_database(outcome):
    assert outcome["fresh"]["codes"] == [0, 0]
    assert outcome["fresh"]["differences"] == [[], []]
    assert [(run["status"], run["epochs"]) for run in outcome["runs"]["fresh"]] == [("FINISHED", [1, 2, 3, 4])] * 2


def test_two_processes_of_which_one_dies_are_resumed(outcome):
    together = outcome["together"]
    assert together["whole"] == [0, 0]
    first, second, third = (together[str(number)] for number in range(3))
    assert first[0] == KILLED
    assert second[1] == KILLED
    # The other one ends by itself, with an error.
    assert first[1] not in (0, KILLED)
    assert second[0] not in (0, KILLED)
    assert third == [0, 0]
    assert together["differences"] == []
    assert [(run["status"], run["epochs"]) for run in outcome["runs"]["together"]] == [("FINISHED", [1, 2, 3, 4])] * 2
