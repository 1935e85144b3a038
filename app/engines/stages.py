"""Training in two stages, of which the second begins at a given epoch."""

from __future__ import annotations

import logging
from typing import Any

from ignite.engine import Engine, Events
from torch import nn

from app.engines.best_weights import BestWeights
from app.engines.ensemble import Ensemble
from app.networks.patch_network import PatchNetwork

logger = logging.getLogger(__name__)


class TwoStages:
    """Takes a ``PatchNetwork`` to its second stage: unaries frozen, CRF trained.

    Source: section 3.3 of Rozenberg et al. 2020: "First, we train the unary terms using the base model until converges.
    Then, we freeze the base model and train only the PAC-CRF part." Here the first stage has a number of epochs. The
    second starts from the best weights of the first, and the weights that are kept in the end are the best of the
    second. The optimiser has all parameters from the start and skips those without a gradient; its state of the first
    stage is discarded.

    Args:
        network: The network itself, not wrapped for several processes.
        first: Epochs of the first stage; 0 begins with the second.

    Attributes:
        best: The best weights so far, from which the second stage starts; set by ``Epochs``. If None, it starts from
            the latest weights.

    Raises:
        ValueError: If the number of epochs is negative.
    """

    def __init__(self, network: PatchNetwork, first: int) -> None:
        if first < 0:
            raise ValueError(f"the first stage has {first} epochs, but must have 0 or more")
        self.network = network
        self.first = first
        self.best: BestWeights | None = None

    def attach(self, trainer: Engine) -> None:
        """Choose the stage at the beginning of each epoch of ``trainer``."""
        trainer.add_event_handler(Events.STARTED, self._announce)
        trainer.add_event_handler(Events.EPOCH_STARTED, self._begin)

    def state_dict(self) -> dict[str, Any]:
        """The stage, and the length of the first one."""
        return {"stage": self.network.stage, "first": self.first}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue in that stage; a first stage that ended early, or of a training that grows, keeps its length."""
        if state["first"] != self.first:
            logger.info(f"the first stage has {state['first']} epochs as in the checkpoint, not {self.first}")
        self.first = int(state["first"])
        self.network.set_stage(int(state["stage"]))

    def is_second_to_come(self, epoch: int, max_epochs: int) -> bool:
        """Whether the second stage begins after ``epoch`` or later."""
        return self.network.has_crf and self.network.stage == 1 and epoch <= self.first < max_epochs

    def _announce(self, engine: Engine) -> None:
        if self.network.has_crf and self.first >= (engine.state.max_epochs or 0):
            logger.warning(
                f"the first stage has {self.first} of {engine.state.max_epochs} epochs: there is no second stage, so "
                "the CRF is not trained and takes no part"
            )

    def _begin(self, engine: Any) -> None:  # noqa: ANN401 - SupervisedTrainer
        stage = 2 if engine.state.epoch > self.first and self.network.has_crf else 1
        if stage == self.network.stage:
            return
        if stage == 2 and self.best is not None and self.best.epoch:
            logger.info(f"stage two starts from the best weights of stage one, those of epoch {self.best.epoch}")
            self.best.restart_from(self.network)
        self.network.set_stage(stage)
        # Remove the gradients of the other stage's last batch: an optimiser steps wherever there is one.
        self.network.zero_grad(set_to_none=True)
        engine.optimizer.state.clear()
        logger.info(f"stage {stage} begins with epoch {engine.state.epoch}")


def stages_of(network: nn.Module) -> set[int]:
    """The stages that a network, or the members of an ensemble, have reached; empty for networks without stages."""
    members = network.members if isinstance(network, Ensemble) else [network]
    return {member.stage for member in members if isinstance(member, PatchNetwork)}
