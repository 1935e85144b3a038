"""The results of one evaluation pass: logits, labels, and histograms that give Dice at every threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evaluation.logits import probability
from evaluation.overlap import areas_at, best_threshold_of_mean
from evaluation.recalibration import Recalibration, recalibrated
from evaluation.roc import auc_per_finding
from evaluation.studies import Studies, group_by_study

BINS = 1000


@dataclass(frozen=True)
class Overlaps:
    """Overlap of the detected regions with the truth, one entry per image.

    Attributes:
        rows: Rows of the outputs' ``logit``.
        iou: Intersection over union.
        ior: Intersection over the detected region; 0 if nothing is detected.
        hit: Whether the highest point of the map lies on the finding.
    """

    rows: np.ndarray
    iou: np.ndarray
    ior: np.ndarray
    hit: np.ndarray


@dataclass
class Outputs:
    """Results of one pass over a section for N items and C findings, M of whose (item, finding) pairs are located.

    Attributes:
        index: (N,) position of each item in its section.
        logit: (N, C) float64 logits of "present". Cases are ranked by them, since probabilities near 1 are tied.
        label: (N, C) as in ``Target``.
        located_row: (M,) row of ``logit``. A pair is located if its location was asked for, even if that is "nowhere".
        located_finding: (M,) column of ``logit``.
        inside: (M, BINS) area of the finding by the map's probability, in pixels of the radiograph.
        outside: (M, BINS) the same for the remaining area that the map covers.
        missed: (M,) area of the finding outside the map.
        hit: (M,) bool, whether the highest point of the map lies on the finding.
        loss: Mean over batches, weighted by their size; NaN if no loss was computed.
        recalibration: (C,) forms that make scores of the logits; none for the network's own probabilities.

    Example:
        >>> logit, label = np.array([[2.0], [0.0], [1.0]]), np.array([[1.0], [0.0], [0.0]])
        >>> Outputs(np.arange(3), logit, label).macro_auc()
        1.0
    """

    index: np.ndarray
    logit: np.ndarray
    label: np.ndarray
    located_row: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    located_finding: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    inside: np.ndarray = field(default_factory=lambda: np.zeros((0, BINS)))
    outside: np.ndarray = field(default_factory=lambda: np.zeros((0, BINS)))
    missed: np.ndarray = field(default_factory=lambda: np.zeros(0))
    hit: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    loss: float = float("nan")
    recalibration: tuple[Recalibration, ...] = ()

    @property
    def score(self) -> np.ndarray:
        """(N, C) probabilities of "present", float64."""
        return probability(self.calibrated)

    @property
    def calibrated(self) -> np.ndarray:
        """(N, C) logits of the scores, which tie where an isotonic recalibration is flat."""
        return recalibrated(self.recalibration, self.logit)

    def macro_auc(self) -> float:
        """Mean AUC over the findings for which it is defined; NaN if there is none."""
        return _mean(auc_per_finding(self.logit, self.label))

    def best_macro_dice(self) -> float:
        """Mean over findings of the mean Dice at each finding's best threshold; NaN if nothing is located."""
        return _mean(np.array([best_threshold_of_mean(*self.histograms(c)).dice for c in range(self.logit.shape[1])]))

    def histograms(self, finding: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The rows of ``inside``, ``outside`` and ``missed`` for one finding."""
        chosen = self.located_finding == finding
        return self.inside[chosen], self.outside[chosen], self.missed[chosen]

    def dice(self, finding: int, threshold: float) -> tuple[np.ndarray, np.ndarray]:
        """Dice at a threshold, for each image in which the finding is located somewhere.

        Returns:
            Rows of ``logit`` (n,) and their Dice (n,).
        """
        areas = areas_at(*self.histograms(finding), threshold)
        is_somewhere = areas.true > 0
        return self._rows(finding)[is_somewhere], areas.dice()[is_somewhere]

    def dice_parts(self, finding: int, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Numerator and denominator of the aggregated Dice, also for images in which the finding is nowhere.

        Returns:
            Rows of ``logit`` (n,), twice the intersection (n,) and the sum of both areas (n,), in pixels.
        """
        areas = areas_at(*self.histograms(finding), threshold)
        return self._rows(finding), 2 * areas.both, areas.predicted + areas.true

    def overlaps(self, finding: int, threshold: float) -> Overlaps:
        """Overlap at a threshold, for each image in which the finding is located somewhere."""
        areas = areas_at(*self.histograms(finding), threshold)
        is_somewhere = areas.true > 0
        return Overlaps(
            rows=self._rows(finding)[is_somewhere],
            iou=areas.iou()[is_somewhere],
            ior=areas.ior()[is_somewhere],
            hit=self.hit[self.located_finding == finding][is_somewhere],
        )

    def _rows(self, finding: int) -> np.ndarray:
        return self.located_row[self.located_finding == finding]


def joined(parts: Sequence[Outputs]) -> Outputs:
    """Join outputs of batches or of processes: each item once, in the order of ``index``.

    The result is the same for any division into batches and processes. If several parts hold an item, the first counts.

    Raises:
        RuntimeError: There is no part.
    """
    if not parts:
        raise RuntimeError("no batch was evaluated")
    start = np.cumsum([0, *(len(part.index) for part in parts[:-1])])
    index = np.concatenate([part.index for part in parts])
    order = np.unique(index, return_index=True)[1]
    new_row = np.full(len(index), -1)
    new_row[order] = np.arange(len(order))
    row = new_row[np.concatenate([part.located_row + first for part, first in zip(parts, start, strict=True)])]
    finding = np.concatenate([part.located_finding for part in parts])
    located = np.lexsort((finding, row))
    located = located[row[located] >= 0]
    # A part counts in the loss by its items that no earlier part holds.
    counts = [
        int((new_row[first : first + len(part.index)] >= 0).sum()) for part, first in zip(parts, start, strict=True)
    ]
    return Outputs(
        index=index[order],
        logit=np.concatenate([part.logit for part in parts])[order],
        label=np.concatenate([part.label for part in parts])[order],
        located_row=row[located],
        located_finding=finding[located],
        inside=np.concatenate([part.inside for part in parts])[located],
        outside=np.concatenate([part.outside for part in parts])[located],
        missed=np.concatenate([part.missed for part in parts])[located],
        hit=np.concatenate([part.hit for part in parts])[located],
        loss=float(np.average([part.loss for part in parts], weights=counts)),
    )


def studies_of(samples: Sequence[Mapping[str, Any]]) -> Studies | None:
    """Group images by study; None if every study has a single image.

    Study names are only unique within a patient. An image without a study is a study of its own.

    Example:
        >>> views = [{"patient": "a", "study": "1"}, {"patient": "a", "study": "1"}, {"patient": "b", "study": "1"}]
        >>> len(studies_of(views).name)
        2
    """
    names = [
        f"{sample['patient']}\n{sample['study']}" if sample.get("study") else f"\n{number}"
        for number, sample in enumerate(samples)
    ]
    studies = group_by_study(names)
    return None if len(studies.name) == len(samples) else studies


def _mean(values: np.ndarray) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")
