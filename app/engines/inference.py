"""Score a folder of radiographs: a table of what is called, and a picture of each in its own pixels."""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TextIO

import numpy as np
from ignite.engine import Engine, Events
from monai.utils.enums import CommonKeys
from torch import Tensor

from app.checking.model_records import record_path
from app.datalist.file import read_datalist
from app.datalist.item import Datalist, Item
from app.datalist.record_numbers import path_looks_like_a_record
from app.datalist.samples import samples
from app.engines.evaluator import RadiographEvaluator
from app.engines.maps import below, picture_names
from app.engines.output_folder import remove, require_writable
from app.engines.overlay import Region, colour_of, overlay
from app.engines.processes import world_size
from app.engines.record import ModelRecord, record_of
from app.files.atomic import whole_file, write_png
from app.files.folders import list_files
from app.files.limited import limited
from app.findings import NOT_SAID
from app.installed import find_file
from app.networks.checkpoints import load_exactly
from app.prepared.preparing import REFUSED
from evaluation.cells import safe_row
from evaluation.logits import probability
from transforms import read_radiograph, restore_map
from transforms.dicom_header import unsuited_files
from transforms.errors import RadiographError, shown

logger = logging.getLogger(__name__)

ANY_VIEW = "frontal chest radiographs for presentation are scored, and others only with --any_view True"


def folder_samples(
    folder: str | Path, findings: Sequence[str], output_dir: str | Path | None = None, any_view: bool = True
) -> list[dict[str, Any]]:
    """Every file of a folder, at any depth, as a sample without labels; see ``app.files.folders``.

    Args:
        folder: Of radiographs.
        findings: Names, in the network's order.
        output_dir: For results; left out if it lies in the folder.
        any_view: Whether images are wanted whose DICOM headers say that they are no frontal radiographs of the chest
            for presentation; else they are samples with the reason as ``refused``.

    Raises:
        FileNotFoundError: There is no such folder, or no file in it.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder of radiographs")
    listing = list_files(root, Path(output_dir) if output_dir is not None else None)
    left_out = listing.told()
    if left_out:
        logger.info(f"left out of {root}: {left_out}")
    if not listing.files:
        raise FileNotFoundError(f"{root}: no file in this folder{f' (left out: {left_out})' if left_out else ''}")
    named = sum(path_looks_like_a_record(shown(path.relative_to(listing.folder).as_posix())) for path in listing.files)
    if named:
        logger.info(
            f"{named} of {len(listing.files)} names look like record numbers and will stand in predictions.csv "
            "and in the names of overlays; frugal datalist folder --images makes links with pseudonyms, a folder that "
            "can be scored instead"
        )
    names = [shown(path.relative_to(listing.folder).as_posix()) for path in listing.files]
    return file_samples(listing.files, names, findings, any_view)


def file_samples(
    paths: Sequence[Path], names: Sequence[str], findings: Sequence[str], any_view: bool = True
) -> list[dict[str, Any]]:
    """Some files as samples without labels.

    Args:
        paths: Of the files.
        names: By which results name them.
        findings: Names, in the network's order.
        any_view: As in `folder_samples`.
    """
    unknown = (NOT_SAID,) * len(findings)
    items = [Item(name, "", unknown) for name in names]
    unlabelled = samples(Datalist("files", tuple(findings), {"test": items}), "test", Path())
    return _with_paths(unlabelled, paths, any_view)


def datalist_samples(
    folder: str | Path, name: str, findings: Sequence[str], any_view: bool = True
) -> list[dict[str, Any]]:
    """Every image of a datalist as a sample without labels, named as the datalist names it.

    Args:
        folder: Of the datalist's file.
        name: Of the datalist's file.
        findings: Names, in the network's order.
        any_view: As in `folder_samples`.

    Raises:
        DatalistError: The file is no datalist, or has no image.
    """
    unknown = (NOT_SAID,) * len(findings)
    datalist = read_datalist(Path(folder) / name)
    items = [Item(item.image, item.patient, unknown) for item in datalist.items()]
    unlabelled = samples(Datalist(datalist.name, tuple(findings), {"test": items}), "test", Path(folder))
    return _with_paths(unlabelled, [Path(sample["image"]) for sample in unlabelled], any_view)


def _with_paths(unlabelled: Sequence[dict[str, Any]], paths: Sequence[Path], any_view: bool) -> list[dict[str, Any]]:
    """Samples of files, refused if their headers say that they are of no view that is wanted."""
    reasons = [""] * len(paths) if any_view else unsuited_files(paths)
    return [
        sample | {"image": str(path.absolute())} | ({REFUSED: f"{reason}; {ANY_VIEW}"} if reason else {})
        for sample, path, reason in zip(unlabelled, paths, reasons, strict=True)
    ]


COLUMNS = ("image", "finding", "score", "logit", "threshold", "called")
"""Of ``predictions.csv``; see ``docs/evaluation.md``."""


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
    """

    path: Path
    name: str
    image: np.ndarray
    meta: Mapping[str, Any]
    scores: np.ndarray
    is_called: np.ndarray
    maps: Mapping[int, np.ndarray]
    map_thresholds: Sequence[float]


class FurtherResults(Protocol):
    """What an inference writes beside its table, radiograph by radiograph."""

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
        self.results: list[FurtherResults] = [*([Overlays(findings)] if overlays else []), *further]
        self._record = ModelRecord((), {}, (), ())
        self._is_kept = False
        self._called = np.zeros(len(self.findings), dtype=int)
        self._pictures: dict[str, str] = {}
        self._unread: list[str] = []

    def run(self, checkpoint: str | Path) -> None:
        """Load the weights and score every radiograph; files that cannot be read are listed in ``excluded.csv``.

        A file that vanishes after it was prepared is scored as it was then, and gets no overlay or other result.

        Raises:
            ValueError: No file can be read, or the weights do not fit the network.
            RuntimeError: There are several processes.
        """
        if world_size() > 1:
            raise RuntimeError(f"a folder is scored by one process, not by {world_size()}: start it without torchrun")
        require_writable(self.output_dir)
        self.load(checkpoint)
        self._called[:] = 0
        self.output_dir.mkdir(parents=True, exist_ok=True)
        remove(self.output_dir, ("excluded.csv", "predictions.csv"))
        self._write_excluded()
        self._pictures = picture_names([sample["name"] for sample in self.evaluator.dataset.samples])
        with _table(self.output_dir / "predictions.csv") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)

            def write(engine: Engine) -> None:
                self._write_batch(engine, writer)

            with self.evaluator.add_event_handler(Events.ITERATION_COMPLETED, write):
                self.evaluator.run()
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

    def _write_excluded(self) -> None:
        dataset, path = self.evaluator.dataset, self.output_dir / "excluded.csv"
        with _table(path) as file:
            csv.writer(file).writerows([("image", "error"), *map(safe_row, dataset.excluded)])
        if not len(dataset):
            raise ValueError(
                f"none of {len(dataset.excluded)} files is a readable radiograph; each is named with its error in "
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
            radiograph = replace(self.radiograph(Path(sample["image"]), region, logits, maps), name=name)
        except RadiographError as error:
            self._unread.append(str(error))
            return
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


@contextmanager
def _table(path: Path) -> Iterator[TextIO]:
    """Open a table that is written whole or not at all; characters that are not UTF-8 are escaped."""
    with (
        whole_file(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        yield file
