"""The simulated hospital of docs/planning.md: the table of its pilot, and what the plans on the page give in truth.

    python -m benchmarks.example_hospital --out docs/plan/pilot.csv

2,000 outlined radiographs, four levels at four sizes and three mixtures, three seeds each. Curves are Hill's, and an
image labelled from its report is worth 0.12 outlined ones, a label by a reader 0.6, a box 0.85.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.special import logit

from app.files.atomic import write_whole
from app.planning.pilot import read_pilots
from app.planning.planner import Planner
from app.planning.prices import read_prices
from benchmarks.planning import LEVELS, Truth, simulated_runs

SEED = 4
HOSPITAL = Truth(
    family="hill",
    half=1_100.0,
    exponents=np.array([0.75, 0.75, 0.78, 0.78]),
    ceiling=float(logit(2 * 0.955 - 1)),
    deviations=np.array([-0.25, 0.0, 0.05, 0.08]),
    efficiencies=np.array([0.12, 0.6, 0.85, 1.0]),
    interaction=1.0,
    second=5.0,
)


def table() -> str:
    """The pilot as ``frugal study`` would leave it in ``table.csv``."""
    sizes, values = simulated_runs(HOSPITAL, np.random.default_rng(SEED))
    head = ["metric", *(f"n_{level}" for level in LEVELS), *(f"seed_{seed}" for seed in range(values.shape[1]))]
    rows = [
        ["auc.macro", *(f"{count:.0f}" for count in cell), *(f"{value:.3f}" for value in runs)]
        for cell, runs in zip(sizes, values, strict=True)
    ]
    return "".join(f"{','.join(row)}\n" for row in (head, *rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/plan/pilot.csv"), metavar="FILE")
    parser.add_argument("--prices", type=Path, default=Path("docs/plan/prices.yaml"), metavar="FILE")
    parser.add_argument("--budget", type=float, default=6_000.0, metavar="MINUTES")
    arguments = parser.parse_args()
    write_whole(arguments.out, table())
    planner = Planner(read_pilots(arguments.out, "auc.macro"), read_prices(arguments.prices))
    choices = [planner.for_budget(arguments.budget), *planner.simple_rules(arguments.budget)]
    for choice in choices:
        order = [planner.pilot.levels.index(level) for level in LEVELS]
        truth = HOSPITAL.auc(choice.plan.sizes[:, order])[0] / 100
        print(f"{choice.rule:12} {choice.metric.value:.3f} expected, {truth:.3f} in truth")


if __name__ == "__main__":
    main()
