"""Non-inferiority and equivalence within a margin that was declared before the results were seen."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import NormalDist

from evaluation.cases import Interval
from evaluation.permutation import holm

NEAREST, FARTHEST = 1e-9, 8.0  # standard errors whose levels of confidence still differ from 0 and 1 in float64


@dataclass(frozen=True)
class MarginTest:
    """A second model against a first, for a measure of which more is better.

    Attributes:
        margin: The largest difference that does not matter, above 0.
        p_noninferior: One-sided, of the hypothesis that the second is worse by the margin or more.
        p_equivalent: Of the hypothesis that they differ by the margin or more in either direction: the larger of two
            one-sided p-values (TOST; Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15, 1987).
    """

    margin: float
    p_noninferior: float
    p_equivalent: float


def margin_test(difference_at: Callable[[float], Interval], margin: float) -> MarginTest:
    """Tests by inclusion of the interval: p is the level at which the interval's limit touches the margin.

    So a conclusion at a one-sided 2.5% is the one that the 95% interval shows: the second is non-inferior if the whole
    interval lies above ``-margin``, and equivalent if it lies within the margin.

    Example:
        >>> from evaluation.auc_tests import difference_interval
        >>> result = margin_test(lambda level: difference_interval(0.01, 0.02**2, level), margin=0.05)  # z of 2 and 3
        >>> round(result.p_noninferior, 4), round(result.p_equivalent, 4)
        (0.0228, 0.0228)

    Args:
        difference_at: The interval of first - second at a level of confidence; wider at a higher one.
        margin: Above 0.

    Returns:
        NaN where the interval has no limits; 0 if no level reaches the margin, as for scores that rank alike.

    Raises:
        ValueError: The margin is not above 0.
    """
    if not margin > 0:
        raise ValueError(f"the margin is {margin:g}, but must be above 0: the largest difference that does not matter")
    not_worse = _one_sided(difference_at, margin)
    not_better = _one_sided(lambda level: opposite(difference_at(level)), margin)
    return MarginTest(margin, not_worse, max(not_worse, not_better))


def opposite(difference: Interval) -> Interval:
    """The difference the other way round: B - A for A - B.

    Example:
        >>> opposite(Interval(0.5, 0.25, 0.75))
        Interval(value=-0.5, lower=-0.75, upper=-0.25)
    """
    # 0.0 - x, because -x would turn exactly no difference into a negative zero.
    return Interval(0.0 - difference.value, 0.0 - difference.upper, 0.0 - difference.lower)


def holm_margins(tests: list[MarginTest | None]) -> tuple[MarginTest | None, ...]:
    """The tests with p-values that Holm's method corrected over all of them; None stays None.

    Example:
        >>> holm_margins([MarginTest(0.05, 0.01, 0.02), MarginTest(0.05, 0.03, 0.5)])[0]
        MarginTest(margin=0.05, p_noninferior=0.02, p_equivalent=0.04)
    """
    columns = (
        holm([math.nan if test is None else getattr(test, name) for test in tests]).tolist()
        for name in ("p_noninferior", "p_equivalent")
    )
    return tuple(
        None if test is None else replace(test, p_noninferior=worse, p_equivalent=other)
        for test, worse, other in zip(tests, *columns, strict=True)
    )


def _one_sided(interval_at: Callable[[float], Interval], margin: float) -> float:
    """The p-value of "the true value is the margin or more"."""
    from scipy.optimize import brentq

    half = interval_at(0.5)
    if math.isnan(half.lower + half.upper):
        return math.nan
    is_below = half.value < margin

    def gap(z: float) -> float:
        """How far the limit on the margin's side lies from the margin; below 0 before it."""
        interval = interval_at(1 - 2 * NormalDist().cdf(-z))
        return interval.upper - margin if is_below else margin - interval.lower

    if gap(NEAREST) >= 0:
        return 0.5
    p = NormalDist().cdf(-brentq(gap, NEAREST, FARTHEST)) if gap(FARTHEST) >= 0 else 0.0
    return p if is_below else 1 - p
