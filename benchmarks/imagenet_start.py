"""What weights from ImageNet are worth: the folds of ``uncertain_labels/start`` together, paired by DeLong's test.

    frugal study uncertain_labels/start        # its head says what it needs
    python -m benchmarks.imagenet_start runs/studies/uncertain_start

Areas and differences are means over the folds of what each fold's test section gives, since scores of different
networks are not on one scale. Images of a patient are taken together. No patient is tested in two folds, so the folds'
variances add up; that trainings of two folds share half of their images is not in them.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import norm

from app.files.tables import read_table
from evaluation.delong import area_covariance

STARTS = ("random", "imagenet", "imagenet_frozen")
NORMAL = 1.959964


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


def fold(study: Path, number: int) -> dict[str, dict[str, tuple[float, float, str]]]:
    """By start and image: logit, label and patient."""
    scores = {}
    for start in STARTS:
        table = read_table(study / "cells" / f"start={start}" / f"fold-{number}" / "predictions.csv")
        rows = table.select("image", "logit", "label", "patient")
        scores[start] = {image: (float(logit), float(label), patient) for image, logit, label, patient in rows}
    return scores


def together(study: Path, weights: dict[str, float], folds: int = 3) -> Together:
    """A weighted sum of the starts' areas, such as a difference, over all folds."""
    weight = np.array([weights.get(start, 0.0) for start in STARTS])
    values, variances = [], []
    for number in range(folds):
        scores = fold(study, number)
        images = sorted(scores[STARTS[0]])
        logit = np.array([[scores[start][image][0] for start in STARTS] for image in images])
        label = np.array([[scores[start][image][1] for start in STARTS] for image in images])
        areas = area_covariance(logit, label, np.array([scores[STARTS[0]][image][2] for image in images]))
        values.append(weight @ areas.auc)
        variances.append(weight @ areas.covariance @ weight)
    return Together(float(np.mean(values)), float(np.sqrt(np.sum(variances)) / folds))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("study", type=Path, metavar="DIR", help="folder of the study")
    study = parser.parse_args().study
    print("| start | AUC (95% interval) | against the random start | p |\n|---|---|---|---|")
    for start in STARTS:
        print(f"| {start} | {together(study, {start: 1.0})} |", end="")
        difference = together(study, {start: 1.0, "random": -1.0}) if start != "random" else None
        print(" | |" if difference is None else f" {difference} | {difference.p:.3f} |")


if __name__ == "__main__":
    main()
