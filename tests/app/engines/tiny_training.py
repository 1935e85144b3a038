"""A training and an evaluation of a few numbers, which any number of processes can share; no file is read."""

from collections.abc import Sequence
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines import SupervisedTrainer
from torch import Tensor, nn

from app.contract import Prediction, Target
from app.engines import (
    EvaluationLoader,
    MixedPrecisionInferer,
    PrepareBatch,
    RadiographEvaluator,
    TrainingLoader,
    TrainingStep,
)
from app.engines.processes import bare, parallel

CPU = torch.device("cpu")
SIDE = 8


class Radiographs:
    """A substitute for ``PreparedDataset``: items whose pixels, labels and masks follow from their index."""

    def __init__(self, count: int, with_labels: bool = True) -> None:
        generator = torch.Generator().manual_seed(1)
        self.samples = [_sample(number) for number in range(count)]
        self.image = torch.randint(0, 256, (count, 1, SIDE, SIDE), dtype=torch.uint8, generator=generator)
        self.label = (torch.arange(count) % 2).float()[:, None] if with_labels else torch.full((count, 1), -1.0)

    def __len__(self) -> int:
        return len(self.samples)

    def read_planes(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """A batch; every second item has its finding in the upper half."""
        chosen = torch.tensor(list(indices))
        places = [place for place, index in enumerate(indices) if index % 2]
        upper = torch.tensor([255] * (SIDE // 2) + [0] * (SIDE // 2), dtype=torch.uint8)
        return {
            "image": self.image[chosen],
            "planes": upper.expand(len(places), SIDE),
            "plane_at": torch.tensor([(place, 0) for place in places], dtype=torch.int64).reshape(-1, 2),
            "label": self.label[chosen],
            "annotated": self.label[chosen] >= 0,
            # The stored radiographs are twice as large, and what the network sees begins 3 rows from above.
            "region": torch.tensor([[0.0, 3, 2 * SIDE, 2 * SIDE - 3]] * len(chosen)),
            "original_size": torch.tensor([[2 * SIDE, 2 * SIDE]] * len(chosen)),
            "index": chosen,
        }


def _sample(number: int) -> dict[str, Any]:
    """Every second item has its finding in the upper half of the stored radiograph."""
    boxes = [[0.0, 0, 2 * SIDE, SIDE]] if number % 2 else []
    return {"name": str(number), "boxes": boxes, "box_finding": [0] * len(boxes)}


class TwoHeads(nn.Module):
    """Score and map from layers of their own, so that a loss may use either alone; nothing depends on the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(1, 3, 3, padding=1)
        self.here = nn.Conv2d(3, 1, 1)
        self.present = nn.Linear(3, 1)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, image: Tensor) -> Prediction:
        """See ``Prediction``."""
        features = torch.relu(self.body(image))
        return Prediction(self.present(features.mean(dim=(2, 3))), self.here(features))


class BothHeads(nn.Module):
    """Mean squared error of both heads: every image weighs the same."""

    def forward(self, prediction: Prediction, target: Target) -> Tensor:
        """Scalar."""
        return (prediction.score - target.label).square().mean() + (prediction.map - target.mask).square().mean()


class ScoreAlone(nn.Module):
    """The map takes no part."""

    def forward(self, prediction: Prediction, target: Target) -> Tensor:
        """Scalar."""
        return (prediction.score - target.label).square().mean()


def tiny_network() -> TwoHeads:
    """A network with fixed weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return TwoHeads()


def trained(
    count: int = 13,
    batch_size: int = 4,
    accumulate: int = 1,
    loss: nn.Module | None = None,
    frozen_in_first_epoch: bool = False,
    network: nn.Module | None = None,
    **precision: Any,
) -> dict[str, Any]:
    """Train for two epochs; returns the weights, the loss of each iteration and the items that this process saw."""
    network = tiny_network() if network is None else network
    body = bare(network).body
    body.requires_grad_(not frozen_in_first_epoch)
    step = TrainingStep(MixedPrecisionInferer(precision.get("name", "float32"), CPU), accumulate)
    trainer = SupervisedTrainer(
        device=CPU,
        max_epochs=2,
        train_data_loader=TrainingLoader(Radiographs(count), batch_size, seed=5),
        network=parallel(network, CPU),
        optimizer=torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9),
        loss_function=BothHeads() if loss is None else loss,
        prepare_batch=PrepareBatch(),
        iteration_update=step,
        decollate=False,
    )
    losses, visited = [], []

    def note(engine: Engine) -> None:
        losses.append(engine.state.output["loss"].item())
        visited.append(engine.state.batch["index"].tolist())

    trainer.add_event_handler(Events.EPOCH_STARTED, lambda e: e.data_loader.set_epoch(e.state.epoch))
    trainer.add_event_handler(Events.EPOCH_STARTED(once=2), lambda e: body.requires_grad_(True))
    trainer.add_event_handler(Events.ITERATION_COMPLETED, note)
    trainer.run()
    weights = {name: value.clone() for name, value in bare(trainer.network).state_dict().items()}
    return {"weights": weights, "losses": losses, "visited": visited, "step": step.state_dict()}


def evaluated(count: int, batch_size: int = 3) -> dict[str, Any]:
    """Outputs and metrics of a pass over ``count`` items, the same in all processes."""
    evaluator = RadiographEvaluator(
        EvaluationLoader(Radiographs(count), batch_size),
        tiny_network(),
        MixedPrecisionInferer("float32", CPU),
        BothHeads(),
    )
    evaluator.run()
    outputs = evaluator.outputs
    names = ("index", "logit", "score", "label", "located_row", "located_finding", "inside", "outside", "missed", "hit")
    arrays = {name: torch.as_tensor(getattr(outputs, name)) for name in names}
    return {**arrays, "metrics": dict(evaluator.state.metrics)}
