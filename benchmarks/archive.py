"""Preparing and scoring an archive by two Ray workers, one of which is killed, beside the plain way.

    python -m benchmarks.archive [--count 20000] [--side 128] [--listed 200000] [--write docs/speed.md]

Made radiographs (grey PNG of 128 pixels, 1 in 500 of them damaged) are scored by a small network (ResNet-18 of width 4
at 64 pixels) with ``frugal predict``: by one process, and by two workers on a Ray that the command starts on this
machine, of which one is killed with SIGKILL at a third of the work. Times are those of the whole command, from its
start to its tables, one command after the other. Tables must be the same, byte for byte, so nothing is missing and
nothing there twice. Memory is the highest that the system saw of a process (VmHWM).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import tracemalloc
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch

from app.engines.record import ModelRecord
from app.files.folders import list_files
from app.networks import ResNet
from app.networks.checkpoints import save
from benchmarks.report import Row, options, publish, table

FINDINGS = ("Nodule", "Effusion")
STRIDES = [1, 2, 1, 1]
NETWORK = {"image_size": 64, "depth": 18, "width": 4, "strides": STRIDES}
DAMAGED = 500
"""One image in so many is cut short."""
WORKER = b"ray::_Worker"
"""How the command line of a long-lived worker of Ray begins."""


@dataclass
class Watched:
    """A command that was run.

    Attributes:
        seconds: From its start to its end.
        driver: Highest memory of the command's own process, in bytes.
        workers: By process, the highest memory of each worker: after a third of the work, and in all.
        killed: The worker that was killed; 0 if none was.
    """

    seconds: float = 0.0
    driver: int = 0
    workers: dict[int, list[int]] = field(default_factory=dict)
    killed: int = 0


def make_radiographs(folder: Path, count: int, side: int) -> None:
    """Smooth noise, each picture another."""
    generator = np.random.default_rng(0)
    for number in range(count):
        coarse = generator.random((8, 8), np.float32)
        pixels = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC).clip(0, 1) * 255
        content = cv2.imencode(".png", pixels.astype(np.uint8))[1].tobytes()
        path = folder / f"{number // 1000:04}" / f"{number:08}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content[: len(content) // 2] if number % DAMAGED == 7 else content)


def make_weights(path: Path) -> None:
    """A network that was not trained, with the record that a training would leave."""
    torch.manual_seed(0)
    network = ResNet(len(FINDINGS), 18, 4, STRIDES)
    save({"network": network.state_dict()}, path)
    thresholds = (0.5,) * len(FINDINGS)
    ModelRecord(FINDINGS, dict(NETWORK), thresholds, thresholds, bundle="annotation_cost").write(path)


def watched(words: list[str], folder: Path, count: int, kill: bool) -> Watched:
    """Run ``frugal predict``, watch its memory, and kill one of its workers if that is asked."""
    result, start = Watched(), time.monotonic()
    # Noise is no radiograph of the chest, and a damaged file alone should be left out.
    command = [sys.executable, "-m", "app", "predict", "weights.pt", "images", *words, "--any_view", "True"]
    root = str(Path(__file__).parents[1])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": root}
    with subprocess.Popen(command, cwd=folder, env=environment) as process:
        while process.poll() is None:
            time.sleep(0.5)
            result.driver = max(result.driver, peak(process.pid))
            done = sum(1 for _ in (folder / words[1] / "chunks").glob("*.json")) * 512 if kill else 0
            for worker in workers_in(folder):
                first, _ = result.workers.setdefault(worker, [0, 0])
                memory = peak(worker)
                result.workers[worker] = [first if first and done > count // 3 else memory, memory]
            if kill and not result.killed and done > count // 3:
                result.killed = next(iter(workers_in(folder)), 0)
                if result.killed:
                    os.kill(result.killed, signal.SIGKILL)
                    print(f"killed a worker ({result.killed}) after {done} images", flush=True)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit status {process.returncode}")
    result.seconds = time.monotonic() - start
    return result


def workers_in(folder: Path) -> list[int]:
    """Ray's workers that work in a folder, and so on no other's behalf."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            is_worker = process.name.isdecimal() and (process / "cmdline").read_bytes().startswith(WORKER)
            if is_worker and (process / "cwd").resolve() == folder.resolve():
                found.append(int(process.name))
        except OSError:
            continue  # it has ended, or is another user's
    return found


def peak(process: int) -> int:
    """The highest resident memory of a process so far, in bytes; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


def listing(folder: Path, count: int) -> tuple[float, float]:
    """Seconds and bytes that listing a file takes, of so many."""
    for number in range(count):
        path = folder / f"{number // 1000:04}" / f"1.2.840.113619.2.55.{number:012}.dcm"
        if number % 1000 == 0:
            path.parent.mkdir(parents=True)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
    start = time.process_time()
    list_files(folder)
    seconds = time.process_time() - start
    tracemalloc.start()
    listed = list_files(folder)
    memory = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(listed.names) == count
    return seconds / count, memory / count


def main() -> int:
    arguments = options(__doc__, count=20_000, side=128, listed=200_000).parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_radiographs(folder / "images", arguments.count, arguments.side)
        make_weights(folder / "weights.pt")
        plain = watched(["--output_dir", "plain", "--inference#overlays", "False"], folder, arguments.count, False)
        # The first two words are looked at by `watched`.
        ray = watched(["--output_dir", "ray", "--on", "ray", "--jobs", "2"], folder, arguments.count, True)
        tables = [
            [(folder / way / name).read_bytes() for name in ("predictions.csv", "excluded.csv")]
            for way in ("plain", "ray")
        ]
        excluded, scored = tables[1][1].count(b"\n") - 1, (tables[1][0].count(b"\n") - 1) // len(FINDINGS)
        is_same = tables[0] == tables[1]
        results = list((folder / "ray/chunks").glob("*.json"))
        counted = sum(json.loads(path.read_text())["images"] for path in results)
        each = listing(folder / "listed", arguments.listed)
    is_whole = is_same and counted == scored and scored + excluded == arguments.count
    rates = {"plain": arguments.count / plain.seconds, "ray": arguments.count / ray.seconds}
    survivors = [memory for worker, memory in ray.workers.items() if worker != ray.killed]
    before, after = max(survivors, key=lambda memory: memory[0])
    rows = [
        Row(
            f"{arguments.count:,} radiographs, two Ray workers, one killed",
            f"{scored:,} scored, {excluded} left out",
            "predictions.csv and excluded.csv of one process",
            "the same bytes" if is_same else "OTHER BYTES",
            "nothing missing, nothing twice",
            is_whole and bool(ray.killed),
        ),
        Row(
            "the same, from start to tables",
            f"{rates['ray']:.0f} images/s",
            f"one process {rates['plain']:.0f} images/s",
            f"{rates['ray'] / rates['plain']:.2f}x",
        ),
        Row(
            "memory of a worker, at the end",
            f"{after / 1e6:.0f} MB",
            f"at a third {before / 1e6:.0f} MB",
            f"{after / before - 1:+.1%}",
            "within 5%",
            after <= 1.05 * before,
        ),
        Row(
            "memory of the command",
            f"{ray.driver / 1e6:.0f} MB",
            f"one process {plain.driver / 1e6:.0f} MB",
            f"{ray.driver / plain.driver:.2f}x",
        ),
        Row(
            f"listing a folder of {arguments.listed:,} files",
            f"{each[0] * 1e6:.0f} s and {each[1]:.0f} MB a million",
            "",
            "",
        ),
    ]
    publish("archive", "An archive", __doc__, table(rows), arguments.write)
    return 0 if is_whole else 1


if __name__ == "__main__":
    sys.exit(main())
