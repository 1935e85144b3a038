"""Whether a curve of losses or metrics over epochs was still improving when its training ended."""

from __future__ import annotations

import math
from collections.abc import Sequence

LEAST = 5
"""Epochs that are looked at, at least."""
LEVEL = 0.05
MATERIAL = 0.1
"""The least part of the whole improvement that counts."""


def is_improving(values: Sequence[float], is_loss: bool) -> bool | None:
    """Whether the last third of a curve, of at least `LEAST` epochs, shows that more epochs would have helped.

    It does if two things hold. The values get better by Kendall's rank correlation with the epoch, one-sided, at the
    level `LEVEL`. And what they gain, by the median of all slopes (Theil and Sen) times the epochs, is at least
    `MATERIAL` of the gain from the first epoch to the best: a curve that nears its end exponentially then has about a
    twentieth of its way to go. How often that holds for curves of known kinds is in docs/studies.md.

    Args:
        values: Of each epoch; NaN if undefined.
        is_loss: Whether the smallest value is the best.

    Returns:
        None if it cannot be told: fewer than `LEAST` epochs, or an undefined value among the last.

    Example:
        >>> is_improving([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], is_loss=True), is_improving([0.5, 0.6], is_loss=False)
        (True, None)
        >>> is_improving([0.5, 0.8, 0.9, 0.9, 0.89, 0.91, 0.9, 0.9], is_loss=False)
        False
    """
    from scipy.stats import kendalltau, theilslopes

    last = values[-max(LEAST, math.ceil(len(values) / 3)) :]
    if len(last) < LEAST or any(map(math.isnan, last)):
        return None
    sign = -1.0 if is_loss else 1.0
    gains = [sign * value for value in values if not math.isnan(value)]
    whole = max(gains) - gains[0]
    end = [sign * value for value in last]
    if len(set(end)) < 2 or whole <= 0:
        return False
    epochs = range(len(end))
    gained = theilslopes(end, epochs).slope * (len(end) - 1)
    return bool(gained >= MATERIAL * whole and kendalltau(epochs, end, alternative="greater").pvalue < LEVEL)
