"""A training of a tenth of a second: a network with dropout and batch norm, pictures in memory, a schedule."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.engines import SupervisedTrainer
from torch import Tensor, nn
from torch.utils.data import Dataset

from app.contract import Prediction, Target
from app.engines.batch import PrepareBatch
from app.engines.device import MixedPrecisionInferer
from app.engines.evaluator import RadiographEvaluator
from app.engines.launch import Launch
from app.engines.loading import EvaluationLoader, TrainingLoader
from app.engines.schedule import StageDecay
from app.engines.stages import TwoStages
from app.networks.checkpoints import read_weights
from app.networks.pac_crf import PACCRF, PatchFeatures
from app.networks.patch_network import PatchNetwork
from app.networks.preactivation_resnet import PreactivationResNet

CPU = torch.device("cpu")
SIZE = 16
SECTIONS = {"training": 12, "validation": 10, "test": 10}
"""Pictures by section; training has three batches of four."""


class Pictures(Dataset):
    """Noise with a bright square in every other picture."""

    def __init__(self, section: str, count: int) -> None:
        generator = np.random.default_rng(len(section))
        image = generator.integers(0, 120, (count, 1, SIZE, SIZE), dtype=np.uint8)
        image[1::2, :, 4:9, 4:9] += 100
        mask = np.zeros((count, 1, SIZE, SIZE), dtype=np.uint8)
        mask[1::2, :, 4:9, 4:9] = 1
        self.image, self.mask = torch.from_numpy(image), torch.from_numpy(mask)
        self.samples = [self._sample(section, number) for number in range(count)]

    def _sample(self, section: str, number: int) -> dict[str, Any]:
        name = f"{section}-{number}.png"
        facts = {"patient": name, "study": "", "view": "PA", "source": "", "attributes": {}}
        return {"name": name, "label": np.array([number % 2], dtype=np.float32), **facts}

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        label = torch.from_numpy(self.samples[index]["label"])
        known = {"label": label, "annotated": torch.ones(1, dtype=torch.bool)}
        return {"image": self.image[index], "mask": self.mask[index], "index": index, **known}


class SmallNetwork(nn.Module):
    """Two convolutions with batch norm and dropout between."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.3))
        self.head = nn.Conv2d(6, 1, 1)

    def forward(self, image: Tensor) -> Prediction:
        logits = self.head(self.body(image))
        return Prediction(score=logits.amax(dim=(2, 3)), map=logits)


def patch_network() -> PatchNetwork:
    """With a CRF, and patches of a pixel."""
    backbone = PreactivationResNet((1, 1), width=2)
    return PatchNetwork(backbone, 1, SIZE, crf=PACCRF(1, window=3, steps=2), features=PatchFeatures(2, 2, width=2))


class SmallLoss(nn.Module):
    """Binary cross-entropy of labels and pixels, times a weight that a handler may change."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = 1.0

    def forward(self, prediction: Prediction, target: Target) -> Tensor:
        bce = nn.functional.binary_cross_entropy_with_logits
        return bce(prediction.score, target.label) + self.weight * bce(prediction.map, target.mask)


def noisy(image: Tensor, mask: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """An augmentation."""
    return image.float() / 255 + 0.05 * torch.randn(image.shape, generator=generator), mask


class Weight:
    """A handler with state: halves the weight of the pixels after every second epoch, and counts."""

    def __init__(self, loss: SmallLoss) -> None:
        self.loss = loss
        self.seen = torch.zeros(2)

    def attach(self, trainer: Engine) -> None:
        trainer.add_event_handler(Events.EPOCH_COMPLETED(every=2), self._halve)

    def _halve(self, engine: Engine) -> None:
        self.loss.weight /= 2
        self.seen += 1

    def state_dict(self) -> dict[str, Any]:
        return {"weight": self.loss.weight, "seen": self.seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.loss.weight, self.seen = state["weight"], state["seen"]


@dataclass
class Small:
    """The pieces of a launch.

    Args:
        folder: of the results.
        workers: that load batches.
        epochs: in all.
        resume: See ``Launch``.
        schedule: ``MultiStepLR``, ``OneCycleLR``, ``ReduceLROnPlateau`` or None.
        rate: of learning.
        seed: Of the training.
        key_metric: chooses the best weights.
        length: iterations an epoch, where it is not the loader's.
        first: epochs of the first of two stages, of a network with a CRF; None for one without stages.
        patience: See ``Launch``.
    """

    folder: Path
    workers: int = 0
    epochs: int = 4
    resume: bool = False
    schedule: str | None = "MultiStepLR"
    rate: float = 0.05
    seed: int = 0
    key_metric: str = "auc"
    length: int | None = None
    first: int | None = None
    patience: int = 0
    sections: dict[str, Pictures] = field(
        default_factory=lambda: {name: Pictures(name, n) for name, n in SECTIONS.items()}
    )

    def __post_init__(self) -> None:
        torch.manual_seed(self.seed)
        self.network, self.loss = SmallNetwork() if self.first is None else patch_network(), SmallLoss()
        self.handler = Weight(self.loss)
        self.parts = (self.handler,) if self.first is None else (self.handler, TwoStages(self.network, self.first))
        self.inferer = MixedPrecisionInferer("float32", CPU)
        self.trainer = SupervisedTrainer(
            device=CPU,
            max_epochs=self.epochs,
            epoch_length=self.length,
            train_data_loader=TrainingLoader(self.sections["training"], 4, seed=self.seed, workers=self.workers),
            network=self.network,
            optimizer=torch.optim.Adam(self._groups(), lr=self.rate),
            loss_function=self.loss,
            inferer=self.inferer,
            prepare_batch=PrepareBatch(noisy, seed=self.seed),
            decollate=False,
        )
        self.validation, self.test = self._evaluator("validation"), self._evaluator("test")
        self.scheduler = self._scheduler()
        self.data = SimpleNamespace(
            facts=lambda: {"fingerprint": "abc", "split_fingerprint": "def"},
            description=dict,
            datalist=SimpleNamespace(name="small"),
            findings=("Square",),
            samples=lambda section: self.sections[section].samples,
        )

    def launch(self) -> dict[str, Any]:
        """Train."""
        chosen = {"key_metric": self.key_metric, "patience": self.patience}
        launch = Launch("small", self.data, self.folder, seed=self.seed, resume=self.resume, **chosen)
        # Without figures, which take longer than the training.
        launch._results = replace(launch._results, is_drawn=False)
        return launch.train(self.trainer, self.validation, self.test, self.scheduler, parts=self.parts)

    def _evaluator(self, section: str) -> RadiographEvaluator:
        loader = EvaluationLoader(self.sections[section], batch_size=4, workers=self.workers)
        return RadiographEvaluator(loader, self.network, self.inferer, self.loss)

    def _groups(self) -> list[dict[str, Any]]:
        if self.first is None:
            return [{"params": self.network.parameters()}]
        return [{"params": self.network.unary_parameters()}, {"params": self.network.crf_parameters(), "lr": 0.1}]

    def _scheduler(self) -> torch.optim.lr_scheduler.LRScheduler | None:
        optimizer = self.trainer.optimizer
        if self.first is not None:
            decays = [StageDecay(0, self.first, 0.25), StageDecay(self.first, self.epochs, 0.25)]
            return torch.optim.lr_scheduler.LambdaLR(optimizer, decays)
        if self.schedule == "OneCycleLR":
            return torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=self.rate, total_steps=self.epochs)
        if self.schedule == "ReduceLROnPlateau":
            return torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="max", patience=0)
        return torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 7]) if self.schedule else None


def differences(first: Path, second: Path) -> list[str]:
    """Names of the weights of ``last.pt`` and ``model.pt`` that differ between two folders."""
    found = []
    for name in ("last.pt", "model.pt"):
        one, other = (read_weights(folder / name) for folder in (first, second))
        if one.keys() != other.keys():
            raise AssertionError(f"{one.keys()} and {other.keys()}")
        found += [f"{name}: {key}" for key in one if not torch.equal(one[key], other[key])]
    return found
