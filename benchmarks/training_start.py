"""How long a training takes to its first iteration: ``frugal train`` against ``python -m monai.bundle run``.

    python -m benchmarks.training_start [--write docs/speed.md]

Each is started several times in turn; the fastest counts, as whatever else the machine does only adds. A training
starts on prepared radiographs, in a store of MLflow's that exists, and is timed until its first batch is there: both
ways run the same config of nodule_detection with the same settings and handler. Processor time is in parentheses. The
imports alone are what no start by that way can do without.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.report import Row, options, publish, table

HALF = 0.5
"""Share of the time of MONAI's own command line in which a training may start."""
CONFIG = "bundles/nodule_detection/configs/train.yaml"
ROOT = Path(__file__).parents[1]
REACHED = "first iteration"


class Taken(NamedTuple):
    """Seconds by the clock and of the processor."""

    seconds: float
    processor: float

    def __str__(self) -> str:
        """Both, as a table shows them."""
        return f"{self.seconds:.2f} s ({self.processor:.2f})"


class Stop:
    """A handler that ends the process when its first batch is there."""

    def attach(self, engine: object) -> None:
        """Wait for the first iteration of ``engine``."""
        from ignite.engine import Engine, Events

        assert isinstance(engine, Engine)
        engine.add_event_handler(Events.ITERATION_STARTED, self._stop)

    def _stop(self) -> None:
        print(REACHED, flush=True)
        os._exit(0)


def taken(command: list[str], environment: Mapping[str, str], wanted: str = "") -> Taken:
    """Run a command.

    Raises:
        SystemExit: It failed, or did not print what is wanted.
    """
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - start
        output.seek(0)
        printed = output.read()
    if process.returncode or wanted not in printed:
        raise SystemExit(f"{' '.join(command)}: exit status {process.returncode}\n{printed[-2000:]}")
    return Taken(seconds, usage.ru_utime + usage.ru_stime)


def fastest(times: list[Taken]) -> Taken:
    """The least of each."""
    return Taken(min(each.seconds for each in times), min(each.processor for each in times))


def training_starts(folder: Path, repeats: int) -> dict[str, Taken]:
    """How long a training takes to its first iteration in each way, and the imports alone."""
    frugal, python = str(Path(sys.executable).with_name("frugal")), sys.executable
    phantoms = "{'count': 60, 'seed': 0, 'size': 128, 'findings': ['Nodule']}"
    settings = [
        "--phantoms",
        phantoms,
        "--dataset_dir",
        str(folder / "data"),
        "--image_size",
        "64",
        "--max_epochs",
        "1",
    ]
    environment = {"OMP_NUM_THREADS": "1", **os.environ, "PYTHONPATH": str(ROOT)}
    store, spare = folder / "mlflow.db", folder / "spare.db"
    environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{store}"
    taken([frugal, "train", CONFIG, *settings, "--output_dir", str(folder / "first")], environment)
    shutil.copy(store, spare)
    settings += ["--train#trainer#train_handlers", "[{'_target_': 'benchmarks.training_start.Stop'}]"]
    commands = {
        "frugal train": [frugal, "train", CONFIG, *settings],
        "monai.bundle run": [python, "-m", "monai.bundle", "run", "training", "--config_file", CONFIG, *settings],
        "import monai": [python, "-c", "import monai"],
        "import torch": [python, "-c", "import torch"],
    }
    times: dict[str, list[Taken]] = {name: [] for name in commands}
    for repeat in range(repeats):
        for name, command in commands.items():
            shutil.copy(spare, store)  # otherwise each finds the run that the one before left open
            if name.startswith("import"):
                times[name].append(taken(command, environment))
            else:
                out = str(folder / f"{repeat}-{name.replace(' ', '-')}")
                times[name].append(taken([*command, "--output_dir", out], environment, REACHED))
    return {name: fastest(each) for name, each in times.items()}


def main() -> None:
    arguments = options(__doc__, repeats=7).parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        times = training_starts(Path(temporary), arguments.repeats)
    ours, stock = times["frugal train"], times["monai.bundle run"]
    rows = [
        Row(
            "`frugal train` to its first iteration",
            str(ours),
            f"`python -m monai.bundle run` {stock}",
            f"{ours.seconds / stock.seconds:.2f} ({ours.processor / stock.processor:.2f})",
            f"at most {HALF}",
            ours.seconds <= HALF * stock.seconds,
        ),
        Row(
            "the same",
            str(ours),
            f"`import torch` alone {times['import torch']}",
            f"{ours.seconds / times['import torch'].seconds:.1f}x",
        ),
        Row(
            "the same",
            str(ours),
            f"`import monai` alone {times['import monai']}",
            f"{ours.seconds / times['import monai'].seconds:.2f}",
        ),
    ]
    publish("training-start", "Starting a training", __doc__, table(rows), arguments.write)


if __name__ == "__main__":
    main()
