"""Quantiles, p-values, and intervals of values in [0, 1]. scipy is imported only by the functions that need it."""

import math
from statistics import NormalDist

from evaluation.cases import UNDEFINED, Interval
from evaluation.logits import probability

LOW_LEVEL = 1e-3  # below it scipy's quantile of Student's t loses digits, all of them with 4 or 6 degrees of freedom


def normal_quantile(level: float) -> float:
    """The standard errors to each side that a two-sided normal interval of confidence ``level`` reaches.

    Example:
        >>> round(normal_quantile(0.95), 2)
        1.96

    Raises:
        ValueError: The level does not lie between 0 and 1.
    """
    require_level(level)
    return NormalDist().inv_cdf(0.5 + level / 2)


def t_quantile(level: float, freedom: float) -> float:
    """The same for Student's t of ``freedom`` degrees of freedom.

    Example:
        >>> round(t_quantile(0.95, 2), 2)
        4.3

    Raises:
        ValueError: There is no degree of freedom, or the level does not lie between 0 and 1.
    """
    from scipy.special import betaincinv, stdtrit

    require_level(level)
    if freedom < 1:
        raise ValueError(f"Student's t needs at least 1 degree of freedom, not {freedom}")
    if level < LOW_LEVEL and not math.isinf(freedom):
        # The share of t^2 in t^2 + freedom is beta distributed.
        share = float(betaincinv(0.5, freedom / 2, level))
        return math.sqrt(freedom * share / (1 - share))
    return float(stdtrit(freedom, 0.5 + level / 2))


def t_two_sided_p(t: float, freedom: float) -> float:
    """Probability of a value of Student's t at least as far from zero as ``t``; NaN for NaN.

    Example:
        >>> round(t_two_sided_p(4.303, 2), 3)
        0.05
    """
    from scipy.special import stdtr

    return float(2 * stdtr(freedom, -abs(t)))


def wilson_interval(successes: float, trials: float, level: float = 0.95) -> Interval:
    """Score interval of a proportion; NaN throughout without a trial.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", 1927.

    Example:
        >>> limits = wilson_interval(8, 10)
        >>> limits.value, round(limits.lower, 2), round(limits.upper, 2)
        (0.8, 0.49, 0.94)
    """
    if trials <= 0:
        return UNDEFINED
    z, share = normal_quantile(level), successes / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    # At 0 and 1 the limit is exact; rounding must not move it.
    lower = 0.0 if successes == 0 else max(0.0, middle - half)
    upper = 1.0 if successes == trials else min(1.0, middle + half)
    return Interval(share, lower, upper)


def exact_interval(successes: float, trials: float, level: float = 0.95) -> Interval:
    """Clopper and Pearson's interval of a proportion, whose coverage is never less than ``level``.

    Example:
        >>> limits = exact_interval(10, 10)
        >>> round(limits.lower, 2), limits.upper
        (0.69, 1.0)

    Args:
        successes: 0 to ``trials``; need not be a whole number.
        trials: Above 0; otherwise the interval is NaN.
        level: Confidence.

    Raises:
        ValueError: The level does not lie between 0 and 1.
    """
    from scipy.special import betaincinv

    require_level(level)
    if trials <= 0:
        return UNDEFINED
    tail, failures = (1 - level) / 2, trials - successes
    lower = float(betaincinv(successes, failures + 1, tail)) if successes > 0 else 0.0
    upper = float(betaincinv(successes + 1, failures, 1 - tail)) if failures > 0 else 1.0
    return Interval(successes / trials, lower, upper)


def unit_interval(value: float, half: float) -> Interval:
    """A value in [0, 1] with limits ``half`` to each side; on the logit scale if those would leave [0, 1].

    A value of 0 or 1, which has no logit, is cut instead. NaN gives NaN.

    Example:
        >>> unit_interval(0.5, 0.25)
        Interval(value=0.5, lower=0.25, upper=0.75)
        >>> round(unit_interval(0.9, 0.2).upper, 2)
        0.99
    """
    lower, upper = value - half, value + half
    if math.isnan(half):
        return Interval(value, half, half)
    if not (lower < 0 or upper > 1) or not 0 < value < 1:
        return Interval(value, max(lower, 0.0), min(upper, 1.0))
    return logit_interval(value, half / (value * (1 - value)))


def logit_interval(value: float, reach: float) -> Interval:
    """A value between 0 and 1 with limits ``reach`` to each side on the logit scale.

    Example:
        >>> round(logit_interval(0.9, 1.0).lower, 2), round(logit_interval(0.9, 1.0).upper, 2)
        (0.77, 0.96)

    Args:
        value: Neither 0 nor 1, which have no logit.
        reach: In logits: ``half / (value * (1 - value))`` for limits about ``half`` to each side.
    """
    logit = math.log(value / (1 - value))
    return Interval(value, *probability([logit - reach, logit + reach]).tolist())


def correlated_difference(first: Interval, second: Interval, correlation: float) -> Interval:
    """First - second, with limits from theirs: where theirs reach further down than up, so do those of the difference.

    Source: Zou, "Toward using confidence intervals to compare correlations", Psychological Methods 12, 2007.

    Example:
        >>> result = correlated_difference(Interval(0.75, 0.375, 1.0), Interval(0.5, 0.25, 1.0), correlation=0.0)
        >>> result.value, result.lower, round(result.upper, 3)
        (0.25, -0.375, 0.604)

    Args:
        first: An estimate with limits.
        second: Another.
        correlation: Of the two.

    Returns:
        Not cut where it leaves the range of differences.
    """

    def reach(a: float, b: float) -> float:
        return math.sqrt(max(a * a + b * b - 2 * correlation * a * b, 0.0))

    value = first.value - second.value
    lower = value - reach(first.value - first.lower, second.upper - second.value)
    return Interval(value, lower, value + reach(first.upper - first.value, second.value - second.lower))


def require_level(level: float) -> None:
    """Raise ValueError unless a level of confidence lies between 0 and 1."""
    if not 0 < level < 1:
        raise ValueError(f"the confidence level must lie between 0 and 1, not be {level}")
