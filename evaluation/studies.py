"""Several images of a study and several models of an ensemble brought to one score.

Source: Irvin et al., "CheXpert", 2019: the maximum over the views of a study, and the mean over 30 checkpoints.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import AnyArray, FloatArray, IntArray, checked_scores, require_dimensions


@dataclass(frozen=True)
class Studies:
    """Images grouped by study, to be reduced in one go.

    Attributes:
        name: (S,) names of studies, sorted.
        order: (N,) images sorted by study.
        start: (S,) where each study starts among them.
        first: (S,) one image of each study, the first in the given order: for its patient, source and the like.
    """

    name: AnyArray
    order: IntArray
    start: IntArray
    first: IntArray

    def maximum(self, score: ArrayLike) -> FloatArray:
        """(N, C) scores of images in, (S, C) the highest over each study's images out."""
        return self._reduced(np.maximum, checked_scores(score))

    def mean(self, score: ArrayLike) -> FloatArray:
        """(N, C) scores of images in, (S, C) means over each study's images out."""
        total = self._reduced(np.add, checked_scores(score))
        images = np.diff(self.start, append=len(self.order))
        return total / images[:, None]

    def label(self, label: ArrayLike) -> FloatArray:
        """(N, C) labels of images in, (S, C) labels of studies out.

        Present where any image says so, else absent where any does, else uncertain (-1), else not said (-2 or NaN).
        """
        values = np.asarray(label, dtype=np.float64)
        known = self._reduced(np.maximum, np.where(np.isnan(values), -np.inf, values))
        return np.where(np.isneginf(known), np.nan, known)

    def _reduced(self, operation: np.ufunc, values: FloatArray) -> FloatArray:
        require_dimensions(values, 2, "values")
        if len(values) != len(self.order):
            raise ValueError(f"{len(values)} images do not fit the {len(self.order)} that were grouped")
        if not len(values):
            return values
        return np.asarray(operation.reduceat(values[self.order], self.start, axis=0))


def group_by_study(study: ArrayLike) -> Studies:
    """Group images (N,) by the name of their study."""
    names, first, number = np.unique(np.asarray(study), return_index=True, return_inverse=True)
    order = np.argsort(number, kind="stable")
    start = np.searchsorted(number[order], np.arange(len(names)))
    return Studies(names, order, start, first)


def ensemble(probability: ArrayLike) -> FloatArray:
    """Mean over models or checkpoints of their probabilities.

    Args:
        probability: (K, N, C) in [0, 1]: K models on the same cases in the same order.

    Raises:
        ValueError: not three axes, no model, or a value outside [0, 1], as logits have: their mean weighs sure models
            more, which is another method.
    """
    values = checked_scores(probability)
    require_dimensions(values, 3, "probability")
    if not len(values):
        raise ValueError("an ensemble needs at least one model")
    if values.size and not (values.min() >= 0 and values.max() <= 1):
        raise ValueError(f"probabilities must lie in [0, 1], not in [{values.min()}, {values.max()}]")
    return np.asarray(values.mean(axis=0))
