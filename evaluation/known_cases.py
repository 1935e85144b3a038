"""The cases of one finding whose label is known, with their patients."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import (
    BoolArray,
    Counts,
    FloatArray,
    IntArray,
    checked_cases,
    checked_scores,
    require_probabilities,
)
from evaluation.patients import counted, patient_numbers


@dataclass(frozen=True)
class KnownCases:
    """M of N cases, those with a known label.

    Attributes:
        values: (M,) scores.
        present: (M,).
        patients: The number of patients.
        owner: (M,) number of each case's patient; the case itself if patients are not known.
        counts: Of all N cases.

    Example:
        >>> cases = KnownCases.of([0.2, 0.4, 0.6], [1, -1, 0], ["b", "a", "b"])
        >>> cases.values.tolist(), cases.patients, cases.counts.unknown
        ([0.2, 0.6], 1, 1)
    """

    values: FloatArray
    present: BoolArray
    patients: int
    owner: IntArray
    counts: Counts

    @classmethod
    def of(cls, score: ArrayLike, label: ArrayLike, patient: ArrayLike | None) -> "KnownCases":
        """From N scores, labels (1, 0, negative or NaN for unknown) and patients, or None.

        Raises:
            ValueError: The shapes differ, a score is NaN, a label lies between 0 and 1, or a patient has no name.
        """
        values, labels = checked_cases(score, label, 1)
        known, counts = labels.known, counted(labels, patient)
        owners = None if patient is None else np.asarray(patient)[known]
        patients, owner = patient_numbers(owners, int(known.sum()))
        return cls(values[known], labels.present[known], patients, owner, counts)

    @classmethod
    def of_probabilities(cls, probability: ArrayLike, label: ArrayLike, patient: ArrayLike | None) -> "KnownCases":
        """The same, with ValueError unless all scores lie in [0, 1]."""
        require_probabilities(checked_scores(probability))
        return cls.of(probability, label, patient)

    def sums(self, values: FloatArray) -> FloatArray:
        """(patients, ...) sums over the cases of each patient of (M, ...) values."""
        columns = values.reshape(len(values), -1).T
        sums = [np.bincount(self.owner, weights=column, minlength=self.patients) for column in columns]
        return np.asarray(np.stack(sums, axis=1), dtype=np.float64).reshape(self.patients, *values.shape[1:])
