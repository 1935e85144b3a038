"""What each training of a study in folds reached, all folds together, and against one of them by DeLong's paired test.

    frugal study uncertain_labels/real_folds        # its head says what it needs
    python -m benchmarks.folds runs/studies/uncertain_real_folds --against "last layer"

Areas and differences are means over the folds of what each fold's test section gives, since scores of different
networks are not on one scale. Images of a patient are taken together. No patient is tested in two folds, so the folds'
variances add up; that trainings of two folds share images is not in them, nor that there are several comparisons. The
calibration slope is that of all folds' scores together.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import logit
from scipy.stats import norm

from app.files.tables import read_table
from evaluation.calibration_slope import calibration_slope
from evaluation.delong import area_covariance

NORMAL = 1.959964
VIEWS = ("AP", "PA")


@dataclass(frozen=True)
class Together:
    """A mean over folds and its standard error."""

    value: float
    error: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.value - NORMAL * self.error:.3f} to {self.value + NORMAL * self.error:.3f})"

    @property
    def p(self) -> float:
        """Of no difference, two-sided."""
        return float(2 * norm.sf(abs(self.value) / self.error))


@dataclass(frozen=True)
class Fold:
    """Predictions of one fold's test section for one finding, images in order."""

    image: np.ndarray
    logit: np.ndarray
    score: np.ndarray
    label: np.ndarray
    patient: np.ndarray
    view: np.ndarray


def read_fold(folder: Path, finding: str) -> Fold:
    """The rows of a run's ``predictions.csv`` on one finding, sorted by image."""
    table = read_table(folder / "predictions.csv")
    rows = table.select("finding", "image", "logit", "score", "label", "patient", "view")
    columns = [np.array(column) for column in zip(*sorted(row[1:] for row in rows if row[0] == finding), strict=True)]
    image, logits, score, label, patient, view = columns
    return Fold(image, logits.astype(float), score.astype(float), label.astype(float), patient, view)


def area(folds: Sequence[Sequence[Fold]], weights: Sequence[float], view: str | None = None) -> Together:
    """A weighted sum of several trainings' areas, such as a difference, over all folds.

    Args:
        folds: Of each training, in the same order.
        weights: Of each training.
        view: Only images of this view; None for all.
    """
    values, variances = [], []
    for parts in zip(*folds, strict=True):
        chosen = np.array([view in (None, each) for each in parts[0].view])
        logits, label = (
            np.column_stack([getattr(part, name)[chosen] for part in parts]) for name in ("logit", "label")
        )
        areas = area_covariance(logits, label, parts[0].patient[chosen])
        values.append(np.dot(weights, areas.auc))
        variances.append(weights @ areas.covariance @ np.array(weights))
    return Together(float(np.mean(values)), float(np.sqrt(np.sum(variances)) / len(values)))


def slope(folds: Sequence[Fold]) -> str:
    """The calibration slope of all folds' scores together, with its interval."""
    score, label, patient = (
        np.concatenate([getattr(fold, each) for fold in folds]) for each in ("score", "label", "patient")
    )
    result = calibration_slope(logit(np.clip(score, 1e-7, 1 - 1e-7)), label, patient)
    return f"{result.value:.2f} ({result.lower:.2f} to {result.upper:.2f})"


def main() -> None:
    """Print a table, a line for each training."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("study", type=Path, metavar="DIR", help="folder of a study with folds and one factor")
    parser.add_argument("--against", required=True, metavar="NAME", help="the training to compare with")
    parser.add_argument("--finding", default="Pneumonia", help="default: %(default)s")
    arguments = parser.parse_args()
    if not (arguments.study / "cells").is_dir():
        parser.error(f"{arguments.study}: no folder of a study, which has a folder cells")
    trainings = {}
    for cell in sorted((arguments.study / "cells").iterdir()):
        runs = sorted(cell.glob("fold-*"))
        trainings[cell.name.partition("=")[2]] = [read_fold(run, arguments.finding) for run in runs]
    if arguments.against not in trainings:
        parser.error(f"--against {arguments.against!r}: must be one of {', '.join(trainings)}")
    first = trainings[arguments.against]
    views = [view for view in VIEWS if all((fold.view == view).any() for fold in first)]
    heads = ["training", "AUC (95% interval)", *views, f"against {arguments.against}", "p", "calibration slope"]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for name, folds in trainings.items():
        cells = [str(area([folds], [1.0])), *(str(area([folds], [1.0], view)) for view in views)]
        difference = None if folds is first else area([folds, first], [1.0, -1.0])
        cells += ["", ""] if difference is None else [str(difference), f"{difference.p:.3f}"]
        print(f"| {name} | {' | '.join([*cells, slope(folds)])} |")


if __name__ == "__main__":
    main()
