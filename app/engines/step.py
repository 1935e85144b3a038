"""One iteration of a training: forward, backward, and a step of the optimizer every few of them."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from monai.engines.utils import IterationEvents
from monai.utils.enums import CommonKeys
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.nn.parallel import DistributedDataParallel

from app.engines.device import MixedPrecisionInferer
from app.engines.processes import bare, share_statistics


class TrainingStep:
    """``iteration_update`` of MONAI's ``SupervisedTrainer``: a batch at a time, nothing kept of it but its loss.

    Several batches may make one step: the loss of each is divided by their number, so that gradients are those of one
    batch as large as all of them, where the loss is a mean over as many values in each. What is left of an epoch, fewer
    batches than that, makes a step of its own, a mean over these. Layers that normalise by batch see the small ones.

    With float16 the loss is scaled so that small gradients are not lost, and a step whose gradients overflowed is left
    out (the scale is halved). The scale is this object's state, which belongs in a checkpoint.

    Args:
        inferer: calls the network, in its precision.
        accumulate: batches a step.
        clip: greatest norm of all gradients together; longer ones are shortened. None for no limit.
        sync_batch_norm: normalise with statistics over the images of all processes; on GPUs only, and slower.

    Raises:
        ValueError: ``accumulate`` is below 1 or ``clip`` not above 0.
    """

    def __init__(
        self,
        inferer: MixedPrecisionInferer,
        accumulate: int = 1,
        clip: float | None = None,
        sync_batch_norm: bool = False,
    ) -> None:
        if accumulate < 1:
            raise ValueError(f"accumulate is {accumulate} batches a step, but must be 1 or more")
        if clip is not None and not clip > 0:
            raise ValueError(f"clip is {clip}, but must be above 0, or null for no limit")
        self.inferer = inferer
        self.accumulate = accumulate
        self.clip = clip
        self.sync_batch_norm = sync_batch_norm
        self.scaler = GradScaler(inferer.device.type, enabled=inferer.dtype == torch.float16)

    def attach(self, trainer: Any) -> None:  # noqa: ANN401 - SupervisedTrainer
        """Make the network of ``trainer`` ready; the trainer itself calls this object in every iteration.

        Raises:
            ValueError: ``sync_batch_norm`` with several processes without GPUs.
        """
        if self.sync_batch_norm:
            trainer.network = share_statistics(trainer.network, trainer.state.device)

    def state_dict(self) -> dict[str, Any]:
        """The loss's scale; empty but for float16."""
        return self.scaler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from ``state_dict``; one of another precision holds nothing of use."""
        if state and self.scaler.is_enabled():
            self.scaler.load_state_dict(state)

    def __call__(self, engine: Any, batch: dict[str, Tensor]) -> dict[str, Tensor]:  # noqa: ANN401 - SupervisedTrainer
        """Train on one batch.

        Args:
            engine: the trainer.
            batch: as the loader gives it.

        Returns:
            ``loss``, a scalar without a graph, of this batch alone.
        """
        place = (engine.state.iteration - 1) % engine.state.epoch_length
        first = place - place % self.accumulate
        group = min(self.accumulate, engine.state.epoch_length - first)
        is_last = place == first + group - 1
        # Going through all layers takes as long as a small one's computing: only where an evaluation came between.
        if not (engine.network.training and bare(engine.network).training):
            engine.network.train()
        if place == first:
            engine.optimizer.zero_grad(set_to_none=True)
        with self._without_exchange(engine.network, is_last):
            loss = self._loss(engine, batch)
            self.scaler.scale(loss / group if group > 1 else loss).backward()
        _tell(engine, IterationEvents.BACKWARD_COMPLETED)
        if is_last:
            self._step(engine.network, engine.optimizer)
        _tell(engine, IterationEvents.MODEL_COMPLETED)
        return {CommonKeys.LOSS: loss.detach()}

    def _loss(self, engine: Any, batch: dict[str, Tensor]) -> Tensor:  # noqa: ANN401 - SupervisedTrainer
        image, target = engine.prepare_batch(batch, engine.state.device, engine.non_blocking)
        loss: Tensor = engine.loss_function(self.inferer(image, engine.network), target)
        return loss

    def _step(self, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        if self.clip is not None:
            self.scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(network.parameters(), self.clip)
        self.scaler.step(optimizer)
        self.scaler.update()

    @staticmethod
    def _without_exchange(network: nn.Module, is_last: bool) -> AbstractContextManager[None]:
        """Processes exchange gradients once a step."""
        if is_last or not isinstance(network, DistributedDataParallel):
            return nullcontext()
        return network.no_sync()


def _tell(engine: Any, event: IterationEvents) -> None:  # noqa: ANN401 - SupervisedTrainer
    """Fire an event that somebody listens to; for nobody, Ignite would look it up among all events each time."""
    if engine._event_handlers.get(event):
        engine.fire_event(event)
