"""What every bundle shares around its engines: an MLflow run of its own, checkpoints, a report, a true status."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from monai.engines import SupervisedTrainer
from monai.utils import set_determinism
from torch.optim.lr_scheduler import LRScheduler

from app.checking.model_records import record_path
from app.checking.operating_points import YOUDEN, threshold_rule
from app.checking.weights import PARTS
from app.engines.best_weights import BestWeights
from app.engines.configuration import Configuration
from app.engines.early_stopping import require_patience
from app.engines.ensemble import loaded
from app.engines.epochs import Epochs
from app.engines.evaluator import RadiographEvaluator, require_certain, require_computed
from app.engines.loading import dataset_of, excluded_count
from app.engines.measures import Metrics
from app.engines.model_package import package
from app.engines.output_folder import FINAL, HISTORY, REPORT, remove, set_aside
from app.engines.processes import bare, from_main, is_main, world_size
from app.engines.recalibrations import require_choice, with_recalibration
from app.engines.record import ModelRecord, choose_thresholds
from app.engines.reports import FindingGroups, SectionReport
from app.engines.results import write_history
from app.engines.resuming import Checkpoints, StatefulHandler, trained_with
from app.engines.resumption import checkpoint_to_resume, finished_results
from app.engines.run_words import NOTE, note, parameters, run_name
from app.engines.schedule import require_same_direction
from app.engines.section_results import SectionResults
from app.findings import require_known
from app.phantoms.opened import OpenedData
from app.tracking import Run
from app.tracking.names import require_model_name
from app.tracking.version_tags import command

logger = logging.getLogger(__name__)


class Launch:
    """One launch of a bundle: trains or evaluates, records it in MLflow and leaves its results in a folder.

    Args:
        bundle: Name of the bundle, and of its experiment in MLflow.
        data: The opened datalist.
        output_dir: Folder for ``model.pt``, ``metrics.json``, ``predictions.csv`` and pictures; created if missing.
        seed: Seed for everything random.
        section: The section to report on: ``test``, ``validation`` or ``training``.
        key_metric: Validation metric that chooses the best weights: ``auc``, ``dice`` or (lowest) ``loss``.
        save_maps: Whether to write the section's maps, as pictures in the radiographs' own pixels.
        patience: Epochs without a better key metric after which training stops; 0 to train for ``max_epochs``.
        resume: Continue the training in ``output_dir``, from its last checkpoint and in its MLflow run. If there is
            none, a training begins, so that a job queue can always set this; if it is finished, nothing is done. If
            False, a training begins, and the folder's contents are moved to ``earlier`` within it.
        reports: Further reports on the section; see ``app.engines.reports``.
        configuration: The config that is recorded, and its settings; None if they are not known. Some of its settings
            are taken by name: ``run_name``, with which the run's name begins; ``register``, the registered model in
            MLflow that gets the trained model as a new version; ``operating_point``, which thresholds of scores
            validation chooses (``app.checking.operating_points``); ``recalibration``, which makes probabilities of
            logits (``app.engines.recalibrations``); ``prevalence``, how frequent findings are where the model
            is to be used, for predictive values there; and ``pictures``, false to draw none.

    Raises:
        ValueError: If the key metric is unknown, a group has findings that the data lacks, MLflow cannot have a
            registered model of that name, or there is no such operating point, recalibration or prevalence, or
            ``pictures`` is no switch.
    """

    def __init__(
        self,
        bundle: str,
        data: OpenedData,
        output_dir: str | Path,
        seed: int = 0,
        section: str = "test",
        key_metric: str = "auc",
        save_maps: bool = False,
        resume: bool = False,
        reports: Sequence[SectionReport] = (),
        configuration: Configuration | None = None,
        patience: int = 0,
    ) -> None:
        if key_metric not in ("auc", "dice", "loss"):
            raise ValueError(f"key_metric is one of auc, dice, loss, not {key_metric!r}")
        self.bundle = bundle
        self.data = data
        self.output_dir = Path(output_dir)
        self.seed = seed
        self.key_metric = key_metric
        self.resume = resume
        self.patience = patience
        self.configuration = Configuration() if configuration is None else configuration
        self._recalibration = str(self.configuration.config.get("recalibration") or "none")
        require_choice(self._recalibration)
        self._register = str(self.configuration.config.get("register") or "")
        if self._register:
            require_model_name(self._register)
        self._operating_point = str(self.configuration.config.get("operating_point") or YOUDEN)
        threshold_rule(self._operating_point)
        prevalence = dict(self.configuration.config.get("prevalence") or {})
        require_known(prevalence, data.findings, "prevalence")
        self._is_drawn = self.configuration.config.get("pictures", True)
        if not isinstance(self._is_drawn, bool):
            raise ValueError(f"pictures is true or false, not {self._is_drawn!r}")
        for report in reports:
            if isinstance(report, FindingGroups):
                report.require(data.findings)
        self._results = SectionResults(
            bundle, data, self.output_dir, section, list(reports), prevalence, self._is_drawn, save_maps
        )

    def train(
        self,
        trainer: SupervisedTrainer,
        validation: RadiographEvaluator,
        test: RadiographEvaluator,
        scheduler: LRScheduler | None = None,
        parts: Sequence[StatefulHandler] = (),
    ) -> Metrics:
        """Train, keep the best weights by the key metric, and report on ``test`` with them.

        Args:
            trainer: MONAI's, for prepared radiographs, with ``decollate=False``.
            validation: Chooses the best epoch and the thresholds.
            test: Run once, after training.
            scheduler: Stepped after each epoch.
            parts: Take part in the training; their state is in its checkpoints.

        Returns:
            The content of ``metrics.json``; if the training was finished before, its results.

        Raises:
            ValueError: If the training to resume was begun with other settings or trained for more epochs, if nothing
                computes the key metric, or if the schedule expects it to move the other way.
            FloatingPointError: If the loss or a weight is no longer finite; names the batch.
            OSError: If a checkpoint cannot be written.
        """
        for evaluator in (validation, test):
            require_certain(evaluator.dataset.samples)
        require_computed(self.key_metric, validation)
        require_same_direction(scheduler, self.key_metric)
        require_patience(self.patience, scheduler)
        # Preparing the data drew random numbers, or none if it was prepared already.
        set_determinism(seed=self.seed)
        excluded = {
            "training": excluded_count(dataset_of(trainer.data_loader)),
            "validation": excluded_count(validation.dataset),
        }
        trained = trained_with(self.configuration.config, self._facts(excluded["training"]))
        checkpoints, last = Checkpoints(self.output_dir), trainer.state.max_epochs
        kept = checkpoint_to_resume(checkpoints, trained, last) if self.resume else None
        finished = from_main(finished_results(self.output_dir, kept, last))
        if finished is not None:
            return finished
        with self._run("training", kept["run"] if kept else None) as run:
            best = BestWeights(self.output_dir, self.key_metric)
            epochs = Epochs(trainer, validation, scheduler, parts, self.seed, self.patience)
            state = epochs.run(run, best, checkpoints, trained, kept)
            run.metrics({"best_epoch": best.epoch, f"best_validation_{self.key_metric}": best.value}, step=best.epoch)
            length = state.stopping.facts(trainer.state.epoch, last)
            if state.stopping.reason:
                run.metrics({"stopped_epoch": length["epochs"]}, step=length["epochs"])
                run.tags({"frugal.stopped": state.stopping.reason})
            if is_main():
                write_history(state.history.values, self.output_dir / HISTORY)
                if math.isnan(best.value):
                    logger.warning(f"validation {self.key_metric} was never defined: the last epoch's weights are kept")
                if self._is_drawn:
                    from app.engines import pictures  # not above: matplotlib is imported when something is drawn

                    run.figure(pictures.history(state.history.values), "pictures/history.png")
            record = replace(self._record(epochs, validation, best), training=length)
            if is_main():
                record.write(best.path)
                self._log_model(run, best.path, validation)
            return self._results.report(run, test, record, excluded, "training")

    def evaluate(self, checkpoint: str | Path | Sequence[str | Path] | None, test: RadiographEvaluator) -> Metrics:
        """Report on a section with the weights of a checkpoint, at the thresholds stored beside it.

        Args:
            checkpoint: Weights that fit the network exactly, with their ``.json`` beside them; or several files, whose
                mean prediction is used (``app.engines.ensemble``).
            test: The pass to report on.

        Raises:
            ValueError: If no checkpoint is named, or it does not fit the network or was trained for something else.
        """
        if self._register:
            raise ValueError("register is a setting of training: leave it out, or register the run by frugal promote")
        require_certain(test.dataset.samples)
        test.network, record = loaded(test.network, checkpoint, self.data.findings)
        if self.configuration.config.get("operating_point") not in (None, record.operating_point):
            kept = record.operating_point or "another in each model"
            raise ValueError(
                f"operating_point is {self._operating_point!r}, but the thresholds beside the weights were chosen by "
                f"{kept!r}. Leave it out; another one takes another training"
            )
        with self._run("evaluating") as run:
            return self._results.report(run, test, record, {}, "evaluating")

    @contextmanager
    def _run(self, kind: str, resumed: str | None = None) -> Iterator[Run]:
        """An open MLflow run with the config, the settings and the data; ``resumed`` is the id of one to continue."""
        name, facts, config = self.data.datalist.name, self.data.facts(), self.configuration.config
        called = run_name(self.configuration, self.output_dir)
        with Run(self.bundle, called, folder=self.output_dir, resume=resumed) as run:
            if is_main():
                self._clear(kind, resumed is not None)
            run.tags(
                {"workflow": kind, NOTE: note(kind, name, command()), "frugal.threads": str(torch.get_num_threads())}
            )
            about = {key: value for key, value in facts.items() if not key.startswith("provenance.")}
            run.tags({f"data.{key}": str(value) for key, value in about.items()})
            run.parameters(parameters(config, name, self.data.findings))
            run.dataset(name, str(facts["fingerprint"]), kind, about)
            whole = facts | {"workflow": kind} | self.data.description()
            run.text(json.dumps(whole, indent=2, default=str) + "\n", "data.json")
            if self.configuration.files:
                run.text(self.configuration.text, "config.yaml")
            yield run

    def _clear(self, kind: str, is_resumed: bool) -> None:
        """Leave nothing of an earlier launch that could be taken for a result of this one if it fails."""
        if kind != "training" or is_resumed:
            remove(self.output_dir, FINAL if is_resumed else REPORT)
            return
        folder = set_aside(self.output_dir)
        if folder is not None:
            logger.info(f"{self.output_dir} held an earlier training, which is now in {folder} (replacing its content)")

    def _facts(self, excluded: int) -> dict[str, object]:
        """What decides the outcome of a training beside its config."""
        facts: dict[str, object] = {
            "data": self.data.facts()["fingerprint"],
            "seed": self.seed,
            "processes": world_size(),
        }
        if excluded:
            facts["excluded training files"] = excluded
        return {**facts, "key_metric": self.key_metric}

    def _record(self, epochs: Epochs, validation: RadiographEvaluator, best: BestWeights) -> ModelRecord:
        """The settings of the best weights, and the thresholds chosen on validation."""
        about = {
            "data": self.data.datalist.name,
            "split": str(self.data.facts()["split_fingerprint"]),
            "section": "validation",
        }
        trained_for, outputs = self.configuration.trained_settings, epochs.best_outputs(best)
        samples, rule = validation.dataset.samples, self._operating_point
        record = choose_thresholds(outputs, self.data.findings, trained_for, samples, about, rule)
        record = with_recalibration(record, outputs, samples, self._recalibration)
        value = None if math.isnan(best.value) else best.value
        return replace(
            record,
            validation={self.key_metric: value, "epoch": best.epoch},
            bundle=self.bundle,
            version=self.configuration.bundle_version,
        )

    def _log_model(self, run: Run, weights: Path, validation: RadiographEvaluator) -> None:
        """Log the weights as a model that MLflow can load; as files alone if the config does not name its parts."""
        if not set(PARTS) <= self.configuration.config.keys():
            for path in (weights, record_path(weights)):
                run.artifact(path)
            return
        model = package(weights, bare(validation.network), self.data.findings, self.configuration)
        run.model(model.folder, model.files, model.digest, self._register)
