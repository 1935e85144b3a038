"""Shares of cases with Wilson's interval, the cases of one patient taken together."""

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import Interval
from evaluation.distributions import wilson_interval
from evaluation.patients import patient_numbers


def share_interval(
    part: ArrayLike, whole: ArrayLike, patient: ArrayLike | None = None, level: float = 0.95
) -> Interval:
    """Share of the cases in ``whole`` that are in ``part`` too, with Wilson's interval.

    Images of a patient tend to be right or wrong together, and count for as many cases as they are worth: their number
    over the design effect, which is the variance of the share by patient over that of independent cases, never below 1.
    With one case a patient it is 1. Where all or none are in ``part`` nothing shows how alike they are, and patients
    are counted in place of cases.

    Source: Rao and Scott, "A simple method for the analysis of clustered binary data", Biometrics 48, 1992.

    Args:
        part: (N,) bool.
        whole: (N,) bool; for sensitivity the present cases, ``part`` being those called.
        patient: (N,) names or numbers; None when every case is a patient of its own.
        level: confidence.

    Returns:
        NaN throughout where no case is in ``whole``.
    """
    chosen = np.asarray(whole, dtype=bool)
    right = np.asarray(part, dtype=bool)[chosen]
    cases, found = int(right.size), int(right.sum())
    if patient is None or not cases:
        return wilson_interval(found, cases, level)
    patients, number = patient_numbers(np.asarray(patient)[chosen], cases)
    if found in (0, cases):
        return wilson_interval(found * patients / cases, patients, level)
    share = found / cases
    apart = np.bincount(number, weights=right - share, minlength=patients)
    # With a single patient there is no telling: it is worth one case.
    spread = np.square(apart).sum() * patients / (patients - 1) if patients > 1 else np.inf
    effect = max(1.0, float(spread) / (found * (1 - share) * cases / (cases - 1)))
    worth = max(1.0, cases / effect)
    limits = wilson_interval(share * worth, worth, level)
    return Interval(share, limits.lower, limits.upper)
