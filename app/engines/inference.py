"""Score a folder of radiographs: a table of what is called, and a picture of each in its own pixels."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TextIO

import numpy as np
from ignite.engine import Engine, Events
from monai.utils.enums import CommonKeys
from torch import Tensor

from app.checking.model_records import record_path
from app.engines.evaluator import RadiographEvaluator
from app.engines.loading import EvaluationLoader
from app.engines.maps import below, picture_names
from app.engines.output_folder import remove, require_writable
from app.engines.overlay import Region, colour_of, overlay
from app.engines.processes import world_size
from app.engines.record import ModelRecord, record_of
from app.files.atomic import opened_whole, write_png
from app.files.limited import limited
from app.files.score_tables import COLUMNS, EXCLUDED, PREDICTIONS, TABLES, write_doubtful, write_excluded
from app.installed import find_file
from app.networks.checkpoints import load_exactly
from app.prepared import PreparedDataset
from evaluation.cells import safe_row
from evaluation.logits import probability
from transforms import read_radiograph, restore_map
from transforms.errors import RadiographError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScoredRadiograph:
    """One radiograph with what the network says of its C findings.

    Attributes:
        path: Of the file.
        name: Of its pictures, without suffix.
        image: (H, W) of the stored radiograph in [0, 1].
        meta: As `transforms.read_radiograph` gives it.
        scores: (C,) probabilities.
        is_called: (C,) bool.
        maps: (H, W) probabilities of each finding that is shown, by its number; the highest score first.
        map_thresholds: (C,) probabilities from which a map is outlined.
        is_doubtful: Whether it hardly looks like a frontal radiograph of the chest (`app.views`).
    """

    path: Path
    name: str
    image: np.ndarray
    meta: Mapping[str, Any]
    scores: np.ndarray
    is_called: np.ndarray
    maps: Mapping[int, np.ndarray]
    map_thresholds: Sequence[float]
    is_doubtful: bool = False


class FurtherResults(Protocol):
    """What an inference writes beside its table, radiograph by radiograph, each of which is read once more for it.

    Attributes:
        is_wanted: False if it would write nothing.
    """

    is_wanted: bool

    def begin(self, output_dir: Path, weights: Path, record: ModelRecord | None) -> None:
        """Prepare for radiographs; ``record`` is None if none is kept beside the weights."""

    def write(self, radiograph: ScoredRadiograph) -> None:
        """Write the results of one radiograph."""

    def end(self) -> None:
        """Log what was written and what was not."""


class Overlays:
    """A picture of each radiograph with the findings that are called, or with all if there are no thresholds.

    Args:
        findings: C names, in the network's order.
    """

    is_wanted = True

    def __init__(self, findings: Sequence[str]) -> None:
        self.findings = parsed_names(findings)
        self._folder = Path()

    def begin(self, output_dir: Path, weights: Path, record: ModelRecord | None) -> None:
        """Choose the folder."""
        self._folder = output_dir / "overlays"

    def write(self, radiograph: ScoredRadiograph) -> None:
        """Draw the maps that are shown, in the pixels of the file."""
        regions = [
            Region(f"{self.findings[c]} {radiograph.scores[c]:.2f}", map, radiograph.map_thresholds[c], colour_of(c))
            for c, map in radiograph.maps.items()
        ]
        picture = overlay(radiograph.image, regions, "" if regions else "nothing called")
        write_png(below(self._folder, radiograph.name, ".png"), picture)

    def end(self) -> None:
        """Nothing: pictures are not counted."""


def parsed_names(findings: Sequence[str]) -> list[str]:
    """Names of findings in a config; MONAI's parser replaces each "#" of a name by "::"."""
    return [name.replace("::", "#") for name in findings]


class Inference:
    """Scores the radiographs of a folder: ``predictions.csv`` and one overlay each in ``output_dir``.

    A finding is called if its logit reaches the threshold that validation chose, which is kept beside the weights.
    Overlays show what is called. If no thresholds are kept, nothing is called, and overlays show every finding.

    Args:
        evaluator: Over the prepared folder, with ``on_error="exclude"``.
        findings: Names, in the network's order.
        output_dir: Created if missing.
        threshold: Probability from which maps are outlined; None for the thresholds kept beside the weights.
        overlays: Whether to draw overlays.
        further: What else to write, such as `app.dicom.DicomResults`.
    """

    def __init__(
        self,
        evaluator: RadiographEvaluator,
        findings: Sequence[str],
        output_dir: str | Path,
        threshold: float | None = None,
        overlays: bool = True,
        further: Sequence[FurtherResults] = (),
    ) -> None:
        self.evaluator = evaluator
        self.findings = parsed_names(findings)
        self.output_dir = Path(output_dir)
        self.threshold = threshold
        results = [*([Overlays(findings)] if overlays else []), *further]
        self.results: list[FurtherResults] = [each for each in results if each.is_wanted]
        self._record = ModelRecord((), {}, (), ())
        self._is_kept = False
        self._called = np.zeros(len(self.findings), dtype=int)
        self._pictures: dict[str, str] = {}
        self._unread: list[str] = []

    def run(self, checkpoint: str | Path) -> None:
        """Load the weights and score every radiograph; files that are not scored are listed in ``excluded.csv``.

        Radiographs that hardly look like what is wanted are scored, and listed in ``doubtful.csv`` if there are any.

        A file that vanishes after it was prepared is scored as it was then, and gets no overlay or other result.

        Raises:
            ValueError: No file can be read, or the weights do not fit the network.
            RuntimeError: There are several processes.
        """
        if world_size() > 1:
            raise RuntimeError(f"a folder is scored by one process, not by {world_size()}: start it without torchrun")
        require_writable(self.output_dir)
        self.load(checkpoint)
        self.output_dir.mkdir(parents=True, exist_ok=True)
        remove(self.output_dir, TABLES)
        self._write_excluded()
        write_doubtful(self.output_dir, self.evaluator.dataset.doubtful)
        self._pictures = picture_names([sample["name"] for sample in self.evaluator.dataset.samples])
        with opened_whole(self.output_dir / PREDICTIONS) as file:
            csv.writer(file).writerow(COLUMNS)
            self._write_rows(file)
        self._log()

    def load(self, checkpoint: str | Path) -> None:
        """Load the weights with their thresholds, and prepare further results for radiographs.

        Raises:
            ValueError: The weights do not fit the network, or a further result cannot be had with them.
        """
        weights = find_file(checkpoint)
        load_exactly(self.evaluator.network, weights)
        self._record, self._is_kept = record_of(weights, self.findings), record_path(weights).is_file()
        if self.threshold is not None:
            self._record = replace(self._record, map_thresholds=(self.threshold,) * len(self.findings))
        for result in self.results:
            result.begin(self.output_dir, weights, self._record if self._is_kept else None)

    def score(self, dataset: PreparedDataset) -> tuple[str, list[int] | None]:
        """Score other radiographs than the folder's, with the weights that are loaded.

        Returns:
            Rows of ``predictions.csv``; and how often each finding is called, None if no thresholds are kept.

        Raises:
            ValueError: The evaluator's loader is none whose batches are known.
        """
        loader = self.evaluator.data_loader
        if not isinstance(loader, EvaluationLoader):
            raise ValueError(
                f"the evaluator's loader is a {type(loader).__name__}, but chunks take an EvaluationLoader"
            )
        self.evaluator.read(loader.over(dataset))
        rows = io.StringIO(newline="")
        self._write_rows(rows)
        return rows.getvalue(), self._called.tolist() if self._is_kept else None

    def _write_rows(self, file: TextIO) -> None:
        self._called[:] = 0
        writer = csv.writer(file)

        def write(engine: Engine) -> None:
            self._write_batch(engine, writer)

        if len(self.evaluator.dataset):
            with self.evaluator.add_event_handler(Events.ITERATION_COMPLETED, write):
                self.evaluator.run()

    def _write_excluded(self) -> None:
        dataset, path = self.evaluator.dataset, self.output_dir / EXCLUDED
        write_excluded(path, dataset.excluded)
        if not len(dataset):
            raise ValueError(
                f"none of {len(dataset.excluded)} files is a radiograph to be scored; each is named with the reason in "
                f"{path}, the first: {dataset.excluded[0][1]}"
            )

    def _log(self) -> None:
        dataset = self.evaluator.dataset
        logger.info(f"{len(dataset)} radiographs scored, {len(dataset.excluded)} files left out (excluded.csv)")
        if self._is_kept:
            counts = ", ".join(f"{name} {count}" for name, count in zip(self.findings, self._called, strict=True))
            logger.info(f"called at the thresholds that validation chose: {counts}")
        else:
            logger.warning("no thresholds are kept beside the weights: nothing is called, overlays show every finding")
        if dataset.doubtful:
            logger.warning(
                f"{len(dataset.doubtful)} of them hardly look like frontal radiographs of the chest (doubtful.csv)"
            )
        if self._unread:
            logger.warning(
                f"{len(self._unread)} scored radiographs have no overlay or other result, since their files can no "
                f"longer be read: {'; '.join(self._unread)}"
            )
        for result in self.results:
            result.end()
        if dataset.lungs_not_found:
            logger.info(f"no lungs found, whole image used: {', '.join(dataset.lungs_not_found)}")
        logger.info(f"Results are in {self.output_dir}.")

    def _write_batch(self, engine: Engine, writer: Any) -> None:  # noqa: ANN401 - csv has no public writer type
        prediction = engine.state.output[CommonKeys.PRED]
        logits = prediction.score.double().cpu().numpy()
        scores = probability(self._record.calibrated(logits))
        is_called = logits >= np.array(self._record.logit_thresholds)
        if self._is_kept:
            self._called += is_called.sum(axis=0)
        for row, index in enumerate(engine.state.batch["index"].tolist()):
            name = self.evaluator.dataset.samples[index]["name"]
            for c, finding in enumerate(self.findings):
                kept = (self._record.score_thresholds[c], int(is_called[row, c])) if self._is_kept else ("", "")
                writer.writerow(safe_row([name, finding, float(scores[row, c]), float(logits[row, c]), *kept]))
            if self.results:
                self._write_results(index, engine.state.batch["region"][row].numpy(), logits[row], prediction.map[row])

    def _write_results(self, index: int, region: np.ndarray, logits: np.ndarray, maps: Tensor) -> None:
        """Write all results of one radiograph."""
        sample = self.evaluator.dataset.samples[index]
        name = self._pictures[sample["name"]]
        try:
            scored = self.radiograph(Path(sample["image"]), region, logits, maps)
        except RadiographError as error:
            self._unread.append(str(error))
            return
        is_doubtful = sample["name"] in self.evaluator.dataset.doubtful
        radiograph = replace(scored, name=name, is_doubtful=is_doubtful)
        for result in self.results:
            result.write(radiograph)

    def radiograph(self, path: Path, region: np.ndarray, logits: np.ndarray, maps: Tensor) -> ScoredRadiograph:
        """A radiograph, which is read once more in the pixels of its file, with what the network says of it.

        Args:
            path: Of the file.
            region: (4,) x, y, width and height of what the network saw, in pixels of the file.
            logits: (C,) scores in float64.
            maps: (C, h, w) logits.

        Raises:
            RadiographError: The file can no longer be read.
        """
        image, meta = limited(read_radiograph, path)
        reading = self.evaluator.collected.reading
        values = reading.probability(maps)
        is_called = logits >= np.array(self._record.logit_thresholds)
        order = map(int, np.argsort(-logits, kind="stable"))
        return ScoredRadiograph(
            path=path,
            name=path.stem,
            image=image,
            meta=meta,
            scores=probability(self._record.calibrated(logits)),
            is_called=is_called,
            maps={
                c: restore_map(values[c], region, image.shape, patches=reading.patches).numpy()
                for c in order
                if is_called[c] or not self._is_kept
            },
            map_thresholds=self._record.map_thresholds,
        )
