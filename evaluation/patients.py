"""Cases grouped by patient."""

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import IntArray


def patient_numbers(patient: ArrayLike | None, cases: int) -> tuple[int, IntArray]:
    """How many patients there are, and the number (cases,) of each case's patient.

    Raises:
        ValueError: there is not one patient for every case.
    """
    if patient is None:
        return cases, np.arange(cases)
    names = np.asarray(patient)
    if names.shape != (cases,):
        raise ValueError(f"patients have shape {names.shape}, but there are {cases} cases")
    unique, number = np.unique(names, return_inverse=True)
    return len(unique), number
