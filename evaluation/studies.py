"""The images of a study brought to one score and one label.

Source: Irvin et al., "CheXpert", 2019: the maximum over the views of a study.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import AnyArray, FloatArray, IntArray, checked_scores, require_dimensions


@dataclass(frozen=True)
class Studies:
    """Images grouped by study.

    Attributes:
        name: (S,) names of studies, sorted.
        order: (N,) images sorted by study.
        start: (S,) where each study begins among them.
        first: (S,) the first image of each study in the given order; for its patient, source and the like.
    """

    name: AnyArray
    order: IntArray
    start: IntArray
    first: IntArray

    def maximum(self, score: ArrayLike) -> FloatArray:
        """(N, C) scores of images in, (S, C) the highest of each study's images out."""
        return self._highest(checked_scores(score))

    def label(self, label: ArrayLike) -> FloatArray:
        """(N, C) labels of images in, (S, C) labels of studies out.

        Present if any image says so, else absent if any does, else uncertain (-1), else not said (-2 or NaN).
        """
        values = np.asarray(label, dtype=np.float64)
        highest = self._highest(np.where(np.isnan(values), -np.inf, values))
        return np.where(np.isneginf(highest), np.nan, highest)

    def _highest(self, values: FloatArray) -> FloatArray:
        require_dimensions(values, 2, "values")
        if len(values) != len(self.order):
            raise ValueError(f"{len(values)} images do not fit the {len(self.order)} that were grouped")
        return np.maximum.reduceat(values[self.order], self.start, axis=0) if len(values) else values


def group_by_study(study: ArrayLike) -> Studies:
    """Group images (N,) by the name of their study.

    Example:
        >>> studies = group_by_study(["b", "a", "b"])
        >>> studies.name.tolist(), studies.maximum([[0.1], [0.5], [0.3]]).tolist()
        (['a', 'b'], [[0.5], [0.3]])
    """
    names, first, number = np.unique(np.asarray(study), return_index=True, return_inverse=True)
    order = np.argsort(number, kind="stable")
    start = np.searchsorted(number[order], np.arange(len(names)))
    return Studies(names, order, start, first)
