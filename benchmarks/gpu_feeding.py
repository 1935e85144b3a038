"""Whether a GPU waits for data: images a second from the shards, against a batch that is on the device already.

    python -m benchmarks.gpu_feeding [--write docs/speed.md]
    python -m benchmarks.gpu_feeding --side 64 --batch 4 --count 16 --iterations 2 --small 1     # on a CPU: does it run

Radiographs are prepared once into a temporary folder. The same training step (batch preparation with augmentation on
the device, network under bfloat16 autocast, loss, backward, Adam) then runs over batches that our loader reads from the
shards, and over one batch that never leaves the device, in turn; the medians of their images a second are compared.
The floor is arithmetic alone: the operations of forward and backward, counted by torch, at the device's published peak
for dense bfloat16. A CPU's peak is not looked up: a large product of matrices is timed in its place.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from app.engines import MixedPrecisionInferer, PrepareBatch, TrainingLoader
from app.losses import KnownLabelBCELoss, PixelBCELoss, WeightedSum
from app.networks import SEDenseNet
from app.networks.resnet import ResNet
from app.prepared import PreparedDataset
from benchmarks.radiographs import write_smooth_noise
from benchmarks.report import Row, options, publish, table
from transforms import AugmentBatch, DrawAnnotationsd, LoadRadiographd, ResizeRadiographd

AIM = 0.95
PEAKS = {
    "A100": 312,
    "A800": 312,
    "H100": 989,
    "H800": 989,
    "H200": 989,
    "L40S": 362,
    "A40": 150,
    "A10": 125,
    "L4": 121,
}
"""Published TFLOP/s of dense bfloat16 by a part of the device's name; the longest part that fits counts."""
FINDINGS = 14
Batch = dict[str, Tensor]


def networks(is_small: bool) -> dict[str, nn.Module]:
    if is_small:
        small = SEDenseNet(findings=FINDINGS, blocks=[1, 1], growth=4, stem=8)
        return {"ResNet-18, width 8": ResNet(findings=FINDINGS, depth=18, width=8), "SEDenseNet, 2 blocks": small}
    return {"ResNet-34": ResNet(findings=FINDINGS, depth=34), "SEDenseNet-121": SEDenseNet(findings=FINDINGS)}


def prepared(folder: Path, count: int, side: int) -> PreparedDataset:
    """Radiographs of smooth noise with 14 labels and two boxes, prepared to ``side``."""
    from monai.transforms import Compose

    generator = np.random.default_rng(0)
    samples = []
    for number in range(count):
        path = folder / f"{number}.png"
        write_smooth_noise(path, side, generator)
        label = (generator.random(FINDINGS) < 0.2).astype(np.float32)
        boxes = np.array(
            [[side / 8, side / 8, side / 4, side / 4], [side / 2, side / 2, side / 8, side / 4]], np.float32
        )
        located = {"boxes": boxes, "box_finding": np.array([0, 1]), "mask": []}
        annotated = np.arange(FINDINGS) < 2
        samples.append({"image": str(path), "name": path.name, "label": label, "annotated": annotated, **located})
    steps = [
        LoadRadiographd(keys=["image"]),
        ResizeRadiographd(keys=["image"], size=side),
        DrawAnnotationsd(findings=FINDINGS, ellipses=True),
    ]
    return PreparedDataset(samples, Compose(steps), folder / "prepared", workers=0, progress=False)


class Step:
    """One training step, as a bundle's, without engine and handlers."""

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self.network = network.to(device, memory_format=torch.channels_last).train()
        self.device = device
        self.inferer = MixedPrecisionInferer("bfloat16", device)
        self.prepare = PrepareBatch(AugmentBatch())
        self.loss = WeightedSum([KnownLabelBCELoss(), PixelBCELoss()], [1.0, 1.0])
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-4)

    def __call__(self, batch: Batch) -> None:
        """Train on one batch, from wherever it lies."""
        image, target = self.prepare(batch, self.device, non_blocking=True)
        self.optimizer.zero_grad(set_to_none=True)
        self.loss(self.inferer(image, self.network), target).backward()
        self.optimizer.step()


def images_a_second(step: Step, batches: Iterator[Batch], iterations: int) -> float:
    """Of so many steps, waited for at their end."""
    _wait(step.device)
    start, images = time.perf_counter(), 0
    for batch in itertools.islice(batches, iterations):
        step(batch)
        images += len(batch["image"])
    _wait(step.device)
    return images / (time.perf_counter() - start)


def endless(loader: TrainingLoader) -> Iterator[Batch]:
    for epoch in itertools.count(1):
        loader.set_epoch(epoch)
        yield from loader


def operations(step: Step, batch: Batch) -> float:
    """Floating-point operations of forward and backward, an image."""
    with FlopCounterMode(display=False) as counter:
        step(batch)
    return counter.get_total_flops() / len(batch["image"])


def peak(device: torch.device) -> tuple[float, str]:
    """Operations a second at best, and where the number comes from."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        known = sorted((part for part in PEAKS if part in name), key=len)
        if known:
            return PEAKS[known[-1]] * 1e12, f"published peak of {known[-1]}"
    return _product_speed(device), "a product of matrices as timed here"


def _product_speed(device: torch.device) -> float:
    size = 8192 if device.type == "cuda" else 1024
    left = torch.randn(size, size, device=device, dtype=torch.bfloat16)
    best = min(_timed(lambda: left @ left, device) for _ in range(5))
    return 2 * size**3 / best


def _timed(work: Callable[[], object], device: torch.device) -> float:
    _wait(device)
    start = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure(name: str, network: nn.Module, data: PreparedDataset, arguments: argparse.Namespace) -> list[Row]:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    step = Step(network, device)
    loader = TrainingLoader(data, arguments.batch, workers=arguments.workers)
    shards = endless(loader)
    resident = {key: value.to(device) for key, value in next(shards).items()}
    needed = operations(step, resident)
    images_a_second(step, itertools.repeat(resident), arguments.iterations)
    images_a_second(step, shards, arguments.iterations)
    fed, held = [], []
    for _ in range(arguments.repeats):
        held.append(images_a_second(step, itertools.repeat(resident), arguments.iterations))
        fed.append(images_a_second(step, shards, arguments.iterations))
    best, source = peak(device)
    ours, theirs, floor = statistics.median(fed), statistics.median(held), best / needed
    where = f"{name} at {arguments.side}, batch {arguments.batch}, bfloat16, {device.type}"
    is_gpu = device.type == "cuda"
    return [
        Row(
            f"{where}: training from the shards",
            f"{ours:,.1f} images/s",
            f"one resident batch {theirs:,.1f} images/s",
            f"{ours / theirs:.2f}",
            f"at least {AIM} on a GPU",
            ours / theirs >= AIM if is_gpu else None,
        ),
        Row(
            f"{where}: against arithmetic",
            f"{ours:,.1f} images/s",
            f"{needed / 1e9:.3g} GFLOP an image, {source}: {floor:,.0f} images/s",
            f"{ours / floor:.2f}",
        ),
    ]


def main() -> None:
    parser = options(__doc__, side=512, batch=64, count=2048, iterations=60, repeats=5, workers=4, small=0)
    arguments = parser.parse_args()
    if arguments.count < arguments.batch:
        parser.error(f"--count {arguments.count}: must be at least the batch, {arguments.batch}")
    if not torch.cuda.is_available() and not arguments.small:
        message = "No GPU here: this was not measured. Run `python -m benchmarks.gpu_feeding` on a machine with one."
        publish("gpu-feeding", "Feeding a GPU", __doc__, message, arguments.write)
        return
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as temporary:
        data = prepared(Path(temporary), arguments.count, arguments.side)
        rows = [
            row for name, net in networks(bool(arguments.small)).items() for row in measure(name, net, data, arguments)
        ]
    publish("gpu-feeding", "Feeding a GPU", __doc__, table(rows), arguments.write)


if __name__ == "__main__":
    main()
