"""Out-of-fold predictions of a datalist's images: each by a network that never saw the patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.auditing.suspicion import standardised
from app.comparing.run_files import PREDICTIONS, plain_settings
from app.datalist.file import read_datalist
from app.datalist.item import Datalist, Item
from app.datalist.people import normalised
from app.datalist.validate import absolute_path
from evaluation.logits import logit_of
from evaluation.predictions import PredictionTable, read_predictions

Array = NDArray[np.float64]
CONFIG, WEIGHTS = "config.yaml", "model.pt"
NAME_IT = "name the datalist that it was trained with by --trained-with"


@dataclass(frozen=True)
class Source:
    """Predictions of one network, and the datalist that it was trained with."""

    predictions: Path
    trained_with: Path


@dataclass(frozen=True)
class OutOfFold:
    """Scores of N images and C findings, none by a network that saw the patient.

    Attributes:
        items: The images that were predicted, in the datalist's order.
        findings: C names.
        label: (N, C) as in the datalist.
        score: (N, C) mean over networks of their logits, each standardised; NaN without a prediction.
        notes: What was left out, with counts.
    """

    items: list[Item]
    findings: tuple[str, ...]
    label: Array
    score: Array
    notes: list[str] = field(default_factory=list)

    @property
    def patient(self) -> NDArray[np.str_]:
        """(N,) patients in the form in which they are compared."""
        return np.array([normalised(item.patient) for item in self.items])


def find_sources(paths: Sequence[Path], trained_with: Sequence[Path]) -> list[Source]:
    """The predictions that paths name: folders of studies and of runs, and files.

    Args:
        paths: A study's folder stands for its runs.
        trained_with: For each path its datalist; empty if the runs' own configs name them.

    Raises:
        ValueError: There are no predictions, a study is not finished or has several cells, or it is not known what a
            network was trained with.
    """
    if trained_with:
        if len(trained_with) != len(paths):
            raise ValueError(f"--trained-with names {len(trained_with)} datalists for {len(paths)} files or folders.")
        return [Source(_predictions(path), data) for path, data in zip(paths, trained_with, strict=True)]
    folders = [run for path in paths for run in (_runs_of_study(path) if (path / "cells").is_dir() else [path])]
    return [Source(_predictions(folder), _trained_with(folder)) for folder in folders]


def out_of_fold(path: Path, datalist: Datalist, sources: Sequence[Source]) -> OutOfFold:
    """Gather the predictions of a datalist's images.

    Args:
        path: The datalist's file.
        datalist: Its content; its labels are the ones that are audited.
        sources: Networks; if several predicted an image, their mean counts.

    Raises:
        ValueError: A network saw a patient that it predicted, or predicted none of the images.
    """
    base = path.parent.resolve()
    rows = {absolute_path(base, item.image): row for row, item in enumerate(datalist.items())}
    total = np.zeros((len(rows), len(datalist.findings)))
    count, notes = np.zeros_like(total), []
    for source in sources:
        table = read_predictions(source.predictions)
        row = _rows(table, source, datalist, rows)
        _require_unseen(table, row, source, datalist)
        inside = row >= 0
        if not inside.any():
            raise ValueError(f"{source.predictions}: none of its {len(row)} images is in {path}.")
        if not inside.all():
            notes.append(f"{source.predictions}: {int((~inside).sum())} images are not in {path} and were left out.")
        for column, finding in enumerate(datalist.findings):
            if finding in table.findings:
                total[row[inside], column] += standardised(_logit(table, table.findings.index(finding)))[inside]
                count[row[inside], column] += 1
    return _gathered(datalist, total, count, notes)


def _gathered(datalist: Datalist, total: Array, count: Array, notes: list[str]) -> OutOfFold:
    used, columns = np.flatnonzero(count.any(axis=1)), np.flatnonzero(count.any(axis=0))
    if not columns.size:
        raise ValueError(f"no prediction is of a finding of the datalist: {', '.join(datalist.findings)}.")
    if len(used) < len(total):
        notes.append(f"{len(total) - len(used)} of {len(total)} images have no out-of-fold prediction: not audited.")
    missing = [name for column, name in enumerate(datalist.findings) if column not in columns]
    if missing:
        notes.append(f"no prediction of {', '.join(missing)}: not audited.")
    items = datalist.items()
    label = np.array([item.label for item in items], dtype=np.float64)
    chosen = np.ix_(used, columns)
    with np.errstate(invalid="ignore"):
        score = total[chosen] / count[chosen]
    findings = tuple(datalist.findings[column] for column in columns)
    return OutOfFold([items[row] for row in used], findings, label[chosen], score, notes)


def _rows(table: PredictionTable, source: Source, datalist: Datalist, rows: dict[Path, int]) -> NDArray[np.intp]:
    """(N,) index among the datalist's items of each predicted image, -1 if it is not there.

    Images are known by their path, or by name and patient if the predictions were made elsewhere.
    """
    base = source.trained_with.parent.resolve()
    names = {(item.image, normalised(item.patient)): row for row, item in enumerate(datalist.items())}
    pairs = zip(table.image.tolist(), map(normalised, table.patient.tolist()), strict=True)
    found = (rows.get(absolute_path(base, pair[0]), names.get(pair, -1)) for pair in pairs)
    return np.fromiter(found, dtype=np.intp, count=len(table.image))


def _require_unseen(table: PredictionTable, row: NDArray[np.intp], source: Source, datalist: Datalist) -> None:
    """Refuse predictions of patients in the training or validation section; validation chose the epoch."""
    trained, items = read_datalist(source.trained_with), datalist.items()
    seen = [item for section in ("training", "validation") for item in trained.sections.get(section, [])]
    patients, images = {normalised(item.patient) for item in seen}, {item.image for item in seen}
    leaked = sum(
        normalised(patient) in patients
        or image in images
        or (number >= 0 and normalised(items[number].patient) in patients)
        for image, patient, number in zip(table.image.tolist(), table.patient.tolist(), row.tolist(), strict=True)
    )
    if leaked:
        raise ValueError(
            f"{source.predictions}: {leaked} of {len(row)} predictions are of patients in the training or validation "
            f"section of {source.trained_with}. A network repeats the wrong labels that it saw: use predictions of "
            "test sections, such as those of a study with folds."
        )


def _logit(table: PredictionTable, column: int) -> Array:
    if table.logit is not None:
        return table.logit[:, column]
    score = table.score[:, column]
    return logit_of(score) if ((score >= 0) & (score <= 1)).all() else score


def _runs_of_study(study: Path) -> list[Path]:
    cells = sorted(path for path in (study / "cells").iterdir() if path.is_dir())
    if len(cells) != 1:
        raise ValueError(f"{study}: has {len(cells)} cells; name the runs of one, such as {study}/cells/NAME/fold-*.")
    runs = sorted(path for path in cells[0].iterdir() if path.is_dir())
    unfinished = [run.name for run in runs if not (run / PREDICTIONS).is_file()]
    if unfinished or not runs:
        raise ValueError(f"{study}: {', '.join(unfinished) or 'no run'} not finished; run the study to its end first.")
    return runs


def _predictions(path: Path) -> Path:
    file = path / PREDICTIONS if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(f"{path}: no {PREDICTIONS} there.")
    return file


def _trained_with(path: Path) -> Path:
    """The datalist that a run's config names; in a study's folder, wherever that is now."""
    folder = path if path.is_dir() else path.parent
    if not (folder / WEIGHTS).is_file() or not (folder / CONFIG).is_file():
        raise ValueError(f"{path}: no {WEIGHTS} and {CONFIG} of a training beside the predictions; {NAME_IT}.")
    name = plain_settings(folder / CONFIG).get("datalist", "")
    places = [Path(name), *(parent / "datalists" / Path(name).name for parent in folder.absolute().parents[:3])]
    found = next((place for place in places if name and place.is_file()), None)
    if found is None:
        raise ValueError(f"{path}: its {CONFIG} names the datalist {name!r}, which is not there; {NAME_IT}.")
    return found
