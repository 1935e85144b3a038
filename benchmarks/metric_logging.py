"""Logging the metrics of 1,000 iterations to sqlite: our buffered run against MONAI's MLFlowHandler.

    python -m benchmarks.metric_logging [--write docs/speed.md]

An Ignite engine that computes nothing runs so many iterations and logs one loss in each, in turn with either. What is
timed is the engine's run and then waiting until all is written; opening a run and making the database's tables is not.
Both stores are then asked whether they hold every value.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from mlflow import MlflowClient
from monai.handlers import MLFlowHandler

from app.tracking import Run
from benchmarks.report import Row, options, publish, table

AIM = 50


def engine() -> Engine:
    """Computes a loss and nothing else."""
    return Engine(lambda engine, batch: {"loss": 1.0 / (1 + batch)})


def ours(folder: Path, iterations: int) -> tuple[float, str]:
    """Seconds, and the id of the run."""
    trainer = engine()
    with Run("ours", folder=folder) as run:

        @trainer.on(Events.ITERATION_COMPLETED)
        def log(each: Engine) -> None:
            run.metrics({"loss": each.state.output["loss"]}, step=each.state.iteration)

        # What opening it has queued is not ours to time.
        run.flush()
        time.sleep(1)
        name = run.id
        start = time.perf_counter()
        trainer.run(range(iterations), max_epochs=1)
    return time.perf_counter() - start, name


def stock(uri: str, iterations: int) -> tuple[float, str]:
    """Seconds, and the id of the run."""
    trainer = engine()
    handler = MLFlowHandler(
        uri, experiment_name="stock", run_name="stock", output_transform=lambda output: {"loss": output["loss"]}
    )
    handler.attach(trainer)
    times: dict[str, Any] = {}
    trainer.add_event_handler(Events.EPOCH_STARTED, lambda: times.setdefault("start", time.perf_counter()))
    trainer.run(range(iterations), max_epochs=1)
    seconds = time.perf_counter() - times["start"]
    name = handler.cur_run.info.run_id
    handler.close()
    return seconds, name


def require_all(uri: str, run: str, iterations: int) -> None:
    found = MlflowClient(uri)
    metrics = [key for key in found.get_run(run).data.metrics if "loss" in key.lower()]
    counts = [len(found.get_metric_history(run, key)) for key in metrics]
    if iterations not in counts:
        raise RuntimeError(f"run {run} holds {dict(zip(metrics, counts, strict=True))}, not {iterations} values")


def main() -> None:
    arguments = options(__doc__, iterations=1000, repeats=3).parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        uri = f"sqlite:///{temporary}/mlflow.db"
        os.environ["MLFLOW_TRACKING_URI"] = uri
        taken: dict[str, list[float]] = {"ours": [], "stock": []}
        for repeat in range(arguments.repeats):
            for name, (seconds, run) in (
                ("ours", ours(Path(temporary) / str(repeat), arguments.iterations)),
                ("stock", stock(uri, arguments.iterations)),
            ):
                require_all(uri, run, arguments.iterations)
                taken[name].append(seconds)
    mine, theirs = sorted(taken["ours"])[arguments.repeats // 2], sorted(taken["stock"])[arguments.repeats // 2]
    row = Row(
        f"logging {arguments.iterations:,} iterations to sqlite, all written",
        f"{mine:.2f} s",
        f"MLFlowHandler every iteration {theirs:.2f} s",
        f"{theirs / mine:.0f}x",
        f"at least {AIM}x",
        theirs / mine >= AIM,
    )
    publish("metric-logging", "Logging", __doc__, table([row]), arguments.write)


if __name__ == "__main__":
    main()
