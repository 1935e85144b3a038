"""How fast prepared radiographs are read back, against MONAI's PersistentDataset and against copying memory.

    python -m benchmarks.prepared_reading [--count 400] [--side 512] [--batch 64] [--repeats 9] [--write docs/speed.md]

Radiographs are prepared once into a temporary folder, and all are then read in batches of 64, in random order and on
one core, several times in turn, so that all rows saw the same machine; the median counts. All are in the page cache:
this is the cost of reading itself and not of the disk. Seconds are the processor's. "First time" compares each
radiograph with its checksum; afterwards only where its file has changed.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from monai.data import PersistentDataset
from monai.transforms import Compose

from app.prepared import PreparedDataset
from benchmarks.radiographs import write_smooth_noise
from benchmarks.report import Row, options, publish, table
from benchmarks.timing import in_turn
from transforms.draw import DrawAnnotationsd
from transforms.load import LoadRadiographd

PERSISTENT = "PersistentDataset, float32"
PERSISTENT_MASKS = "PersistentDataset, float32, and 14 masks"
COPY = "memcpy of the same bytes"
BATCH = "PreparedDataset, a batch"
BATCH_MASKS = "PreparedDataset, a batch with 14 masks"
SINGLE = "PreparedDataset[i]"
FIRST = "PreparedDataset, a batch, the first time"


def write_radiographs(folder: Path, count: int, side: int) -> list[dict[str, object]]:
    generator = np.random.default_rng(0)
    samples = []
    for number in range(count):
        path = folder / f"{number}.png"
        write_smooth_noise(path, side, generator)
        nothing = {"label": np.zeros(14, np.float32), "annotated": np.zeros(14, bool)}
        samples.append({"image": str(path), "name": path.name, **nothing})
    return samples


def rows_of(each: dict[str, float]) -> list[Row]:
    """Ours against the peers, in images a second."""

    def row(ours: str, peer: str, aim: float | None = None, unit: str = "x") -> Row:
        ratio = each[peer] / each[ours]
        return Row(
            ours,
            f"{1 / each[ours]:,.0f} images/s",
            f"{peer} {1 / each[peer]:,.0f} images/s",
            f"{ratio:.2f}" if unit == "" else f"{ratio:.1f}x",
            "" if aim is None else f"at least {aim:g}{unit}",
            None if aim is None else ratio >= aim,
        )

    return [
        row(BATCH, PERSISTENT, 25),
        row(BATCH_MASKS, PERSISTENT_MASKS, 25),
        row(BATCH, COPY, 0.8, ""),
        row(COPY, PERSISTENT),
        row(BATCH_MASKS, COPY, unit=""),
        row(SINGLE, PERSISTENT),
        row(FIRST, PERSISTENT),
    ]


def main() -> None:
    arguments = options(__doc__, count=400, side=512, batch=64, repeats=9).parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as temporary:
        samples = write_radiographs(Path(temporary), arguments.count, arguments.side)
        each = compare(samples, Path(temporary), arguments)
    publish("prepared_reading", "Reading prepared radiographs back", __doc__, table(rows_of(each)), arguments.write)


def compare(samples: list[dict[str, object]], folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """Seconds an image of each way."""
    load = Compose([LoadRadiographd()])
    prepared = PreparedDataset(samples, load, folder / "prepared", workers=0, progress=False)
    paths = [{"image": sample["image"]} for sample in samples]
    kept = PersistentDataset(paths, load, folder / "persistent")
    masked = PersistentDataset(paths, Compose([LoadRadiographd(), DrawAnnotationsd(findings=14)]), folder / "masked")
    for at in range(len(kept)):
        kept[at], masked[at]
    order = np.random.default_rng(1).permutation(options.count).tolist()
    batches = [order[at : at + options.batch] for at in range(0, options.count, options.batch)]
    source = np.random.default_rng(2).integers(0, 256, (options.count, options.side, options.side), dtype=np.uint8)

    def first() -> int:
        fresh = PreparedDataset(samples, load, folder / "prepared", workers=0, progress=False)
        start = time.process_time()
        for batch in batches:
            fresh.read_planes(batch)
        spent.append((time.process_time() - start) / options.count)
        return options.count

    def in_batches() -> int:
        for batch in batches:
            prepared.read_planes(batch)
        return options.count

    def with_masks() -> int:
        for batch in batches:
            prepared.read_batch(batch)
        return options.count

    def one_by_one() -> int:
        for at in order:
            prepared[at]
        return options.count

    def persistent() -> int:
        for at in order:
            kept[at]
        return options.count

    def persistent_masks() -> int:
        for at in order[:64]:
            masked[at]
        return 64

    def copies() -> int:
        for batch in batches:
            room = np.empty((len(batch), options.side, options.side), np.uint8)
            for place, at in enumerate(batch):
                room[place] = source[at]
        return options.count

    spent: list[float] = []
    first()
    taken = in_turn(
        {
            PERSISTENT: persistent,
            PERSISTENT_MASKS: persistent_masks,
            COPY: copies,
            BATCH: in_batches,
            BATCH_MASKS: with_masks,
            SINGLE: one_by_one,
        },
        options.repeats,
    )
    return {name: statistics.median(seconds) for name, seconds in {**taken, FIRST: spent}.items()}


if __name__ == "__main__":
    main()
