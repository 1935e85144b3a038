"""What 1,000, 10,000 and 100,000 radiographs cost to prepare, to train on and to predict: time, memory and disk.

    OMP_NUM_THREADS=1 python -m benchmarks.growth [--most 100000] [--write docs/speed.md]

Made radiographs (grey PNG of 64 pixels, 100 different ones under as many names as are needed) are prepared for
annotation_cost at 32 pixels with ``frugal prepare``, trained on for one epoch with ``frugal train`` (ResNet-18 of
width 2, batches of 64), and scored with ``frugal predict``, each as a command of its own from its start to its end.
Seconds of the processor are in parentheses. Memory is the highest of any of the command's processes. What ten times
the images add to memory and to the processor's time is given for each image. Disk is what preparing leaves. Images
this small show what is kept of each beside its pixels.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from app.datalist.file import write_datalist
from app.datalist.item import Datalist, Item
from benchmarks.report import Row, options, publish, table

FEWEST, DIFFERENT, EVALUATED = 1_000, 100, 200
MOST_BYTES = 2_048
"""An image may add so much memory: less than its own 64 x 64 pixels at 4 bytes by far, and 0.2 GB of 100,000 images."""
SMALL = ["--image_size", "32"]
TRAINING = ["--width", "2", "--batch_size", "64", "--max_epochs", "1", "--precision", "float32", "--pictures", "False"]


@dataclass
class Cost:
    """What a command took: seconds, the highest memory of its processes in bytes, and seconds of the processor."""

    seconds: float
    memory: int
    processor: float


def make_data(folder: Path, count: int) -> Path:
    """Radiographs under so many names for training, and a datalist of them with 200 more to validate and test on."""
    generator, originals = np.random.default_rng(0), []
    for _ in range(DIFFERENT):
        coarse = generator.random((8, 8), np.float32)
        pixels = cv2.resize(coarse, (64, 64), interpolation=cv2.INTER_CUBIC).clip(0, 1) * 255
        originals.append(cv2.imencode(".png", pixels.astype(np.uint8))[1].tobytes())
    items: dict[str, list[Item]] = {}
    for section, size in {"training": count, "validation": EVALUATED, "test": EVALUATED}.items():
        (folder / section).mkdir(parents=True)
        names = [f"{section}/{number:08}.png" for number in range(size)]
        for number, name in enumerate(names):
            (folder / name).write_bytes(originals[number % DIFFERENT])
        items[section] = [
            Item(name, name, (float(number % 2),), study=str(number), view="PA") for number, name in enumerate(names)
        ]
    write_datalist(Datalist("growth", ("Nodule",), items), folder / "datalist.json")
    return folder / "datalist.json"


def cost(words: list[str], folder: Path) -> Cost:
    """Run ``frugal`` with these words."""
    environment = {"OMP_NUM_THREADS": "1", **os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
    start = time.monotonic()
    with (folder / "output.txt").open("w+") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", *words], cwd=folder, env=environment, stdout=output, stderr=output
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise SystemExit(f"frugal {' '.join(words)}: exit status {process.returncode}\n{output.read()[-2000:]}")
    result = Cost(time.monotonic() - start, usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime)
    print(words[0], result, flush=True)
    return result


def measured(folder: Path, count: int) -> tuple[dict[str, Cost], int]:
    """What each command costs, and the bytes of what is prepared."""
    place = folder / str(count)
    datalist, prepared = str(make_data(place, count)), ["--prepared_dir", str(place / "prepared")]
    run, out = str(place / "run"), str(place / "predicted")
    costs = {"prepared": cost(["prepare", "annotation_cost", datalist, *SMALL, *prepared], folder)}
    disk = sum(path.stat().st_size for path in (place / "prepared").rglob("*") if path.is_file())
    words = ["train", "annotation_cost", "--datalist", datalist, "--output_dir", run, *SMALL, *prepared, *TRAINING]
    costs["trained on for an epoch"] = cost(words, folder)
    words = ["predict", run, str(place / "training"), "--output_dir", out, "--inference#overlays", "False"]
    # Noise is no radiograph of the chest.
    costs["predicted"] = cost([*words, "--any_view", "True", "--prepared_dir", str(place / "scored")], folder)
    return costs, disk


def row(count: int, what: str, costs: dict[int, dict[str, Cost]]) -> Row:
    """One command over so many images, beside a tenth of them."""
    now, before = costs[count][what], costs.get(count // 10, {}).get(what)
    ours = f"{now.seconds:.0f} s ({now.processor:.0f}), {now.memory / 1e6:.0f} MB"
    if before is None:
        return Row(f"{count:,} radiographs {what}", ours, "", "")
    each = (now.memory - before.memory) / (count - count // 10)
    milliseconds = 1e3 * (now.processor - before.processor) / (count - count // 10)
    return Row(
        f"{count:,} radiographs {what}",
        ours,
        f"{count // 10:,}: {before.seconds:.0f} s ({before.processor:.0f}), {before.memory / 1e6:.0f} MB",
        f"{each:+,.0f} bytes and {milliseconds:.2f} ms an image",
        f"at most {MOST_BYTES:,} bytes" if count > 10 * FEWEST else "",
        each <= MOST_BYTES if count > 10 * FEWEST else None,
    )


def main() -> None:
    arguments = options(__doc__, most=100_000).parse_args()
    counts = [FEWEST]
    while counts[-1] * 10 <= arguments.most:
        counts.append(counts[-1] * 10)
    costs: dict[int, dict[str, Cost]] = {}
    disk: dict[int, int] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        measured(folder, DIFFERENT)  # makes the database, and reads all programs from the disk
        for count in counts:
            costs[count], disk[count] = measured(folder, count)
            print(count, costs[count], disk[count], flush=True)
    rows = [row(count, what, costs) for what in costs[FEWEST] for count in counts]
    rows += [
        Row(
            f"{count:,} radiographs on disk, prepared",
            f"{disk[count] / 1e6:.1f} MB",
            "",
            f"{disk[count] / count:,.0f} bytes an image",
        )
        for count in counts
    ]
    publish("growth", "Growth with the number of images", __doc__, table(rows), arguments.write)


if __name__ == "__main__":
    main()
