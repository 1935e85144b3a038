"""Labels by readers' skill: how close to a truth that was drawn, beside the majority, and whether intervals hold it.

    python -m benchmarks.reader_skill [--sets 100]

Given the truth, readers err independently of each other, as the model supposes; except in the last line, where a third
of the present images are hard: every reader sees these half as often.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.reader_skill import dawid_skene

Array = NDArray[np.float64]
HEAD = (
    "readers",
    "F1 of the majority",
    "of skill",
    "sensitivity held",
    "specificity held",
    "width of sensitivity",
    "s",
)


@dataclass(frozen=True)
class Case:
    """Readers of N images, of whom some read each image; ``hard`` present images are seen half as often."""

    name: str
    sensitivity: tuple[float, ...]
    specificity: tuple[float, ...]
    prevalence: float = 0.1
    images: int = 2000
    readers_an_image: int = 99
    hard: float = 0.0
    pools: bool = False
    """Whether the first three read a third of the images, with thrice the prevalence, and the others the rest."""

    def drawn(self, random: np.random.Generator) -> tuple[NDArray[np.bool_], Array]:
        """Truths (N,) and readings (N, R)."""
        shape = self.images, len(self.sensitivity)
        is_first = np.arange(self.images) < self.images / 3
        share = self.prevalence * np.where(is_first, 3, 0.2) if self.pools else self.prevalence
        truth = random.random(self.images) < share
        sees = np.where((random.random(self.images) < self.hard)[:, None], 0.5, 1.0) * self.sensitivity
        says = np.where(truth[:, None], random.random(shape) < sees, random.random(shape) >= self.specificity) * 1.0
        order = random.random(shape)
        if self.pools:
            order[is_first, 3:], order[~is_first, :3] = 2, 2
        says[order.argsort(axis=1).argsort(axis=1) >= self.readers_an_image] = np.nan
        return truth, says


GOOD, POOR = (0.9, 0.97), (0.4, 0.7)
TEN = (0.95, 0.9, 0.9, 0.85, 0.85, 0.8, 0.8, 0.7, 0.6, 0.5)
CASES = (
    Case("three alike", (0.8,) * 3, (0.95,) * 3),
    Case("five, two of them poor", (*[GOOD[0]] * 3, *[POOR[0]] * 2), (*[GOOD[1]] * 3, *[POOR[1]] * 2)),
    Case("ten, four of them poor, three an image", (*[0.9] * 6, *[0.4] * 4), (*[0.97] * 6, *[0.8] * 4), 0.1, 2000, 3),
    Case("ten of all kinds, three an image, 2% present", TEN, (0.99,) * 10, 0.02, 2000, 3),
    Case(
        "ten of all kinds, three an image, images not shared out at random", TEN, (0.98,) * 10, 0.1, 2000, 3, pools=True
    ),
    Case("two alike", (0.85,) * 2, (0.95,) * 2),
    Case(
        "five, two of them poor; a third of the findings hard",
        (0.9, 0.9, 0.9, 0.4, 0.4),
        (0.97, 0.97, 0.97, 0.7, 0.7),
        hard=1 / 3,
    ),
)


def f1(truth: NDArray[np.bool_], label: NDArray[np.bool_]) -> float:
    """Dice of labels and truth."""
    return float(2 * (truth & label).sum() / (truth.sum() + label.sum()))


def measured(case: Case, sets: int) -> list[float]:
    """Means over data sets: F1 of both, shares of intervals that hold, mean width, seconds."""
    random, rows = np.random.default_rng(20), []
    for seed in range(sets):
        truth, readings = case.drawn(random)
        start = time.process_time()
        skill = dawid_skene(readings, seed=seed)
        seconds = time.process_time() - start
        # A reader's sensitivity is that over the images: of the hard ones too.
        sensitivity = np.array(case.sensitivity) * (1 - case.hard / 2)
        held = [
            np.mean([each.lower <= value <= each.upper for value, each in zip(values, intervals, strict=True)])
            for values, intervals in ((sensitivity, skill.sensitivity), (case.specificity, skill.specificity))
        ]
        width = np.mean([each.upper - each.lower for each in skill.sensitivity])
        scores = f1(truth, np.nanmean(readings, axis=1) > 0.5), f1(truth, skill.probability > 0.5)
        rows.append([*scores, *held, width, seconds])
    return [float(value) for value in np.mean(rows, axis=0)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=100, help="data sets a line (default: %(default)s)")
    sets = parser.parse_args().sets
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    for case in CASES:
        first, second, sensitivity, specificity, width, seconds = measured(case, sets)
        cells = (
            f"{first:.3f}",
            f"{second:.3f}",
            f"{sensitivity:.1%}",
            f"{specificity:.1%}",
            f"{width:.2f}",
            f"{seconds:.2f}",
        )
        print(f"| {case.name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
