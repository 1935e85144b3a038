"""What a training iteration costs beside the network: our trainer, tracked, against a bare PyTorch loop.

    OMP_NUM_THREADS=1 python -m benchmarks.training_iteration [--write docs/speed.md] [--profile 1]

Both train one tiny network on the same batches in memory (64 of 32x32, float32). Ours is what a bundle runs: MONAI's
SupervisedTrainer with our step, batch preparation (masks unpacked), finite-loss check, history, checkpoints, and an
MLflow run on sqlite. After each of our epochs the bare loop runs as many iterations, so that both see the same machine;
the median over epochs of the difference counts.
"""

from __future__ import annotations

import cProfile
import os
import pstats
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.engines import SupervisedTrainer
from torch import Tensor, nn

from app.contract import Prediction, Target
from app.engines import MixedPrecisionInferer, PrepareBatch, TrainingStep
from app.engines.best_weights import BestWeights
from app.engines.epochs import Epochs
from app.engines.resuming import Checkpoints
from app.losses import KnownLabelBCELoss, PixelBCELoss, WeightedSum
from app.tracking import Run
from benchmarks.report import Row, options, publish, table

BATCH, SIDE = 64, 32
AIM = 0.5
"""Milliseconds an iteration."""
Batch = dict[str, Tensor]


class Tiny(nn.Module):
    """One convolution to a map, whose mean is the score."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 1, kernel_size=8, stride=8)

    def forward(self, image: Tensor) -> Prediction:
        """Score and map."""
        here = self.convolution(image)
        return Prediction(score=here.mean(dim=(2, 3)), map=here)


def batches(count: int) -> list[Batch]:
    """As ``PreparedDataset.read_planes`` gives them, every other image with a mask."""
    generator = torch.Generator().manual_seed(0)
    made = []
    for number in range(count):
        image = torch.randint(0, 256, (BATCH, 1, SIDE, SIDE), dtype=torch.uint8, generator=generator)
        mask = torch.zeros(BATCH, 1, SIDE, SIDE, dtype=torch.uint8)
        mask[::2, :, 8:16, 8:20] = 1
        label = mask.amax(dim=(1, 2, 3)).float()[:, None]
        index = torch.arange(number * BATCH, (number + 1) * BATCH)
        known = torch.ones(BATCH, 1, dtype=torch.bool)
        made.append({"image": image, "mask": mask, "label": label, "annotated": known, "index": index})
    return made


def loss_function() -> nn.Module:
    return WeightedSum([KnownLabelBCELoss(), PixelBCELoss()], [1.0, 1.0])


class Batches(list[Batch]):
    """The same batches in every epoch, as a training's loader."""

    def set_epoch(self, epoch: int) -> None:
        """Keep the order."""


class BareLoop:
    """What one would write without any framework."""

    def __init__(self, data: list[Batch]) -> None:
        self.data, self.network, self.loss = data, Tiny(), loss_function()
        self.optimizer = torch.optim.Adam(self.network.parameters())

    def __call__(self) -> None:
        """One epoch."""
        self.network.train()
        for batch in self.data:
            self._step(batch)

    def _step(self, batch: Batch) -> None:
        # A function, as then an iteration's memory is given back before the next, as ours does.
        image = batch["image"].float().div_(255).contiguous(memory_format=torch.channels_last)
        target = Target(batch["label"], batch["mask"].float(), batch["annotated"])
        self.optimizer.zero_grad(set_to_none=True)
        self.loss(self.network(image), target).backward()
        self.optimizer.step()


class Timing:
    """Milliseconds an iteration of each epoch, ours and bare, by the clock and of the processor."""

    def __init__(self, data: list[Batch]) -> None:
        self.bare = BareLoop(data)
        self.count = len(data)
        self.ours: list[tuple[float, float]] = []
        self.theirs: list[tuple[float, float]] = []

    def attach(self, trainer: Engine) -> None:
        """Attach before all others: then the end of an epoch is seen before it is closed."""
        trainer.add_event_handler(Events.EPOCH_STARTED, self._start)
        trainer.add_event_handler(Events.EPOCH_COMPLETED, self._stop)

    def _start(self, engine: Engine) -> None:
        self.started = _now()

    def _stop(self, engine: Engine) -> None:
        self.ours.append(self._each(self.started))
        start = _now()
        self.bare()
        self.theirs.append(self._each(start))

    def _each(self, start: tuple[float, float]) -> tuple[float, float]:
        wall, processor = (1000 * (now - then) / self.count for now, then in zip(_now(), start, strict=True))
        return wall, processor

    def medians(self) -> dict[str, float]:
        """Without the first epoch, which warms up."""
        ours, theirs = np.array(self.ours[1:]), np.array(self.theirs[1:])
        extra = np.median(ours - theirs, axis=0)
        values = [*np.median(ours, axis=0), *np.median(theirs, axis=0), *extra]
        return dict(
            zip(("ours", "ours_cpu", "bare", "bare_cpu", "extra", "extra_cpu"), map(float, values), strict=True)
        )


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def train(data: list[Batch], epochs: int, folder: Path, each_iteration: bool) -> dict[str, float]:
    """Train as ``Launch.train`` does; gives the medians."""
    network, device = Tiny(), torch.device("cpu")
    timing = Timing(data)
    trainer = SupervisedTrainer(
        device=device,
        max_epochs=epochs,
        train_data_loader=Batches(data),
        network=network,
        optimizer=torch.optim.Adam(network.parameters()),
        loss_function=loss_function(),
        prepare_batch=PrepareBatch(),
        iteration_update=TrainingStep(MixedPrecisionInferer("float32", device)),
        decollate=False,
    )
    timing.attach(trainer)
    state = SimpleNamespace(metrics={"auc": 0.5, "dice": 0.5, "loss": 1.0})
    validation: Any = SimpleNamespace(network=network, state=state, outputs=None, run=lambda: None)
    with Run("benchmark", folder=folder) as run:
        if each_iteration:
            trainer.add_event_handler(Events.ITERATION_COMPLETED, _log_loss(run))
        Epochs(trainer, validation, None, (), 0).run(run, BestWeights(folder, "auc"), Checkpoints(folder), {}, None)
    return timing.medians()


def _log_loss(run: Run) -> Callable[[Engine], None]:
    def log(engine: Engine) -> None:
        run.metrics({"iteration_loss": engine.state.output["loss"].item()}, step=engine.state.iteration)

    return log


def row(what: str, found: dict[str, float]) -> Row:
    return Row(
        what,
        f"{found['ours']:.3f} ms (processor {found['ours_cpu']:.3f})",
        f"bare PyTorch loop {found['bare']:.3f} ms ({found['bare_cpu']:.3f})",
        f"{found['extra']:+.3f} ms ({found['extra_cpu']:+.3f})",
        f"within {AIM} ms",
        found["extra"] <= AIM,
    )


def main() -> None:
    parser = options(__doc__, iterations=300, epochs=9, profile=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = batches(arguments.iterations)
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{temporary}/mlflow.db"
        profile = cProfile.Profile() if arguments.profile else None
        if profile is not None:
            profile.enable()
        plain = train(data, arguments.epochs, Path(temporary) / "plain", each_iteration=False)
        if profile is not None:
            profile.disable()
            pstats.Stats(profile).sort_stats("tottime").print_stats(30)
        logged = train(data, arguments.epochs, Path(temporary) / "logged", each_iteration=True)
    rows = [
        row("iteration around a tiny network, batch 64, each epoch logged", plain),
        row("the same, the loss of each iteration logged as well", logged),
    ]
    publish("training-iteration", "A training iteration", __doc__, table(rows), arguments.write)


if __name__ == "__main__":
    main()
