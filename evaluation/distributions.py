"""Quantiles and tails of the normal, t and beta distributions, and intervals of proportions, without scipy."""

import math
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

from evaluation.cases import Interval
from evaluation.logits import probability

MOST_TERMS = 300  # the continued fraction needs about the square root of the larger parameter; see `regularised_beta`


def normal_quantile(level: float) -> float:
    """How many standard errors a two-sided interval of confidence ``level`` in (0, 1) reaches to each side."""
    if not 0 < level < 1:
        raise ValueError(f"the confidence level must lie between 0 and 1, not be {level}")
    return NormalDist().inv_cdf(0.5 + level / 2)


def two_sided_p(z: float) -> float:
    """Probability of a standard normal value at least as far from zero as ``z``; NaN for NaN."""
    return math.erfc(abs(z) / math.sqrt(2))


def regularised_beta(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function I_x(a, b).

    Source: NIST Digital Library of Mathematical Functions, 8.17.22, evaluated by Lentz's method.

    Args:
        x: in [0, 1].
        a: above 0.
        b: above 0.
    """
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - regularised_beta(1 - x, b, a)
    front = a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(front) / a * _beta_fraction(x, a, b)


def beta_quantile(probability: float, a: float, b: float) -> float:
    """The x at which I_x(a, b) is ``probability``; 0 where ``a`` is 0 and 1 where ``b`` is 0, their limits."""
    if a <= 0 or b <= 0:
        return float(b <= 0)
    return _bisect(lambda x: regularised_beta(x, a, b), probability, 0.0, 1.0)


@lru_cache(maxsize=1024)
def t_quantile(level: float, freedom: int) -> float:
    """Student's t: how many standard errors a two-sided interval of confidence ``level`` reaches to each side.

    Args:
        level: in (0, 1).
        freedom: degrees of freedom, 1 or more.
    """
    if freedom < 1:
        raise ValueError(f"Student's t needs at least 1 degree of freedom, not {freedom}")
    share = beta_quantile(1 - level, freedom / 2, 0.5)
    return math.sqrt(freedom * (1 - share) / share)


def wilson_interval(successes: float, trials: float, level: float = 0.95) -> Interval:
    """Score interval of a proportion; NaN throughout when there was no trial.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    if trials <= 0:
        return Interval(math.nan, math.nan, math.nan)
    z, share = normal_quantile(level), successes / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    # At 0 and 1 the limit is exact; rounding must not move it.
    lower = 0.0 if successes == 0 else max(0.0, middle - half)
    upper = 1.0 if successes == trials else min(1.0, middle + half)
    return Interval(share, lower, upper)


def unit_interval(value: float, half: float) -> Interval:
    """``value`` in [0, 1] with limits ``half`` to each side; on the logit scale where those would leave [0, 1].

    A value of 0 or 1, which has no logit, is cut instead; NaN gives NaN.
    """
    lower, upper = value - half, value + half
    if math.isnan(half):
        return Interval(value, half, half)
    if not (lower < 0 or upper > 1) or not 0 < value < 1:
        return Interval(value, max(lower, 0.0), min(upper, 1.0))
    logit, reach = math.log(value / (1 - value)), half / (value * (1 - value))
    return Interval(value, *probability([logit - reach, logit + reach]).tolist())


def exact_interval(successes: float, trials: float, level: float = 0.95) -> Interval:
    """Clopper and Pearson's interval of a proportion, which never covers less than ``level``.

    Args:
        successes: 0 to ``trials``; need not be whole.
        trials: above 0, or NaN throughout.
        level: confidence.
    """
    if trials <= 0:
        return Interval(math.nan, math.nan, math.nan)
    tail = (1 - level) / 2
    lower = beta_quantile(tail, successes, trials - successes + 1)
    upper = beta_quantile(1 - tail, successes + 1, trials - successes)
    return Interval(successes / trials, lower, upper)


def _beta_fraction(x: float, a: float, b: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1), tiny)
    value = d
    for m in range(1, MOST_TERMS + int(10 * math.sqrt(max(a, b)))):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        before = value
        for term in (even, odd):
            d = 1 / _away_from_zero(1 + term * d, tiny)
            c = _away_from_zero(1 + term / c, tiny)
            value *= c * d
        if abs(value - before) <= 1e-15 * abs(value):
            break
    return value


def _away_from_zero(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny


def _bisect(rising: Callable[[float], float], target: float, low: float, high: float) -> float:
    """Where a rising function meets ``target``, to the last bit that halving can tell."""
    while True:
        middle = (low + high) / 2
        if not low < middle < high:
            return middle
        if rising(middle) < target:
            low = middle
        else:
            high = middle
