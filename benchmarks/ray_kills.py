"""A study on Ray while processes, nodes and the head of its cluster are killed: every cell finishes, and none twice.

    python -m benchmarks.ray_kills [--kills 20] [--heads 3] [--seeds 8] [--folder DIR]
    python -m benchmarks.ray_kills --devices      # four GPUs that are only declared, with two cells each

The study trains small networks on phantoms. It is run once by the plain runner, then on three Ray nodes of this
machine (``ray.cluster_utils.Cluster``) while random processes are killed by SIGKILL: Ray's worker, the process that
cells are forked from, or the cell itself. One node is removed. Whenever the head is killed, cluster and command are
started again. In the end ``table.csv`` must be the same byte for byte, and MLflow must know each cell once, finished.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
TOKEN = "FRUGAL_KILLS"
"""Environment variable by which the processes of this study are known; it reaches the nodes by its prefix."""
STUDY: dict[str, Any] = {
    "name": "kills",
    "bundle": "nodule_detection",
    "fixed": {
        "max_epochs": 6,
        "image_size": 64,
        "growth": 4,
        "stem": 8,
        "batch_size": 4,
        "blocks": [1, 1],
        "precision": "float32",
        "pictures": False,
    },
    "data": {"phantoms": {"count": 24, "seed": 0, "size": 64, "findings": ["Nodule"]}},
    "resources": {"cpus": 1},
    "factors": {
        "level": {"box": {"data": {"level": "box"}}, "image": {"data": {"level": "image"}, "pixel_level": False}},
        "rate": {"low": {"learning_rate": 1.0e-4}, "high": {"learning_rate": 1.0e-3}},
    },
    "report": {"metrics": ["auc.macro", "validation.auc"]},
}
SLEEPS = """
imports: [$from pathlib import Path, $import time]
output_dir: runs
seed: 0
run_name: ""
number: 0
sleeping:
  - $time.sleep(2)
  - $Path(@output_dir, 'metrics.json').write_text('{"value":' + str(@number + @seed) + '}')
"""


def processes(token: str) -> dict[str, list[int]]:
    """Process ids by kind, of workers that run a cell of this study: ``worker`` of Ray, ``template`` and ``cell``."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if (
                any(b"app.cluster.fresh_process" in word for word in words)
                and f"{TOKEN}={token}".encode() in (folder / "environ").read_bytes()
            ):
                parents[int(folder.name)] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue  # it has ended
    cells = [pid for pid, parent in parents.items() if parent in parents]
    templates = [parents[cell] for cell in cells]
    return {"worker": [parents[each] for each in templates], "template": templates, "cell": cells}


class Trial:
    """One study that is killed again and again.

    Args:
        folder: For everything.
        seeds: Of each cell.
    """

    def __init__(self, folder: Path, seeds: int) -> None:
        self.folder = folder
        self.token = f"{os.getpid()}"
        self.killed: Counter[str] = Counter()
        self.random = random.Random(0)
        (folder / "study.yaml").write_text(yaml.safe_dump({**STUDY, "seeds": list(range(seeds))}, sort_keys=False))

    def command(self, out: str, words: list[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start ``frugal study``."""
        store = {"MLFLOW_TRACKING_URI": f"sqlite:///{self.folder}/{out}.db", TOKEN: self.token, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "app", "study", "study.yaml", "--out", out, *words]
        with (self.folder / f"{out}.log").open("ab") as log:
            return subprocess.Popen(
                command, cwd=self.folder, env={**os.environ, **store, **environment}, stdout=log, stderr=log
            )

    def records(self, out: str) -> list[dict[str, Any]]:
        """The records of all cells that began."""
        found = []
        for path in (self.folder / out).glob("cells/*/*/cell.json"):
            try:
                found.append(json.loads(path.read_text()))
            except (FileNotFoundError, ValueError):
                continue
        return found

    def finished(self, out: str) -> int:
        """How many cells have finished."""
        return sum(record["state"] == "finished" for record in self.records(out))

    def has_saved_since(self, moment: float) -> bool:
        """Whether a cell has written a checkpoint or finished since then: kills must leave time for something."""
        paths = [
            path for name in ("last.pt", "metrics.json") for path in (self.folder / "ray").glob(f"cells/*/*/{name}")
        ]
        return any(path.exists() and path.stat().st_mtime > moment for path in paths)

    def kill_one(self) -> bool:
        """Kill a random process of a running cell; False if none runs."""
        running = processes(self.token)
        if not running["cell"]:
            return False
        kind = self.random.choice(sorted(running))
        try:
            os.kill(self.random.choice(running[kind]), signal.SIGKILL)
        except ProcessLookupError:
            return False
        self.killed[kind] += 1
        return True

    def on_ray(self, kills: int, is_node_removed: bool, is_last: bool) -> int | None:
        """Start three nodes and the command; kill processes, perhaps a node, and unless it is the last time, the head.

        Returns:
            The exit status of the command; None if it was killed with the head.
        """
        cluster = started({"num_cpus": 1})
        nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
        driver = self.command("ray", ["--on", "auto"], {"RAY_ADDRESS": cluster.address})
        left, begun, last_kill = kills, self.finished("ray"), time.time()
        while driver.poll() is None and left:
            time.sleep(self.random.uniform(0.5, 2))
            if not self.has_saved_since(last_kill):
                continue
            left -= self.kill_one()
            last_kill = time.time()
            if is_node_removed and left <= kills // 2:
                cluster.remove_node(nodes.pop(), allow_graceful=False)
                self.killed["node"] += 1
                is_node_removed = False
        if is_last:
            code = driver.wait()
        else:
            while driver.poll() is None and self.finished("ray") == begun:
                time.sleep(1)  # the head dies once this cluster has got somewhere
            self.killed["head"] += driver.poll() is None
            if cluster.head_node is not None:
                cluster.remove_node(cluster.head_node, allow_graceful=False)
            driver.kill()
            driver.wait()
            code = None
        cluster.shutdown()
        print(f"{self.finished('ray')} cells finished; killed so far: {dict(self.killed)}", flush=True)
        return code


def started(resources: Mapping[str, float]) -> Any:
    """A cluster with its head. On a busy machine it may miss Ray's limit of 30 seconds; then it is started again."""
    from ray.cluster_utils import Cluster

    for _ in range(5):
        try:
            return Cluster(initialize_head=True, head_node_args={**resources, "include_dashboard": False})
        except Exception as error:
            print(f"the head did not start: {error}", flush=True)
    raise SystemExit("no head started; is the machine too busy?")


def kills(arguments: argparse.Namespace) -> None:
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="kills"))
    folder.mkdir(parents=True, exist_ok=True)
    trial = Trial(folder, arguments.seeds)
    count = 4 * arguments.seeds
    print(f"{count} cells; logs and results in {folder}", flush=True)
    assert trial.command("plain", [], {}).wait() == 0
    print(f"plain runner: {trial.finished('plain')} finished", flush=True)
    share = arguments.kills // (arguments.heads + 1)
    for number in range(arguments.heads):
        trial.on_ray(share, is_node_removed=number == 1, is_last=False)
    left = arguments.kills - sum(trial.killed[kind] for kind in ("worker", "template", "cell"))
    code = trial.on_ray(left, is_node_removed=False, is_last=True)
    tables = [(folder / out / "table.csv").read_bytes() for out in ("plain", "ray")]
    records = trial.records("ray")
    print(f"exit status {code}; killed: {dict(trial.killed)}")
    print(f"table.csv byte for byte the same: {tables[0] == tables[1]}")
    print(
        f"cells finished: {trial.finished('ray')} of {count}; attempts: {Counter(each['attempts'] for each in records)}"
    )
    texts = [path.read_text(errors="replace") for path in (folder / "ray").glob("cells/*/*/log.txt")]
    print(f"logs that tell of a checkpoint: {sum('resum' in text for text in texts)}")
    print(f"nodes: {Counter(each['node'] for each in records)}")
    print(f"runs of cells in MLflow: {in_mlflow(folder / 'ray.db')}")
    assert code == 0
    assert tables[0] == tables[1]
    assert trial.finished("ray") == count


def in_mlflow(database: Path) -> dict[str, int]:
    """Counts of runs of cells: in all, finished, and of different cells."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{database}")
    experiment = client.get_experiment_by_name("nodule_detection").experiment_id
    runs = [
        run for run in client.search_runs([experiment], max_results=5000) if run.data.tags.get("workflow") != "study"
    ]
    cells = {(run.data.tags.get("frugal.cell"), run.data.tags.get("frugal.replicate")) for run in runs}
    return {"runs": len(runs), "finished": sum(run.info.status == "FINISHED" for run in runs), "cells": len(cells)}


def devices() -> None:
    """Sixteen cells of half a GPU on four GPUs that are only declared: how many were on each at a time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sleeps.yaml").write_text(SLEEPS)
        content = {
            **{
                "name": "devices",
                "bundle": "sleeps.yaml",
                "run": "sleeping",
                "seeds": [0],
                "report": {"metrics": ["value"]},
            },
            "resources": {"cpus": 0.25, "gpus": 0.5},
            "factors": {"number": list(range(24))},
        }
        (folder / "study.yaml").write_text(yaml.safe_dump(content))
        cluster = started({"num_cpus": 2, "num_gpus": 4})
        command = [
            sys.executable,
            "-m",
            "app",
            "study",
            "study.yaml",
            "--on",
            "auto",
            "--trust",
            "--no-log",
            "--out",
            "out",
        ]
        environment = {**os.environ, "RAY_ADDRESS": cluster.address, "PYTHONPATH": str(ROOT)}
        subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
        cluster.shutdown()
        records = [json.loads(path.read_text()) for path in (folder / "out").glob("cells/*/*/cell.json")]
    spans = [(each["ended"] - each["seconds"], each["ended"], each["devices"]) for each in records]
    most: Counter[str] = Counter()
    for begun, _, (device,) in spans:
        at_once = sum(other == [device] and start <= begun < end for start, end, other in spans)
        most[device] = max(most[device], at_once)
    print(f"cells by device: {dict(sorted(Counter(each['devices'][0] for each in records).items()))}")
    print(f"most at once by device: {dict(sorted(most.items()))}")
    assert set(most) == {"0", "1", "2", "3"}
    assert max(most.values()) <= 2


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--heads", type=int, default=3, help="how often the head is killed")
    parser.add_argument("--seeds", type=int, default=8, help="of each of four cells")
    parser.add_argument("--folder", type=Path, help="kept for a look; by default a new one in /tmp")
    parser.add_argument("--devices", action="store_true", help="declared GPUs instead of kills")
    arguments = parser.parse_args()
    # On one thread, numbers do not depend on where a cell runs.
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    devices() if arguments.devices else kills(arguments)


if __name__ == "__main__":
    main()
