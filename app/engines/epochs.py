"""The epochs of one training: train, validate, keep the best, leave a checkpoint; from the beginning or resumed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines import SupervisedTrainer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import RandomSampler, SubsetRandomSampler, WeightedRandomSampler

from app.engines.evaluator import RadiographEvaluator
from app.engines.loading import dataset_of
from app.engines.outputs import Outputs
from app.engines.processes import bare, is_main, parallel, same_buffers
from app.engines.resuming import Checkpoints, Part, TrainingState, seed_epoch
from app.engines.schedule import step_schedule
from app.engines.sharing import from_main
from app.engines.stages import TwoStages
from app.engines.training import BestWeights, FiniteLoss, History, Progress
from app.networks.checkpoints import load_state, read_weights
from app.tracking import Run

logger = logging.getLogger(__name__)


class Epochs:
    """The epochs of a training, with a checkpoint after each.

    Args:
        trainer: over prepared radiographs.
        validation: run after each epoch, on the same network.
        scheduler: stepped after each epoch.
        parts: take part in the training, and are in its checkpoints.
        seed: of all chance, with the epoch's number.
    """

    def __init__(
        self,
        trainer: SupervisedTrainer,
        validation: RadiographEvaluator,
        scheduler: LRScheduler | None,
        parts: Sequence[Part],
        seed: int,
    ) -> None:
        self.trainer = trainer
        self.validation = validation
        self.scheduler = scheduler
        self.parts = tuple(parts)
        self.seed = seed
        # The trainer's may be compiled; the evaluator's is the network itself, and both have the same weights.
        self.network = bare(validation.network)
        # Files that could not be prepared may have been left out: the data set knows what its numbers stand for.
        self.samples: Sequence[Mapping[str, Any]] = getattr(dataset_of(trainer.data_loader), "samples", ())
        self._generators = _generators(trainer)

    def run(
        self,
        run: Run,
        best: BestWeights,
        checkpoints: Checkpoints,
        settings: Mapping[str, str],
        kept: Mapping[str, Any] | None,
    ) -> History:
        """Run all epochs, or those that a checkpoint has left; afterwards the network has the best one's weights.

        Args:
            run: is told of each epoch.
            best: keeps the best weights.
            checkpoints: take the state after each epoch, and before the first.
            settings: are kept in them.
            kept: what the checkpoint to go on from holds.
        """
        history = History(run)
        state = TrainingState(self.trainer, self.network, self.scheduler, self.parts, best, history)
        facts = {"settings": dict(settings), "run": run.id}
        if is_main():
            checkpoints.clean()
        if kept is not None:
            self._take_up(state, kept, checkpoints)
        if is_main() and (kept is None or kept["run"] != run.id):
            # So that even what is killed in its first epoch goes on in the same run, and a full disk shows now.
            checkpoints.save({**state.state_dict(), **facts})
        self._attach(state, kept)

        def close_epoch(engine: Engine) -> None:
            line = self._close(state)
            if is_main():
                checkpoints.save({**state.state_dict(), **facts})
            # After the checkpoint: whoever takes it up writes what is missing here, so neither can be ahead for long.
            if best.epoch == engine.state.epoch:
                best.keep(self.network)
            history.log()
            logger.info(line)

        self.trainer.add_event_handler(Events.EPOCH_COMPLETED, close_epoch)
        if self.trainer.state.epoch < self.trainer.state.max_epochs:
            self.trainer.network = parallel(self.trainer.network, self.trainer.state.device)
            self.trainer.run()
        load_state(self.network, from_main(read_weights(best.path) if is_main() else {}), best.path)
        return history

    def best_outputs(self, best: BestWeights) -> Outputs:
        """The validation of the best weights; run again where the best epoch was another process's."""
        if best.outputs is None:
            self.validation.run()
            return self.validation.outputs
        return best.outputs

    def _take_up(self, state: TrainingState, kept: Mapping[str, Any], checkpoints: Checkpoints) -> None:
        """Restore a checkpoint, and what was to be written after it."""
        state.load_state_dict(kept, checkpoints.read)
        if state.best.epoch == state.trainer.state.epoch > 0:
            state.best.keep(self.network)
        elif state.best.epoch and is_main():
            state.best.require_readable()
        state.history.log()
        longer = self.trainer.state.max_epochs
        if longer != kept["max_epochs"] and self.scheduler is not None:
            logger.info(
                f"max_epochs was {kept['max_epochs']} and is {longer}; the learning rate keeps its first schedule"
            )
        logger.info(f"resumed after epoch {kept['epoch']} of {longer}")

    def _attach(self, state: TrainingState, kept: Mapping[str, Any] | None) -> None:
        """In this order: chance, then what watches, then the parts."""
        trainer = self.trainer
        for part in self.parts:
            if isinstance(part, TwoStages):
                part.best = state.best

        def restore_scaler(engine: Engine) -> None:
            # MONAI makes it when the run starts.
            if kept is not None and kept["scaler"] is not None and getattr(engine, "scaler", None) is not None:
                engine.scaler.load_state_dict(kept["scaler"])

        trainer.add_event_handler(Events.STARTED, restore_scaler)
        trainer.add_event_handler(Events.EPOCH_STARTED, self._begin_epoch)
        trainer.add_event_handler(Events.ITERATION_STARTED, self._begin_iteration)
        for part in (trainer.prepare_batch, state.history, FiniteLoss(self.samples), Progress(), *self.parts):
            part.attach(trainer)

    def _begin_epoch(self, engine: Engine) -> None:
        """Make chance and the order of visit those of this epoch."""
        number = seed_epoch(self.seed, engine.state.epoch)
        for generator in self._generators:
            generator.manual_seed(number)
        loader = engine.data_loader
        for each in (loader, getattr(loader, "sampler", None)):
            set_epoch = getattr(each, "set_epoch", None)
            if set_epoch is not None:
                set_epoch(engine.state.epoch)
        if engine.state.epoch_length != _length(loader):
            # An epoch of another length than the loader's would begin where the one before left off.
            engine.set_data(loader)

    def _begin_iteration(self, engine: Engine) -> None:
        """Seed once more where the first batch of an epoch is there.

        How many numbers a loader draws when it starts depends on whether it has run before.
        """
        if (engine.state.iteration - 1) % engine.state.epoch_length == 0:
            seed_epoch(self.seed, engine.state.epoch)

    def _close(self, state: TrainingState) -> str:
        """Validate, take note and step the schedule; gives the line that tells of the epoch."""
        trainer, validation = self.trainer, self.validation
        same_buffers(self.network)
        validation.run()
        epoch = state.history.add(trainer, validation.state.metrics)
        state.best.consider(trainer.state.epoch, validation.state.metrics, validation.outputs)
        step_schedule(self.scheduler, float(validation.state.metrics[state.best.metric]))
        values = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in epoch.items())
        return f"epoch {trainer.state.epoch}/{trainer.state.max_epochs}: {values}"


def _length(loader: Any) -> int | None:  # noqa: ANN401 - anything that gives batches
    try:
        return len(loader)
    except TypeError:
        # Of what comes as a stream nobody knows.
        return None


def _generators(trainer: SupervisedTrainer) -> list[Any]:
    """Generators of stock samplers, made where they would draw from the global one."""
    sampler = getattr(trainer.data_loader, "sampler", None)
    if not isinstance(sampler, (RandomSampler, SubsetRandomSampler, WeightedRandomSampler)):
        return []
    if sampler.generator is None:
        sampler.generator = torch.Generator()
    return [sampler.generator]
