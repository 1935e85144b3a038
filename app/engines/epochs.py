"""The epochs of a training: train, validate, keep the best weights, save a checkpoint; from the start or resumed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from ignite.engine import Engine, Events
from monai.engines import SupervisedTrainer
from torch.optim.lr_scheduler import LRScheduler

from app.engines.best_weights import BestWeights
from app.engines.early_stopping import EarlyStopping
from app.engines.evaluator import RadiographEvaluator
from app.engines.loading import dataset_of
from app.engines.outputs import Outputs
from app.engines.processes import bare, is_main, parallel, same_buffers
from app.engines.resuming import Checkpoints, StatefulHandler, TrainingState, seed_epoch
from app.engines.schedule import step_schedule
from app.engines.stages import TwoStages
from app.engines.training import FiniteLoss, History, show_progress
from app.files.atomic import remove_partial
from app.tracking import Run

logger = logging.getLogger(__name__)


class Epochs:
    """The epochs of a training, with a checkpoint after each.

    Args:
        trainer: Reads prepared radiographs through a ``TrainingLoader``.
        validation: Run after each epoch, on the same network.
        scheduler: Stepped after each epoch.
        parts: Further handlers of the trainer, whose state is in the checkpoints.
        seed: Seed for the random numbers of every epoch.
        patience: Epochs without a better key metric after which training stops; 0 for none.

    Raises:
        TypeError: The order of the trainer's loader does not follow from the epoch, as resuming requires.
    """

    def __init__(
        self,
        trainer: SupervisedTrainer,
        validation: RadiographEvaluator,
        scheduler: LRScheduler | None,
        parts: Sequence[StatefulHandler],
        seed: int,
        patience: int = 0,
    ) -> None:
        if not hasattr(trainer.data_loader, "set_epoch"):
            raise TypeError(
                f"the trainer's {type(trainer.data_loader).__name__} has no set_epoch, without which a training cannot "
                "be resumed: use app.engines.TrainingLoader"
            )
        self.trainer = trainer
        self.validation = validation
        self.scheduler = scheduler
        self.parts = tuple(parts)
        self.seed = seed
        self.patience = patience
        # The evaluator's network is the bare one; the trainer's, of the same weights, may be compiled.
        self.network = bare(validation.network)

    def run(
        self,
        run: Run,
        best: BestWeights,
        checkpoints: Checkpoints,
        settings: Mapping[str, str],
        checkpoint: Mapping[str, Any] | None,
    ) -> TrainingState:
        """Run all epochs, or those after a checkpoint; the network then has the weights of the best one.

        Args:
            run: Logs each epoch.
            best: Keeps the best weights.
            checkpoints: Saves the state before the first epoch and after each.
            settings: Saved in each checkpoint.
            checkpoint: Content of the one to resume from; None for a new training.
        """
        history, stopping = History(run), EarlyStopping(self.patience, best, self.scheduler, self.parts)
        state = TrainingState(self.trainer, self.network, self.scheduler, self.parts, best, history, stopping)
        facts = {"settings": dict(settings), "run": run.id}
        if is_main():
            remove_partial(checkpoints.folder)  # of a killed writer: this launch holds the folder
        if checkpoint is not None:
            self._resume(state, checkpoint, checkpoints)
        if is_main() and (checkpoint is None or checkpoint["run"] != run.id):
            # A training killed in its first epoch is then resumed in the same run, and a full disk shows at once.
            checkpoints.save({**state.state_dict(), **facts})
        self._attach(state)

        def close_epoch(engine: Engine) -> None:
            line = self._close(state)
            if is_main():
                checkpoints.save({**state.state_dict(), **facts})
            # After the checkpoint: a resumed training writes what is missing here.
            if best.epoch == engine.state.epoch:
                best.keep(self.network)
            history.log()
            logger.info(line)
            if stopping.reason:
                logger.info(f"training stops after epoch {engine.state.epoch}: {stopping.reason}")
                engine.terminate()

        self.trainer.add_event_handler(Events.EPOCH_COMPLETED, close_epoch)
        if not stopping.reason and self.trainer.state.epoch < self.trainer.state.max_epochs:
            self.trainer.network = parallel(self.trainer.network, self.trainer.state.device)
            self.trainer.run()
        best.load(self.network)
        return state

    def best_outputs(self, best: BestWeights) -> Outputs:
        """Validation outputs of the best weights, which are validated again if that was before resuming."""
        if best.outputs is None:
            self.validation.run()
            return self.validation.outputs
        return best.outputs

    def _resume(self, state: TrainingState, checkpoint: Mapping[str, Any], checkpoints: Checkpoints) -> None:
        """Restore a checkpoint, and write what was to be written after it."""
        state.load_state_dict(checkpoint, checkpoints.read)
        if state.best.epoch == state.trainer.state.epoch > 0:
            state.best.keep(self.network)
        elif state.best.epoch and is_main():
            state.best.require_readable()
        state.history.log()
        max_epochs, earlier = self.trainer.state.max_epochs, checkpoint["max_epochs"]
        if max_epochs != earlier and self.scheduler is not None:
            logger.info(f"max_epochs was {earlier} and is {max_epochs}; the learning rate keeps its first schedule")
        logger.info(f"resumed after epoch {checkpoint['epoch']} of {max_epochs}")

    def _attach(self, state: TrainingState) -> None:
        """Attach handlers: first random numbers, then those that watch, then the parts."""
        trainer = self.trainer
        for part in self.parts:
            if isinstance(part, TwoStages):
                part.best = state.best
        # Files that could not be prepared may have been left out: the dataset's samples are those of its indices.
        samples = getattr(dataset_of(trainer.data_loader), "samples", ())
        trainer.add_event_handler(Events.EPOCH_STARTED, self._begin_epoch)
        show_progress(trainer)
        for handler in (trainer.prepare_batch, state.history, FiniteLoss(samples), *self.parts):
            handler.attach(trainer)

    def _begin_epoch(self, engine: Engine) -> None:
        """Make random numbers and the order of images those of this epoch."""
        seed_epoch(self.seed, engine.state.epoch)
        engine.data_loader.set_epoch(engine.state.epoch)
        # Read from the start, even if the trainer's epoch_length is not that of the loader.
        engine.set_data(engine.data_loader)

    def _close(self, state: TrainingState) -> str:
        """Validate, note the metrics and step the schedule; returns a line about the epoch."""
        trainer, validation = self.trainer, self.validation
        same_buffers(self.network)
        validation.run()
        metrics = validation.state.metrics
        epoch = state.history.add(trainer, metrics)
        state.best.consider(trainer.state.epoch, metrics, validation.outputs)
        step_schedule(self.scheduler, float(metrics[state.best.metric]))
        state.stopping.close(trainer.state.epoch, trainer.state.max_epochs)
        values = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in epoch.items())
        return f"epoch {trainer.state.epoch}/{trainer.state.max_epochs}: {values}"
