"""The audit itself: every known label with its suspicion, and the number of wrong ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.auditing.out_of_fold import OutOfFold
from app.auditing.suspicion import agreement, calibrated, nearest, suspicion
from app.auditing.wrong_labels import WrongLabels, interval_of, wrong_labels
from app.datalist.item import Item
from app.findings import ABSENT, NOT_SAID, PRESENT
from evaluation.cases import Interval
from evaluation.roc import auc_per_finding

Array = NDArray[np.float64]

FEWEST = 5
"""Present labels, and absent ones, below which a finding is not audited."""
FEWEST_SCORES = 3
"""Findings from which their scores say which images are similar."""
WEAK = 0.7
"""AUC against the given labels below which the number of wrong ones is hardly known."""


@dataclass(frozen=True)
class Doubt:
    """A label and how suspicious it is.

    Attributes:
        item: The image.
        finding: Name.
        label: 1 or 0; in the list of uncertain labels -1 or a certainty.
        score: Suspicion, 0 to 1.
        p: Calibrated probability of the given label; of "present" if the label is uncertain.
        neighbours: Share of similar images of other patients with the given label; NaN if not known.
        rank: 1 is the most suspicious.
    """

    item: Item
    finding: str
    label: float
    score: float
    p: float
    neighbours: float
    rank: int


@dataclass(frozen=True)
class FindingAudit:
    """What was audited of one finding, and the estimated number of wrong labels."""

    present: int
    absent: int
    uncertain: int
    unknown: int
    auc: float
    wrong: WrongLabels


@dataclass(frozen=True)
class Audit:
    """The result.

    Attributes:
        doubts: Known labels, the most suspicious first.
        uncertain: Uncertain labels, those that the network is most certain of first.
        findings: By name.
        basis: What neighbours are similar by: features, scores, or empty if there are none.
        notes: What was left out, and what to be careful with.
    """

    doubts: list[Doubt]
    uncertain: list[Doubt]
    findings: dict[str, FindingAudit]
    basis: str
    notes: list[str]

    @property
    def weak(self) -> list[str]:
        """Findings whose scores hardly tell them."""
        return [name for name, each in self.findings.items() if each.auc < WEAK]

    @property
    def wrong(self) -> Interval:
        """Estimated number of wrong labels of all findings."""
        parts = [each.wrong for each in self.findings.values()]
        return interval_of(sum(part.value for part in parts), np.sum([part.draws for part in parts], axis=0))


def audit_labels(given: OutOfFold, feature: Array | None = None, seed: int = 0) -> Audit:
    """Audit every known label.

    Args:
        given: Out-of-fold scores and labels of N images.
        feature: (N, D) by which images are similar; None for the scores of the findings, if there are three or more.
        seed: Seed of calibration and bootstrap.

    Raises:
        ValueError: No finding has enough labels.
    """
    patient, notes = given.patient, list(given.notes)
    basis, neighbours = _neighbours(given, feature, patient)
    columns, findings = {}, {}
    for column, name in enumerate(given.findings):
        label = np.where(np.isnan(given.score[:, column]), NOT_SAID, given.label[:, column])
        known = np.isin(label, (PRESENT, ABSENT))
        present, absent = int((label == PRESENT).sum()), int((label == ABSENT).sum())
        if min(present, absent) < FEWEST:
            notes.append(f"{name}: {present} present and {absent} absent labels are too few: not audited.")
            continue
        score = given.score[:, column]
        columns[name] = label, calibrated(score, label, patient, seed)
        auc = float(auc_per_finding(score[known, None], label[known, None])[0])
        unknown, uncertain = int((label == NOT_SAID).sum()), int((~known & (label != NOT_SAID)).sum())
        wrong = wrong_labels(score[known], label[known], patient[known], seed)
        findings[name] = FindingAudit(present, absent, uncertain, unknown, auc, wrong)
        if auc < WEAK:
            notes.append(f"{name}: the scores hardly tell it (AUC {auc:.2f}); its number of wrong labels is a guess.")
    if not findings:
        raise ValueError(" ".join(["no finding can be audited.", *notes]))
    doubts = _ranked(given, columns, neighbours)
    return Audit(doubts, list(_uncertain(given, columns)), findings, basis, notes)


def _neighbours(
    given: OutOfFold, feature: Array | None, patient: NDArray[np.str_]
) -> tuple[str, NDArray[np.intp] | None]:
    if feature is not None:
        return "features", nearest(feature, patient)
    if len(given.findings) < FEWEST_SCORES:
        return "", None
    return "scores", nearest(np.nan_to_num(given.score), patient)


def _ranked(
    given: OutOfFold, columns: dict[str, tuple[Array, Array]], neighbours: NDArray[np.intp] | None
) -> list[Doubt]:
    """The known labels of all findings in one order."""
    names, rows, labels, likely, alike = [], [], [], [], []
    for name, (label, probability) in columns.items():
        row = np.flatnonzero(np.isin(label, (PRESENT, ABSENT)) & ~np.isnan(probability))
        names += [name] * len(row)
        rows.append(row)
        labels.append(label[row])
        likely.append(np.where(label[row] == PRESENT, probability[row], 1 - probability[row]))
        alike.append(np.full(len(row), np.nan) if neighbours is None else agreement(neighbours, label)[row])
    row, label, p, share = (np.concatenate(each) for each in (rows, labels, likely, alike))
    score = suspicion(p, None if neighbours is None else share)
    order = np.lexsort((row, p, -score))
    values = zip(order.tolist(), range(1, len(order) + 1), strict=True)
    return [
        Doubt(given.items[row[at]], names[at], float(label[at]), float(score[at]), float(p[at]), float(share[at]), rank)
        for at, rank in values
    ]


def _uncertain(given: OutOfFold, columns: dict[str, tuple[Array, Array]]) -> Iterator[Doubt]:
    found = [
        (abs(probability[row] - 0.5), name, int(row))
        for name, (label, probability) in columns.items()
        for row in np.flatnonzero(~np.isin(label, (PRESENT, ABSENT, NOT_SAID)) & ~np.isnan(probability))
    ]
    for rank, (distance, name, row) in enumerate(sorted(found, key=lambda each: -each[0]), start=1):
        label, probability = columns[name]
        p = float(probability[row])
        yield Doubt(given.items[row], name, float(label[row]), 1 - 2 * float(distance), p, float("nan"), rank)
