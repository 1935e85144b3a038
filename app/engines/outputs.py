"""What an evaluation pass leaves behind: scores, labels and enough of the maps to know Dice at every threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import distributed

from evaluation.logits import probability
from evaluation.overlap import areas_at, best_threshold_of_mean
from evaluation.roc import auc_per_finding

BINS = 1000


@dataclass(frozen=True)
class Overlaps:
    """Detected regions against the truth, one entry an image.

    Attributes:
        rows: in the outputs' ``logit``.
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
        located_row: (M,) row in ``logit`` of each (image, finding) whose location was asked for, be it "nowhere".
        located_finding: (M,) its finding.
        inside: (M, BINS) area of the finding by the map's probability there, in pixels of the radiograph.
        outside: (M, BINS) the same of all other area that the map covers.
        missed: (M,) area of the finding that the map does not cover.
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
    missed: np.ndarray
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

    def histograms(self, finding: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows of ``inside``, ``outside`` and ``missed`` that belong to a finding."""
        chosen = self.located_finding == finding
        return self.inside[chosen], self.outside[chosen], self.missed[chosen]

    def dice(self, finding: int, threshold: float) -> tuple[np.ndarray, np.ndarray]:
        """Dice at a threshold of the grid of each image where a finding is somewhere.

        Returns:
            Rows in ``logit`` (n,) and their Dice (n,).
        """
        areas = areas_at(*self.histograms(finding), threshold)
        is_somewhere = areas.true > 0
        return self._rows(finding)[is_somewhere], areas.dice()[is_somewhere]

    def dice_parts(self, finding: int, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What the aggregated Dice is the ratio of, for each image where a finding was asked for, somewhere or not.

        Returns:
            Rows in ``logit`` (n,), twice the intersection (n,) and the sum of both areas (n,), in pixels.
        """
        areas = areas_at(*self.histograms(finding), threshold)
        return self._rows(finding), 2 * areas.both, areas.predicted + areas.true

    def overlaps(self, finding: int, threshold: float) -> Overlaps:
        """How the region at a threshold lies on the truth, for each image where a finding is somewhere."""
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
        missed=np.concatenate([share.missed for share in shares])[located],
        hit=np.concatenate([share.hit for share in shares])[located],
        loss=float(np.average([share.loss for share in shares], weights=counted)),
    )


def _mean(values: np.ndarray) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")
