"""Which cell a pilot should run next: the one from whose result the choice of a plan gains most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.planning.learning_curves import Array
from app.planning.planner import Planner

_OUTCOMES = 200
_PLANS = 150


@dataclass(frozen=True)
class NextCell:
    """A cell worth running.

    Attributes:
        images: Number of images by level.
        gain: By how much the expected metric of the chosen plan grows, on average over what the cell may show.
        hours: Training time of its seeds, from the pilot's own times; NaN if these are unknown.
        price: Of annotating the images that are not owned, in the unit of the prices.
    """

    images: dict[str, int]
    gain: float
    hours: float
    price: float


def next_cell(planner: Planner, budget: float) -> NextCell:
    """The candidate with the largest gain: each level at twice its largest size, and pairs of levels not seen together.

    The expected value of a cell's information: for results drawn from the posterior, the draws are weighted by how well
    they agree with the result, and the best plan is chosen anew.

    Args:
        planner: The planner.
        budget: What the plan may cost.
    """
    plans = planner.market.plans(budget, planner.market.steps(_PLANS))
    cells = _candidates(planner)
    drawn = planner.metric(np.concatenate([plans.sizes, cells]))
    of_plans, of_cells = drawn[:, : len(plans)], drawn[:, len(plans) :]
    noise = float(np.median(planner.pilot.error))
    gains = [_gain(of_plans, of_cells[:, index], noise) for index in range(len(cells))]
    best = int(np.argmax(gains))
    images = {level: int(n) for level, n in zip(planner.pilot.levels, cells[best], strict=True) if n}
    return NextCell(images, gains[best], _hours(planner, cells[best]), _price(planner, images))


def _candidates(planner: Planner) -> Array:
    """(cells, levels)."""
    pilot = planner.pilot
    largest = pilot.sizes.max(0)
    alone = planner.alone
    cells = [np.eye(len(largest))[k] * 2 * largest[k] for k in range(len(largest)) if alone[k]]
    for first in range(len(largest)):
        for second in range(first + 1, len(largest)):
            pair = np.zeros(len(largest))
            pair[[first, second]] = largest[[first, second]]
            if not (pilot.sizes[:, [first, second]] > 0).all(1).any() and (alone[first] or alone[second]):
                cells.append(pair)
    return np.array(cells)


def _gain(of_plans: Array, of_cell: Array, noise: float) -> float:
    random = np.random.default_rng(0)
    results = random.choice(of_cell, _OUTCOMES) + noise * random.standard_normal(_OUTCOMES)
    weights = np.exp(-0.5 * ((results[:, None] - of_cell) / noise) ** 2)
    weights /= np.maximum(weights.sum(1, keepdims=True), 1e-300)
    after = weights @ of_plans
    return float(max(after.max(1).mean() - after.mean(0).max(), 0.0))


def _hours(planner: Planner, cell: Array) -> float:
    pilot = planner.pilot
    known = np.isfinite(pilot.seconds)
    if not known.any():
        return float("nan")
    per_image = np.median(pilot.seconds[known] / pilot.sizes[known].sum(1))
    return float(per_image * cell.sum() * pilot.seeds / 3600)


def _price(planner: Planner, images: dict[str, int]) -> float:
    prices = planner.prices
    each = {option.level: option.each for option in prices.purchases if not option.before}
    missing = {level: max(count - prices.owned.get(level, 0), 0) for level, count in images.items()}
    return sum(count * each.get(level, 0.0) for level, count in missing.items())
