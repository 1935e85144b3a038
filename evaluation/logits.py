"""Logits and their probabilities.

Cases are ranked by logits: near 1 probabilities tie, in float32 for all logits above 17 and in float64 above 37.
"""

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import FloatArray, require_probabilities


def probability(logit: ArrayLike) -> FloatArray:
    """The logistic function in float64, of any shape. A value's result does not depend on the values around it.

    Example:
        >>> probability([0.0, -np.inf]).tolist()
        [0.5, 0.0]
    """
    # Contiguous, as numpy may compute strided values in another way, with another last digit.
    values = np.ascontiguousarray(logit, dtype=np.float64)
    decay = np.exp(-np.abs(values))  # at most 1: nothing overflows
    return np.asarray(np.where(values >= 0, 1.0, decay) / (1 + decay)).reshape(np.shape(logit))


def logit_of(probability: ArrayLike) -> FloatArray:
    """The inverse of ``probability``: minus infinity for 0, plus infinity for 1.

    Example:
        >>> logit_of([0.5, 1.0]).tolist()
        [0.0, inf]

    Raises:
        ValueError: A value is outside [0, 1] or NaN.
    """
    values = np.asarray(probability, dtype=np.float64)
    require_probabilities(values)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(values) - np.log1p(-values))


def logit_of_mean(logit: ArrayLike) -> FloatArray:
    """The logit of the mean probability over the first axis: (K, ...) logits in, (...) out.

    Computed in log space, so that means of probabilities that are all near 1 (or 0) still differ.

    Example:
        >>> logit_of_mean([[40.0], [41.0]]).round(2).tolist()
        [40.38]
    """
    values = np.asarray(logit, dtype=np.float64)
    present, absent = -np.logaddexp(0.0, -values), -np.logaddexp(0.0, values)
    return np.asarray(np.logaddexp.reduce(present, axis=0) - np.logaddexp.reduce(absent, axis=0))
