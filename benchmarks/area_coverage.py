"""How often 95% intervals of an area hold the truth, and how wide they are: ours beside DeLong's and two on logits.

    OMP_NUM_THREADS=1 python -m benchmarks.area_coverage [--sets 2000] [--write docs/evaluation.md]

All intervals of a sample have the same variance, DeLong's (Obuchowski's by patient), and make different things of it.
With 2,000 sets a coverage of 95% has a standard error of half a point.
"""

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np

from benchmarks.coverage import distance
from benchmarks.report import simulate
from evaluation.area_limits import satterthwaite
from evaluation.cases import Interval
from evaluation.delong import area_covariance, auc_interval
from evaluation.distributions import normal_quantile, t_quantile
from evaluation.logits import logit_of, probability

Sample = tuple[np.ndarray, np.ndarray, np.ndarray | None]  # scores, labels, patients
Draw = Callable[[np.random.Generator], Sample]
Sizes = Sequence[int] | Callable[[np.random.Generator], np.ndarray]
ALIKE = 0.5  # share of the variance that the images of a patient have in common


def joined(present: np.ndarray, absent: np.ndarray) -> Sample:
    return np.concatenate([present, absent]), np.repeat([1.0, 0.0], [len(present), len(absent)]), None


def normal(present: int, absent: int, area: float, deviation: float = 1.0) -> Draw:
    """Two normal populations; the present one may have another deviation."""
    return lambda random: joined(
        deviation * random.normal(size=present) + distance(area, deviation), random.normal(size=absent)
    )


def exponential(present: int, absent: int, area: float) -> Draw:
    return lambda random: joined(random.exponential(area / (1 - area), present), random.exponential(1, absent))


def ratings(present: int, absent: int) -> Draw:
    """Five grades, as readers give them."""

    def draw(random: np.random.Generator) -> Sample:
        score, label, _ = normal(present, absent, 0.85)(random)
        return np.searchsorted([-0.5, 0.3, 1.0, 1.8], score).astype(float), label, None

    return draw


def by_patient(present: Sizes, absent: Sizes, area: float) -> Draw:
    """Patients of these numbers of images; the scores of a patient have half of their variance in common."""

    def draw(random: np.random.Generator) -> Sample:
        sizes = [np.asarray(each(random) if callable(each) else each) for each in (present, absent)]
        held, label = np.concatenate(sizes), np.repeat([1.0, 0.0], [each.sum() for each in sizes])
        patient = np.repeat(np.arange(len(held)), held)
        own, common = random.normal(size=len(patient)), random.normal(size=len(held))
        noise = math.sqrt(1 - ALIKE) * own + math.sqrt(ALIKE) * common[patient]
        return noise + distance(area) * label, label, patient

    return draw


def between(patients: int, low: int, high: int) -> Sizes:
    return lambda random: random.integers(low, high + 1, patients)


def geometric(patients: int, mean: float) -> Sizes:
    return lambda random: random.geometric(1 / mean, patients)


def grades_area() -> float:
    """The area of ``ratings`` from the shares of its grades."""
    edges = [-math.inf, -0.5, 0.3, 1.0, 1.8, math.inf]
    absent, present = (np.diff([NormalDist(shift, 1).cdf(edge) for edge in edges]) for shift in (0.0, distance(0.85)))
    return float(present @ (np.cumsum(absent) - absent / 2))


CASES: list[tuple[str, float, Draw]] = [
    ("50 present, 50 absent", 0.75, normal(50, 50, 0.75)),
    ("30 present, 30 absent", 0.9, normal(30, 30, 0.9)),
    ("100 present, 400 absent", 0.9, normal(100, 400, 0.9)),
    ("40 present, 960 absent", 0.85, normal(40, 960, 0.85)),
    ("40 present of twice the deviation, 160 absent", 0.9, normal(40, 160, 0.9, 2.0)),
    ("40 present of half the deviation, 160 absent", 0.9, normal(40, 160, 0.9, 0.5)),
    ("exponential, 50 present, 150 absent", 0.9, exponential(50, 150, 0.9)),
    ("five grades, 50 present, 150 absent", grades_area(), ratings(50, 150)),
    ("50 and 100 patients of 1 to 5 images", 0.8, by_patient(between(50, 1, 5), between(100, 1, 5), 0.8)),
    ("60 and 140 patients of 2 to 4 images", 0.85, by_patient(between(60, 2, 4), between(140, 2, 4), 0.85)),
    (
        "30 and 70 patients, 4 images on average, few have many",
        0.85,
        by_patient(geometric(30, 4), geometric(70, 4), 0.85),
    ),
    ("200 present, 800 absent", 0.97, normal(200, 800, 0.97)),
    ("**50 present, 950 absent**", 0.99, normal(50, 950, 0.99)),
    ("**30 present, 970 absent**", 0.95, normal(30, 970, 0.95)),
    ("**10 present, 190 absent**", 0.9, normal(10, 190, 0.9)),
    ("**10 present, 1,000 absent**", 0.8, normal(10, 1000, 0.8)),
    ("**3 present, 500 absent**", 0.9, normal(3, 500, 0.9)),
    ("**3 present patients of 20 images, 100 absent**", 0.85, by_patient([20] * 3, [1] * 100, 0.85)),
    ("**1 patient has 60 of 100 images, present like 20 others**", 0.8, by_patient([60, *[1] * 20], [1] * 20, 0.8)),
    ("**1 patient has 60 of 100 images, absent like 20 others**", 0.8, by_patient([1] * 20, [60, *[1] * 20], 0.8)),
    ("20 present, 980 absent", 0.98, normal(20, 980, 0.98)),
    ("20 present of twice the deviation, 500 absent", 0.95, normal(20, 500, 0.95, 2.0)),
    ("10 present patients of 5 images, 90 absent of 5", 0.8, by_patient([5] * 10, [5] * 90, 0.8)),
    ("1 present, 99 absent", 0.8, normal(1, 99, 0.8)),
]
METHODS = ("DeLong's, normal", "on logits, normal", "on logits, Student's", "ours")


def intervals(score: np.ndarray, label: np.ndarray, patient: np.ndarray | None) -> list[Interval]:
    """The intervals of one sample, by ``METHODS``; an area of 0 or 1 has no logit, and one present case no variance."""
    areas = area_covariance(score[:, None], label, patient)
    area, variance = float(areas.auc[0]), float(areas.covariance[0, 0])
    own = [(float(each.covariance[0, 0]), float(each.freedom[0])) for each in areas.classes]
    error, normal_reach = math.sqrt(variance), normal_quantile(0.95)
    plain = Interval(area, area - normal_reach * error, area + normal_reach * error)
    ours = auc_interval(score, label, patient)
    if not 0 < area < 1 or not variance > 0:
        return [plain, plain, plain, ours]
    patients = areas.counts[0].present_patients - 1, areas.counts[0].absent_patients - 1
    student = t_quantile(0.95, satterthwaite([each for each, _ in own], patients))
    middle, unit = float(logit_of(area)), area * (1 - area)
    on_logits = [
        Interval(area, *probability([middle - q * error / unit, middle + q * error / unit]).tolist())
        for q in (normal_reach, student)
    ]
    return [plain, *on_logits, ours]


def coverage(sets: int) -> list[str]:
    head = " | ".join(f"{name}: covers | width" for name in METHODS)
    lines = [f"| sample | area | {head} | too high | too low |", "|---" * (4 + 2 * len(METHODS)) + "|"]
    for name, truth, draw in CASES:
        random = np.random.default_rng(20)
        limits = np.array([[(x.lower, x.upper) for x in intervals(*draw(random))] for _ in range(sets)])
        lower, upper = np.moveaxis(limits, 2, 0)
        shares = 100 * np.mean((lower <= truth) & (truth <= upper), axis=0)
        width = np.mean(np.minimum(upper, 1) - np.maximum(lower, 0), axis=0)
        cells = [f"{share:.1f}% | {reach:.3f}" for share, reach in zip(shares, width, strict=True)]
        cells = ["- | -" if math.isnan(reach) else cell for cell, reach in zip(cells, width, strict=True)]
        high, low = 100 * np.mean(lower[:, -1] > truth), 100 * np.mean(upper[:, -1] < truth)
        lines.append(f"| {name} | {truth:.3g} | {' | '.join(cells)} | {high:.1f}% | {low:.1f}% |")
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    simulate("area coverage", __doc__, coverage)


if __name__ == "__main__":
    main()
