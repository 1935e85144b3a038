"""What every measurement shares: checked scores and labels, and the small records that are returned."""

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
    """A value and the limits of its confidence interval; NaN where undefined."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Counts:
    """How many cases say present, absent, and neither (uncertain or not said)."""

    present: int
    absent: int
    unknown: int


@dataclass(frozen=True)
class FindingResult:
    """A value of one finding with its interval, and the cases behind it: one row of a report.

    Attributes:
        value: NaN where undefined, as are the limits.
        lower: lower limit of the confidence interval.
        upper: upper limit.
        present: cases that have the finding.
        absent: cases that do not.
        unknown: cases left out, because nobody knows or said.
    """

    value: float
    lower: float
    upper: float
    present: int
    absent: int
    unknown: int

    @property
    def interval(self) -> Interval:
        """The value with its limits alone."""
        return Interval(self.value, self.lower, self.upper)


@dataclass(frozen=True)
class Labels:
    """Labels split into what is known.

    Attributes:
        present: bool, the shape of the labels.
        absent: bool, the shape of the labels. Unknown is what is neither.
    """

    present: BoolArray
    absent: BoolArray

    @property
    def known(self) -> BoolArray:
        """Bool, the shape of the labels: present or absent."""
        return self.present | self.absent

    def counts(self) -> Counts:
        """Cases of a label (N,), counted."""
        present, absent = int(self.present.sum()), int(self.absent.sum())
        return Counts(present, absent, self.present.size - present - absent)


def checked_scores(score: ArrayLike) -> FloatArray:
    """Scores as float64.

    Args:
        score: any shape; real numbers. Plus and minus infinity are legal ranks.

    Raises:
        ValueError: a score is NaN; the text says how many and where the first is.
    """
    values = np.asarray(score, dtype=np.float64)
    missing = np.isnan(values)
    if missing.any():
        first = tuple(int(i) for i in np.argwhere(missing)[0])
        where = first[0] if len(first) == 1 else first
        raise ValueError(f"{int(missing.sum())} of {values.size} scores are NaN, the first at index {where}")
    return values


def checked_labels(label: ArrayLike) -> Labels:
    """Labels split into present and absent.

    Args:
        label: any shape; 1 present, 0 absent, negative (-1 uncertain, -2 not said) or NaN unknown. Text, as attributes
            of a table are, is read as numbers.

    Raises:
        ValueError: a label lies between 0 and 1 or above 1: a certainty is not a truth to be measured against.
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
    """Values as they are, but text as float64: empty text is NaN.

    Raises:
        ValueError: text that is no number.
    """
    values = np.asarray(value)
    if values.dtype.kind not in "USO":
        return values
    return np.array([np.nan if x is None or x == "" else float(x) for x in values.ravel().tolist()]).reshape(
        values.shape
    )


def checked_cases(score: ArrayLike, label: ArrayLike) -> tuple[FloatArray, Labels]:
    """Scores and labels of the same shape, checked.

    Raises:
        ValueError: shapes differ, a score is NaN, or a label is not one of those that ``checked_labels`` allows.
    """
    values, labels = checked_scores(score), checked_labels(label)
    if values.shape != labels.present.shape:
        raise ValueError(f"scores have shape {values.shape} and labels {labels.present.shape}; they must be the same")
    return values, labels


def require_dimensions(values: NDArray[np.generic], dimensions: int, name: str) -> None:
    """Raise ValueError unless ``values`` has that many axes."""
    if values.ndim != dimensions:
        raise ValueError(f"{name} must have {dimensions} axes, not shape {values.shape}")


def require_probabilities(values: NDArray[np.generic]) -> None:
    """Raise ValueError unless all values lie in [0, 1]."""
    if values.size and not (values.min() >= 0 and values.max() <= 1):
        raise ValueError(f"probabilities must lie in [0, 1], not in [{values.min()}, {values.max()}]")
