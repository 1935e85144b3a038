"""Early stopping: the end of a training, or of its first stage, after epochs without a better validation metric."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from app.engines.best_weights import BestWeights
from app.engines.schedule import begin_decay
from app.engines.stages import TwoStages

logger = logging.getLogger(__name__)


class EarlyStopping:
    """Decides after each epoch whether it was the last one.

    Training stops when the key metric of validation has not been better than its best for ``patience`` epochs. Of two
    stages, each has this patience for itself: the first one ends, and the second begins with the next epoch. An
    undefined metric stops nothing as long as it has never been defined.

    Args:
        patience: Epochs without a better metric; 0 to train for all epochs.
        best: The best epoch so far, to be updated before `close`.
        scheduler: The decay of the second stage's learning rate begins with the stage.
        parts: Of the training; ``TwoStages`` among them says that there are two stages.

    Attributes:
        reason: Why training stopped; empty if it has not.
    """

    def __init__(
        self, patience: int, best: BestWeights, scheduler: LRScheduler | None = None, parts: Sequence[object] = ()
    ) -> None:
        self.patience = patience
        self.best = best
        self.scheduler = scheduler
        self.stages = next((part for part in parts if isinstance(part, TwoStages)), None)
        self.reason = ""

    def close(self, epoch: int, max_epochs: int) -> None:
        """Close an epoch: set `reason` if training stops here, or end the first stage."""
        if not self.patience or epoch - self.best.epoch < self.patience or epoch >= max_epochs:
            return
        worse = "fallen below" if self.best.metric == "loss" else "exceeded"
        reason = (
            f"validation {self.best.metric} has not {worse} {self.best.value:.4g}, of epoch {self.best.epoch}, "
            f"in {self.patience} epochs"
        )
        if self.stages is None or not self.stages.is_second_to_come(epoch, max_epochs):
            self.reason = reason
        elif epoch < self.stages.first:
            logger.info(f"the first stage ends after epoch {epoch}, not {self.stages.first}: {reason}")
            begin_decay(self.scheduler, self.stages.first, epoch)
            self.stages.first = epoch

    def facts(self, epochs: int, max_epochs: int) -> dict[str, Any]:
        """How long was trained, for ``model.json``."""
        facts: dict[str, Any] = {"epochs": epochs, "max_epochs": max_epochs}
        if self.stages is not None:
            facts["first_stage"] = self.stages.first
        return facts | ({"stopped": self.reason} if self.reason else {})


def require_patience(patience: int, scheduler: LRScheduler | None) -> None:
    """Raise if training would stop before ``ReduceLROnPlateau`` lowers the learning rate for the first time.

    Raises:
        ValueError: Names both numbers of epochs, or the patience that is below 0.
    """
    if patience < 0:
        raise ValueError(f"patience is {patience}; it is a number of epochs, or 0 to train for all of max_epochs")
    if patience > 0 and isinstance(scheduler, ReduceLROnPlateau) and patience <= scheduler.patience + 1:
        raise ValueError(
            f"patience is {patience}, but ReduceLROnPlateau lowers the learning rate after {scheduler.patience + 1} "
            f"epochs without a better metric: training would stop before. Set patience to {scheduler.patience + 2} "
            "or more"
        )
