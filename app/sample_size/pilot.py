"""A pilot: what the predictions of one or two models on the same cases show about the variance of a planned study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.comparing.run_files import open_run_files
from app.nearest import did_you_mean
from evaluation import auc_interval, read_predictions
from evaluation.compare import aligned
from evaluation.patients import patient_numbers
from evaluation.power import PlannedVariance, pilot_variance

LEAST_VARIANCE = 1e-12  # of an area: below it the pilot shows no variance


@dataclass(frozen=True)
class Pilot:
    """One finding of a pilot.

    Attributes:
        words: The runs, as the command line names them.
        areas: Of each run; the reference first.
        with_finding: Patients with a present image.
        without: Patients without one.
        images: With a known label.
        variance: Of the single area, or of the difference.
        design_effect: That variance over the one of as many images of independent patients.
    """

    words: tuple[str, ...]
    finding: str
    areas: tuple[float, ...]
    with_finding: int
    without: int
    images: int
    variance: PlannedVariance
    design_effect: float

    @property
    def prevalence(self) -> float:
        """Share of the patients who have the finding."""
        return self.with_finding / (self.with_finding + self.without)


def read_pilot(words: Sequence[str], finding: str = "") -> Pilot:
    """Read a pilot.

    Args:
        words: One or two runs, as for ``frugal compare``; the reference first.
        finding: May be empty if there is only one.

    Raises:
        ValueError: The finding is unknown or not said, too few patients have or lack it, two runs rank all cases alike,
            or the cases do not vary.
    """
    tables = [read_predictions(open_run_files(word, look_up=False).predictions) for word in words]
    first = tables[0]
    tables[1:] = [aligned(first, table, (words[0], words[1])) for table in tables[1:]]
    column = _column(first.findings, finding, words[0])
    label = first.label[:, column]
    score = np.stack([table.rank[:, column] for table in tables], axis=1)
    _, number = patient_numbers(first.patient, len(label))
    present, known = np.unique(number[label == 1]), np.unique(number[label >= 0])
    name = first.findings[column]
    try:
        variance = pilot_variance(score, label, number)
        alone = pilot_variance(score, label)
    except ValueError as error:
        raise ValueError(
            f"{' and '.join(words)}, {name}: {error}. Choose a larger pilot, or state areas by --auc"
        ) from error
    present_images, absent_images = int((label == 1).sum()), int((label == 0).sum())
    by_patient = variance.at(len(present), len(known) - len(present))
    by_image = alone.at(present_images, absent_images)
    if by_patient < LEAST_VARIANCE or by_image < LEAST_VARIANCE:
        raise ValueError(
            f"{' and '.join(words)}, {name}: the pilot shows no variance, as its scores rank all cases alike or "
            "without error. No number of patients follows from that; state areas by --auc"
        )
    return Pilot(
        words=tuple(words),
        finding=name,
        areas=tuple(auc_interval(one, label).value for one in score.T),
        with_finding=len(present),
        without=len(known) - len(present),
        images=present_images + absent_images,
        variance=variance,
        design_effect=by_patient / by_image,
    )


def _column(findings: tuple[str, ...], finding: str, word: str) -> int:
    if not finding and len(findings) == 1:
        return 0
    if finding not in findings:
        problem = f"no finding {finding!r}" if finding else "several findings; name one by --finding"
        raise ValueError(f"{word}: {problem}; it has {', '.join(findings)}.{did_you_mean(finding, findings)}")
    return findings.index(finding)
