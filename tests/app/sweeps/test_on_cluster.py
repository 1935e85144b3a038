"""Tasks and cells on a real Ray of this machine: retries, long-lived workers, records, and one driver at a time."""

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("ray")

from app.cluster import Cluster, Resources, Task, connected
from app.cluster.connection import LOCAL_OPTIONS
from app.files.lease import Lease
from app.sweeps import on_cluster
from app.sweeps.runner import Launcher
from app.sweeps.sweep import Cell, Sweep

ROOT = Path(__file__).parents[3]
# What workers import: they do not know this module.
TASKS = '''
import functools, json, os, signal, time
from pathlib import Path
from app.cluster import device_names, node_name
from app.sweeps.runner import Launcher


def note(path, tries=1):
    """Fail in the way that the file's name says, and the last time note where it ran."""
    path = Path(path)
    with path.open("a") as file:
        file.write("x")
    if path.stat().st_size < tries:
        {"killed": lambda: os.kill(os.getpid(), 9), "worker": lambda: os.kill(os.getppid(), 9)}.get(path.stem, fail)()
    path.with_suffix(".json").write_text(json.dumps({
        "devices": device_names(), "node": node_name(), "folder": os.getcwd(), "threads": os.environ["OMP_NUM_THREADS"],
    }))


def wait(path):
    """Say so when it is ended in order."""
    def end(number, frame):
        Path(path).with_suffix(".ended").touch()
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)
    Path(path).touch()
    time.sleep(60)


def fail():
    raise ValueError("no such finding")


@functools.lru_cache
def loaded():
    return os.getpid()


def pooled(number):
    return number, loaded()


class Stub(Launcher):
    def launch(self, run, is_interrupted):
        if run.cell.name == "a=bad":
            raise ValueError("image_size: must be above 0")
        begun = run.folder / "begun"
        begun.write_text(begun.read_text() + "x" if begun.exists() else "x")
        if run.cell.name == "a=killed" and not is_interrupted:
            os.kill(os.getpid(), 9)
        (run.folder / "metrics.json").write_text("{}")
'''


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "cluster_tasks.py").write_text(TASKS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PYTHONPATH", str(folder))
        patch.setattr(sys, "path", [*sys.path, str(folder)])
        patch.setitem(LOCAL_OPTIONS, "num_cpus", 2)
        patch.setitem(LOCAL_OPTIONS, "num_gpus", 2)
        patch.setenv("OMP_NUM_THREADS", "1")
        with connected("ray", [folder]) as connection:
            yield connection


def test_tasks_are_tried_again_by_kind_and_each_in_a_process_of_its_own(cluster):
    from cluster_tasks import note

    folder, half = Path.cwd(), Resources(cpus=1, gpus=0.5)
    tasks = [Task(name, note, (str(folder / name), tries), half) for name, tries in [("killed", 2), ("worker", 2)]]
    tasks.append(Task("wrong", note, (str(folder / "wrong"), 2)))
    outcomes = {outcome.task.name: outcome for outcome in cluster.run(tasks, preload=())}
    assert {name: (each.attempts, each.kind) for name, each in outcomes.items()} == {
        "killed": (2, ""),
        "worker": (2, ""),
        "wrong": (1, "other"),
    }
    assert outcomes["wrong"].error == "no such finding"
    where = json.loads((folder / "killed.json").read_text())
    assert where["devices"] in (["0"], ["1"])
    assert (where["folder"], where["threads"]) == (str(folder), "1")
    assert where["node"] == outcomes["killed"].node


def test_the_end_of_the_command_ends_tasks_in_order(cluster):
    from cluster_tasks import wait

    path = Path.cwd() / "waits"
    outcomes = cluster.run([Task("waits", wait, (str(path),))], preload=())
    running = threading.Thread(target=lambda: list(outcomes))
    running.start()
    until = time.monotonic() + 60
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.05)
    cluster.close()
    running.join()
    assert path.with_suffix(".ended").exists()


def test_long_lived_workers_keep_what_they_have_loaded(cluster):
    from cluster_tasks import pooled

    tasks = (Task(str(number), pooled, (number,)) for number in range(20))
    values = [outcome.value for outcome in cluster.run_in_pool(tasks, Resources(1), size=1)]
    assert sorted(number for number, _ in values) == list(range(20))
    assert len({process for _, process in values}) == 1


def test_what_no_node_sees_or_has_is_refused(cluster, tmp_path):
    with pytest.raises(ValueError, match=r"no node of the cluster has 1 CPUs, 8 GPUs at once"):
        cluster.require(Resources(1, 8))
    with pytest.raises(ValueError, match=r"cannot do the work:\n  node .*absent: no such folder"):
        Cluster(cluster._ray, [tmp_path / "absent"])


@pytest.fixture
def launcher(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Launcher:
    from cluster_tasks import Stub

    @contextmanager
    def as_it_is(place: str, folders: object) -> Iterator[Cluster]:
        yield cluster

    monkeypatch.setattr(on_cluster, "connected", as_it_is)
    monkeypatch.setattr(on_cluster, "PRELOAD", ("cluster_tasks",))
    config = str(ROOT / "bundles/nodule_detection/configs/train.yaml")
    names = ("good", "killed", "bad")
    cells = tuple(Cell({"a": name}, {}, {}, resources={"cpus": 1, "gpus": 0.5}) for name in names)
    return Stub(Sweep("s", (config,), "training", {}, {"a": names}, cells, (0,), None, (), ()), tmp_path)


def test_cells_run_once_go_on_after_a_kill_and_say_where(launcher):
    on_cluster.run_on_cluster(launcher, launcher.runs(), False, "ray")
    runs = {run.cell.name: run for run in launcher.runs()}
    assert {name: run.state() for name, run in runs.items()} == {
        "a=good": "finished",
        "a=killed": "finished",
        "a=bad": "failed",
    }
    records = {name: run.record() for name, run in runs.items()}
    assert {name: record["attempts"] for name, record in records.items()} == {"a=good": 1, "a=killed": 2, "a=bad": 1}
    assert records["a=bad"]["error"] == "ValueError: image_size: must be above 0"
    assert all(record["devices"] in (["0"], ["1"]) and "/" in record["node"] for record in records.values())
    assert (runs["a=killed"].folder / "begun").read_text() == "xx"
    ended = records["a=good"]["ended"]
    on_cluster.run_on_cluster(launcher, [runs["a=good"]], False, "ray")
    assert runs["a=good"].record()["ended"] == ended


def test_a_cell_that_finished_before_its_worker_died_is_not_run_again(launcher, monkeypatch):
    run = launcher.runs()[0]
    run.folder.mkdir(parents=True)
    (run.folder / "metrics.json").write_text("{}")
    run.write("finished", 1.0)
    monkeypatch.setattr(os, "dup2", lambda *descriptors: None)  # the log of the cell would take pytest's output
    monkeypatch.setattr(on_cluster.logging, "basicConfig", lambda **options: None)
    monkeypatch.setattr(on_cluster, "attempt", lambda *given: pytest.fail("it ran again"))
    on_cluster.run_cell(launcher, run, False)
    assert run.record()["seconds"] == 1.0


def test_a_second_driver_is_refused(launcher):
    started = time.monotonic()
    words = rf"process {os.getpid()} on .* hands out"
    with Lease(launcher.folder, every=0.1), pytest.raises(ValueError, match=words):
        on_cluster.run_on_cluster(launcher, launcher.runs(), False, "ray")
    assert time.monotonic() - started < 10
