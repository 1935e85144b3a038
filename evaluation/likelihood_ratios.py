"""Likelihood ratios with intervals, and the predictive values that follow from them at any prevalence."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import BoolArray, Interval, Labels
from evaluation.distributions import normal_quantile
from evaluation.logits import probability
from evaluation.shares import effective_share

FURTHEST = 30.0  # from 0 on the log scale; no interval of real cases reaches as far


@dataclass(frozen=True)
class LikelihoodRatios:
    """How much a call changes the odds of a finding.

    Attributes:
        positive: Sensitivity / (1 - specificity): the odds after a call over those before it.
        negative: (1 - sensitivity) / specificity: the same where there is no call.
    """

    positive: Interval
    negative: Interval

    def predictive_values(self, prevalence: float) -> tuple[Interval, Interval]:
        """Positive and negative predictive value where the finding is as frequent as stated.

        The odds before the call times the likelihood ratio are the odds after it; limits follow as values do. The
        prevalence itself is taken as known.

        Source: Mercaldo, Lau and Zhou, "Confidence intervals for predictive values with an emphasis to case-control
        studies", Statistics in Medicine 26, 2007 (the logit interval).

        Example:
            >>> ratios = LikelihoodRatios(positive=Interval(8.0, 4.0, 16.0), negative=Interval(0.25, 0.1, 0.5))
            >>> positive, negative = ratios.predictive_values(0.02)
            >>> round(positive.value, 3), round(positive.lower, 3), round(positive.upper, 3), round(negative.value, 3)
            (0.14, 0.075, 0.246, 0.995)

        Args:
            prevalence: Above 0 and below 1.

        Raises:
            ValueError: It is not.
        """
        if not 0 < prevalence < 1:
            raise ValueError(f"a prevalence lies between 0 and 1, not at {prevalence}")
        return _after(self.positive, prevalence), _not_after(self.negative, prevalence)


def likelihood_ratios(
    called: BoolArray, labels: Labels, patient: ArrayLike | None = None, level: float = 0.95
) -> LikelihoodRatios:
    """Both likelihood ratios of calls.

    The interval is Koopman's score interval of a ratio of shares, which needs no correction for cells without a case;
    sensitivity and specificity count for their effective numbers of cases (``evaluation.shares``), which take the cases
    of a patient together.

    Source: Koopman, "Confidence intervals for the ratio of two binomial proportions", Biometrics 40, 1984.

    Example:
        >>> from evaluation.cases import checked_labels
        >>> label = np.repeat([1, 1, 0, 0], [8, 2, 1, 9])
        >>> ratios = likelihood_ratios(np.repeat([True, False, True, False], [8, 2, 1, 9]), checked_labels(label))
        >>> round(ratios.positive.value, 2), round(ratios.positive.lower, 2), round(ratios.positive.upper, 2)
        (8.0, 1.82, 45.48)

    Args:
        called: (N,) bool.
        labels: (N,); unknown cases are left out.
        patient: (N,) or None if every case is a patient of its own.
        level: Confidence.

    Returns:
        A ratio of nothing over something is 0, of something over nothing infinite, with limits; NaN throughout if a
        class is missing or both shares are 0.
    """

    def ratio(part: BoolArray) -> Interval:
        return share_ratio(
            effective_share(part, labels.present, patient), effective_share(part, labels.absent, patient), level
        )

    return LikelihoodRatios(positive=ratio(called), negative=ratio(~called))


def share_ratio(first: tuple[float, float], second: tuple[float, float], level: float = 0.95) -> Interval:
    """The ratio of two independent shares with Koopman's interval.

    Example:
        >>> result = share_ratio((0.8, 10), (0.1, 10))
        >>> round(result.value, 2), round(result.lower, 2), round(result.upper, 2)
        (8.0, 1.82, 45.48)

    Args:
        first: A share and the number of cases behind it, which need not be whole.
        second: The share that it is divided by.
        level: Confidence.
    """
    from scipy.optimize import brentq

    (one, cases), (two, other_cases) = first, second
    if not cases or not other_cases or one == two == 0:
        return Interval(math.nan, math.nan, math.nan)
    z = normal_quantile(level)

    def distance(log_ratio: float) -> float:
        """How far the shares are from such a ratio, in standard errors, minus what is allowed."""
        return _score(math.exp(log_ratio), first, second) - z

    value = one / two if two else math.inf
    middle = min(max(math.log(value), -FURTHEST), FURTHEST) if value else -FURTHEST
    lower = math.exp(brentq(distance, -FURTHEST, middle)) if one else 0.0
    upper = math.exp(brentq(distance, middle, FURTHEST)) if two else math.inf
    return Interval(value, lower, upper)


def _score(ratio: float, first: tuple[float, float], second: tuple[float, float]) -> float:
    """Standard errors between the shares and a ratio, with the variance where that ratio is true."""
    (one, cases), (two, other_cases) = first, second
    # The most likely shares of that ratio: the lesser root of a x^2 - b x + c.
    a, c = (cases + other_cases) * ratio, one * cases + two * other_cases
    b = cases * ratio + one * cases + other_cases + two * other_cases * ratio
    below = 2 * c / (b + math.sqrt(max(b * b - 4 * a * c, 0.0)))
    above = min(ratio * below, 1.0)
    variance = above * (1 - above) / cases + ratio * ratio * below * (1 - below) / other_cases
    gap = abs(one - ratio * two)
    return gap / math.sqrt(variance) if variance > 0 else (math.inf if gap else 0.0)


def _after(ratio: Interval, prevalence: float) -> Interval:
    before = math.log(prevalence) - math.log1p(-prevalence)
    with np.errstate(divide="ignore"):
        return Interval(*probability(before + np.log([ratio.value, ratio.lower, ratio.upper])).tolist())


def _not_after(ratio: Interval, prevalence: float) -> Interval:
    after = _after(ratio, prevalence)
    return Interval(1 - after.value, 1 - after.upper, 1 - after.lower)
