"""One training iteration: forward, backward, and every few iterations a step of the optimizer."""

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
    """``iteration_update`` of MONAI's ``SupervisedTrainer``; of each batch it keeps only the loss.

    Several batches may share one step: the loss of each is divided by their number. If each loss is a mean over equally
    many values, the gradients are those of one large batch. The last step of an epoch takes the batches that are left.
    Batch norm sees each batch alone.

    In float16 the loss is scaled so that small gradients are not lost, and a step whose gradients overflow is skipped
    (the scale is then halved). The scale is the state of this object and belongs in a checkpoint.

    Args:
        inferer: Calls the network, in its precision.
        accumulate: Batches per step.
        clip: Largest norm of all gradients together; larger gradients are scaled down. None for no limit.
        sync_batch_norm: Normalise with statistics over the images of all processes; on GPUs only, and slower.

    Raises:
        ValueError: If ``accumulate`` is below 1 or ``clip`` is not above 0.
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
        """Prepare the network of ``trainer``, which calls this object in every iteration.

        Raises:
            ValueError: If ``sync_batch_norm`` is set for several processes without GPUs.
        """
        if self.sync_batch_norm:
            trainer.network = share_statistics(trainer.network, trainer.state.device)

    def state_dict(self) -> dict[str, Any]:
        """The scale of the loss; empty unless in float16."""
        return self.scaler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict``; that of another precision is ignored."""
        if state and self.scaler.is_enabled():
            self.scaler.load_state_dict(state)

    def __call__(self, engine: Any, batch: dict[str, Tensor]) -> dict[str, Tensor]:  # noqa: ANN401 - SupervisedTrainer
        """Train on one batch.

        Args:
            engine: The trainer.
            batch: From the loader.

        Returns:
            ``loss`` of this batch alone, a scalar without a graph.
        """
        position = (engine.state.iteration - 1) % engine.state.epoch_length
        first = position - position % self.accumulate
        group = min(self.accumulate, engine.state.epoch_length - first)
        is_last = position == first + group - 1
        # Only after an evaluation: for a small network, going through all layers takes as long as computing.
        if not (engine.network.training and bare(engine.network).training):
            engine.network.train()
        if position == first:
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
        """Let processes exchange gradients only once per step."""
        if is_last or not isinstance(network, DistributedDataParallel):
            return nullcontext()
        return network.no_sync()


def _tell(engine: Any, event: IterationEvents) -> None:  # noqa: ANN401 - SupervisedTrainer
    """Fire an event only if it has handlers: Ignite would look it up among all events each time."""
    if engine._event_handlers.get(event):
        engine.fire_event(event)
