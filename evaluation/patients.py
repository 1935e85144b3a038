"""Cases grouped by patient."""

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import IntArray


def patient_numbers(patient: ArrayLike | None, cases: int) -> tuple[int, IntArray]:
    """How many patients there are, and the number (cases,) of each case's patient.

    Raises:
        ValueError: there is not one patient for every case, or a name is empty or NaN: cases of nobody are not those of
            one patient.
    """
    if patient is None:
        return cases, np.arange(cases)
    names = np.asarray(patient)
    if names.shape != (cases,):
        raise ValueError(f"patients have shape {names.shape}, but there are {cases} cases")
    nameless = int(np.count_nonzero(names == "" if names.dtype.kind == "U" else names != names))
    if nameless:
        raise ValueError(f"{nameless} of {cases} cases have no patient; name one for each, or leave patients out")
    unique, number = np.unique(names, return_inverse=True)
    return len(unique), number
