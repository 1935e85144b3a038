"""Do the 95% intervals of calibration cover? The same for slope, intercept, calibration error, Brier and net benefit.

    OMP_NUM_THREADS=1 python -m benchmarks.calibration_coverage [--sets 2000] [--write docs/evaluation.md]

Logits are normal, and a finding is present with the probability of ``intercept + slope * logit``. Both the logits and
the labels of a patient's images are alike: a share of their variance is the patient's. The truth is that of two million
cases. ``--write`` puts the table between the markers of the file.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from benchmarks.report import simulate
from evaluation.calibration import scaled_brier_score
from evaluation.calibration_error import BINS, LEAST_CASES, debiased_calibration_error, equal_bins
from evaluation.calibration_slope import calibration_intercept, calibration_slope
from evaluation.cases import FindingResult
from evaluation.decision_curve import decision_curve
from evaluation.logits import probability

MANY = 2_000_000
AT = 0.1


@dataclass(frozen=True)
class Population:
    """Patients with the same number of images each."""

    patients: int
    images: int
    slope: float
    intercept: float
    mean: float
    alike: float

    def draw(self, random: np.random.Generator, patients: int, images: int) -> tuple[np.ndarray, ...]:
        """Logits, labels, patients, and the true probabilities."""
        patient = np.repeat(np.arange(patients), images)
        own = random.normal(size=(2, patient.size)) * np.sqrt(1 - self.alike)
        noise, chance = own + random.normal(size=(2, patients))[:, patient] * np.sqrt(self.alike)
        logit = self.mean + 1.5 * noise
        truth = probability(self.intercept + self.slope * logit)
        return logit, (ndtr(chance) < truth).astype(float), patient, truth


POPULATIONS = {
    "500 patients, half present": Population(500, 1, 0.6, -0.3, 0.0, 0.0),
    "500, 50 present, calibrated": Population(500, 1, 1.0, 0.0, -2.9, 0.0),
    "1,000, 37 present, calibrated": Population(1000, 1, 1.0, 0.0, -4.2, 0.0),
    "500, 10 present, calibrated": Population(500, 1, 1.0, 0.0, -4.9, 0.0),
    "100, 31 present, calibrated": Population(100, 1, 1.0, 0.0, -1.1, 0.0),
    "150 of 4 images, 29% present": Population(150, 4, 0.7, -0.5, -1.1, 0.5),
    "60 of 8 images, 29% present": Population(60, 8, 0.7, -0.5, -1.1, 0.8),
}


def net_benefit(logit: np.ndarray, label: np.ndarray, patient: np.ndarray) -> FindingResult:
    return decision_curve(probability(logit), label, patient, [AT])[0].result


MEASURES: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], FindingResult]] = {
    "slope": calibration_slope,
    "intercept": calibration_intercept,
    "debiased error": lambda logit, *rest: debiased_calibration_error(probability(logit), *rest),
    "scaled Brier": lambda logit, *rest: scaled_brier_score(probability(logit), *rest),
    f"net benefit at {AT}": net_benefit,
}


def truths(population: Population) -> dict[str, float]:
    """The value of each measure with infinitely many cases."""
    logit, _, _, truth = population.draw(np.random.default_rng(0), MANY, 1)
    score, share = probability(logit), float(truth.mean())
    cases = population.patients * population.images
    number = equal_bins(score, min(BINS, cases // LEAST_CASES))
    gap = np.bincount(number, weights=score - truth) / np.bincount(number)
    squared = float(np.mean(truth * (1 - score) ** 2 + (1 - truth) * score**2))
    worth = (truth - (1 - truth) * AT / (1 - AT)) * (score >= AT)
    sample = np.random.default_rng(1).random(MANY) < truth
    values = (
        population.slope,
        calibration_intercept(logit, sample).value if population.slope != 1 else population.intercept,
        float(np.sqrt(np.mean(np.square(gap)))),
        1 - squared / (share * (1 - share)),
        float(worth.mean()),
    )
    return dict(zip(MEASURES, values, strict=True))


def table(sets: int) -> list[str]:
    lines = [f"| cases | {' | '.join(MEASURES)} |", "|---|" + "---|" * len(MEASURES)]
    for name, population in POPULATIONS.items():
        truth, random = truths(population), np.random.default_rng(20)
        covered: dict[str, list[float]] = {measure: [] for measure in MEASURES}
        for _ in range(sets):
            logit, label, patient, _ = population.draw(random, population.patients, population.images)
            for measure, function in MEASURES.items():
                result = function(logit, label, patient)
                is_undefined = np.isnan(result.lower)
                covered[measure].append(np.nan if is_undefined else result.lower <= truth[measure] <= result.upper)
        shares = " | ".join(f"{100 * np.nanmean(values):.1f}%" for values in covered.values())
        lines.append(f"| {name} | {shares} |")
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    simulate("calibration coverage", __doc__, table)


if __name__ == "__main__":
    main()
