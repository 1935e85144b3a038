"""Power of comparing two shares of the same cases, such as two models' sensitivities."""

import math
from statistics import NormalDist

from evaluation.distributions import normal_quantile

_TAIL = 1e-9  # of the number of discordant cases, which is left out


def power_of_shares(cases: int, only_new: float, only_reference: float, level: float = 0.95) -> float:
    """Power of McNemar's exact test, over the number of cases in which only one model is right.

    Example:
        >>> round(power_of_shares(144, 0.45, 0.25), 2)
        0.8

    Args:
        cases: Independent ones: of patients with several images, their number divided by the design effect.
        only_new: Share of the cases in which only the new model is right.
        only_reference: Share in which only the reference is right.
        level: One less the level of the two-sided test.
    """
    import numpy as np
    from scipy.stats import binom

    discordant = only_new + only_reference
    fewest, most = binom.ppf([_TAIL, 1 - _TAIL], cases, discordant)
    numbers = np.arange(fewest, most + 1)
    tail = (1 - level) / 2
    critical = binom.ppf(tail, numbers, 0.5)
    critical -= binom.cdf(critical, numbers, 0.5) > tail  # the largest count whose tail is small enough; -1 if none is
    win = only_new / discordant
    rejected = binom.cdf(critical, numbers, win) + binom.sf(numbers - critical - 1, numbers, win)
    return float(np.sum(binom.pmf(numbers, cases, discordant) * np.where(critical < 0, 0.0, rejected)))


def power_of_noninferior_shares(
    cases: float, only_new: float, only_reference: float, margin: float, level: float = 0.95
) -> float:
    """Power to show that the new share is not lower by the margin or more, by the normal interval of the difference.

    Example:
        >>> round(power_of_noninferior_shares(300, 0.08, 0.08, margin=0.065), 2)
        0.8
    """
    difference = only_new - only_reference
    error = math.sqrt((only_new + only_reference - difference**2) / cases)
    return NormalDist().cdf((difference + margin) / error - normal_quantile(level))
