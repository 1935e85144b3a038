"""How often do tests of subgroups and treatments fire where nothing differs, and where something does?

    OMP_NUM_THREADS=1 python -m benchmarks.false_alarms [--sets 2000] [--write docs/evaluation.md]

Every line draws that many sets from normal populations. A patient's images share half of their variance. With 2,000
sets a share of 5% has a standard error of half a point. Inside a group, absent and present cases lie higher by one
standard deviation, as sicker patients' do, which changes no area. ``--write`` puts the tables between the markers of
the file.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.coverage import distance
from benchmarks.report import simulate
from evaluation.auc_tests import compare_areas
from evaluation.group_tests import difference_p, placed

LIKENESS = 0.5
Numbers = tuple[int, int]


@dataclass(frozen=True)
class Design:
    """Patients inside a group (or treated) and outside of it, and the images of each.

    Attributes:
        present: Patients with the finding inside and outside.
        absent: Patients without it inside and outside; a single number if both are held against the same ones.
        images: The fewest and the most images of a patient inside; outside ``others``.
        others: The same outside.
    """

    present: Numbers
    absent: Numbers | tuple[int]
    images: Numbers = (1, 1)
    others: Numbers = (1, 1)

    def __str__(self) -> str:
        images = " and ".join(_range(each) for each in dict.fromkeys((self.images, self.others)))
        return f"{self.present[0]} and {self.present[1]} | {' and '.join(map(str, self.absent))} | {images}"


@dataclass(frozen=True)
class Drawn:
    """Scores (N,) of a set, whether each is present and inside, and its patient."""

    score: np.ndarray
    present: np.ndarray
    inside: np.ndarray
    patient: np.ndarray


def draw(random: np.random.Generator, design: Design, auc: tuple[float, float]) -> Drawn:
    """A set with these areas inside and outside."""
    parts, first = [], 0
    shared = len(design.absent) == 1
    cells = [(design.present[0], True, True), (design.present[1], True, False)]
    cells += [(n, False, not side) for side, n in enumerate(design.absent)] if not shared else []
    cells += [(design.absent[0], False, False)] if shared else []
    for patients, present, inside in cells:
        low, high = design.images if inside else design.others
        images = random.integers(low, high + 1, patients)
        own = np.repeat(random.normal(0, math.sqrt(LIKENESS), patients), images)
        score = own + random.normal(0, math.sqrt(1 - LIKENESS), len(own))
        score += present * distance(auc[0 if inside else 1]) + (inside and not shared)
        names = np.repeat(np.arange(first, first + patients), images)
        parts.append((score, np.full(len(own), present), np.full(len(own), inside), names))
        first += patients
    return Drawn(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def pooled_p(cases: Drawn, design: Design) -> tuple[float, bool]:
    """The p-value of the product's test, and whether the area inside is higher."""
    sides = cases.inside, ~cases.inside
    patients = int(cases.patient.max()) + 1
    if len(design.absent) == 1:
        among = [cases.score[~cases.present]] * 2
    else:
        among = [cases.score[~cases.present & side] for side in sides]
    present = [
        placed(cases.score, others, cases.present & side, cases.patient)
        for others, side in zip(among, sides, strict=True)
    ]
    classes = [(present[0], present[1])]
    if len(design.absent) == 2:
        absent = [
            placed(cases.score, cases.score[cases.present & side], ~cases.present & side, cases.patient, above=False)
            for side in sides
        ]
        classes.append((absent[0], absent[1]))
    is_higher = bool(present[0].placement.mean() > present[1].placement.mean())
    return difference_p(classes, patients), is_higher


def own_variance_p(cases: Drawn, design: Design) -> tuple[float, bool]:
    """The same by DeLong's variance, in which each group speaks for itself."""
    label = np.full((len(cases.score), 2), -1.0)
    for column, side in enumerate((cases.inside, ~cases.inside)):
        absent = ~cases.present if len(design.absent) == 1 else ~cases.present & side
        label[cases.present & side, column], label[absent, column] = 1, 0
    result = compare_areas(np.stack([cases.score] * 2, axis=1), label, cases.patient)
    return result.p, result.difference.value > 0


def rates(
    design: Design, auc: tuple[float, float], sets: int, test: Callable[[Drawn, Design], tuple[float, bool]]
) -> tuple[float, float]:
    """Shares of sets with p below 0.05: in all, and with the higher area inside."""
    random = np.random.default_rng(20)
    drawn = [test(draw(random, design, auc), design) for _ in range(sets)]
    below = np.array([p < 0.05 for p, _ in drawn])
    return float(below.mean()), float((below & [higher for _, higher in drawn]).mean())


TREATMENTS = [Design(present, (150,)) for present in ((3, 30), (3, 50), (5, 50), (10, 60), (30, 60))]
TREATMENTS += [Design(present, (150,), (2, 4), (2, 4)) for present in ((3, 50), (5, 50), (10, 60), (30, 60))]
TREATMENTS += [Design(present, (150,), (4, 4)) for present in ((3, 50), (10, 60), (30, 60))]
GROUPS = [
    Design((3, 50), (20, 200)),
    Design((5, 50), (100, 50)),
    Design((10, 60), (30, 200)),
    Design((30, 60), (60, 200)),
    Design((20, 60), (3, 100)),
    Design((3, 50), (20, 200), (2, 4), (2, 4)),
    Design((5, 50), (100, 50), (2, 4), (2, 4)),
    Design((10, 60), (30, 200), (2, 4), (2, 4)),
    Design((30, 60), (60, 200), (2, 4), (2, 4)),
    Design((10, 60), (30, 200), (4, 4)),
]


def table(sets: int) -> list[str]:
    """Rates without a difference at areas of 0.8 and 0.9, and with one of 0.76 against 0.9 and 0.98."""
    lines = [
        "| present patients | absent patients | images of each | 0.80: p < 0.05 | warned | 0.90: p < 0.05 | warned "
        "| 0.90, own variances | finds 0.76 and 0.90 | finds 0.76 and 0.98 |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for design in (*TREATMENTS, *GROUPS):
        null = [each for auc in (0.8, 0.9) for each in rates(design, (auc, auc), sets, pooled_p)]
        own = rates(design, (0.9, 0.9), max(sets // 4, 1), own_variance_p)[0]
        power = [rates(design, (better, 0.76), max(sets // 4, 1), pooled_p)[1] for better in (0.9, 0.98)]
        cells = " | ".join(f"{100 * each:.1f}%" for each in (*null, own, *power))
        lines.append(f"| {design} | {cells} |")
        print(lines[-1], flush=True)
    return lines


def _range(images: Numbers) -> str:
    return str(images[0]) if images[0] == images[1] else f"{images[0]} to {images[1]}"


def main() -> None:
    simulate("false alarms", __doc__, table)


if __name__ == "__main__":
    main()
