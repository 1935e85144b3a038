"""Does comparing methods over several seeds err as often as it says?

    OMP_NUM_THREADS=1 python -m benchmarks.seeds [--sets 2000] [--write docs/compare.md]

Each line draws that many studies of two methods whose true areas (or Dice) are equal, measures their runs on the same
new patients (each with two images), and counts how often p falls below 0.05: with 2,000 sets 5% has a standard error of
half a point. "Seeds alone" is Welch's test over the runs' values, "patients alone" DeLong's test (Student's, for Dice)
of the means over runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from benchmarks.coverage import distance
from benchmarks.report import options, publish
from evaluation.delong import area_covariance
from evaluation.predictions import PredictionTable
from evaluation.seeds import compare_repeated_means, compare_repeated_predictions

AREA = 0.8
ALPHA = 0.05
Runs = list[np.ndarray]
Rejections = tuple[bool, bool, bool]
"""Whether patients and seeds, seeds alone, and patients alone say that the methods differ."""


@dataclass(frozen=True)
class Case:
    """Two equal methods.

    Attributes:
        runs: Of A and of B.
        seeds: Standard deviation of a run's true area over seeds, of A and of B.
        patients: How many; a third has the finding.
    """

    name: str
    runs: tuple[int, int]
    seeds: tuple[float, float]
    patients: int


CASES = [
    Case(f"{name}, {runs[0]} and {runs[1]} runs", runs, seeds, patients)
    for runs in ((3, 3), (5, 5))
    for name, seeds, patients in (
        ("patients dominate (SD over seeds 0.002, 150 patients)", (0.002, 0.002), 150),
        ("both matter (0.02, 300 patients)", (0.02, 0.02), 300),
        ("seeds dominate (0.05, 900 patients)", (0.05, 0.05), 900),
        ("seeds of A matter ten times as much (0.04 and 0.004, 300 patients)", (0.04, 0.004), 300),
    )
]


def owners(patients: int) -> np.ndarray:
    """(2 P,) the patient of each image."""
    return np.repeat(np.arange(patients), 2)


def draw(random: np.random.Generator, case: Case, true: Callable[[float], float]) -> tuple[np.ndarray, Runs, Runs]:
    """Labels (N,) and the scores (N,) of each run; ``true`` turns a run's area into the distance of its classes.

    Patients look more or less ill to every run, to all runs of a method, and to a single run.
    """
    number = owners(case.patients)
    label = (np.arange(case.patients) % 3 == 0)[number]
    common = random.normal(size=case.patients)[number]
    methods = []
    for runs, deviation in zip(case.runs, case.seeds, strict=True):
        own = 0.6 * common + 0.4 * random.normal(size=case.patients)[number]
        rest = math.sqrt(1 - 0.6**2 - 0.4**2)
        strengths = [true(AREA + deviation * random.normal()) for _ in range(runs)]
        methods.append([own + rest * random.normal(size=number.size) + each * label for each in strengths])
    return label, methods[0], methods[1]


def areas(random: np.random.Generator, case: Case) -> Rejections:
    label, first, second = draw(random, case, lambda area: distance(min(max(area, 0.01), 0.99)))
    patient = owners(case.patients).astype(str)
    image, column = np.arange(label.size).astype(str), label[:, None].astype(float)
    tables = [PredictionTable(("Nodule",), image, patient, column, run[:, None]) for run in (*first, *second)]
    [row] = compare_repeated_predictions(tables[: len(first)], tables[len(first) :]).rows
    measured = area_covariance(np.stack([*first, *second], axis=1), label, patient)
    return row.p < ALPHA, *alone(measured.auc, measured.covariance, len(first), math.inf)


def dice(random: np.random.Generator, case: Case) -> Rejections:
    """Dice of the present images: a run's mean is its area, and images vary about it by a fifth."""
    label, first, second = draw(random, case, lambda area: 5 * area)
    patient = owners(case.patients)[label]
    values = [run[label][:, None] / 5 for run in (*first, *second)]
    [row] = compare_repeated_means(values[: len(first)], values[len(first) :], ("Nodule",), patient).rows
    by_patient = np.concatenate(values, axis=1).reshape(-1, 2, len(values)).mean(axis=1)
    covariance = np.cov(by_patient.T) / len(by_patient)
    return row.p < ALPHA, *alone(by_patient.mean(axis=0), covariance, len(first), len(by_patient) - 1)


def alone(value: np.ndarray, covariance: np.ndarray, runs: int, freedom: float) -> tuple[bool, bool]:
    """The two tests that forget one of the sources of chance."""
    over_seeds = stats.ttest_ind(value[:runs], value[runs:], equal_var=False).pvalue
    weight = np.where(np.arange(len(value)) < runs, 1 / runs, -1 / (len(value) - runs))
    ratio = abs(weight @ value) / math.sqrt(weight @ covariance @ weight)
    return bool(over_seeds < ALPHA), bool(2 * stats.t.sf(ratio, freedom) < ALPHA)


def rates(study: Callable[[np.random.Generator, Case], Rejections], case: Case, sets: int) -> list[str]:
    random = np.random.default_rng(0)
    return [f"{share:.1%}" for share in np.mean([study(random, case) for _ in range(sets)], axis=0)]


def main() -> None:
    arguments = options(__doc__, sets=2000).parse_args()
    lines = ["| equal methods | patients and seeds | seeds alone | patients alone |", "|---|---|---|---|"]
    for name, study in (("AUC", areas), ("Dice", dice)):
        for case in CASES if name == "AUC" else CASES[:4]:
            lines.append(f"| {name}: {case.name} | {' | '.join(rates(study, case, arguments.sets))} |")
            print(lines[-1], flush=True)
    publish("seeds", "Comparing methods over seeds", __doc__, "\n".join(lines), arguments.write)


if __name__ == "__main__":
    main()
