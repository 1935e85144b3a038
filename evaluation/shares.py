"""Shares of cases with Wilson's interval, the cases of one patient taken together."""

import math

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import UNDEFINED, Interval
from evaluation.distributions import wilson_interval
from evaluation.patients import patient_numbers


def share_interval(
    part: ArrayLike, whole: ArrayLike, patient: ArrayLike | None = None, level: float = 0.95
) -> Interval:
    """Share of the cases in ``whole`` that are also in ``part``, with Wilson's interval.

    Images of a patient tend to be right or wrong together. They count for their number divided by the design effect:
    the variance of the share by patient over that of independent cases, which is 1 with one case a patient and never
    taken below 1. If all or none are in ``part``, nothing shows how alike they are, and patients are counted instead.

    Source: Rao and Scott, "A simple method for the analysis of clustered binary data", Biometrics 48, 1992.

    Example:
        >>> called, present = [1, 1, 1, 0, 1], [1, 1, 1, 1, 0]
        >>> sensitivity = share_interval(called, present, patient=["a", "a", "a", "b", "b"])
        >>> sensitivity.value, round(sensitivity.lower, 2), round(sensitivity.upper, 2)
        (0.75, 0.18, 0.98)

    Args:
        part: (N,) bool.
        whole: (N,) bool; for sensitivity the present cases, with the called ones as ``part``.
        patient: (N,) names or numbers; None if every case is a patient of its own.
        level: Confidence.

    Returns:
        NaN throughout if no case is in ``whole``.
    """
    share, cases = effective_share(part, whole, patient)
    limits = wilson_interval(share * cases, cases, level) if cases else UNDEFINED
    return Interval(share, limits.lower, limits.upper)


def effective_share(part: ArrayLike, whole: ArrayLike, patient: ArrayLike | None = None) -> tuple[float, float]:
    """The share of ``share_interval``, and the number of independent cases that would vary as much.

    Example:
        >>> share, cases = effective_share([1, 1, 1, 0], [1, 1, 1, 1], patient=["a", "a", "a", "b"])
        >>> share, round(cases, 2)
        (0.75, 1.78)

    Returns:
        NaN and 0 if no case is in ``whole``.
    """
    chosen = np.asarray(whole, dtype=bool)
    right = np.asarray(part, dtype=bool)[chosen]
    cases, count = int(right.size), int(right.sum())
    if not cases:
        return math.nan, 0.0
    share = count / cases
    if patient is None:
        return share, float(cases)
    patients, number = patient_numbers(np.asarray(patient)[chosen], cases)
    if count in (0, cases):
        return share, float(patients)
    deviation = np.bincount(number, weights=right - share, minlength=patients)
    # The deviations of a single patient sum to 0, which says nothing: the patient counts as one case.
    spread = np.square(deviation).sum() * patients / (patients - 1) if patients > 1 else np.inf
    effect = max(1.0, float(spread) / (count * (1 - share) * cases / (cases - 1)))
    return share, max(1.0, cases / effect)
