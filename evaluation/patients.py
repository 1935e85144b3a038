"""Cases grouped by patient, and counted."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.cases import AnyArray, BoolArray, Counts, IntArray, Labels

DENSE = 4  # times the number of cases: the widest range of patient numbers that is tabulated rather than sorted


def patient_numbers(patient: ArrayLike | None, cases: int) -> tuple[int, IntArray]:
    """The number of patients, and the index (cases,) of each case's patient.

    Example:
        >>> count, index = patient_numbers(["b", "a", "b"], cases=3)
        >>> count, index.tolist()
        (2, [1, 0, 1])

    Args:
        patient: (cases,) names or numbers; None if every case is a patient of its own.
        cases: How many.

    Raises:
        ValueError: There is not one patient for every case; a name is empty, None or NaN: cases without a name would
            pass for those of one patient; or some names are text and some numbers.
    """
    if patient is None:
        return cases, np.arange(cases)
    names = np.asarray(patient)
    if names.shape != (cases,):
        raise ValueError(f"patients have shape {names.shape}, but there are {cases} cases")
    if names.dtype.kind in "iu" and cases and int(names.max()) - int(names.min()) < DENSE * cases:
        return _dense(names)
    nameless = int(np.count_nonzero(_is_nameless(names)))
    if nameless:
        raise ValueError(f"{nameless} of {cases} cases have no patient; name one for each, or leave patients out")
    try:
        unique, index = np.unique(names, return_inverse=True)
    except TypeError as error:
        raise ValueError("patients are named by text or by numbers, not some by either") from error
    return len(unique), index


def chosen_patients(patient: ArrayLike | None, chosen: BoolArray) -> AnyArray | None:
    """The patients of some of the cases, or None if patients are not known.

    Example:
        >>> chosen_patients(["b", "a", "b"], np.array([True, False, True])).tolist()
        ['b', 'b']

    Args:
        patient: (N,) names or numbers, or None.
        chosen: (N,).

    Raises:
        ValueError: There is not one patient for every case.
    """
    if patient is None:
        return None
    names = np.asarray(patient)
    if names.shape != chosen.shape:
        raise ValueError(f"patients have shape {names.shape}, but there are {chosen.size} cases")
    return np.asarray(names[chosen])


def _is_nameless(names: NDArray[Any]) -> BoolArray:
    if names.dtype.kind in "US":
        return np.asarray(names == names.dtype.type())
    if names.dtype.kind == "O":
        return np.array([name is None or name in ("", b"") or name != name for name in names.tolist()], dtype=bool)
    return np.asarray(names != names)


def _dense(numbers: NDArray[np.integer[Any]]) -> tuple[int, IntArray]:
    """The same for whole numbers that lie close together, without sorting."""
    index = (numbers - numbers.min()).astype(np.int64)
    is_used = np.zeros(int(index.max()) + 1, dtype=bool)
    is_used[index] = True
    count = int(np.count_nonzero(is_used))
    return count, index if count == is_used.size else (np.cumsum(is_used) - 1)[index]


def effective_number(weight: ArrayLike) -> float:
    """How many patients of equal weight say as much about how patients vary: their number if all weigh the same.

    Source: Kish, "Survey Sampling", 1965.

    Example:
        >>> effective_number([1, 1, 1, 1]), round(effective_number([7, 1, 1, 1]), 2)
        (4.0, 1.92)

    Args:
        weight: (P,) not negative, such as each patient's number of cases; at least one is above 0.
    """
    weights = np.asarray(weight, dtype=np.float64)
    return float(weights.sum() ** 2 / np.square(weights).sum())


def counted(labels: Labels, patient: ArrayLike | None) -> Counts:
    """Cases (N,) by label, and their patients: (N,) names or numbers, or None if every case is a patient of its own.

    Example:
        >>> from evaluation.cases import checked_labels
        >>> counts = counted(checked_labels([1, 1, 0, 0]), ["a", "a", "a", "b"])
        >>> counts.present_patients, counts.absent_patients
        (1, 2)
    """
    return labels.counts(None if patient is None else patient_numbers(patient, labels.present.size)[1])
