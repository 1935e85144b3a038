"""Logits and the probabilities that they stand for.

Cases are ranked by logits: a probability has no room near 1, where float32 ties all logits above 17 and float64 all
above 37.
"""

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import FloatArray


def probability(logit: ArrayLike) -> FloatArray:
    """The logistic function, in float64 and alike for every value however many there are.

    Args:
        logit: any shape; plus and minus infinity are 1 and 0.

    Example:
        >>> probability([0.0, -np.inf]).tolist()
        [0.5, 0.0]
    """
    # Contiguous, as numpy may take another way, with another last digit, through what is not.
    values = np.ascontiguousarray(logit, dtype=np.float64)
    fallen = np.exp(-np.abs(values))  # at most 1: nothing overflows
    return np.asarray(np.where(values >= 0, 1.0, fallen) / (1 + fallen)).reshape(np.shape(logit))


def logit_of(probability: ArrayLike) -> FloatArray:
    """The inverse of ``probability``: minus infinity for 0, plus infinity for 1.

    Raises:
        ValueError: a value is outside [0, 1] or NaN.
    """
    values = np.asarray(probability, dtype=np.float64)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"probabilities must lie in [0, 1], not in [{values.min()}, {values.max()}]")
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(values) - np.log1p(-values))


def logit_of_mean(logit: ArrayLike) -> FloatArray:
    """The logit of the mean probability over the first axis: (K, ...) logits in, (...) out.

    In log space, so that the mean of probabilities that are all near 1 (or 0) still tells them apart.

    Example:
        >>> logit_of_mean([[40.0], [41.0]]).round(2).tolist()
        [40.38]
    """
    values = np.asarray(logit, dtype=np.float64)
    present, absent = -np.logaddexp(0.0, -values), -np.logaddexp(0.0, values)
    return np.asarray(np.logaddexp.reduce(present, axis=0) - np.logaddexp.reduce(absent, axis=0))
