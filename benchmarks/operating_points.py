"""Do the intervals of operating points cover the truth in 95% of samples, and do their tests keep their level?

    OMP_NUM_THREADS=1 python -m benchmarks.operating_points [--sets 2000] [--write docs/evaluation.md]

Otherwise as ``benchmarks.coverage``. With 2,000 sets a share has a standard error of half a point.
"""

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np

from benchmarks.coverage import Draw, Limits, clustered, coverage, distance, scores, shares_below
from benchmarks.report import simulate
from evaluation.curve_points import sensitivity_at_specificity
from evaluation.operating import operating_point
from evaluation.paired_shares import compare_shares
from evaluation.partial_areas import compare_partial_auc, partial_auc

NORMAL = NormalDist()


def ratio(present: int, absent: int, sensitivity: float, specificity: float, side: str = "positive") -> Draw:
    """A likelihood ratio where each case is called by itself."""
    label = np.repeat([1, 0], [present, absent])

    def draw(random: np.random.Generator) -> Limits:
        called = random.random(label.size) < np.where(label, sensitivity, 1 - specificity)
        limits: Limits = getattr(operating_point(called, label, 0.5).likelihood_ratios, side)
        return limits

    return draw


def ratio_by_patient(takes_patients: bool) -> Draw:
    """The likelihood ratio of a call above 0.5 among 150 patients of one to five images."""

    def draw(random: np.random.Generator) -> Limits:
        score, label, patient = clustered(random, 150, 0.8)
        return operating_point(score, label, 0.5, patient if takes_patients else None).likelihood_ratios.positive

    return draw


def true_ratio(auc: float, threshold: float) -> float:
    return (1 - NORMAL.cdf(threshold - distance(auc))) / (1 - NORMAL.cdf(threshold))


def predictive_value(random: np.random.Generator) -> Limits:
    """Precision at a prevalence of 2% from 50 present and 150 absent cases."""
    label = np.repeat([1, 0], [50, 150])
    called = random.random(200) < np.where(label, 0.85, 0.1)
    return operating_point(called, label, 0.5).likelihood_ratios.predictive_values(0.02)[0]


def at_specificity(present: int, absent: int, auc: float) -> Draw:
    return lambda random: sensitivity_at_specificity(*scores(random, present, absent, auc), 0.9)


def at_specificity_by_patient(random: np.random.Generator) -> Limits:
    score, label, patient = clustered(random, 150, 0.8)
    return sensitivity_at_specificity(score, label, 0.9, patient)


def given_threshold(random: np.random.Generator) -> Limits:
    """Wilson's interval at the threshold that the very cases chose, as if it had been given."""
    score, label = scores(random, 30, 300, 0.8)
    point = sensitivity_at_specificity(score, label, 0.9)
    return operating_point(score, label, point.threshold).sensitivity


def true_sensitivity(auc: float) -> float:
    return 1 - NORMAL.cdf(NORMAL.inv_cdf(0.9) - distance(auc))


def partial(present: int, absent: int, auc: float) -> Draw:
    return lambda random: partial_auc(*scores(random, present, absent, auc)).standardised


def partial_by_patient(random: np.random.Generator) -> Limits:
    score, label, patient = clustered(random, 150, 0.8)
    return partial_auc(score, label, patient).standardised


def true_partial(auc: float) -> float:
    """McClish's standardised area over specificities of 0.9 to 1, by the midpoint rule."""
    false = (np.arange(100_000) + 0.5) / 1e6
    area = 0.1 * math.fsum(1 - NORMAL.cdf(NORMAL.inv_cdf(1 - x) - distance(auc)) for x in false) / len(false)
    return 0.5 * (1 + (area - 0.005) / (0.1 - 0.005))


def calls(random: np.random.Generator, patients: int, most: int, shares: tuple[float, float]) -> tuple[np.ndarray, ...]:
    """Right calls of two models whose cases are alike within patients and between models."""
    owner = np.repeat(np.arange(patients), random.integers(1, most + 1, patients))
    of_patient, of_both = random.normal(size=(3, patients))[:, owner], random.normal(size=owner.size)
    latent = [
        0.55 * of_patient[0] + 0.45 * of_patient[1 + k] + 0.5 * of_both + 0.5 * random.normal(size=owner.size)
        for k in (0, 1)
    ]
    size = math.sqrt(0.55**2 + 0.45**2 + 0.5)
    return *(each < size * NORMAL.inv_cdf(share) for each, share in zip(latent, shares, strict=True)), owner


def difference(patients: int, most: int, shares: tuple[float, float]) -> Draw:
    def draw(random: np.random.Generator) -> Limits:
        first, second, owner = calls(random, patients, most, shares)
        return compare_shares(first, second, np.ones(owner.size, dtype=bool), owner).difference

    return draw


def share_p(patients: int, most: int) -> Callable[[np.random.Generator], float]:
    def draw(random: np.random.Generator) -> float:
        first, second, owner = calls(random, patients, most, (0.8, 0.8))
        return compare_shares(first, second, np.ones(owner.size, dtype=bool), owner).p

    return draw


def share_p_by_image(random: np.random.Generator) -> float:
    first, second, owner = calls(random, 60, 8, (0.8, 0.8))
    return compare_shares(first, second, np.ones(owner.size, dtype=bool)).p


def partial_p(present: int, absent: int) -> Callable[[np.random.Generator], float]:
    label = np.repeat([1, 0], [present, absent])

    def draw(random: np.random.Generator) -> float:
        both, own = random.normal(size=label.size), random.normal(size=(2, label.size))
        one, two = (math.sqrt(0.5) * (both + each) + distance(0.8) * label for each in own)
        return compare_partial_auc(one, two, label).p

    return draw


INTERVALS: list[tuple[str, float, Draw]] = [
    ("LR+ 8.5, 90 present, 200 absent", 8.5, ratio(90, 200, 0.85, 0.9)),
    ("LR+ 9, 10 present, 500 absent", 9.0, ratio(10, 500, 0.9, 0.9)),
    ("LR+ 45, 10 present, 50 absent (every third sample has no false alarm)", 45.0, ratio(10, 50, 0.9, 0.98)),
    ("LR- 0.11, 10 present, 500 absent", 1 / 9, ratio(10, 500, 0.9, 0.9, "negative")),
    ("LR+ 2.4, 150 patients of 1 to 5 images", true_ratio(0.8, 0.5), ratio_by_patient(True)),
    ("LR+ 2.4, their images taken as independent", true_ratio(0.8, 0.5), ratio_by_patient(False)),
    ("Precision at 2% prevalence, 50 present, 150 absent", 0.02 * 8.5 / (0.02 * 8.5 + 0.98), predictive_value),
    ("Sensitivity at specificity 0.9, 100 present, 100 absent", true_sensitivity(0.8), at_specificity(100, 100, 0.8)),
    ("Sensitivity at specificity 0.9, 30 present, 300 absent", true_sensitivity(0.8), at_specificity(30, 300, 0.8)),
    ("Sensitivity at specificity 0.9, 10 present, 100 absent", true_sensitivity(0.8), at_specificity(10, 100, 0.8)),
    ("Sensitivity at specificity 0.9, 150 patients of 1 to 5 images", true_sensitivity(0.8), at_specificity_by_patient),
    (
        "Sensitivity at specificity 0.9, 30 and 300, as if the threshold were given",
        true_sensitivity(0.8),
        given_threshold,
    ),
    ("Partial AUC, specificity 0.9 to 1, 100 present, 100 absent", true_partial(0.8), partial(100, 100, 0.8)),
    ("Partial AUC, specificity 0.9 to 1, 10 present, 100 absent", true_partial(0.8), partial(10, 100, 0.8)),
    ("Partial AUC, specificity 0.9 to 1, 50 present, 950 absent", true_partial(0.95), partial(50, 950, 0.95)),
    ("Partial AUC, specificity 0.9 to 1, 150 patients of 1 to 5 images", true_partial(0.8), partial_by_patient),
    ("Difference of sensitivity 0.9 and 0.8, 50 patients", 0.1, difference(50, 1, (0.9, 0.8))),
    ("Difference of sensitivity 0.8 and 0.7, 60 patients of 1 to 8 images", 0.1, difference(60, 8, (0.8, 0.7))),
    ("Difference of sensitivity 0.8 and 0.8, 10 patients of 1 to 5 images", 0.0, difference(10, 5, (0.8, 0.8))),
]
TESTS = [
    ("McNemar, exact, 50 patients", share_p(50, 1)),
    ("Exact by patient, 60 patients of 1 to 8 images", share_p(60, 8)),
    ("McNemar, their images taken as independent", share_p_by_image),
    ("Paired partial AUC, 60 present, 140 absent", partial_p(60, 140)),
    ("Paired partial AUC, 20 present, 200 absent", partial_p(20, 200)),
]


def levels(sets: int) -> list[str]:
    """How often p lies below usual levels where nothing differs."""
    lines = ["| test | p < 0.01 | p < 0.05 | p < 0.5 |", "|---|---|---|---|"]
    for name, draw in TESTS:
        random = np.random.default_rng(20)
        p = np.array([draw(random) for _ in range(sets)])
        lines.append(f"| {name} | {shares_below(p)} |")
        print(lines[-1], flush=True)
    return lines


def table(sets: int) -> list[str]:
    return [
        *[f"{sets:,} sets each:", "", *coverage(INTERVALS, sets), ""],
        *["Tests where nothing differs:", "", *levels(sets)],
    ]


def main() -> None:
    simulate("operating points", __doc__, table)


if __name__ == "__main__":
    main()
