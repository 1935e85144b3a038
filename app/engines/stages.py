"""Training in two stages, as a part of a training: the second begins at a given epoch."""

from __future__ import annotations

import logging
from typing import Any

from ignite.engine import Engine, Events

from app.networks.patch_network import PatchNetwork

logger = logging.getLogger(__name__)


class TwoStages:
    """Takes a ``PatchNetwork`` to its second stage: unaries frozen, CRF trained.

    Source: section 3.3 of Rozenberg et al. 2020: "First, we train the unary terms using the base model until converges.
    Then, we freeze the base model and train only the PAC-CRF part." Here the first stage has a number of epochs. The
    optimiser knows all parameters from the start and skips those without a gradient.

    Args:
        network: bare.
        first: epochs of the first stage; 0 begins with the second.

    Raises:
        ValueError: a negative number of epochs.
    """

    def __init__(self, network: PatchNetwork, first: int) -> None:
        if first < 0:
            raise ValueError(f"the first stage has {first} epochs, but must have 0 or more")
        self.network = network
        self.first = first

    def attach(self, trainer: Engine) -> None:
        """Look at the beginning of each epoch of ``trainer`` which stage it belongs to."""
        trainer.add_event_handler(Events.EPOCH_STARTED, self._begin)

    def state_dict(self) -> dict[str, Any]:
        """The stage."""
        return {"stage": self.network.stage}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on in the stage that was reached."""
        self.network.set_stage(int(state["stage"]))

    def _begin(self, engine: Engine) -> None:
        stage = 2 if engine.state.epoch > self.first and self.network.has_crf else 1
        if stage == self.network.stage:
            return
        self.network.set_stage(stage)
        # Gradients of the last batch of the other stage: an optimiser steps wherever there is one.
        self.network.zero_grad(set_to_none=True)
        logger.info(f"stage {stage} begins with epoch {engine.state.epoch}")
