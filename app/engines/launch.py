"""What every bundle shares around its engines: an MLflow run of its own, checkpoints, progress, a true end."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from ignite.engine import Engine, Events
from ignite.handlers import ProgressBar
from monai.engines import SupervisedTrainer
from monai.utils import set_determinism
from monai.utils.enums import CommonKeys
from torch.optim.lr_scheduler import LRScheduler

from app.data.opened import OpenedData
from app.engines import pictures
from app.engines.evaluator import RadiographEvaluator
from app.engines.maps import SaveMaps
from app.engines.output_folder import require_writable
from app.engines.record import ModelRecord, chosen_on, record_of
from app.engines.results import LOGGED, Metrics, flat, metrics, table, write_cases, write_metrics, write_scores
from app.engines.running import require_used, running_config, settings, settings_of
from app.engines.training import BestWeights, FiniteLoss, History
from app.networks.checkpoints import load_exactly
from app.tracking import Run

logger = logging.getLogger(__name__)


class Launch:
    """One launch of a bundle: trains or evaluates, records it in MLflow and leaves its results in a folder.

    Args:
        bundle: name of the bundle, and of its experiment in MLflow.
        data: the datalist that is used.
        output_dir: where ``model.pt``, ``metrics.json``, ``predictions.csv`` and pictures go; made where missing.
        seed: of everything random.
        section: which section is reported on: ``test``, ``validation`` or ``training``.
        key_metric: by which validation metric the best weights are chosen: ``auc``, ``dice`` or (lowest) ``loss``.
        save_maps: whether to write the maps of the reported section, as pictures in the radiographs' own pixels.

    Raises:
        ValueError: an unknown key metric.
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
    ) -> None:
        if key_metric not in ("auc", "dice", "loss"):
            raise ValueError(f"key_metric is one of auc, dice, loss, not {key_metric!r}")
        self.bundle = bundle
        self.data = data
        self.output_dir = Path(output_dir)
        self.seed = seed
        self.section = section
        self.key_metric = key_metric
        self.save_maps = save_maps

    def train(
        self,
        trainer: SupervisedTrainer,
        validation: RadiographEvaluator,
        test: RadiographEvaluator,
        scheduler: LRScheduler | None = None,
    ) -> Metrics:
        """Train, keep the best weights by the key metric, and report on ``test`` with them.

        Args:
            trainer: MONAI's, over prepared radiographs, with ``decollate=False``.
            validation: chooses the best epoch and the thresholds.
            test: is looked at once, after training.
            scheduler: stepped after each epoch.

        Returns:
            What ``metrics.json`` then holds.
        """
        for evaluator in (validation, test):
            require_certain(evaluator.dataset.samples)
        # Preparing the data drew random numbers, or none where it was prepared already.
        set_determinism(seed=self.seed)
        with self._run("training") as run:
            best = BestWeights(self.output_dir, self.key_metric)
            history = History(run)
            self._attach(trainer, scheduler, history)

            def close_epoch(engine: Engine) -> None:
                validation.run()
                epoch = history.add(engine, validation.state.metrics)
                best.consider(engine.state.epoch, trainer.network, validation.state.metrics)
                if scheduler is not None:
                    scheduler.step()
                logger.info(_epoch_line(engine, epoch))

            trainer.add_event_handler(Events.EPOCH_COMPLETED, close_epoch)
            trainer.run()
            load_exactly(trainer.network, best.path)
            run.metrics({"best_epoch": best.epoch, f"best_validation_{self.key_metric}": best.value}, step=best.epoch)
            run.figure(pictures.history(history.values), "pictures/history.png")
            validation.run()
            record = chosen_on(validation.outputs, self.data.findings, settings_of(running_config()))
            for path in (best.path, record.write(best.path)):
                run.artifact(path)
            return self._report(run, test, record)

    def evaluate(self, checkpoint: str | Path | None, test: RadiographEvaluator) -> Metrics:
        """Report on a section with the weights of a checkpoint, at the thresholds kept beside it.

        Args:
            checkpoint: weights that fit the network exactly, with their ``.json`` beside them.
            test: is reported on.

        Raises:
            ValueError: no checkpoint is named, it does not fit the network, or was trained for something else.
        """
        if checkpoint is None:
            raise ValueError("name the weights to evaluate: --checkpoint FILE")
        require_certain(test.dataset.samples)
        load_exactly(test.network, checkpoint)
        record = record_of(Path(checkpoint), self.data.findings, settings_of(running_config()))
        with self._run("evaluating") as run:
            return self._report(run, test, record)

    @contextmanager
    def _run(self, kind: str) -> Iterator[Run]:
        """An open MLflow run that knows the config, the settings and the data."""
        config, facts = running_config(), self.data.facts()
        with Run(self.bundle, folder=self.output_dir) as run:
            run.tags({"workflow": kind})
            run.parameters(settings(config) | {"data": facts})
            run.dataset(self.data.datalist.name, str(facts["fingerprint"]), kind)
            run.text(yaml.safe_dump(config, sort_keys=False), "config.yaml")
            yield run

    def _attach(self, trainer: SupervisedTrainer, scheduler: LRScheduler | None, history: History) -> None:
        for part in (trainer.prepare_batch, history, FiniteLoss(self.data.samples("training"))):
            part.attach(trainer)
        sampler = getattr(trainer.data_loader, "sampler", None)
        if sampler is not None and hasattr(sampler, "set_epoch"):
            trainer.add_event_handler(Events.EPOCH_STARTED, lambda engine: sampler.set_epoch(engine.state.epoch))
        bar = ProgressBar(desc="training", disable=not sys.stderr.isatty())
        bar.attach(trainer, output_transform=lambda output: {"loss": output[CommonKeys.LOSS].item()})

    def _report(self, run: Run, test: RadiographEvaluator, record: ModelRecord) -> Metrics:
        if self.save_maps:
            SaveMaps(self.output_dir / "maps", record.findings).attach(test)
        test.run()
        outputs, samples = test.outputs, test.dataset.samples
        result = {"section": self.section} | metrics(outputs, samples, record)
        write_metrics(result, self.output_dir / "metrics.json")
        write_scores(outputs, samples, record.findings, self.output_dir / "predictions.csv")
        write_cases(outputs, samples, record, self.output_dir / "cases.csv")
        logged = flat({name: result[name] for name in LOGGED if name in result})
        run.metrics({f"{self.section}.{name}": value for name, value in logged.items()}, step=0)
        for name in ("metrics.json", "predictions.csv", "cases.csv"):
            run.artifact(self.output_dir / name)
        self._draw(run, test, record)
        for line in report_lines(self.bundle, self.section, self.data.datalist.name, test, result):
            logger.info(line)
        logger.info(f"\nResults are in {self.output_dir}. To look at the run and compare it with others:")
        logger.info(f"    {run.open_hint}")
        return result

    def _draw(self, run: Run, test: RadiographEvaluator, record: ModelRecord) -> None:
        run.figure(pictures.curves(test.outputs, record.findings), "pictures/curves.png")
        run.figure(pictures.distributions(test.outputs, record.findings), "pictures/score_distributions.png")
        run.figure(pictures.reliability(test.outputs, record.findings), "pictures/reliability.png")
        for name, figure in pictures.cases(test, record):
            run.figure(figure, f"pictures/cases_{name.lower().replace(' ', '_')}.png")


def begin(output_dir: str | Path, seed: int) -> None:
    """The first thing a workflow runs: refuse early what cannot work, and fix every source of chance.

    Raises:
        PermissionError: ``output_dir`` cannot be written.
        ValueError: a setting that nothing uses.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    # Each evaluation is an engine's run of its own; Ignite would announce it in three lines an epoch.
    logging.getLogger("ignite").setLevel(logging.WARNING)
    require_writable(Path(output_dir))
    require_used(running_config())
    set_determinism(seed=seed)


def _epoch_line(engine: Engine, epoch: dict[str, float]) -> str:
    values = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in epoch.items())
    return f"epoch {engine.state.epoch}/{engine.state.max_epochs}: {values}"


def report_lines(bundle: str, section: str, data: str, test: RadiographEvaluator, result: Metrics) -> Iterator[str]:
    """What a user reads at the end of a launch: the table, and what was treated in another way than the rest."""
    yield f"\n{bundle}, {section} section of {data}:\n{table(result)}"
    whole = getattr(test.dataset, "lungs_not_found", [])
    if whole:
        yield f"no lungs found in {len(whole)} of {len(test.dataset)} images, which were used whole"


def require_certain(samples: Sequence[Mapping[str, Any]]) -> None:
    """Raise where a label is a certainty between absent and present: it can be learnt from, but not counted.

    Raises:
        ValueError: names the first item and its value.
    """
    for sample in samples:
        between = [value for value in sample["label"] if 0 < value < 1]
        if between:
            raise ValueError(
                f"{sample['name']}: label {between[0]:g} is a certainty; evaluation needs 1, 0, -1 or null. "
                "Decide from which certainty on a finding counts as present."
            )
