"""Cases grouped by patient, and counted."""

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import Counts, IntArray, Labels


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
        ValueError: There is not one patient for every case, or a name is empty or NaN: cases without a name would pass
            for those of one patient.
    """
    if patient is None:
        return cases, np.arange(cases)
    names = np.asarray(patient)
    if names.shape != (cases,):
        raise ValueError(f"patients have shape {names.shape}, but there are {cases} cases")
    nameless = int(np.count_nonzero(names == "" if names.dtype.kind == "U" else names != names))
    if nameless:
        raise ValueError(f"{nameless} of {cases} cases have no patient; name one for each, or leave patients out")
    unique, index = np.unique(names, return_inverse=True)
    return len(unique), index


def counted(labels: Labels, patient: ArrayLike | None) -> Counts:
    """Cases (N,) by label, and their patients: (N,) names or numbers, or None if every case is a patient of its own.

    Example:
        >>> from evaluation.cases import checked_labels
        >>> counts = counted(checked_labels([1, 1, 0, 0]), ["a", "a", "a", "b"])
        >>> counts.present_patients, counts.absent_patients
        (1, 2)
    """
    return labels.counts(None if patient is None else patient_numbers(patient, labels.present.size)[1])
