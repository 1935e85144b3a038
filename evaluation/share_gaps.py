"""Shares of cases, such as sensitivity, inside and outside of subgroups, and how far apart they are."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import BoolArray, FloatArray, IntArray, Interval
from evaluation.distributions import correlated_difference
from evaluation.patients import patient_numbers
from evaluation.shares import share_interval
from evaluation.subgroups import UNKNOWN, group_names


@dataclass(frozen=True)
class GroupShare:
    """A share with the cases that it rests on.

    Attributes:
        interval: The share with Wilson's interval by patient; NaN if there is no case.
        right: Cases that count, such as the present ones that were called present.
        cases: All of them.
        patients: Patients of those.
    """

    interval: Interval
    right: int
    cases: int
    patients: int


@dataclass(frozen=True)
class ShareGap:
    """A share inside a group, and outside of it.

    Attributes:
        group: The value of the attribute, as text.
        inside: Of the cases of the group.
        outside: Of the cases known to be of another group.
        difference: inside - outside; NaN if either is undefined.
    """

    group: str
    inside: GroupShare
    outside: GroupShare
    difference: Interval


def share_gaps(
    part: ArrayLike, whole: ArrayLike, group: ArrayLike, patient: ArrayLike | None = None, level: float = 0.95
) -> tuple[ShareGap, ...]:
    """The share of cases in each group against that in all others; cases of unknown group are in neither.

    The interval of the difference combines those of the two shares, so that it stays sensible with few cases and with
    shares of 0 and 1. Patients with cases on both sides make the shares correlated, which is allowed for.

    Source: Newcombe, "Interval estimation for the difference between independent proportions", Statistics in Medicine
    17, 1998, method 10; with a correlation as in Zou, "Toward using confidence intervals to compare correlations",
    Psychological Methods 12, 2007, equations 14 and 15. The correlation is that of the sums over patients.

    Example:
        >>> called, present = [1, 1, 1, 0, 1, 0, 0, 0], [1, 1, 1, 1, 1, 1, 1, 0]
        >>> first, second = share_gaps(called, present, ["AP"] * 4 + ["PA"] * 4)
        >>> first.group, first.inside.interval.value, first.outside.cases, round(first.difference.value, 3)
        ('AP', 0.75, 3, 0.417)

    Args:
        part: (N,) bool; for sensitivity, whether a case was called present.
        whole: (N,) bool; for sensitivity, whether it is present.
        group: (N,) values of an attribute, such as view, sex, or ``age_bands``.
        patient: (N,) names or numbers; None if every case is a patient of its own.
        level: Confidence.
    """
    right, counted = np.asarray(part, dtype=bool), np.asarray(whole, dtype=bool)
    names = group_names(group)
    if not right.shape == counted.shape == names.shape:
        raise ValueError(f"part {right.shape}, whole {counted.shape} and group {names.shape} must have one shape")
    number = np.arange(len(right)) if patient is None else patient_numbers(patient, len(right))[1]
    known = names != UNKNOWN
    gaps = []
    for name in np.unique(names[known]).tolist():
        sides = counted & (names == name), counted & known & (names != name)
        inside, outside = (_share(right, side, number, level) for side in sides)
        correlation = _correlation(right, *sides, number)
        difference = correlated_difference(inside.interval, outside.interval, correlation)
        gaps.append(ShareGap(name, inside, outside, difference))
    return tuple(gaps)


def _share(right: BoolArray, side: BoolArray, number: IntArray, level: float) -> GroupShare:
    interval = share_interval(right, side, number, level)
    return GroupShare(interval, int((right & side).sum()), int(side.sum()), len(np.unique(number[side])))


def _correlation(right: BoolArray, inside: BoolArray, outside: BoolArray, number: IntArray) -> float:
    """Correlation of the two shares, from the deviations summed over each patient; 0 if either does not vary."""
    one, two = (_deviations(right, side, number) for side in (inside, outside))
    scale = math.sqrt(float(one @ one) * float(two @ two))
    return float(one @ two) / scale if scale else 0.0


def _deviations(right: BoolArray, side: BoolArray, number: IntArray) -> FloatArray:
    mean = right[side].mean() if side.any() else 0.0
    return np.bincount(number, weights=np.where(side, right - mean, 0.0)).astype(np.float64)
