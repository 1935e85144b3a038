"""Do the intervals of gaps between subgroups cover?

    OMP_NUM_THREADS=1 python -m benchmarks.share_gaps [--sets 2000] [--write docs/reports.md]

Each line draws that many sets of cases of two groups whose true shares are known, and counts how often the 95% interval
of ``evaluation.share_gaps`` holds their difference: with 2,000 sets 95% has a standard error of half a point. A
patient's images are right or wrong with a chance of the patient's own (correlation 0.5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.report import options, publish
from evaluation.share_gaps import share_gaps

CORRELATION = 0.5
HEAD = ("case", "true gap", "covers", "too high", "too low")


@dataclass(frozen=True)
class Case:
    """Two groups.

    Attributes:
        patients: Of each group; if ``shared``, of both together, whose images are half in one and half in the other.
        shares: The true share of each group.
        images: Of each patient.
        shared: Whether every patient has images in both groups.
    """

    patients: tuple[int, int]
    shares: tuple[float, float]
    images: int = 1
    shared: bool = False

    @property
    def name(self) -> str:
        """The case in words."""
        if self.shared:
            return f"{self.patients[0]} patients of {self.images} images, half of them in each group"
        each = f" patients of {self.images} images" if self.images > 1 else " cases"
        return f"{self.patients[0]} against {self.patients[1]}{each}; {self.shares[0]:g} and {self.shares[1]:g}"


CASES = (
    *(Case(patients, (0.8, 0.8)) for patients in ((3, 50), (5, 100), (10, 30), (10, 100), (30, 60))),
    *(Case(patients, (0.9, 0.7)) for patients in ((5, 100), (30, 60), (100, 100))),
    *(Case((50, 50), (share, share)) for share in (0.95, 0.5)),
    *(Case(patients, (0.8, 0.8), images=4) for patients in ((10, 60), (30, 60), (60, 60))),
    *(Case((patients, 0), (0.8, 0.8), images=4, shared=True) for patients in (15, 30, 60)),
)


def drawn(case: Case, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whether each image is right, its group, and its patient."""
    chances = []
    for count, share in zip(case.patients, case.shares, strict=True):
        spread = (1 - CORRELATION) / CORRELATION
        own = generator.beta(share * spread, (1 - share) * spread, count)
        chances.append(own if case.images > 1 else np.full(count, share))
    chance, patient = np.concatenate(chances), np.repeat(np.arange(sum(case.patients)), case.images)
    group = np.repeat(["A", "B"], case.patients).repeat(case.images)
    if case.shared:
        group = np.tile(np.repeat(["A", "B"], case.images // 2), case.patients[0])
    return generator.random(len(patient)) < chance[patient], group, patient


def coverage(case: Case, sets: int, seed: int = 0) -> tuple[float, float, float]:
    """Shares of intervals that hold the true difference, lie above it, and lie below it."""
    generator = np.random.default_rng(seed)
    truth = case.shares[0] - case.shares[1]
    high = low = 0
    for _ in range(sets):
        right, group, patient = drawn(case, generator)
        limits = share_gaps(right, np.ones(len(right), dtype=bool), group, patient)[0].difference
        high += limits.lower > truth
        low += limits.upper < truth
    return 1 - (high + low) / sets, high / sets, low / sets


def main() -> None:
    """Simulate and print."""
    arguments = options(__doc__, sets=2000).parse_args()
    rows = [
        (case.name, f"{case.shares[0] - case.shares[1]:.1f}", *(f"{x:.1%}" for x in coverage(case, arguments.sets)))
        for case in CASES
    ]
    table = "\n".join(f"| {' | '.join(row)} |" for row in (HEAD, ["---"] * len(HEAD), *rows))
    publish("share_gaps", "Do the intervals of gaps cover?", __doc__, table, arguments.write)


if __name__ == "__main__":
    main()
