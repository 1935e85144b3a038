"""Shares of cases with Wilson's interval, the cases of one patient taken together."""

import math

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import UNDEFINED, Interval
from evaluation.distributions import t_quantile, wilson_interval
from evaluation.patients import chosen_patients, effective_number, patient_numbers


def share_interval(
    part: ArrayLike, whole: ArrayLike, patient: ArrayLike | None = None, level: float = 0.95
) -> Interval:
    """Share of the cases in ``whole`` that are also in ``part``, with Wilson's interval.

    Images of a patient tend to be right or wrong together. They count for their number divided by the design effect:
    the variance of the share by leaving out one patient at a time over that of independent cases, which is 1 with one
    case a patient and never taken below 1. They count for less yet if few patients show how alike they are, by the
    ratio of Student's quantiles for so many cases and patients. If all or none are in ``part``, nothing shows it, and
    patients are counted instead. A patient with many more images than others counts for less
    (``patients.effective_number``).

    Source: Rao and Scott, "A simple method for the analysis of clustered binary data", Biometrics 48, 1992; Korn and
    Graubard, "Confidence intervals for proportions with small expected number of positive counts estimated from survey
    data", Survey Methodology 24, 1998, for Student's quantiles (their interval is Clopper and Pearson's).

    Example:
        >>> called, present = [1, 1, 1, 0, 1], [1, 1, 1, 1, 0]
        >>> sensitivity = share_interval(called, present, patient=["a", "a", "a", "b", "b"])
        >>> sensitivity.value, round(sensitivity.lower, 2), round(sensitivity.upper, 2)
        (0.75, 0.12, 0.99)

    Args:
        part: (N,) bool.
        whole: (N,) bool; for sensitivity the present cases, with the called ones as ``part``.
        patient: (N,) names or numbers; None if every case is a patient of its own.
        level: Confidence.

    Returns:
        NaN throughout if no case is in ``whole``.

    Raises:
        ValueError: The shapes differ, or a case in ``whole`` has no patient.
    """
    share, cases = effective_share(part, whole, patient, level)
    limits = wilson_interval(share * cases, cases, level) if cases else UNDEFINED
    return Interval(share, limits.lower, limits.upper)


def effective_share(
    part: ArrayLike, whole: ArrayLike, patient: ArrayLike | None = None, level: float = 0.95
) -> tuple[float, float]:
    """The share of ``share_interval``, and the number of independent cases that give an interval as wide.

    Example:
        >>> share, cases = effective_share([1, 1, 1, 0], [1, 1, 1, 1], patient=["a", "a", "a", "b"])
        >>> share, round(cases, 2)
        (0.75, 1.0)

    Returns:
        NaN and 0 if no case is in ``whole``.
    """
    chosen, among = np.asarray(whole, dtype=bool), np.asarray(part, dtype=bool)
    if among.shape != chosen.shape:
        raise ValueError(f"part has shape {among.shape} and whole {chosen.shape}; they must be the same")
    owner, right = chosen_patients(patient, chosen), among[chosen]
    cases, count = int(right.size), int(right.sum())
    if not cases:
        return math.nan, 0.0
    share = count / cases
    if owner is None:
        return share, float(cases)
    patients, number = patient_numbers(owner, cases)
    if count in (0, cases):
        return share, effective_number(np.bincount(number))
    if patients == 1:  # it does not show how patients vary, and counts as one case
        return share, 1.0
    images = np.bincount(number, minlength=patients)
    # What leaving out a patient changes, times the number of cases.
    deviation = np.bincount(number, weights=right - share, minlength=patients) / (1 - images / cases)
    spread = float(np.square(deviation).sum()) * (patients - 1) / patients
    effect = max(1.0, spread / (count * (1 - share) * cases / (cases - 1)))
    independent = cases / effect
    known, needed = (t_quantile(level, max(each - 1, 1.0)) for each in (effective_number(images), independent))
    return share, max(1.0, independent * min(1.0, needed / known) ** 2)
