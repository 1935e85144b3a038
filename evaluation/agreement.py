"""Agreement between readers or label sets beyond chance: Cohen's, weighted and Fleiss' kappa.

Kappa is undefined (NaN) if chance alone would agree always, as when both readers use one and the same category.

If readers agree on every case the variance is 0, which would claim certainty. The lower limit is then that of an
observed agreement of n in n cases (of patients, if these are known) by Clopper and Pearson. If the variance is 0 for
another reason (a reader uses one category, so that kappa is 0 whatever the other says, or readers never agree) the
limits are NaN.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import UNDEFINED, FloatArray, IntArray, Interval, require_dimensions
from evaluation.distributions import exact_interval, t_quantile
from evaluation.patients import chosen_patients, effective_number, patient_numbers

PRESENT_ABSENT = (0.0, 1.0)
ROUNDING = 1e-12  # largest rounding error of sums of shares that should be 0
NAMES = ("No agreement", "None to slight", "Fair", "Moderate", "Substantial", "Almost perfect")
BANDS = (0.0, 0.2, 0.4, 0.6, 0.8)


@dataclass(frozen=True)
class Agreement:
    """Kappa with its interval and its parts.

    Attributes:
        kappa: 1 full agreement, 0 that of chance, negative less.
        observed: Share of (weighted) agreement.
        expected: The share that chance alone would give.
        cases: Number of cases that both (all) readers judged.
        left_out: Number of cases that one of them did not judge.
    """

    kappa: Interval
    observed: float
    expected: float
    cases: int
    left_out: int

    @property
    def name(self) -> str:
        """See ``landis_koch``."""
        return landis_koch(self.kappa.value)


def cohen_kappa(
    first: ArrayLike,
    second: ArrayLike,
    categories: ArrayLike = PRESENT_ABSENT,
    weight: ArrayLike | None = None,
    level: float = 0.95,
    patient: ArrayLike | None = None,
) -> Agreement:
    """Cohen's kappa of two readers, with Student's interval on Fisher's scale by Fleiss, Cohen and Everitt's variance.

    Their variance is that of the sum of what each case adds to kappa by linearisation. With ``patient`` the cases of a
    patient are summed first, as images of a patient tend to be judged alike. Kappa itself stays as it is.

    Source: Cohen, 1960 and 1968; Fleiss, Cohen and Everitt, "Large sample standard errors of kappa and weighted kappa",
    Psychological Bulletin 72, 1969.

    Example:
        >>> result = cohen_kappa([1, 1, 0, 0, 1, -1], [1, 0, 0, 0, 1, 1])
        >>> round(result.kappa.value, 3), result.name, result.cases, result.left_out
        (0.615, 'Substantial', 5, 1)

    Args:
        first: (N,) categories of reader A; a case with a negative value or NaN is unknown and left out.
        second: (N,) of reader B on the same cases.
        categories: (K,) values that may occur, in order.
        weight: (K, K) how much each pair of categories agrees, 1 on the diagonal; None counts only equal ones. See
            ``linear_weight`` and ``quadratic_weight``.
        level: Confidence.
        patient: (N,) names or numbers; None if every case is a patient of its own.

    Raises:
        ValueError: The shapes differ, a case has no patient, or a value is neither a category nor unknown.
    """
    kinds = np.asarray(categories, dtype=np.float64)
    one, two = _codes(first, kinds), _codes(second, kinds)
    if one.shape != two.shape:
        raise ValueError(f"reader A judged cases of shape {one.shape} and B {two.shape}; they must be the same")
    known = (one >= 0) & (two >= 0)
    cases, left_out = int(known.sum()), int((~known).sum())
    if not cases:
        return Agreement(UNDEFINED, math.nan, math.nan, cases, left_out)
    one, two = one[known], two[known]
    agree = np.eye(len(kinds)) if weight is None else np.asarray(weight, dtype=np.float64)
    share = np.bincount(one * len(kinds) + two, minlength=len(kinds) ** 2).reshape(len(kinds), len(kinds)) / cases
    down, across = share.sum(axis=1), share.sum(axis=0)
    observed, expected = float((agree * share).sum()), float(down @ agree @ across)
    if expected >= 1:
        return Agreement(UNDEFINED, observed, expected, cases, left_out)
    kappa = (observed - expected) / (1 - expected)
    usual = (agree @ across)[:, None] + (down @ agree)[None]
    # What a pair of categories adds to kappa, less its mean: the paper's variance is the mean of its square.
    deviation = agree - usual * (1 - kappa) - (kappa - expected * (1 - kappa))
    patients, number = patient_numbers(chosen_patients(patient, known), cases)
    spread, freedom = _spread(deviation[one, two], patients, number)
    # Independent cases give the paper's value.
    variance = spread * (cases - 1) / cases / (1 - expected) ** 2
    return Agreement(
        _limits(kappa, variance, expected, (patients, freedom), level), observed, expected, cases, left_out
    )


def linear_weight(categories: int) -> FloatArray:
    """(K, K) agreement that falls linearly with the distance of two ordered categories, to 0 for the farthest.

    Example:
        >>> linear_weight(3).tolist()
        [[1.0, 0.5, 0.0], [0.5, 1.0, 0.5], [0.0, 0.5, 1.0]]
    """
    order = np.arange(categories)
    return np.asarray(1 - np.abs(order[:, None] - order) / max(categories - 1, 1))


def quadratic_weight(categories: int) -> FloatArray:
    """(K, K) agreement that falls with the squared distance of two ordered categories, to 0 for the farthest.

    Example:
        >>> quadratic_weight(3)[0].tolist()
        [1.0, 0.75, 0.0]
    """
    return np.asarray(1 - np.square(1 - linear_weight(categories)))


def fleiss_kappa(
    rating: ArrayLike,
    categories: ArrayLike = PRESENT_ABSENT,
    level: float = 0.95,
    patient: ArrayLike | None = None,
) -> Agreement:
    """Fleiss' kappa of R readers, with an interval over cases by linearisation.

    Source: Fleiss, "Measuring nominal scale agreement among many raters", 1971. The variance, unlike his of 1979, also
    holds if there is agreement: Gwet, "Computing inter-rater reliability and its variance", 2008.

    Example:
        >>> result = fleiss_kappa([[1, 1, 1], [0, 0, 0], [1, 0, 1], [0, 0, 1]])
        >>> round(result.kappa.value, 3), round(result.observed, 3), result.expected
        (0.333, 0.667, 0.5)

    Args:
        rating: (N, R) categories; a case that not all readers judged is left out and counted.
        categories: (K,) values that may occur.
        level: Confidence.
        patient: (N,) names or numbers, as for ``cohen_kappa``.
    """
    kinds = np.asarray(categories, dtype=np.float64)
    codes = _codes(rating, kinds)
    require_dimensions(codes, 2, "rating")
    known = np.asarray((codes >= 0).all(axis=1))
    cases, readers, left_out = int(known.sum()), codes.shape[1], int((~known).sum())
    if cases == 0 or readers < 2:
        return Agreement(UNDEFINED, math.nan, math.nan, cases, left_out)
    votes = (codes[known][:, :, None] == np.arange(len(kinds))).sum(axis=1)
    of_case = (votes * (votes - 1)).sum(axis=1) / (readers * (readers - 1))
    share = votes.sum(axis=0) / votes.sum()
    observed, expected = float(of_case.mean()), float(np.square(share).sum())
    if expected >= 1:
        return Agreement(UNDEFINED, observed, expected, cases, left_out)
    kappa = (observed - expected) / (1 - expected)
    by_chance = votes @ share / readers
    single = (of_case - expected) / (1 - expected) - 2 * (1 - kappa) * (by_chance - expected) / (1 - expected)
    deviation = single - kappa
    deviation[np.abs(deviation) * (1 - expected) < ROUNDING] = 0
    patients, number = patient_numbers(chosen_patients(patient, known), cases)
    variance, freedom = _spread(deviation, patients, number)
    return Agreement(
        _limits(kappa, variance, expected, (patients, freedom), level), observed, expected, cases, left_out
    )


def landis_koch(kappa: float) -> str:
    """The name of an agreement by Landis and Koch, 1977, in the words of Cheplygina et al., Figs. 3 and 4.

    Example:
        >>> landis_koch(0.6), landis_koch(0.61)
        ('Moderate', 'Substantial')
    """
    if math.isnan(kappa):
        return "Undefined"
    # Published bands end at 0.20, 0.40 and so on; a limit belongs to the lower band, rounding or not.
    return NAMES[int(np.searchsorted(BANDS, kappa - 1e-12))]


def _codes(value: ArrayLike, categories: FloatArray) -> IntArray:
    """The index of each value's category; -1 for unknown."""
    values = np.asarray(value, dtype=np.float64)
    codes = np.full(values.shape, -1)
    for code, category in enumerate(categories.tolist()):
        codes[values == category] = code
    odd = (codes < 0) & (values >= 0)
    if odd.any():
        raise ValueError(
            f"{int(odd.sum())} values are neither a category of {categories.tolist()} nor unknown (negative or NaN); "
            f"the first is {values[odd].flat[0]}"
        )
    return codes


def _spread(deviation: FloatArray, patients: int, number: IntArray) -> tuple[float, float]:
    """Variance of a mean of deviations (N,) by leaving out one patient at a time, and its degrees of freedom.

    Deviations from a mean sum to 0, those of a single patient too: its variance is NaN unless it has a single case.
    """
    cases = len(deviation)
    if patients < 2:
        return (0.0 if cases == 1 else math.nan), 1.0
    images = np.bincount(number, minlength=patients)
    total = np.bincount(number, weights=deviation, minlength=patients)
    if float(np.square(total).sum()) <= ROUNDING * cases:
        return 0.0, 1.0
    spread = float(np.square(total / (cases - images)).sum()) * (patients - 1) / patients
    return spread, max(effective_number(images) - 1, 1.0)


def _limits(kappa: float, variance: float, expected: float, patients: tuple[int, float], level: float) -> Interval:
    """Student's limits over cases, or patients, on Fisher's scale, which stretches towards 1 and -1."""
    cases, freedom = patients
    if kappa >= 1 - ROUNDING / (1 - expected) and not math.isnan(variance):
        lower = (exact_interval(cases, cases, level).lower - expected) / (1 - expected)
        return Interval(kappa, max(lower, -1.0), 1.0)
    if not variance > 0:  # NaN is neither
        return Interval(kappa, math.nan, math.nan)
    if not abs(kappa) < 1:
        return Interval(kappa, math.nan, math.nan)
    reach = t_quantile(level, freedom) * math.sqrt(variance) / (1 - kappa * kappa)
    return Interval(kappa, math.tanh(math.atanh(kappa) - reach), math.tanh(math.atanh(kappa) + reach))
