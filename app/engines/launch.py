"""What every bundle shares around its engines: an MLflow run of its own, checkpoints, progress, a true end."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from monai.engines import SupervisedTrainer
from monai.utils import set_determinism
from torch.optim.lr_scheduler import LRScheduler

from app.checking.values import path_problem
from app.engines import pictures
from app.engines.best_weights import BestWeights
from app.engines.ensemble import loaded
from app.engines.epochs import Epochs
from app.engines.evaluator import RadiographEvaluator
from app.engines.failures import tell_last
from app.engines.loading import dataset_of
from app.engines.maps import SaveMaps
from app.engines.measures import Metrics, metrics
from app.engines.output_folder import FINAL, REPORT, remove, require_writable, set_aside
from app.engines.processes import bare, from_main, is_main, join, world_size
from app.engines.record import ModelRecord, choose_thresholds, threshold_facts
from app.engines.reports import FindingGroups, SectionReport
from app.engines.requirements import require_certain, require_computed
from app.engines.results import logged, read_results, table, write_cases, write_metrics, write_scores
from app.engines.resuming import Checkpoints, StatefulHandler, require_same, trained_with
from app.engines.running import require_checked, running_config, settings, settings_of
from app.engines.schedule import require_same_direction
from app.engines.stages import stages_of
from app.findings import file_names
from app.phantoms.opened import OpenedData
from app.tracking import Run, head_of_folder

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
        resume: go on with the training that ``output_dir`` holds, from its last checkpoint and in its MLflow run. Where
            it holds none, training begins, so that a scheduler can always say it; where it is finished, nothing is
            done. Without it a training begins, and what the folder holds is moved to ``earlier`` within it.
        reports: what else is reported of the section; see ``app.engines.reports``.

    Raises:
        ValueError: an unknown key metric, or a group of findings that the data does not have.
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
        self.resume = resume
        self.reports = list(reports)
        for report in self.reports:
            if isinstance(report, FindingGroups):
                report.require(data.findings)

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
            trainer: MONAI's, over prepared radiographs, with ``decollate=False``.
            validation: chooses the best epoch and the thresholds.
            test: is looked at once, after training.
            scheduler: stepped after each epoch.
            parts: take part in the training, and keep their state in its checkpoints.

        Returns:
            What ``metrics.json`` then holds; of a training that was finished before, what it holds.

        Raises:
            ValueError: the training to resume was begun with other settings, or with more epochs; or nothing computes
                the key metric, or the schedule takes it for another.
            FloatingPointError: the loss or a weight is no finite number any more; names the batch.
            OSError: a checkpoint cannot be written.
        """
        for evaluator in (validation, test):
            require_certain(evaluator.dataset.samples)
        require_computed(self.key_metric, validation)
        require_same_direction(scheduler, self.key_metric)
        # Preparing the data drew random numbers, or none where it was prepared already.
        set_determinism(seed=self.seed)
        excluded = {"training": _excluded(dataset_of(trainer.data_loader)), "validation": _excluded(validation.dataset)}
        checkpoints, trained = Checkpoints(self.output_dir), self._trained_with(excluded["training"])
        kept = self._kept(checkpoints, trained, trainer.state.max_epochs) if self.resume else None
        finished = from_main(self._finished(kept, trainer.state.max_epochs))
        if finished is not None:
            return finished
        with self._run("training", kept["run"] if kept else None) as run:
            best = BestWeights(self.output_dir, self.key_metric)
            epochs = Epochs(trainer, validation, scheduler, parts, self.seed)
            history = epochs.run(run, best, checkpoints, trained, kept)
            run.metrics({"best_epoch": best.epoch, f"best_validation_{self.key_metric}": best.value}, step=best.epoch)
            if is_main():
                if math.isnan(best.value):
                    logger.warning(f"validation {self.key_metric} was never defined: the last epoch's weights are kept")
                run.figure(pictures.history(history.values), "pictures/history.png")
            outputs = epochs.best_outputs(best)
            about = {"data": self.data.datalist.name, "split": self._split(), "section": "validation"}
            known, names = settings_of(running_config()), self.data.findings
            record = choose_thresholds(outputs, names, known, validation.dataset.samples, about)
            chosen = {self.key_metric: None if math.isnan(best.value) else best.value, "epoch": best.epoch}
            record = replace(record, validation=chosen)
            if is_main():
                for path in (best.path, record.write(best.path)):
                    run.artifact(path)
            return self._report(run, test, record, excluded)

    def evaluate(self, checkpoint: str | Path | Sequence[str | Path] | None, test: RadiographEvaluator) -> Metrics:
        """Report on a section with the weights of a checkpoint, at the thresholds kept beside it.

        Args:
            checkpoint: weights that fit the network exactly, with their ``.json`` beside them; or several, whose mean
                is taken (``app.engines.ensemble``).
            test: is reported on.

        Raises:
            ValueError: no checkpoint is named, it does not fit the network, or was trained for something else.
        """
        require_certain(test.dataset.samples)
        settings = settings_of(running_config())
        test.network, record = loaded(test.network, checkpoint, self.data.findings, settings)
        with self._run("evaluating") as run:
            return self._report(run, test, record, {})

    @contextmanager
    def _run(self, kind: str, resumed: str | None = None) -> Iterator[Run]:
        """An open MLflow run that knows the config, the settings and the data; the one with the id ``resumed``."""
        config, facts = running_config(), self.data.facts()
        with Run(self.bundle, folder=self.output_dir, resume=resumed) as run:
            if is_main():
                self._clear(kind, resumed is not None)
            run.tags({"workflow": kind})
            shown = {name: value for name, value in settings(config).items() if name != "resume"}
            run.parameters(shown | {"data": facts})
            run.dataset(self.data.datalist.name, str(facts["fingerprint"]), kind)
            run.text(yaml.safe_dump(config, sort_keys=False), "config.yaml")
            yield run

    def _clear(self, kind: str, is_resumed: bool) -> None:
        """See that nothing of an earlier launch can pass for a result of this one, should it fail."""
        if kind != "training" or is_resumed:
            remove(self.output_dir, FINAL if is_resumed else REPORT)
            return
        place = set_aside(self.output_dir)
        if place is not None:
            logger.info(f"{self.output_dir} held an earlier training: it is now in {place}, in place of what was there")

    def _trained_with(self, excluded: int) -> dict[str, str]:
        facts = {"data": self.data.facts()["fingerprint"], "seed": self.seed, "processes": world_size()}
        if excluded:
            facts["excluded training files"] = excluded
        return trained_with(running_config(), {**facts, "key_metric": self.key_metric})

    def _kept(self, checkpoints: Checkpoints, trained: Mapping[str, str], max_epochs: int) -> dict[str, Any] | None:
        """What the checkpoint to go on from holds, in all processes; None where there is none."""
        kept = from_main(checkpoints.newest() if is_main() else None)
        if kept is None:
            logger.info(f"{self.output_dir} holds no checkpoint to resume from: training begins")
            return None
        require_same(kept["settings"], trained, checkpoints.read)
        if kept["epoch"] > max_epochs:
            raise ValueError(f"{checkpoints.read} is of epoch {kept['epoch']}, beyond max_epochs {max_epochs}")
        return kept

    def _finished(self, kept: Mapping[str, Any] | None, max_epochs: int) -> Metrics | None:
        """The results of the training to resume where it is finished already; None where something is left to do."""
        results = self.output_dir / REPORT[0]
        if kept is None or kept["epoch"] < max_epochs or not results.is_file():
            return None
        remedy = "The training is complete, and its results are made again."
        try:
            head = head_of_folder(self.output_dir, remedy)
            # An evaluation into the same folder leaves the name of a run of its own there.
            if head is None or head["run"] != kept["run"]:
                return None
            reached = read_results(self.output_dir, remedy)
        except FileNotFoundError as error:
            logger.warning(f"{error.filename}: there is no such file. {remedy}")
            return None
        except ValueError as error:
            logger.warning(str(error))
            return None
        logger.info(f"the training in {self.output_dir} is finished: its results are in {results}")
        return reached

    def _split(self) -> str:
        """What tells this split of the data from others."""
        return str(self.data.facts().get("split_fingerprint", ""))

    def _report(self, run: Run, test: RadiographEvaluator, record: ModelRecord, excluded: Mapping[str, int]) -> Metrics:
        if self.save_maps:
            SaveMaps(self.output_dir / "maps", record.findings).attach(test)
        test.run()
        # Every process has all outputs; one of them reports.
        return from_main(self._write_report(run, test, record, excluded) if is_main() else {})

    def _write_report(
        self, run: Run, test: RadiographEvaluator, record: ModelRecord, excluded: Mapping[str, int]
    ) -> Metrics:
        outputs, samples = test.outputs, test.dataset.samples
        excluded = {**excluded, self.section: _excluded(test.dataset)}
        lost = {section: count for section, count in excluded.items() if count}
        told = threshold_facts(record, self.section, self._split())
        about = {"section": self.section, "excluded": lost, "thresholds": told, "regions": test.collected.facts()}
        result: Metrics = about | metrics(outputs, samples, record)
        for report in self.reports:
            result |= report(outputs, samples, record)
        stages = stages_of(bare(test.network))
        if len(stages) == 1:
            result["crf"] = stages == {2}
        elif stages:
            logger.warning("the CRF takes part in what some of the ensemble's networks say, not in all")
        write_metrics(result, self.output_dir / "metrics.json")
        write_scores(outputs, samples, record.findings, self.output_dir / "predictions.csv")
        write_cases(outputs, samples, record, self.output_dir / "cases.csv")
        values = logged(result, record.findings)
        run.metrics({f"{self.section}.{name}": value for name, value in values.items()}, step=0)
        run.metrics({f"excluded.{section}": count for section, count in excluded.items()}, step=0)
        for name in ("metrics.json", "predictions.csv", "cases.csv"):
            run.artifact(self.output_dir / name)
        self._draw(run, test, record)
        for line in report_lines(self.bundle, self.section, self.data.datalist.name, test, result):
            logger.info(line)
        if "warning" in told:
            logger.warning(told["warning"])
        logger.info(f"\nResults are in {self.output_dir}. To look at the run and compare it with others:")
        logger.info(f"    {run.open_hint}")
        return result

    def _draw(self, run: Run, test: RadiographEvaluator, record: ModelRecord) -> None:
        run.figure(pictures.curves(test.outputs, record.findings), "pictures/curves.png")
        run.figure(pictures.distributions(test.outputs, record.findings), "pictures/score_distributions.png")
        run.figure(pictures.reliability(test.outputs, record.findings), "pictures/reliability.png")
        names = file_names(record.findings)
        for name, figure in pictures.cases(test, record):
            run.figure(figure, f"pictures/cases_{names[name]}.png")


def begin(output_dir: str | Path, seed: int) -> None:
    """The first thing a workflow runs: join torchrun's other processes, refuse what cannot work, fix all chance.

    Raises:
        PermissionError: ``output_dir`` cannot be written.
        CheckError: the config cannot work; every problem is listed.
    """
    tell_last()
    join()
    logging.basicConfig(level=logging.INFO if is_main() else logging.WARNING, format="%(message)s")
    # Each evaluation is an engine's run of its own; Ignite would announce it in three lines an epoch.
    logging.getLogger("ignite").setLevel(logging.WARNING)
    problem = path_problem(output_dir)
    if not problem:
        require_writable(Path(output_dir))
    require_checked()
    if problem:
        raise ValueError(f"output_dir: {problem}")
    set_determinism(seed=seed)


def report_lines(bundle: str, section: str, data: str, test: RadiographEvaluator, result: Metrics) -> Iterator[str]:
    """What a user reads at the end of a launch: the table, and what was treated in another way than the rest."""
    yield f"\n{bundle}, {section} section of {data}:\n{table(result)}"
    whole = getattr(test.dataset, "lungs_not_found", [])
    if whole:
        yield f"no lungs found in {len(whole)} of {len(test.dataset)} images, which were used whole"
    if "crf" in result:
        yield f"the CRF takes {'part' if result['crf'] else 'no part'} in these results"
    for name, count in result["excluded"].items():
        yield f"left out of the {name} section: {count} files that could not be read, each named at the start"


def _excluded(dataset: Any) -> int:  # noqa: ANN401 - a PreparedDataset, or what stands in for one
    """How many files a data set left out because they could not be prepared."""
    return len(getattr(dataset, "excluded", ()))
