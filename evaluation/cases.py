"""Checked labels and scores, and the small records that measurements return."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
AnyArray = NDArray[np.generic]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
TextArray = NDArray[np.str_]


@dataclass(frozen=True)
class Interval:
    """A value with the limits of its confidence interval; NaN if undefined."""

    value: float
    lower: float
    upper: float


UNDEFINED = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Counts:
    """The number of cases labelled present, absent, and neither, and the patients whom they belong to.

    Attributes:
        present: Number of cases that have the finding.
        absent: Number of cases that do not.
        unknown: Number of cases left out, as their label is uncertain or not said.
        present_patients: Number of patients with a present case: the evidence that an interval rests on. Equal to
            ``present`` if patients are not known.
        absent_patients: Number of patients with an absent case; a patient may have both.
    """

    present: int
    absent: int
    unknown: int
    present_patients: int
    absent_patients: int


@dataclass(frozen=True)
class FindingResult(Interval):
    """A value of one finding with its interval, and the cases behind it: one row of a report.

    Attributes:
        value: NaN if undefined, as are the limits.
        lower: Lower limit of the confidence interval.
        upper: Upper limit.
        present: These and the following as in ``Counts``.
        absent: Number of cases without the finding.
        unknown: Number of cases left out.
        present_patients: Number of patients with a present case.
        absent_patients: Number of patients with an absent case.
    """

    present: int
    absent: int
    unknown: int
    present_patients: int
    absent_patients: int

    @classmethod
    def of(cls, interval: Interval, counts: Counts) -> "FindingResult":
        """An interval with the cases behind it."""
        return cls(interval.value, interval.lower, interval.upper, **vars(counts))

    @property
    def interval(self) -> Interval:
        """The value with its limits alone."""
        return Interval(self.value, self.lower, self.upper)


@dataclass(frozen=True)
class Labels:
    """Labels split by class; unknown are those that are neither.

    Attributes:
        present: Bool, the shape of the labels.
        absent: Bool, the shape of the labels.
    """

    present: BoolArray
    absent: BoolArray

    @property
    def known(self) -> BoolArray:
        """Bool, the shape of the labels: present or absent."""
        return self.present | self.absent

    @property
    def columns(self) -> Iterator["Labels"]:
        """Labels (N, C) finding by finding."""
        return map(Labels, self.present.T, self.absent.T)

    def numbers(self) -> FloatArray:
        """1 present, 0 absent, -1 unknown, the shape of the labels."""
        return np.where(self.present, 1.0, np.where(self.absent, 0.0, -1.0))

    def counts(self, patient: IntArray | None = None) -> Counts:
        """Cases by label, and their patients.

        Args:
            patient: (N,) numbers from 0 as ``patient_numbers`` gives them; None if every case is a patient of its own.
        """
        present, absent = int(self.present.sum()), int(self.absent.sum())
        unknown = self.present.size - present - absent
        if patient is None:
            return Counts(present, absent, unknown, present, absent)
        by_class = (int(np.count_nonzero(np.bincount(patient[chosen]))) for chosen in (self.present, self.absent))
        return Counts(present, absent, unknown, *by_class)


def checked_scores(score: ArrayLike) -> FloatArray:
    """Scores of any shape as float64; plus and minus infinity are legal ranks.

    Raises:
        ValueError: A score is NaN; the message says how many are and where the first is.
    """
    values = np.asarray(score, dtype=np.float64)
    missing = np.isnan(values)
    if missing.any():
        first = tuple(int(i) for i in np.argwhere(missing)[0])
        where = first[0] if len(first) == 1 else first
        raise ValueError(f"{int(missing.sum())} of {values.size} scores are NaN, the first at index {where}")
    return values


def checked_labels(label: ArrayLike) -> Labels:
    """Labels of any shape split into present and absent.

    Example:
        >>> checked_labels([1, 0, -1, np.nan]).counts()
        Counts(present=1, absent=1, unknown=2, present_patients=1, absent_patients=1)

    Args:
        label: 1 present, 0 absent, negative (-1 uncertain, -2 not said) or NaN unknown. Text, as attributes of a table
            are, is read as numbers.

    Raises:
        ValueError: A label lies between 0 and 1 or above 1: a certainty is not a truth to measure against.
    """
    values = as_numbers(label)
    present, absent = values == 1, values == 0
    odd = (values > 0) & ~present
    if odd.any():
        raise ValueError(
            f"{int(odd.sum())} labels are neither 1 (present), 0 (absent), negative nor NaN (unknown); "
            f"the first is {values[odd].flat[0]}"
        )
    return Labels(np.asarray(present), np.asarray(absent))


def as_numbers(value: ArrayLike) -> NDArray[Any]:
    """Numbers as they are, and text as float64; empty text is NaN.

    Raises:
        ValueError: Text that is not a number.
    """
    values = np.asarray(value)
    if values.dtype.kind not in "USO":
        return values
    numbers = [np.nan if x is None or x == "" else float(x) for x in values.ravel().tolist()]
    return np.array(numbers).reshape(values.shape)


def checked_cases(score: ArrayLike, label: ArrayLike, dimensions: int) -> tuple[FloatArray, Labels]:
    """Scores and labels of the same shape, with that many axes.

    Raises:
        ValueError: The shapes differ or have other axes, a score is NaN, or ``checked_labels`` refuses a label.
    """
    values, labels = checked_scores(score), checked_labels(label)
    if values.shape != labels.present.shape:
        raise ValueError(f"scores have shape {values.shape} and labels {labels.present.shape}; they must be the same")
    require_dimensions(values, dimensions, "score")
    return values, labels


def require_dimensions(values: NDArray[np.generic], dimensions: int, name: str) -> None:
    """Raise ValueError unless ``values`` has that many axes."""
    if values.ndim != dimensions:
        raise ValueError(f"{name} must have {dimensions} axes, not shape {values.shape}")


def require_probabilities(values: NDArray[np.generic]) -> None:
    """Raise ValueError unless all values lie in [0, 1]."""
    if values.size and not (values.min() >= 0 and values.max() <= 1):
        raise ValueError(f"probabilities must lie in [0, 1], not in [{values.min()}, {values.max()}]")
