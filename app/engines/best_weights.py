"""The weights of the epoch with the best validation metric."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from app.engines.output_folder import STAGE_ONE
from app.engines.outputs import Outputs
from app.engines.processes import from_main, is_main
from app.networks.checkpoints import load_state, read_weights, save, weights


class BestWeights:
    """Keeps the weights of the best epoch in ``model.pt``.

    An undefined metric (NaN) never beats a defined one; as long as every one is undefined, the latest weights are kept.

    Args:
        folder: Output folder of the launch.
        metric: ``auc`` or ``dice`` (highest), or ``loss`` (lowest).

    Attributes:
        value: The metric of the best epoch.
        epoch: The best epoch; 0 before the first one.
        outputs: Validation outputs of the best epoch; None if it was validated before the training was resumed.

    Example:
        >>> best = BestWeights(Path("runs"), "auc")
        >>> [best.consider(epoch, {"auc": value}) for epoch, value in enumerate([0.5, 0.8, 0.7], start=1)]
        [True, True, False]
        >>> best.epoch
        2
    """

    def __init__(self, folder: Path, metric: str) -> None:
        self.path = folder / "model.pt"
        self.metric = metric
        self.value = math.nan
        self.epoch = 0
        self.outputs: Outputs | None = None

    def consider(self, epoch: int, metrics: Mapping[str, float], outputs: Outputs | None = None) -> bool:
        """Record an epoch if it is the best so far, and return whether it is: its weights are to be kept then."""
        value = float(metrics[self.metric])
        is_better = value < self.value if self.metric == "loss" else value > self.value
        if not (math.isnan(self.value) or is_better):
            return False
        self.value, self.epoch, self.outputs = value, epoch, outputs
        return True

    def keep(self, network: nn.Module) -> None:
        """Write the network's weights, on rank 0."""
        if is_main():
            save(weights(network), self.path)

    def require_readable(self) -> None:
        """Raise if the best weights cannot be read, before further epochs are trained in vain.

        Raises:
            ValueError: Names the file and the epoch.
        """
        try:
            read_weights(self.path)
        except (ValueError, FileNotFoundError) as error:
            raise ValueError(
                f"{error}. It held the best weights so far, of epoch {self.epoch}, which are nowhere else: train anew, "
                "without --resume"
            ) from error

    def load(self, network: nn.Module, path: Path | None = None) -> None:
        """Give the network of every process the best weights, or those of ``path``; all call this together."""
        path = path or self.path
        load_state(network, from_main(read_weights(path) if is_main() else {}), path)

    def restart_from(self, network: nn.Module) -> None:
        """Give the network the best weights so far, and choose anew among the epochs to come.

        They are kept in ``stage_one.pt``, which is written once: a training resumed from before this moment finds them
        there, even if ``model.pt`` already holds weights of later epochs. All processes call this together.
        """
        path = self.path.with_name(STAGE_ONE)
        if is_main() and not path.exists():
            save(read_weights(self.path), path)
        self.load(network, path)
        self.value, self.epoch, self.outputs = math.nan, 0, None

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"value": self.value, "epoch": self.epoch}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a checkpoint."""
        self.value, self.epoch, self.outputs = float(state["value"]), int(state["epoch"]), None
