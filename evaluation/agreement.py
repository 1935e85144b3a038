"""Agreement between readers or label sets beyond chance: Cohen's, weighted and Fleiss' kappa, and tables of them.

Kappa is undefined (NaN) where chance alone would agree always: both readers use one and the same category throughout.
Where readers agree on every case the variance is 0, which would claim certainty; the lower limit then is that of an
observed agreement of n in n cases (of patients, where these are known) by Clopper and Pearson. Where the variance is 0
for another reason (a reader uses one category throughout, so that kappa is 0 whatever the other says; or readers never
agree) the limits are NaN.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import AnyArray, FloatArray, IntArray, Interval, require_dimensions
from evaluation.distributions import exact_interval, normal_quantile
from evaluation.patients import patient_numbers

PRESENT_ABSENT = (0.0, 1.0)
ROUNDING = 1e-12  # what rounding leaves of sums of shares that are 0, at most


@dataclass(frozen=True)
class Agreement:
    """Kappa with its interval and what it is made of.

    Attributes:
        kappa: 1 full agreement, 0 what chance gives, negative less than that.
        observed: share of (weighted) agreement.
        expected: the share that chance alone would give.
        cases: cases that both (all) readers judged.
        left_out: cases that one of them did not.
    """

    kappa: Interval
    observed: float
    expected: float
    cases: int
    left_out: int

    @property
    def name(self) -> str:
        """The name of this much agreement; see ``landis_koch``."""
        return landis_koch(self.kappa.value)


@dataclass(frozen=True)
class AgreementTable:
    """Kappa between every two of S label sets, for C findings.

    Attributes:
        sets: names of the S label sets.
        findings: names of the C findings.
        kappa: (S, S, C); 1 on the diagonal where a set knows both classes, NaN where two sets share too little.
        lower: (S, S, C).
        upper: (S, S, C).
        cases: (S, S, C) cases that both sets know.
    """

    sets: tuple[str, ...]
    findings: tuple[str, ...]
    kappa: FloatArray
    lower: FloatArray
    upper: FloatArray
    cases: IntArray

    def names(self) -> list[list[list[str]]]:
        """The name of every kappa, nested as (S, S, C)."""
        return [[[landis_koch(value) for value in row] for row in block] for block in self.kappa.tolist()]


def cohen_kappa(
    first: ArrayLike,
    second: ArrayLike,
    categories: ArrayLike = PRESENT_ABSENT,
    weight: ArrayLike | None = None,
    level: float = 0.95,
    patient: ArrayLike | None = None,
) -> Agreement:
    """Cohen's kappa of two readers, with the interval of Fleiss, Cohen and Everitt.

    Their variance is that of the sum of what each case adds to kappa by linearisation. With ``patient`` the cases of
    one patient are summed first, as images of a patient tend to be judged alike; kappa itself stays as it is.

    Source: Cohen, 1960 and 1968; Fleiss, Cohen and Everitt, "Large sample standard errors of kappa and weighted kappa",
    Psychological Bulletin 72, 1969.

    Args:
        first: (N,) categories of reader A; negative or NaN is unknown and leaves the case out.
        second: (N,) of reader B on the same cases.
        categories: (K,) values that may occur, in order.
        weight: (K, K) how much a pair of categories agrees, 1 on the diagonal; None counts equal ones alone. See
            ``linear_weight`` and ``quadratic_weight``.
        level: confidence.
        patient: (N,) names or numbers; None when every case is a patient of its own.

    Raises:
        ValueError: shapes differ, a case has no patient, or a value is neither a category nor unknown.
    """
    kinds = np.asarray(categories, dtype=np.float64)
    one, two = _codes(first, kinds), _codes(second, kinds)
    if one.shape != two.shape:
        raise ValueError(f"reader A judged cases of shape {one.shape} and B {two.shape}; they must be the same")
    known = (one >= 0) & (two >= 0)
    agree = np.eye(len(kinds)) if weight is None else np.asarray(weight, dtype=np.float64)
    owner = None if patient is None else np.asarray(patient)[known]
    return _kappa((one[known], two[known]), agree, known.size, owner, level)


def linear_weight(categories: int) -> FloatArray:
    """(K, K) agreement that falls evenly with the distance of two ordered categories, to 0 for the farthest."""
    return 1 - _distance(categories)


def quadratic_weight(categories: int) -> FloatArray:
    """(K, K) agreement that falls with the squared distance of two ordered categories, to 0 for the farthest."""
    return np.asarray(1 - np.square(_distance(categories)))


def fleiss_kappa(
    rating: ArrayLike,
    categories: ArrayLike = PRESENT_ABSENT,
    level: float = 0.95,
    patient: ArrayLike | None = None,
) -> Agreement:
    """Fleiss' kappa of R readers, with an interval over cases by linearisation.

    Source: Fleiss, "Measuring nominal scale agreement among many raters", 1971; the variance, unlike his of 1979, also
    holds where there is agreement: Gwet, "Computing inter-rater reliability and its variance", 2008.

    Args:
        rating: (N, R) categories; a case that not all readers judged is left out and counted.
        categories: (K,) values that may occur.
        level: confidence.
        patient: (N,) names or numbers, as for ``cohen_kappa``.
    """
    kinds = np.asarray(categories, dtype=np.float64)
    codes = _codes(rating, kinds)
    require_dimensions(codes, 2, "rating")
    known = (codes >= 0).all(axis=1)
    judged, owner = codes[known], None if patient is None else np.asarray(patient)[known]
    cases, readers = judged.shape
    counts = (len(codes), cases)
    if cases == 0 or readers < 2:
        return Agreement(Interval(math.nan, math.nan, math.nan), math.nan, math.nan, cases, counts[0] - cases)
    votes = (judged[:, :, None] == np.arange(len(kinds))).sum(axis=1)
    each = (votes * (votes - 1)).sum(axis=1) / (readers * (readers - 1))
    share = votes.sum(axis=0) / votes.sum()
    observed, expected = float(each.mean()), float(np.square(share).sum())
    if expected >= 1:
        return Agreement(Interval(math.nan, math.nan, math.nan), observed, expected, cases, counts[0] - cases)
    kappa = (observed - expected) / (1 - expected)
    chance = votes @ share / readers
    single = (each - expected) / (1 - expected) - 2 * (1 - kappa) * (chance - expected) / (1 - expected)
    apart = single - kappa
    apart[np.abs(apart) * (1 - expected) < ROUNDING] = 0
    patients, number = patient_numbers(owner, cases)
    spread = np.square(np.bincount(number, weights=apart)).sum()
    variance = float(spread) * patients / (patients - 1) / cases**2 if patients > 1 else math.nan
    interval = _limits(kappa, variance, expected, patients, level)
    return Agreement(interval, observed, expected, cases, counts[0] - cases)


def landis_koch(kappa: float) -> str:
    """The name of an agreement by Landis and Koch, 1977, in the words of Cheplygina et al., Figs. 3 and 4."""
    if math.isnan(kappa):
        return "Undefined"
    names = ("No agreement", "None to slight", "Fair", "Moderate", "Substantial", "Almost perfect")
    # Published bands end at 0.20, 0.40 and so on; a limit belongs to the lower band. Rounding must not lift 0.6 out.
    return names[int(np.searchsorted([0.0, 0.2, 0.4, 0.6, 0.8], kappa - 1e-12))]


def agreement_table(
    label_sets: Mapping[str, ArrayLike],
    findings: tuple[str, ...],
    level: float = 0.95,
    patient: ArrayLike | None = None,
) -> AgreementTable:
    """Cohen's kappa between every two label sets, finding by finding.

    Args:
        label_sets: name to (N, C) labels on the same N images: 1 present, 0 absent, negative or NaN where a set does
            not know the image or the finding.
        findings: names of the C findings.
        level: confidence.
        patient: (N,) names or numbers, as for ``cohen_kappa``.
    """
    names = tuple(label_sets)
    sets = [np.asarray(label_sets[name], dtype=np.float64) for name in names]
    for name, labels in zip(names, sets, strict=True):
        if labels.shape != sets[0].shape or labels.shape[1:] != (len(findings),):
            raise ValueError(
                f"label set {name!r} has shape {labels.shape}; all must be (N, {len(findings)}) like {sets[0].shape}"
            )
    table = np.full((len(sets), len(sets), len(findings), 4), np.nan)
    for i, one in enumerate(sets):
        for j, two in enumerate(sets[: i + 1]):
            for c in range(len(findings)):
                result = cohen_kappa(one[:, c], two[:, c], level=level, patient=patient)
                limits = result.kappa
                table[i, j, c] = table[j, i, c] = limits.value, limits.lower, limits.upper, result.cases
    cases = table[..., 3].astype(np.int64)
    return AgreementTable(names, tuple(findings), table[..., 0], table[..., 1], table[..., 2], cases)


def _codes(value: ArrayLike, categories: FloatArray) -> IntArray:
    """Number of each value's category; -1 for unknown."""
    values = np.asarray(value, dtype=np.float64)
    order = np.argsort(categories)
    place = np.minimum(np.searchsorted(categories[order], values), len(categories) - 1)
    codes = np.where(categories[order][place] == values, order[place], -1)
    odd = (codes < 0) & (values >= 0)
    if odd.any():
        raise ValueError(
            f"{int(odd.sum())} values are neither a category of {categories.tolist()} nor unknown (negative or NaN); "
            f"the first is {values[odd].flat[0]}"
        )
    return codes


def _kappa(
    codes: tuple[IntArray, IntArray], agree: FloatArray, judged: int, patient: AnyArray | None, level: float
) -> Agreement:
    """Of cases that both readers judged, of ``judged`` in all; (K, K) ``agree`` has reader A down and B across."""
    one, two = codes
    kinds, cases = len(agree), len(one)
    if not cases:
        return Agreement(Interval(math.nan, math.nan, math.nan), math.nan, math.nan, cases, judged)
    share = np.bincount(one * kinds + two, minlength=kinds**2).reshape(kinds, kinds) / cases
    down, across = share.sum(axis=1), share.sum(axis=0)
    observed, expected = float((agree * share).sum()), float(down @ agree @ across)
    if expected >= 1:
        return Agreement(Interval(math.nan, math.nan, math.nan), observed, expected, cases, judged - cases)
    kappa = (observed - expected) / (1 - expected)
    usual = (agree @ across)[:, None] + (down @ agree)[None]
    # What a pair of categories adds to kappa, less its mean: the paper's variance is the mean of its square.
    apart = agree - usual * (1 - kappa) - (kappa - expected * (1 - kappa))
    patients, number = patient_numbers(patient, cases)
    spread = float(np.square(np.bincount(number, weights=apart[one, two])).sum())
    # Deviations from a mean sum to 0, those of a single patient alone, too. Cases of their own give the paper's value.
    scale = patients / (patients - 1) * (cases - 1) / cases if patients > 1 else 1.0 if cases == 1 else math.nan
    variance = spread * scale / (cases * (1 - expected)) ** 2 if spread > ROUNDING * cases else 0.0
    return Agreement(_limits(kappa, variance, expected, patients, level), observed, expected, cases, judged - cases)


def _limits(kappa: float, variance: float, expected: float, cases: int, level: float) -> Interval:
    if math.isnan(variance):
        return Interval(kappa, math.nan, math.nan)
    if kappa >= 1 - ROUNDING / (1 - expected):
        lower = (exact_interval(cases, cases, level).lower - expected) / (1 - expected)
        return Interval(kappa, max(lower, -1.0), 1.0)
    if not variance > 0:
        return Interval(kappa, math.nan, math.nan)
    half = normal_quantile(level) * math.sqrt(variance)
    return Interval(kappa, max(kappa - half, -1.0), min(kappa + half, 1.0))


def _distance(categories: int) -> FloatArray:
    place = np.arange(categories)
    return np.abs(place[:, None] - place) / max(categories - 1, 1)
