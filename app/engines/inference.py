"""Score a folder of radiographs: a table of what is called, and a picture of each in its own pixels."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from tqdm import tqdm

from app.checking.model_records import record_path
from app.engines.collect import require_numbers
from app.engines.evaluator import Answer, RadiographEvaluator
from app.engines.inference_samples import ImageSamples
from app.engines.loading import EvaluationLoader
from app.engines.maps import picture_names
from app.engines.output_folder import remove, require_writable
from app.engines.processes import world_size
from app.engines.read_ahead import read_ahead
from app.engines.record import ModelRecord, record_of
from app.engines.runtimes import computing, inferer_of
from app.engines.scored_radiograph import FurtherResults, Overlays, ScoredRadiograph, parsed_names
from app.files.atomic import opened_whole
from app.files.limited import limited
from app.files.score_tables import (
    COLUMNS,
    EXCLUDED,
    PREDICTIONS,
    TABLES,
    ChunkResult,
    Totals,
    write_doubtful,
    write_excluded,
)
from app.installed import find_file
from app.interrupts import sigterm_as_exit
from app.networks.checkpoints import load_exactly
from app.prepared import PreparedDataset
from evaluation.cells import safe_cell, safe_row
from evaluation.logits import probability
from transforms import read_radiograph, restore_map
from transforms.errors import RadiographError, shown

PORTION = 128
"""Radiographs that are prepared at a time, or a few more: whole batches."""

Radiograph = tuple[np.ndarray, dict[str, Any]]

logger = logging.getLogger(__name__)


class Inference:
    """Scores the radiographs of a folder: ``predictions.csv`` and one overlay each in ``output_dir``.

    A finding is called if its logit reaches the threshold that validation chose, which is kept beside the weights.
    Overlays show what is called. If no thresholds are kept, nothing is called, and overlays show every finding.

    A portion of the radiographs is read and prepared, by processes, while the network computes the one before, and a
    thread draws what the network has answered. So memory does not depend on their number.

    Args:
        evaluator: Over an empty ``PreparedDataset`` with ``on_error="exclude"``, in an ``EvaluationLoader``.
        samples: What is scored, and the findings in the network's order.
        output_dir: Created if missing.
        threshold: Probability from which maps are outlined; None for the thresholds kept beside the weights.
        overlays: Whether to draw overlays.
        further: What else to write, such as `app.dicom.DicomResults`.
        runtime: What computes the network; see `app.engines.runtimes.inferer_of`.
    """

    def __init__(
        self,
        evaluator: RadiographEvaluator,
        samples: ImageSamples,
        output_dir: str | Path,
        threshold: float | None = None,
        overlays: bool = True,
        further: Sequence[FurtherResults] = (),
        runtime: str = "auto",
    ) -> None:
        self.evaluator = evaluator
        self.samples = samples
        self.findings = parsed_names(samples.findings)
        self.output_dir = Path(output_dir)
        self.threshold = threshold
        self.runtime = runtime
        results = [*([Overlays(self.findings)] if overlays else []), *further]
        self.results: list[FurtherResults] = [each for each in results if each.is_wanted]
        self._record = ModelRecord((), {}, (), ())
        self._is_kept = False
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
        if self.results:
            self._pictures = picture_names([shown(name) for name in self.samples.names])
        with sigterm_as_exit():  # so that processes end, and no part of a table stays
            try:
                totals = self._write_tables()
            finally:
                self.evaluator.dataset.workers.end()
        totals.tell(self.findings, self.output_dir)
        if self._unread:
            logger.warning(
                f"{len(self._unread)} scored radiographs have no overlay or other result, since their files can no "
                f"longer be read: {'; '.join(self._unread)}"
            )
        for result in self.results:
            result.end()

    def load(self, checkpoint: str | Path) -> None:
        """Load the weights with their thresholds, and prepare further results for radiographs.

        Raises:
            ValueError: The weights do not fit the network, the runtime cannot compute it, or a further result cannot be
                had with them.
        """
        weights = find_file(checkpoint)
        load_exactly(self.evaluator.network, weights)
        self.evaluator.inferer = inferer_of(self.runtime, self.evaluator.inferer, weights)
        self._record, self._is_kept = record_of(weights, self.findings), record_path(weights).is_file()
        if self.threshold is not None:
            self._record = replace(self._record, map_thresholds=(self.threshold,) * len(self.findings))
        for result in self.results:
            result.begin(self.output_dir, weights, self._record if self._is_kept else None)

    def score(self, dataset: PreparedDataset, done: Callable[[int], object] = lambda images: None) -> ChunkResult:
        """Score some radiographs with the weights that are loaded, and write their overlays and other results.

        Args:
            dataset: The radiographs, prepared.
            done: Told how many more are scored.

        Raises:
            FloatingPointError: Scores are not numbers.
        """
        rows, called = io.StringIO(newline=""), np.zeros(len(self.findings), dtype=int)
        writer, behind = csv.writer(rows), list[Future[None]]()
        thread = ThreadPoolExecutor(1, "results")
        try:
            for batch, answer in self._answers(dataset):
                logits, is_broken, *maps = answer.arrived()
                require_numbers(is_broken, batch["index"], dataset)
                called += self._write_rows(writer, dataset, batch["index"], logits.numpy())
                for result in behind:  # of the batch before: no more than two are in memory
                    result.result()
                behind = [
                    thread.submit(self._write_results, dataset, index, region, logits[row].numpy(), maps[0][row])
                    for row, (index, region) in enumerate(zip(batch["index"].tolist(), batch["region"], strict=True))
                    if maps
                ]
                done(len(logits))
            for result in behind:
                result.result()
        finally:
            thread.shutdown(cancel_futures=True)  # after Ctrl-C nobody waits for the pictures of a batch
        counts = called.tolist() if self._is_kept else None
        whole = len(dataset.lungs_not_found)
        by = computing(self.evaluator.inferer) if len(dataset) else ""
        return ChunkResult(rows.getvalue(), len(dataset), dataset.excluded, dataset.doubtful, counts, whole, by)

    def _write_tables(self) -> Totals:
        prepared, totals, excluded = self.evaluator.dataset, Totals(), list[tuple[str, str]]()
        size = -(-PORTION // self._loader.largest_batch) * self._loader.largest_batch
        datasets = map(prepared.with_samples, self.samples.portions(size))
        with (
            opened_whole(self.output_dir / PREDICTIONS) as table,
            tqdm(total=len(self.samples), desc="Scoring radiographs", unit="image") as bar,
            closing(read_ahead(datasets, prepared.workers.stop)) as ready,
        ):
            csv.writer(table).writerow(COLUMNS)
            for dataset in ready:
                result = self.score(dataset, bar.update)
                table.write(result.rows)
                totals.add(result)
                excluded += result.excluded
                bar.update(len(result.excluded))
            write_excluded(self.output_dir / EXCLUDED, excluded)
            totals.require_images(self.output_dir)
            write_doubtful(self.output_dir, totals.doubtful)
        return totals

    @property
    def _loader(self) -> EvaluationLoader:
        loader = self.evaluator.data_loader
        if not isinstance(loader, EvaluationLoader):
            raise ValueError(f"the evaluator's loader is a {type(loader).__name__}, but it must be an EvaluationLoader")
        return loader

    def _answers(self, dataset: PreparedDataset) -> Iterator[tuple[dict[str, Tensor], Answer]]:
        """Batches with the network's answers; a GPU has the next batch before the answer to this one is waited for."""
        before: list[tuple[dict[str, Tensor], Answer]] = []
        for batch in self._loader.over(dataset):
            answer = Answer(self.evaluator.predict(batch["image"]), with_maps=bool(self.results))
            yield from before
            before = [(batch, answer)]
        yield from before

    def _write_rows(
        self,
        writer: Any,  # noqa: ANN401 - csv has no public writer type
        dataset: PreparedDataset,
        index: Tensor,
        logits: np.ndarray,
    ) -> np.ndarray:
        """Write the rows of a batch.

        Returns:
            (C,) how often each finding is called.
        """
        scores = probability(self._record.calibrated(logits))
        is_called = logits >= np.array(self._record.logit_thresholds)
        findings = safe_row(self.findings)
        for row, number in enumerate(index.tolist()):
            name = safe_cell(dataset.samples[number]["name"])
            for c, finding in enumerate(findings):
                kept = (self._record.score_thresholds[c], int(is_called[row, c])) if self._is_kept else ("", "")
                writer.writerow([name, finding, float(scores[row, c]), float(logits[row, c]), *kept])
        return is_called.sum(axis=0)

    def _write_results(
        self, dataset: PreparedDataset, index: int, region: Tensor, logits: np.ndarray, maps: Tensor
    ) -> None:
        """Write all results of one radiograph."""
        sample = dataset.samples[index]
        try:
            scored = self.radiograph(Path(sample["image"]), region.numpy(), logits, maps)
        except RadiographError as error:
            self._unread.append(str(error))
            return
        name = sample["name"]
        radiograph = replace(scored, name=self._pictures[name], is_doubtful=name in dataset.doubtful)
        for result in self.results:
            result.write(radiograph)

    def radiograph(
        self, path: Path, region: np.ndarray, logits: np.ndarray, maps: Tensor, read: Radiograph | None = None
    ) -> ScoredRadiograph:
        """A radiograph in the pixels of its file, with what the network says of it.

        Args:
            path: Of the file.
            region: (4,) x, y, width and height of what the network saw, in pixels of the file.
            logits: (C,) scores in float64.
            maps: (C, h, w) logits.
            read: The radiograph as `transforms.read_radiograph` gives it; read once more if it is None.

        Raises:
            RadiographError: The file can no longer be read.
        """
        image, meta = read or limited(read_radiograph, path)
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
