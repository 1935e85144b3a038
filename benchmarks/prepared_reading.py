"""How fast prepared radiographs are read back, against MONAI's PersistentDataset and against copying memory.

python benchmarks/prepared_reading.py [--count 400] [--side 512] [--batch 64] [--repeats 9]

Radiographs are prepared once into a temporary folder, and all are then read on one core, several times in turn, so that
the rows of the table saw the same machine; the median counts. All are in the page cache: this is the cost of reading
itself and not of the disk. Seconds are the processor's. On 2 virtual cores that were busy otherwise:

    one core, 512x512                                   images/s  PersistentDataset  memcpy
    PersistentDataset, float32                             1,614               1.0x    0.05
    PersistentDataset, float32 and 14 masks of uint8         941               0.6x    0.03
    memcpy of the same bytes                              32,553              20.2x    1.00
    PreparedDataset.read_planes, a batch                  27,612              17.1x    0.85
    PreparedDataset.read_batch, 14 masks of uint8         25,415              15.7x    0.78
    PreparedDataset[i]                                     5,816               3.6x    0.18
    PreparedDataset.read_planes, first time (checks)       4,899               3.0x    0.15
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from monai.data import PersistentDataset
from monai.transforms import Compose

from app.data.cache import PreparedDataset
from transforms.draw import DrawAnnotationsd
from transforms.load import LoadRadiographd


def write_radiographs(folder: Path, count: int, side: int) -> list[dict[str, object]]:
    generator = np.random.default_rng(0)
    samples = []
    for number in range(count):
        path = folder / f"{number}.png"
        coarse = generator.integers(0, 256, (16, 16), dtype=np.uint8)
        cv2.imwrite(str(path), cv2.resize(coarse, (side, side)), [cv2.IMWRITE_PNG_COMPRESSION, 1])
        nothing = {"label": np.zeros(14, np.float32), "annotated": np.zeros(14, bool)}
        samples.append({"image": str(path), "name": path.name, **nothing})
    return samples


def seconds_each(reads: dict[str, Callable[[], int]], repeats: int) -> dict[str, float]:
    """Median processor seconds an image of each way to read, taken in turn; others on the machine hardly count."""
    taken: dict[str, list[float]] = {name: [] for name in reads}
    for repeat in range(repeats):
        names = list(reads)
        np.random.default_rng(repeat).shuffle(names)  # the one before leaves the caches to the next
        for name in names:
            read = reads[name]
            start = time.process_time()
            images = read()
            taken[name].append((time.process_time() - start) / images)
    return {name: statistics.median(values) for name, values in taken.items()}


def print_table(each: dict[str, float], side: int) -> None:
    persistent = each["PersistentDataset, float32"]
    copy = each["memcpy of the same bytes"]
    print(f"{'one core, ' + str(side) + 'x' + str(side):50} {'images/s':>9} {'PersistentDataset':>18} {'memcpy':>7}")
    for name, seconds in each.items():
        print(f"{name:50} {1 / seconds:9,.0f} {persistent / seconds:17.1f}x {copy / seconds:7.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("count", 400), ("side", 512), ("batch", 64), ("repeats", 9)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as temporary:
        samples = write_radiographs(Path(temporary), options.count, options.side)
        compare(samples, Path(temporary), options)


def compare(samples: list[dict[str, object]], folder: Path, options: argparse.Namespace) -> None:
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
    each = seconds_each(
        {
            "PersistentDataset, float32": persistent,
            "PersistentDataset, float32 and 14 masks of uint8": persistent_masks,
            "memcpy of the same bytes": copies,
            "PreparedDataset.read_planes, a batch": in_batches,
            "PreparedDataset.read_batch, 14 masks of uint8": with_masks,
            "PreparedDataset[i]": one_by_one,
        },
        options.repeats,
    )
    each["PreparedDataset.read_planes, first time (checks)"] = statistics.median(spent)
    print_table(each, options.side)


if __name__ == "__main__":
    main()
