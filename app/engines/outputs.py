"""What an evaluation pass leaves behind: scores, labels and enough of the maps to know Dice at every threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import distributed

from evaluation.logits import probability
from evaluation.overlap import best_threshold_of_mean, dice_at_thresholds
from evaluation.roc import auc_per_finding

BINS = 1000


@dataclass(frozen=True)
class Overlaps:
    """Detected regions against the truth, one entry an image.

    Attributes:
        rows: in the outputs' ``score``.
        iou: intersection over union.
        ior: intersection over the detected region; 0 where nothing is detected.
        hit: whether the map's highest point lies on the finding.
    """

    rows: np.ndarray
    iou: np.ndarray
    ior: np.ndarray
    hit: np.ndarray


@dataclass
class Outputs:
    """Results of one pass over a section, in the order of visit.

    Attributes:
        index: (N,) place of each item in its section.
        logit: (N, C) float64 logits of "present", by which cases are ranked.
        label: (N, C) as in Target.
        located_row: (M,) row in ``score`` of each (image, finding) whose location was asked for, be it "nowhere".
        located_finding: (M,) its finding.
        inside: (M, BINS) histogram of the map's probability over the pixels of the finding.
        outside: (M, BINS) the same over all other pixels.
        hit: (M,) bool, whether the map's highest point lies on the finding.
        loss: mean over batches, weighted by their size; NaN where none was computed.
    """

    index: np.ndarray
    logit: np.ndarray
    label: np.ndarray
    located_row: np.ndarray
    located_finding: np.ndarray
    inside: np.ndarray
    outside: np.ndarray
    hit: np.ndarray
    loss: float = float("nan")

    @property
    def score(self) -> np.ndarray:
        """(N, C) probabilities of "present", float64."""
        return probability(self.logit)

    def macro_auc(self) -> float:
        """Mean AUC over the findings that have one; NaN where none has."""
        return _mean(auc_per_finding(self.logit, self.label))

    def best_macro_dice(self) -> float:
        """Mean over findings of the mean Dice at each finding's best threshold; NaN where nothing is located."""
        return _mean(np.array([best_threshold_of_mean(*self.histograms(c)).dice for c in range(self.logit.shape[1])]))

    def histograms(self, finding: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows of ``inside`` and ``outside`` that belong to a finding."""
        chosen = self.located_finding == finding
        return self.inside[chosen], self.outside[chosen]

    def dice(self, finding: int, threshold: float) -> tuple[np.ndarray, np.ndarray]:
        """Dice at a threshold of the grid of each image where a finding is somewhere.

        Returns:
            Rows in ``score`` (n,) and their Dice (n,).
        """
        inside, outside = self.histograms(finding)
        is_somewhere = inside.sum(axis=1) > 0
        values = dice_at_thresholds(inside[is_somewhere], outside[is_somewhere])[:, _column(threshold)]
        return self._rows(finding)[is_somewhere], values

    def dice_parts(self, finding: int, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What the aggregated Dice is the ratio of, for each image where a finding was asked for, somewhere or not.

        Returns:
            Rows in ``score`` (n,), twice the intersection (n,) and the sum of both areas (n,), in pixels.
        """
        inside, outside = self.histograms(finding)
        both = inside[:, _column(threshold) :].sum(axis=1)
        wrong = outside[:, _column(threshold) :].sum(axis=1)
        return self._rows(finding), 2 * both, both + wrong + inside.sum(axis=1)

    def overlaps(self, finding: int, threshold: float) -> Overlaps:
        """How the region at a threshold lies on the truth, for each image where a finding is somewhere."""
        inside, outside = self.histograms(finding)
        true = inside.sum(axis=1)
        is_somewhere = true > 0
        both = inside[:, _column(threshold) :].sum(axis=1)[is_somewhere]
        detected = both + outside[:, _column(threshold) :].sum(axis=1)[is_somewhere]
        return Overlaps(
            rows=self._rows(finding)[is_somewhere],
            iou=both / (detected + true[is_somewhere] - both),
            ior=both / np.maximum(detected, 1),
            hit=self.hit[self.located_finding == finding][is_somewhere],
        )

    def _rows(self, finding: int) -> np.ndarray:
        return self.located_row[self.located_finding == finding]


def over_processes(outputs: Outputs) -> Outputs:
    """Outputs of all processes of a distributed evaluation as one, each item once; of this one alone otherwise.

    All processes must call this together. Items come out by ``index``, so that all that follows is the same for any
    number of processes. Of an item that several visited the first visit counts.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return outputs
    shares: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(shares, outputs)
    return _joined(shares)


def _joined(shares: Sequence[Outputs]) -> Outputs:
    start = np.cumsum([0, *(len(share.index) for share in shares[:-1])])
    index = np.concatenate([share.index for share in shares])
    kept = np.unique(index, return_index=True)[1]
    place = np.full(len(index), -1)
    place[kept] = np.arange(len(kept))
    row = place[np.concatenate([share.located_row + first for share, first in zip(shares, start, strict=True)])]
    finding = np.concatenate([share.located_finding for share in shares])
    located = np.lexsort((finding, row))
    located = located[row[located] >= 0]
    # How many items of each process count: one that has only what another has is not heard on the loss.
    counted = [int((place[first : first + len(s.index)] >= 0).sum()) for s, first in zip(shares, start, strict=True)]
    return Outputs(
        index=index[kept],
        logit=np.concatenate([share.logit for share in shares])[kept],
        label=np.concatenate([share.label for share in shares])[kept],
        located_row=row[located],
        located_finding=finding[located],
        inside=np.concatenate([share.inside for share in shares])[located],
        outside=np.concatenate([share.outside for share in shares])[located],
        hit=np.concatenate([share.hit for share in shares])[located],
        loss=float(np.average([share.loss for share in shares], weights=counted)),
    )


def _column(threshold: float) -> int:
    return min(BINS - 1, round(threshold * BINS))


def _mean(values: np.ndarray) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")
