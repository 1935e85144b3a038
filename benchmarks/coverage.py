"""Do the 95% intervals cover the truth in 95% of samples, and are p-values uniform when nothing differs?

    OMP_NUM_THREADS=1 python -m benchmarks.coverage [--sets 2000] [--write docs/evaluation.md]

Every line draws that many samples from a population whose truth is known and counts how many intervals hold it. With
2,000 sets a count has a standard error of half a point. ``--write`` puts the tables between the markers of the file.
Intervals of areas are measured at length in ``benchmarks.area_coverage``.
"""

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np

from benchmarks.report import simulate
from evaluation.agreement import cohen_kappa, fleiss_kappa, quadratic_weight
from evaluation.auc_tests import compare_paired, compare_unpaired
from evaluation.average_precision import average_precision, average_precision_interval
from evaluation.cases import FindingResult, Interval
from evaluation.delong import auc_interval
from evaluation.distributions import wilson_interval
from evaluation.means import mean_interval, ratio_difference, ratio_interval
from evaluation.permutation import paired_permutation_test
from evaluation.resampling import bootstrap_auc, bootstrap_mean, bootstrap_ratio
from evaluation.shares import share_interval

Limits = Interval | FindingResult
Draw = Callable[[np.random.Generator], Limits]
REPLICATES = 1000


def distance(area: float, deviation: float = 1.0) -> float:
    """How far apart two normal populations lie for this area, of this deviation and of 1."""
    return math.sqrt(1 + deviation**2) * NormalDist().inv_cdf(area)


def scores(random: np.random.Generator, present: int, absent: int, auc: float) -> tuple[np.ndarray, np.ndarray]:
    label = np.arange(present + absent) < present
    return random.normal(size=label.size) + distance(auc) * label, label


def bootstrap(present: int, absent: int, auc: float) -> Draw:
    def draw(random: np.random.Generator) -> Limits:
        score, label = scores(random, present, absent, auc)
        seed = int(random.integers(2**31))
        return bootstrap_auc(score[:, None], label[:, None], None, REPLICATES, seed).intervals()[0]

    return draw


def clustered(random: np.random.Generator, patients: int, auc: float) -> tuple[np.ndarray, ...]:
    """Patients of one to five images, alike within a patient (half of the variance), a third of them present."""
    images = random.integers(1, 6, patients)
    label = np.repeat(random.random(patients) < 1 / 3, images)
    patient = np.repeat(np.arange(patients), images)
    noise = np.repeat(random.normal(0, math.sqrt(0.5), patients), images) + random.normal(0, math.sqrt(0.5), label.size)
    return noise + distance(auc) * label, label, patient


def area_by_image(random: np.random.Generator) -> Limits:
    return auc_interval(*clustered(random, 150, 0.8)[:2])


def bootstrap_by_patient(random: np.random.Generator) -> Limits:
    score, label, patient = clustered(random, 150, 0.8)
    seed = int(random.integers(2**31))
    return bootstrap_auc(score[:, None], label[:, None], patient, REPLICATES, seed).intervals()[0]


def sensitivity_by_patient(random: np.random.Generator) -> Limits:
    """Sixty patients of eight images, found by a chance that is the patient's own: beta(4, 1), 0.8 on average."""
    return share_interval(*calls_of_patients(random))


def sensitivity_by_image(random: np.random.Generator) -> Limits:
    return share_interval(*calls_of_patients(random)[:2])


def calls_of_patients(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    called = random.random(480) < np.repeat(random.beta(4, 1, 60), 8)
    return called, np.ones(480, dtype=bool), np.repeat(np.arange(60), 8)


def precision_by_patient(random: np.random.Generator) -> Limits:
    return average_precision_interval(*clustered(random, 150, 0.8))


def precision(present: int, absent: int, auc: float) -> Draw:
    return lambda random: average_precision_interval(*scores(random, present, absent, auc))


def true_precision(share: float, auc: float) -> float:
    """Average precision of two million cases, whose standard error is below 0.001."""
    present = int(2e6 * share)
    return average_precision(*scores(np.random.default_rng(0), present, int(2e6) - present, auc))


def dice_values(random: np.random.Generator, images: int) -> np.ndarray:
    """One lesion in eight is missed; the others' Dice is spread about 0.7. The mean is 0.6125."""
    return np.where(random.random(images) < 1 / 8, 0.0, random.beta(7, 3, images))


def pixels(random: np.random.Generator, images: int) -> tuple[np.ndarray, np.ndarray]:
    """Twice the intersection and the sum of areas: areas spread like real lesions, Dice independent of size."""
    whole = random.lognormal(6, 0.8, images)
    return whole * dice_values(random, images), whole


def mean_dice(images: int) -> Draw:
    return lambda random: mean_interval(dice_values(random, images))


def mean_dice_bootstrap(images: int) -> Draw:
    def draw(random: np.random.Generator) -> Limits:
        values = dice_values(random, images)[:, None]
        return bootstrap_mean(values, None, REPLICATES, int(random.integers(2**31))).intervals()[0]

    return draw


def aggregated_dice(images: int) -> Draw:
    return lambda random: ratio_interval(*pixels(random, images))


def aggregated_dice_bootstrap(images: int) -> Draw:
    def draw(random: np.random.Generator) -> Limits:
        part, whole = (x[:, None] for x in pixels(random, images))
        return bootstrap_ratio(part, whole, None, REPLICATES, int(random.integers(2**31))).intervals()[0]

    return draw


def aggregated_difference(images: int) -> Draw:
    def draw(random: np.random.Generator) -> Limits:
        part, whole = pixels(random, images)
        return ratio_difference((part, whole), (whole * dice_values(random, images), whole))

    return draw


def kappa(cases: int, share: float, value: float) -> Draw:
    """Two readers with the same share of present cases and this kappa."""
    both = share**2 + value * share * (1 - share)
    cells = [both, share - both, share - both, 1 - 2 * share + both]

    def draw(random: np.random.Generator) -> Limits:
        one, two = np.array([[1, 1], [1, 0], [0, 1], [0, 0]])[random.choice(4, cases, p=cells)].T
        return cohen_kappa(one, two).kappa

    return draw


def weighted_table() -> np.ndarray:
    near = np.exp(-0.8 * np.abs(np.subtract.outer(np.arange(5), np.arange(5))))
    return near / near.sum()


def weighted_kappa(random: np.random.Generator) -> Limits:
    one, two = np.divmod(random.choice(25, 200, p=weighted_table().ravel()), 5)
    return cohen_kappa(one, two, range(5), quadratic_weight(5)).kappa


def true_weighted_kappa() -> float:
    table, weight = weighted_table(), quadratic_weight(5)
    expected = table.sum(axis=1) @ weight @ table.sum(axis=0)
    return float(((table * weight).sum() - expected) / (1 - expected))


def fleiss(random: np.random.Generator) -> Limits:
    truth = random.random((200, 1)) < 0.4
    return fleiss_kappa(truth ^ (random.random((200, 4)) < 0.15)).kappa


def true_fleiss() -> float:
    share = 0.4 * 0.85 + 0.6 * 0.15
    expected = share**2 + (1 - share) ** 2
    return (0.85**2 + 0.15**2 - expected) / (1 - expected)


def proportion(cases: int, share: float) -> Draw:
    return lambda random: wilson_interval(int(random.binomial(cases, share)), cases)


def difference(present: int, absent: int) -> Draw:
    """Two models of area 0.8 and 0.75 that share half of their noise."""

    def draw(random: np.random.Generator) -> Limits:
        one, two, label = two_models(random, (present, absent), (0.8, 0.75))
        return compare_paired(one, two, label).difference

    return draw


def two_models(
    random: np.random.Generator, cases: tuple[int, int], auc: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    label = np.arange(sum(cases)) < cases[0]
    shared = random.normal(0, math.sqrt(0.5), label.size)
    one, two = (shared + random.normal(0, math.sqrt(0.5), label.size) + distance(a) * label for a in auc)
    return one, two, label


def paired_p(random: np.random.Generator) -> float:
    return compare_paired(*two_models(random, (60, 140), (0.8, 0.8))).p


def paired_p_few(random: np.random.Generator) -> float:
    return compare_paired(*two_models(random, (10, 190), (0.8, 0.8))).p


def unpaired_p(random: np.random.Generator) -> float:
    return compare_unpaired(*scores(random, 60, 140, 0.8), *scores(random, 50, 100, 0.8)).p


def permutation_p(random: np.random.Generator) -> float:
    one, two = dice_values(random, 40), dice_values(random, 40)
    return paired_permutation_test(one, two, None, 999, int(random.integers(2**31))).p


ORDINARY: list[tuple[str, float, Draw]] = [
    ("AUC 0.80, 100 present, 100 absent; bootstrap", 0.8, bootstrap(100, 100, 0.8)),
    ("AUC 0.75, 50 present, 450 absent; bootstrap", 0.75, bootstrap(50, 450, 0.75)),
    ("AUC 0.80, 150 patients of 1 to 5 images; bootstrap by patient", 0.8, bootstrap_by_patient),
    ("Difference of AUC 0.80 and 0.75, 60 present, 140 absent", 0.05, difference(60, 140)),
    ("Mean Dice of 100 images; Student's t", 0.6125, mean_dice(100)),
    ("Mean Dice of 100 images; bootstrap", 0.6125, mean_dice_bootstrap(100)),
    ("Aggregated Dice of 200 images; linearised", 0.6125, aggregated_dice(200)),
    ("Aggregated Dice of 200 images; bootstrap", 0.6125, aggregated_dice_bootstrap(200)),
    ("Difference of aggregated Dice, 200 images; linearised", 0.0, aggregated_difference(200)),
    ("Cohen's kappa 0.6, 200 cases, 30% present", 0.6, kappa(200, 0.3, 0.6)),
    ("Cohen's kappa 0.4, 500 cases, 10% present", 0.4, kappa(500, 0.1, 0.4)),
    ("Quadratic kappa, 200 cases, five categories", true_weighted_kappa(), weighted_kappa),
    ("Fleiss' kappa, 200 cases, four readers", true_fleiss(), fleiss),
    ("Average precision, 100 present, 400 absent; logit", true_precision(0.2, 0.85), precision(100, 400, 0.85)),
    (
        "Average precision, 150 patients of 1 to 5 images; logit by patient",
        true_precision(1 / 3, 0.8),
        precision_by_patient,
    ),
    ("Sensitivity 0.85 of 100 cases; Wilson", 0.85, proportion(100, 0.85)),
    ("Sensitivity 0.80, 60 patients of 8 images; Wilson by patient", 0.8, sensitivity_by_patient),
]
HARD: list[tuple[str, float, Draw]] = [
    ("AUC 0.80, 10 present, 490 absent; bootstrap", 0.8, bootstrap(10, 490, 0.8)),
    ("AUC 0.95, 10 present, 90 absent; bootstrap", 0.95, bootstrap(10, 90, 0.95)),
    ("AUC 0.99, 50 present, 50 absent; bootstrap", 0.99, bootstrap(50, 50, 0.99)),
    ("AUC 0.80, 150 patients, their images taken as independent", 0.8, area_by_image),
    ("Sensitivity 0.80, 60 patients of 8 images taken as independent; Wilson", 0.8, sensitivity_by_image),
    ("Mean Dice of 10 images; Student's t", 0.6125, mean_dice(10)),
    ("Mean Dice of 10 images; bootstrap", 0.6125, mean_dice_bootstrap(10)),
    ("Aggregated Dice of 20 images; linearised", 0.6125, aggregated_dice(20)),
    ("Aggregated Dice of 20 images; bootstrap", 0.6125, aggregated_dice_bootstrap(20)),
    ("Cohen's kappa 0.6, 30 cases, 30% present", 0.6, kappa(30, 0.3, 0.6)),
    ("Cohen's kappa 0.8, 50 cases, 5% present", 0.8, kappa(50, 0.05, 0.8)),
    ("Average precision, 10 present, 190 absent; logit", true_precision(0.05, 0.85), precision(10, 190, 0.85)),
    ("Sensitivity 0.95 of 10 cases; Wilson", 0.95, proportion(10, 0.95)),
]
TESTS: list[tuple[str, Callable[[np.random.Generator], float]]] = [
    ("Paired areas, 60 present, 140 absent", paired_p),
    ("Paired areas, 10 present, 190 absent", paired_p_few),
    ("Unpaired areas, 60 and 50 present", unpaired_p),
    ("Permutation of Dice, 40 images", permutation_p),
]


def coverage(cases: list[tuple[str, float, Draw]], sets: int) -> list[str]:
    lines = ["| interval | truth | covers | too high | too low | undefined |", "|---|---|---|---|---|---|"]
    for name, truth, draw in cases:
        random = np.random.default_rng(20)
        drawn = [draw(random) for _ in range(sets)]
        limits = np.array([(x.lower, x.upper) for x in drawn])
        known = limits[~np.isnan(limits).any(axis=1)]
        high, low = 100 * np.mean(known[:, 0] > truth), 100 * np.mean(known[:, 1] < truth)
        undefined = 100 * (1 - len(known) / sets)
        lines.append(
            f"| {name} | {truth:.3f} | {100 - high - low:.1f}% | {high:.1f}% | {low:.1f}% | {undefined:.1f}% |"
        )
        print(lines[-1], flush=True)
    return lines


def shares_below(p: np.ndarray) -> str:
    """Cells of a table: how often p lies below usual levels."""
    return " | ".join(f"{100 * np.mean(p < level):.1f}%" for level in (0.01, 0.05, 0.5))


def uniformity(sets: int) -> list[str]:
    lines = ["| test | p < 0.01 | p < 0.05 | p < 0.5 | largest distance from uniform |", "|---|---|---|---|---|"]
    for name, draw in TESTS:
        random = np.random.default_rng(20)
        p = np.sort([draw(random) for _ in range(sets)])
        steps = np.arange(sets + 1) / sets
        distance_from_uniform = max(np.max(steps[1:] - p), np.max(p - steps[:-1]))
        lines.append(f"| {name} | {shares_below(p)} | {distance_from_uniform:.3f} |")
        print(lines[-1], flush=True)
    return lines


def table(sets: int) -> list[str]:
    return [
        *[f"Ordinary cases, {sets:,} sets each:", "", *coverage(ORDINARY, sets), ""],
        *["Hard cases:", "", *coverage(HARD, sets), ""],
        *["p-values where nothing differs:", "", *uniformity(sets)],
    ]


def main() -> None:
    simulate("coverage", __doc__, table)


if __name__ == "__main__":
    main()
