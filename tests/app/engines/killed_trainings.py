"""Trainings that are killed again and again, in children of one process that has imported everything.

    python killed_trainings.py FOLDER

Importing takes longer than all of the trainings, so each of them is a fork; a fork needs a process in which no thread
has been started, so this is a script of its own. It writes what happened as JSON.
"""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

torch.set_num_threads(1)

import mlflow  # noqa: E402
from ignite.engine import Events  # noqa: E402

from app.engines import processes  # noqa: E402
from app.networks import checkpoints  # noqa: E402
from app.tracking import clients, run  # noqa: E402
from tests.app.engines.resumable_training import Small, differences  # noqa: E402

clients.quiet_environment()

EPOCHS = 32
KILLS = 20
MOST = 70
"""Moments until a kill at most; opening a run has 16, an epoch about 30."""
IN_WRITING = 38
"""A moment while the checkpoint of epoch 1 is written."""


class Countdown:
    """Sends this process a signal at the n-th moment."""

    def __init__(self, moments: int, number: int = signal.SIGKILL) -> None:
        self.left = moments
        self.number = number

    def tick(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), self.number)


def around(function: Callable, countdown: Countdown) -> Callable:
    """Add a moment before and after a function."""

    def call(*arguments, **keywords):
        countdown.tick()
        result = function(*arguments, **keywords)
        countdown.tick()
        return result

    return call


class Halves:
    """A file with moments in the middle of its writes."""

    def __init__(self, file, countdown: Countdown) -> None:
        self.file, self.countdown = file, countdown
        self.writes = 0

    def write(self, content) -> int:
        half = len(content) // 2
        written = self.file.write(content[:half])
        self.writes += 1
        # A checkpoint takes some hundred writes, which would otherwise be nearly all of the moments.
        if self.writes % 32 == 0:
            self.countdown.tick()
        return written + self.file.write(content[half:])

    def flush(self) -> None:
        self.file.flush()


def hook(small: Small, countdown: Countdown) -> None:
    """Count iterations, validations, the opening of the run, and every step of writing a checkpoint."""
    write = checkpoints._write
    checkpoints._write = lambda content, file: write(content, Halves(file, countdown))
    os.fsync = around(os.fsync, countdown)
    Path.replace = around(Path.replace, countdown)
    run.open_run = around(run.open_run, countdown)
    run.Run.metrics = around(run.Run.metrics, countdown)
    for engine in (small.trainer, small.validation):
        engine.add_event_handler(Events.ITERATION_STARTED, lambda engine: countdown.tick())
        engine.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: countdown.tick())


def child(work: Callable[[], object], log: Path) -> int:
    """Fork a child that does the work; its output goes to a file."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        logging.basicConfig(level=logging.INFO, format="%(message)s", force=True)
        logging.getLogger("ignite").setLevel(logging.WARNING)
        work()
        code = 0
    except SystemExit as error:
        code = int(error.code or 0)
    except KeyboardInterrupt:
        code = 130
    except BaseException:
        logging.exception("ended")
    finally:
        # Without the interpreter's exit handlers, which belong to the parent.
        logging.shutdown()
        os._exit(code)


def ended(process: int) -> int:
    """Wait for a child; returns its exit code, or minus the signal."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def train(folder: Path, moments: int = 0, number: int = signal.SIGKILL, **settings) -> None:
    small = Small(folder, resume=True, **settings)
    if moments:
        hook(small, Countdown(moments, number))
    small.launch()


def killed_until_done(folder: Path, kills: int, most: int, **settings) -> list[int]:
    """Exit codes of a training that is killed at seeded moments, every fourth time by the clock, and then completed."""
    chance, codes = random.Random(0), []
    for number in range(kills + 1):
        is_last, by_clock = number == kills, number % 4 == 3
        # If the clock is late, the process is killed at a moment, so that the training lasts for all kills.
        moments = 0 if is_last else most if by_clock else chance.randint(1, most)
        process = child(lambda moments=moments: train(folder, moments, **settings), folder.with_suffix(".log"))
        if by_clock and not is_last:
            time.sleep(chance.uniform(0.05, 0.5))
            os.kill(process, signal.SIGKILL)
        codes.append(ended(process))
    return codes


def together(place: Path, name: str, moments: tuple[int, int] = (0, 0), first: int | None = None) -> list[int]:
    """Exit codes of two processes that train one network together; each may be killed at a moment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])

    def work(rank: int) -> None:
        both = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        os.environ.update(both | {"RANK": str(rank), "LOCAL_RANK": str(rank)})
        processes.join()
        train(place / name, moments[rank], epochs=4, first=first)

    started = [child(lambda rank=rank: work(rank), place / f"{name}-{rank}.log") for rank in (0, 1)]
    return [ended(process) for process in started]


def runs(store: str) -> list[dict]:
    """Status and logged epochs of every run of a store."""
    client = mlflow.MlflowClient(store)
    found = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    return [
        {
            "status": each.info.status,
            "epochs": [metric.step for metric in client.get_metric_history(each.info.run_id, "epoch/train_loss")],
            "resumed": sorted(name for name in each.data.tags if name.startswith("frugal.resumed_with")),
            "error": each.data.tags.get("error"),
        }
        for each in found
    ]


def ended_status(place: Path) -> str:
    """Status of the only run, read without MLflow: children must not inherit its connections."""
    with sqlite3.connect(place / "mlflow.db") as database:
        ((status,),) = database.execute("SELECT status FROM runs").fetchall()
    return str(status)


def scenario(folder: Path, name: str) -> Path:
    """A folder with its own store, copied from one with tables."""
    place = folder / name
    place.mkdir()
    (place / "mlflow.db").write_bytes((folder / "mlflow.db").read_bytes())
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{place}/mlflow.db"
    os.chdir(place)
    return place


def stopped(folder: Path, name: str, number: int, whole: Path, moments: int) -> dict:
    """A training that a signal ends in order, and that is then resumed."""
    place = scenario(folder, name)
    first = ended(child(lambda: train(place / "out", moments, number, epochs=4), place / "out.log"))
    between = ended_status(place)
    before = sorted(path.name for path in (place / "out").iterdir() if path.suffix == ".partial")
    second = ended(child(lambda: train(place / "out", epochs=4), place / "out.log"))
    outcome = {"codes": [first, second], "partial": before, "status_between": between}
    return outcome | {"differences": differences(place / "out", whole)}


def main(folder: Path) -> None:
    clients.open_client(clients.Store(f"sqlite:///{folder}/mlflow.db"))
    outcome: dict = {}
    place = scenario(folder, "whole")
    # In this process, so that it imports everything that is imported late.
    for epochs in (EPOCHS, 4):
        train(place / str(epochs), epochs=epochs)
    for workers, kills in ((0, KILLS), (2, 4)):
        place, epochs = scenario(folder, f"killed-{workers}"), EPOCHS if workers == 0 else 4
        codes = killed_until_done(place / "out", kills, MOST, workers=workers, epochs=epochs)
        outcome[f"killed-{workers}"] = {
            "codes": codes,
            "differences": differences(place / "out", folder / "whole" / str(epochs)),
            "partial": [path.name for path in (place / "out").iterdir() if path.suffix == ".partial"],
        }
    # In two stages: the best weights of the first are restored in an epoch that may be killed.
    place = scenario(folder, "staged")  # first, as each training is logged to the store of the last scenario
    train(folder / "whole" / "staged", epochs=4, first=2)
    codes = killed_until_done(place / "out", 8, MOST, epochs=4, first=2)
    outcome["staged"] = {"codes": codes, "differences": differences(place / "out", folder / "whole" / "staged")}
    outcome["staged"]["together"] = [together(place, name, first=2) for name in ("one", "two")]
    outcome["staged"]["differences of two"] = differences(place / "one", place / "two")
    outcome["SIGTERM"] = stopped(folder, "sigterm", signal.SIGTERM, folder / "whole" / "4", IN_WRITING)
    outcome["SIGINT"] = stopped(folder, "sigint", signal.SIGINT, folder / "whole" / "4", IN_WRITING + 30)
    place = scenario(folder, "together")
    outcome["together"] = {"whole": together(place, "whole")}
    # First the process that writes is killed, then the other one: neither may leave the other waiting.
    for number, moments in enumerate(((45, 0), (0, 12), (0, 0))):
        outcome["together"][number] = together(place, "killed", moments)
    outcome["together"]["differences"] = differences(place / "killed", place / "whole")
    place = folder / "fresh"
    place.mkdir()
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{place}/mlflow.db"
    pair = [child(lambda name=name: train(place / name, epochs=4), place / f"{name}.log") for name in ("one", "two")]
    outcome["fresh"] = {
        "codes": [ended(process) for process in pair],
        "differences": [differences(place / name, folder / "whole" / "4") for name in ("one", "two")],
    }
    for name in ("killed-0", "killed-2", "sigterm", "sigint", "fresh", "together"):
        outcome.setdefault("runs", {})[name] = runs(f"sqlite:///{folder}/{name}/mlflow.db")
    sys.stdout.write(json.dumps(outcome) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
