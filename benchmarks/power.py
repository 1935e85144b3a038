"""Do studies of the sizes that ``frugal power`` names reach the power that it claims?

    OMP_NUM_THREADS=1 python -m benchmarks.power [--sets 2000] [--write docs/power.md]

Each line plans a study of scores whose truth is known, draws that many such studies, and counts how often the test of
``evaluation`` shows what was planned: with 2,000 sets 80% has a standard error of 0.9 points. With a pilot every set
draws a pilot of its own, plans by it, and draws one study of that size.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from app.sample_size.questions import plan_above, plan_difference, plan_shares, plan_width
from app.sample_size.request import Effect, Request
from benchmarks.coverage import distance
from benchmarks.report import options, publish
from evaluation.auc_tests import compare_paired
from evaluation.delong import area_covariance, auc_interval
from evaluation.paired_shares import compare_shares
from evaluation.power import fewest, pilot_variance, power_of_difference

ALPHA = 0.05
SHARED = 0.6
"""Of the variance of two models' scores."""


def study(
    random: np.random.Generator, patients: tuple[int, int], areas: tuple[float, ...], images: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores (N, K) of models that agree to some degree, labels and patients; images of a patient are alike by half."""
    present, absent = patients
    owner = np.repeat(np.arange(present + absent), images)
    label = owner < present
    alike = 0.5 if images > 1 else 0.0

    def noise(variance: float) -> np.ndarray:
        of_patient = random.normal(size=present + absent)[owner] * math.sqrt(alike * variance)
        return of_patient + random.normal(size=owner.size) * math.sqrt((1 - alike) * variance)

    common = noise(SHARED)
    scores = [common + noise(1 - SHARED) + distance(area) * label for area in areas]
    return np.stack(scores, axis=1), label, owner


def correlation(areas: tuple[float, float]) -> float:
    """Of the two estimated areas, from a large sample."""
    scores, label, _ = study(np.random.default_rng(1), (20_000, 20_000), areas)
    covariance = area_covariance(scores, label).covariance
    return float(covariance[0, 1] / math.sqrt(covariance[0, 0] * covariance[1, 1]))


def is_shown(scores: np.ndarray, label: np.ndarray, owner: np.ndarray, margin: float | None) -> bool:
    """Whether the second model's area is shown to be higher, or not lower by the margin."""
    patient = owner if len(np.unique(owner)) < len(owner) else None
    difference = compare_paired(scores[:, 1], scores[:, 0], label, patient).difference
    return difference.lower > (0.0 if margin is None else -margin)


def stated(areas: tuple[float, float], prevalence: float, margin: float | None) -> Callable:
    plan = plan_difference(
        Request(prevalence=prevalence), (areas[0], correlation(areas)), Effect(areas[1] - areas[0], margin)
    )
    return lambda random: (plan.needed, is_shown(*study(random, plan.needed, areas), margin))


def from_pilot(areas: tuple[float, float], pilot: tuple[int, int], images: int, is_cautious: bool) -> Callable:
    """Studies of more than 20,000 patients with the finding, which a pilot could ask for, are drawn with 20,000."""
    ratio = pilot[1] / pilot[0]

    def draw(random: np.random.Generator) -> tuple[tuple[int, int], bool]:
        variance = pilot_variance(*study(random, pilot, areas, images))
        variance = variance.cautious() if is_cautious else variance
        difference = areas[1] - areas[0]
        present = fewest(lambda count: power_of_difference(variance.at(count, ratio * count), difference) >= 0.8)
        patients = min(present, 20_000), math.ceil(ratio * min(present, 20_000))
        return patients, is_shown(*study(random, patients, areas, images), None)

    return draw


def above(area: float, value: float, prevalence: float) -> Callable:
    plan = plan_above(Request(prevalence=prevalence), area, area, value)

    def draw(random: np.random.Generator) -> tuple[tuple[int, int], bool]:
        scores, label, _ = study(random, plan.needed, (area,))
        return plan.needed, auc_interval(scores[:, 0], label).lower > value

    return draw


def width(area: float, wanted: float, prevalence: float) -> Callable:
    plan = plan_width(Request(prevalence=prevalence), area, wanted)

    def draw(random: np.random.Generator) -> tuple[tuple[int, int], bool]:
        scores, label, _ = study(random, plan.needed, (area,))
        result = auc_interval(scores[:, 0], label)
        return plan.needed, result.upper - result.lower <= wanted

    return draw


def sensitivities(rate: float, disagree: float, effect: Effect) -> Callable:
    plan = plan_shares(Request(), "sensitivity", rate, disagree, effect)
    only_new, only_reference = (disagree + effect.true) / 2, (disagree - effect.true) / 2

    def draw(random: np.random.Generator) -> tuple[tuple[int, int], bool]:
        count = plan.needed[0]
        kind = random.choice(4, count, p=[only_new, only_reference, rate - only_reference, 1 - rate - only_new])
        result = compare_shares((kind == 0) | (kind == 2), (kind == 1) | (kind == 2), np.ones(count))
        if effect.margin is not None:
            return plan.needed, result.difference.lower > -effect.margin
        return plan.needed, result.p < ALPHA and result.difference.value > 0

    return draw


LINES: dict[str, tuple[str, Callable[[], Callable]]] = {
    "AUC 0.80 and 0.85, half have the finding": ("80%", lambda: stated((0.8, 0.85), 0.5, None)),
    "AUC 0.80 and 0.85, one in ten": ("80%", lambda: stated((0.8, 0.85), 0.1, None)),
    "AUC 0.90 and 0.93, one in five": ("80%", lambda: stated((0.9, 0.93), 0.2, None)),
    "non-inferiority, margin 0.03, AUC 0.85 both, one in five": ("80%", lambda: stated((0.85, 0.85), 0.2, 0.03)),
    "pilot of 60 with and 140 without, AUC 0.80 and 0.85": (
        "80%",
        lambda: from_pilot((0.8, 0.85), (60, 140), 1, False),
    ),
    "the same, cautiously": ("over 80%", lambda: from_pilot((0.8, 0.85), (60, 140), 1, True)),
    "pilot of 30 and 70, three images a patient": ("80%", lambda: from_pilot((0.8, 0.85), (30, 70), 3, False)),
    "the same pilot, cautiously": ("over 80%", lambda: from_pilot((0.8, 0.85), (30, 70), 3, True)),
    "one AUC of 0.70 above 0.5, half": ("80%", lambda: above(0.7, 0.5, 0.5)),
    "one AUC of 0.85 above 0.80, one in five": ("80%", lambda: above(0.85, 0.8, 0.2)),
    "interval of AUC 0.85, at most 0.1 wide, half": ("50%", lambda: width(0.85, 0.1, 0.5)),
    "interval of AUC 0.85, at most 0.1 wide, one in ten": ("50%", lambda: width(0.85, 0.1, 0.1)),
    "sensitivity 0.80 and 0.87, 15% disagree": ("80%", lambda: sensitivities(0.8, 0.15, Effect(0.07))),
    "sensitivity 0.80 both, 10% disagree, margin 0.05": ("80%", lambda: sensitivities(0.8, 0.1, Effect(None, 0.05))),
}
"""What is planned, the share of studies that should show it, and how one is drawn."""


def main() -> None:
    arguments = options(__doc__, sets=2000).parse_args()
    lines = ["| planned | with | without | claimed | reached |", "|---|---|---|---|---|"]
    for name, (claimed, make) in LINES.items():
        draw, random = make(), np.random.default_rng(0)
        sizes, shown = zip(*(draw(random) for _ in range(arguments.sets)), strict=True)
        present, absent = np.median(np.array(sizes), axis=0)
        lines.append(f"| {name} | {present:.0f} | {absent:.0f} | {claimed} | {np.mean(shown):.1%} |")
        print(lines[-1], flush=True)
    publish("power", "Is the power reached?", __doc__, "\n".join(lines), arguments.write)


if __name__ == "__main__":
    main()
