"""A run of one's own: what is logged, and a status that is true however the process ends."""

import hashlib
import logging
import math
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import mlflow
import pytest
from matplotlib.figure import Figure

from app.tracking import Run, TrackingError
from app.tracking.run import status_after

PATIENCE = 240
"""Seconds that a process is waited for. One that makes a database takes 7 s of processor time, most of it for importing
and for MLflow's migrations: 68 s where eight others want the same core, and two of them 130 s."""


@pytest.fixture
def client(place) -> mlflow.MlflowClient:
    """Reads the store of ``place`` as any other program would."""
    return mlflow.MlflowClient(f"sqlite:///{place}/mlflow.db")


def all_runs(client: mlflow.MlflowClient) -> list:
    return client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])


def history(client: mlflow.MlflowClient, run: Run, key: str) -> list[tuple[int, float]]:
    return [(metric.step, metric.value) for metric in client.get_metric_history(run.id, key)]


def end(process: subprocess.Popen) -> tuple[str, str, int]:
    """The run's id, what was said on standard error, and the exit code of a process that ends by itself."""
    out, error = process.communicate(timeout=PATIENCE)
    return out.split("\n")[0], error, process.returncode


def test_everything_logged_is_there(place, client):
    with Run("study", folder=place / "out") as run:
        run.parameters({"optimizer.lr": 1e-4, "policy (uncertain)": "ignore"})
        for step in range(3):
            run.metrics({"loss": 1 / (step + 1), "auc/Nodule": 0.5}, step)
        run.metrics({"dice": math.nan, "worst": math.inf}, 0)
        run.tags({"form": "pixel-level"})
        run.dataset("phantoms.json", "ab" * 32, "training")
        run.text("seed: 0\n", "config.yaml")
        figure = Figure()
        figure.subplots().plot([0, 1])
        run.figure(figure, "plots/roc.png")
        assert run.open_hint == "mlflow ui"
    found = client.get_run(run.id)
    assert found.info.status == "FINISHED"
    assert found.info.run_name == run.name
    assert found.data.params == {"optimizer.lr": "0.0001", "policy _uncertain_": "ignore"}
    assert history(client, run, "loss") == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
    assert math.isnan(found.data.metrics["dice"])
    assert found.data.metrics["worst"] == sys.float_info.max  # MLflow's stand-in for infinity
    assert found.data.tags["form"] == "pixel-level"
    assert found.data.tags["frugal.dataset.training"] == "phantoms.json " + "ab" * 32
    assert found.inputs.dataset_inputs[0].dataset.digest == ("ab" * 32)[:36]
    assert {"frugal.version", "frugal.torch", "frugal.pid", "mlflow.source.git.commit"} <= set(found.data.tags)
    assert [entry.path for entry in client.list_artifacts(run.id)] == ["config.yaml", "plots"]
    # In a folder where `mlflow ui` finds it, and in the output folder.
    (stored,) = (place / "mlartifacts" / "study" / run.id / "artifacts" / "plots").iterdir()
    assert stored.read_bytes() == (place / "out" / "plots" / "roc.png").read_bytes()
    assert stored.read_bytes().startswith(b"\x89PNG")
    assert not list((place / "out").glob("tracking-*"))


def test_many_metrics_are_written_in_few_batches(place, client, monkeypatch):
    batches = []
    log_batch = mlflow.MlflowClient.log_batch
    monkeypatch.setattr(
        mlflow.MlflowClient, "log_batch", lambda *args, **keys: (batches.append(keys), log_batch(*args, **keys))
    )
    with Run("study", folder=place / "out") as run:
        for step in range(2500):
            run.metrics({"loss": float(step)}, step)
    assert len([batch for batch in batches if "metrics" in batch]) == 3
    assert history(client, run, "loss") == [(step, float(step)) for step in range(2500)]


def test_metrics_do_not_wait_for_long(place, client, monkeypatch):
    monkeypatch.setattr("app.tracking.writer.FLUSH_SECONDS", 0.2)
    with Run("study", folder=place / "out") as run:
        run.metrics({"loss": 1.0}, 0)
        waited = threading.Event()
        for _ in range(100):
            if history(client, run, "loss"):
                break
            waited.wait(0.1)
        assert history(client, run, "loss") == [(0, 1.0)]


def test_long_value_is_cut(place, client):
    with Run("study", folder=place / "out") as run:
        run.parameters({"images": "x" * 10_000})
    value = client.get_run(run.id).data.params["images"]
    assert len(value) == 6000
    assert value.endswith(f"... sha256:{hashlib.sha256(b'x' * 10_000).hexdigest()}")


def test_runs_of_one_name_are_numbered_within_an_experiment(place):
    names = []
    for experiment in ("study", "study", "study", "other"):
        with Run(experiment, "it's 50%", folder=place / "out") as run:
            names.append(run.name)
    assert names == ["it's 50%", "it's 50% (2)", "it's 50% (3)", "it's 50%"]


def test_parameter_cannot_change(place):
    with Run("study", folder=place / "out") as run:
        run.parameters({"lr": 0.1})
        run.parameters({"lr": 0.1})
        with pytest.raises(ValueError, match=r"parameter lr is '0.1' in this run and cannot become '0.2'"):
            run.parameters({"lr": 0.2})


def test_artifact_that_is_not_there(place):
    with Run("study", folder=place / "out") as run, pytest.raises(FileNotFoundError, match=r"no\.pt does not exist"):
        run.artifact(place / "no.pt")


def test_each_launch_has_its_own_run(place, client):
    with Run("study", folder=place / "a") as first, Run("study", folder=place / "b") as second:
        second.metrics({"loss": 2.0}, 0)
        first.metrics({"loss": 1.0}, 0)
    assert first.id != second.id
    assert first.name != second.name
    assert history(client, first, "loss") == [(0, 1.0)]
    assert history(client, second, "loss") == [(0, 2.0)]


def test_other_ranks_write_nothing(place, client, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    with Run("study", folder=place / "out") as run:
        run.parameters({"lr": 0.1})
        run.metrics({"loss": 1.0}, 0)
        run.tags({"a": "b"})
        run.dataset("d", "0", "training")
        run.artifact(place / "no.pt")
        run.text("text", "a.txt")
        run.flush()
    assert (run.id, run.uri, run.open_hint) == ("", "", "")
    assert not (place / "out").exists()
    assert all_runs(client) == []


def test_output_folder_that_cannot_be_written(place):
    (place / "out").touch()
    with pytest.raises(TrackingError, match=r"cannot write to the output folder .*Give another with --output_dir"):
        Run("study", folder=place / "out").__enter__()


def test_exception_fails_the_run(place, client, monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ZeroDivisionError), Run("study", folder=place / "out") as run:  # noqa: PT012
        run.metrics({"loss": 1.0}, 0)
        raise ZeroDivisionError("first line\nsecond line")
    found = client.get_run(run.id)
    assert found.info.status == "FAILED"
    assert found.data.tags["error"] == "ZeroDivisionError: first line"
    assert found.data.metrics == {"loss": 1.0}
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (None, "FINISHED"),
        (SystemExit(), "FINISHED"),
        (SystemExit(0), "FINISHED"),
        (SystemExit(2), "FAILED"),
        (SystemExit("bad config"), "FAILED"),
        (SystemExit(143), "KILLED"),
        (SystemExit(130), "KILLED"),
        (KeyboardInterrupt(), "KILLED"),
        (RuntimeError(), "FAILED"),
    ],
)
def test_status_after(error, status):
    assert status_after(error) == status


def test_opens_outside_the_main_thread(place, client):
    ids = []

    def work() -> None:
        with Run("study", folder=place / "out") as run:
            ids.append(run.id)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert client.get_run(ids[0]).info.status == "FINISHED"


def test_ctrl_c_kills_the_run_in_order(start, client):
    process = start("run.metrics({'loss': 1.0}, 0)\nprint('ready', flush=True)\ntime.sleep(60)")
    run_id, _ = process.stdout.readline().strip(), process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGINT
    found = client.get_run(run_id)
    assert found.info.status == "KILLED"
    assert found.data.metrics == {"loss": 1.0}


def test_sigterm_ends_a_forked_worker_alone_and_the_run_in_order(start, client):
    body = (
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    time.sleep(60)\n"
        "time.sleep(0.3)\n"
        "os.kill(pid, signal.SIGTERM)\n"
        "died = os.waitpid(pid, 0)[1] == signal.SIGTERM\n"
        "if os.fork() == 0:\n"
        "    sys.exit(1)\n"
        "os.wait()\n"
        "run.metrics({'after': 1.0}, 0)\n"
        "print(died, flush=True)\n"
        "time.sleep(60)"
    )
    process = start(body)
    run_id, died = (process.stdout.readline().strip() for _ in range(2))
    assert died == "True"
    assert client.get_run(run_id).info.status == "RUNNING"
    process.terminate()
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 143
    found = client.get_run(run_id)
    assert found.info.status == "KILLED"
    assert found.data.metrics == {"after": 1.0}


def test_a_folder_is_one_launch_at_a_time_and_kill_9_is_found_by_the_next(place, start, client, caplog):
    process = start("time.sleep(60)")
    run_id = process.stdout.readline().strip()
    message = rf"another launch works in .*out: process {process.pid} on .*, run {run_id}\. .*--output_dir DIR"
    with pytest.raises(TrackingError, match=message):
        Run("study", folder=place / "out").__enter__()
    process.kill()
    process.wait()
    assert client.get_run(run_id).info.status == "RUNNING"
    with caplog.at_level(logging.WARNING), Run("other", folder=place / "out") as alive:
        assert client.get_run(run_id).info.status == "KILLED"
        assert "ended without a word" in client.get_run(run_id).data.tags["error"]
        assert client.get_run(alive.id).info.status == "RUNNING"
        assert "1 runs whose process is gone are now KILLED" in caplog.text
        with Run("other", folder=place / "next"):
            assert client.get_run(alive.id).info.status == "RUNNING"


@pytest.mark.timeout(2 * PATIENCE)
def test_two_processes_on_a_fresh_database(place, start):
    (place / "mlflow.db").unlink()
    processes = [start(f"run.metrics({{'loss': {number}.0}}, 0)", f"out-{number}") for number in (1, 2)]
    ends = [end(process) for process in processes]
    assert [code for _, _, code in ends] == [0, 0], ends
    assert [said for _, said, _ in ends] == ["", ""]
    client = mlflow.MlflowClient(f"sqlite:///{place}/mlflow.db")
    assert sorted(client.get_run(run_id).data.metrics["loss"] for run_id, _, _ in ends) == [1.0, 2.0]
    assert {run.info.status for run in all_runs(client)} == {"FINISHED"}


def test_resume_goes_on_in_the_same_run(place, client):
    with pytest.raises(KeyboardInterrupt), Run("study", folder=place / "out") as run:  # noqa: PT012
        run.parameters({"max_epochs": 1, "lr": 0.1})
        run.metrics({"loss": 1.0}, 0)
        raise KeyboardInterrupt
    with Run("study", folder=place / "out", resume=run.id) as resumed:
        assert client.get_run(run.id).info.status == "RUNNING"
        resumed.parameters({"max_epochs": 2, "lr": 0.1})
        resumed.metrics({"loss": 0.5}, 1)
    assert (resumed.id, resumed.name) == (run.id, run.name)
    found = client.get_run(run.id)
    assert found.info.status == "FINISHED"
    assert found.data.params == {"max_epochs": "1", "lr": "0.1"}
    assert found.data.tags["frugal.resumed_with.max_epochs"] == "2"
    assert history(client, run, "loss") == [(0, 1.0), (1, 0.5)]
    assert len(all_runs(client)) == 1


@pytest.mark.parametrize("is_deleted", [True, False], ids=["deleted", "unknown"])
def test_a_run_that_is_gone_gives_way_to_a_new_one(place, client, caplog, is_deleted):
    wanted = "0" * 32
    if is_deleted:
        with Run("study", folder=place / "out") as run:
            wanted = run.id
        client.delete_run(wanted)
    with caplog.at_level(logging.WARNING), Run("study", folder=place / "out", resume=wanted) as run:
        assert run.steps("loss") == set()
    assert run.id != wanted
    assert client.get_run(run.id).data.tags["frugal.resumes"] == wanted
    assert f"run {wanted} cannot be resumed in sqlite" in caplog.text


def test_resume_refuses_a_run_at_work(place):
    message = rf"is still at work as process {os.getpid()} on .*cannot be resumed"
    # In a copy of its folder; in the folder itself its lock refuses first.
    with Run("study", folder=place / "out") as run, pytest.raises(TrackingError, match=message):
        Run("study", folder=place / "copy", resume=run.id).__enter__()


def test_the_steps_of_a_resumed_run_are_known(place):
    with Run("study", folder=place / "out") as run:
        run.metrics({"loss": 1.0}, 1)
        run.metrics({"loss": 0.5}, 3)
        assert run.steps("loss") == set()  # of a new run there is nothing to ask for
    with Run("study", folder=place / "out", resume=run.id) as resumed:
        assert resumed.steps("loss") == {1, 3}
        assert resumed.steps("auc") == set()


def test_a_resumed_run_forgets_how_its_part_before_ended(place, client):
    with pytest.raises(ValueError, match="broken"), Run("study", folder=place / "out") as run:
        raise ValueError("broken")
    assert client.get_run(run.id).data.tags["error"] == "ValueError: broken"
    with Run("study", folder=place / "out", resume=run.id):
        assert "error" not in client.get_run(run.id).data.tags
    assert client.get_run(run.id).info.status == "FINISHED"


@pytest.mark.parametrize("is_held_by_it", [True, False])
def test_a_run_of_another_host_is_taken_up_once_its_folder_is_free(place, client, is_held_by_it):
    # As a container that was killed leaves it: RUNNING, by a process that cannot be looked for from here.
    with Run("study", folder=place / ("out" if is_held_by_it else "elsewhere")) as run:
        pass
    client.update_run(run.id, status="RUNNING")
    client.set_tag(run.id, "frugal.host", "another")
    if is_held_by_it:
        with Run("study", folder=place / "out", resume=run.id) as resumed:
            assert resumed.id == run.id
    else:
        with pytest.raises(TrackingError, match=r"is still at work as process .* on another"):
            Run("study", folder=place / "out", resume=run.id).__enter__()


def test_deleted_experiment(place, client):
    client.delete_experiment(client.create_experiment("study"))
    with pytest.raises(TrackingError, match=r"experiment 'study' was deleted in .*mlflow experiments restore"):
        Run("study", folder=place / "out").__enter__()


def test_experiment_that_a_server_made_is_left_to_it(place, client):
    # A server on this database keeps artifacts where only it can write.
    client.create_experiment("study", artifact_location="mlflow-artifacts:/1")
    with Run("study", folder=Path("out")) as run:
        run.text("weights", "model.pt")
    assert client.get_experiment(client.get_run(run.id).info.experiment_id).name == "study (local)"
    assert [entry.path for entry in client.list_artifacts(run.id)] == ["model.pt"]
