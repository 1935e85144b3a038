"""Do the intervals of metrics.json cover with few patients, several images a patient, and values near 1?

    OMP_NUM_THREADS=1 python -m benchmarks.patient_coverage [--sets 2000] [--write docs/evaluation.md]

Every cell draws that many sets in which a patient's images are alike: right or wrong by a chance that is the
patient's own (a beta distribution, correlation 0.3), Dice with half of its variance the patient's, readers who err
alike on four of five patients. Patients have 1 image, 4, 1 to 8, or 1 and every tenth 20. With 2,000 sets a coverage
of 95% has a standard error of half a point. ``--write`` puts the table between the markers of the file.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.report import simulate
from evaluation.agreement import cohen_kappa, fleiss_kappa
from evaluation.cases import Interval
from evaluation.logits import probability
from evaluation.means import mean_interval, ratio_interval
from evaluation.shares import share_interval

LIKENESS = 0.3

IMAGES = {"1": (1, 1), "4": (4, 4), "1 to 8": (1, 8), "1 or 20": None}
Draw = Callable[[np.random.Generator, np.ndarray], Interval]


def patients_of(random: np.random.Generator, patients: int, images: str) -> np.ndarray:
    """The patient (N,) of each image."""
    limits = IMAGES[images]
    if limits is None:
        counts = np.where(np.arange(patients) % 10, 1, 20)
    else:
        counts = random.integers(limits[0], limits[1] + 1, patients)
    return np.repeat(np.arange(patients), counts)


def share(chance: float, random: np.random.Generator, patient: np.ndarray) -> Interval:
    """Sensitivity, specificity, accuracy, or a hit rate."""
    total = 1 / LIKENESS - 1
    own = random.beta(total * chance, total * (1 - chance), patient[-1] + 1)
    return share_interval(random.random(len(patient)) < own[patient], np.ones(len(patient)), patient)


def predictive_value(random: np.random.Generator, patient: np.ndarray) -> Interval:
    """Of cases called present, a third of them by chance: 0.3 * 0.8 / (0.3 * 0.8 + 0.7 * 0.1)."""
    present = (random.random(patient[-1] + 1) < 0.3)[patient]
    total = 1 / LIKENESS - 1
    found, false = (random.beta(total * p, total * (1 - p), patient[-1] + 1)[patient] for p in (0.8, 0.1))
    called = random.random(len(patient)) < np.where(present, found, false)
    return share_interval(present, called, patient)


def dice(random: np.random.Generator, patient: np.ndarray) -> np.ndarray:
    own = random.normal(0, 0.7, patient[-1] + 1)[patient]
    values = probability(1.2 * (own + random.normal(0, 0.7, len(patient))) + 1)
    return np.where(random.random(len(patient)) < 1 / 16, 0.0, values)


def mean_dice(random: np.random.Generator, patient: np.ndarray) -> Interval:
    return mean_interval(dice(random, patient), patient)


def aggregated_dice(random: np.random.Generator, patient: np.ndarray) -> Interval:
    whole = random.lognormal(6, 0.8, len(patient))
    return ratio_interval(whole * dice(random, patient), whole, patient)


def brier(random: np.random.Generator, patient: np.ndarray) -> Interval:
    own = random.normal(0, 1, patient[-1] + 1)[patient]
    score = probability(own + random.normal(0, 1, len(patient)) - 2)
    return mean_interval(np.square(score - (random.random(len(patient)) < score)), patient)


def readings(random: np.random.Generator, patient: np.ndarray, readers: int) -> np.ndarray:
    """Labels (N, readers) of a finding that three in ten patients have; each reader errs in one of ten images."""
    patients = patient[-1] + 1
    truth, labels = (random.random(patients) < 0.3)[patient], []
    for _ in range(readers):
        alike = (random.random(patients) < 0.1)[patient]
        is_alike = (random.random(patients) < 0.8)[patient]
        labels.append(truth ^ np.where(is_alike, alike, random.random(len(patient)) < 0.1))
    return np.stack(labels, axis=1).astype(np.float64)


def kappa(random: np.random.Generator, patient: np.ndarray) -> Interval:
    one, two = readings(random, patient, 2).T
    return cohen_kappa(one, two, patient=patient).kappa


def kappa_by_image(random: np.random.Generator, patient: np.ndarray) -> Interval:
    return cohen_kappa(*readings(random, patient, 2).T).kappa


def kappa_of_four(random: np.random.Generator, patient: np.ndarray) -> Interval:
    return fleiss_kappa(readings(random, patient, 4), patient=patient).kappa


MEASURES: dict[str, tuple[Draw, float | None]] = {
    "sensitivity, specificity, accuracy, hit rate: 0.80": (partial(share, 0.8), 0.8),
    "the same: 0.95": (partial(share, 0.95), 0.95),
    "positive predictive value": (predictive_value, 0.24 / 0.31),
    "mean Dice": (mean_dice, None),
    "aggregated Dice": (aggregated_dice, None),
    "Brier score": (brier, None),
    "Cohen's kappa": (kappa, None),
    "Fleiss' kappa, four readers": (kappa_of_four, None),
    "Cohen's kappa, images taken as independent": (kappa_by_image, None),
}
PATIENTS = ((10, "4"), (20, "1 to 8"), (30, "1 or 20"), (30, "1"), (60, "4"), (100, "1 to 8"))


def truth_of(draw: Draw) -> float:
    """The value in 400,000 patients."""
    patient = np.arange(400_000)
    return draw(np.random.default_rng(0), patient).value


def coverage(draw: Draw, truth: float, patients: int, images: str, sets: int) -> tuple[float, float]:
    """Share of defined intervals that hold the truth, and share of undefined ones."""
    random = np.random.default_rng(20)
    drawn = [draw(random, patients_of(random, patients, images)) for _ in range(sets)]
    limits = np.array([(each.lower, each.upper) for each in drawn])
    known = limits[~np.isnan(limits).any(axis=1)]
    return float(((known[:, 0] <= truth) & (truth <= known[:, 1])).mean()), 1 - len(known) / sets


def table(sets: int) -> list[str]:
    heads = [f"{patients} patients, images: {images}" for patients, images in PATIENTS]
    lines = [f"| interval | truth | {' | '.join(heads)} |", "|" + "---|" * (len(heads) + 2)]
    for name, (draw, given) in MEASURES.items():
        truth = truth_of(draw) if given is None else given
        cells = []
        for patients, images in PATIENTS:
            covers, undefined = coverage(draw, truth, patients, images, sets)
            cells.append(f"{100 * covers:.1f}%" + (f" ({100 * undefined:.1f}% undefined)" if undefined else ""))
        lines.append(f"| {name} | {truth:.3f} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    simulate("patient coverage", __doc__, table)


if __name__ == "__main__":
    main()
