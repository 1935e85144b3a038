"""Plans: which purchases a budget allows, and what each costs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.planning.learning_curves import Array
from app.planning.prices import Prices

_FINEST = 20
"""Shares of a budget are multiples of a twentieth, or of more if there would be too many plans."""


@dataclass(frozen=True)
class Plans:
    """Plans of purchases.

    Attributes:
        counts: (plans, purchases), whole numbers of images.
        sizes: (plans, levels), images of each level that there are then, owned ones included.
        cost: (plans,), in the unit of the prices.
        shares: (plans, purchases), share of the budget that each purchase was given.
    """

    counts: Array
    sizes: Array
    cost: Array
    shares: Array

    def __len__(self) -> int:
        return len(self.cost)

    def take(self, indices: Sequence[int] | slice) -> Plans:
        """Some of the plans."""
        return Plans(self.counts[indices], self.sizes[indices], self.cost[indices], self.shares[indices])


class Market:
    """What a price list allows.

    Args:
        prices: The list.
        levels: The levels of the pilot, to which all purchases and owned images belong.

    Example:
        >>> from app.planning.prices import Purchase
        >>> prices = Prices("minutes", (Purchase("image", 0.5), Purchase("box", 2.0)), {"box": 100}, 1000, frozenset())
        >>> plans = Market(prices, ("image", "box")).plans(400, steps=2)
        >>> plans.counts.astype(int).tolist(), plans.cost.tolist()
        ([[0, 200], [400, 100], [800, 0]], [400.0, 400.0, 400.0])
    """

    def __init__(self, prices: Prices, levels: Sequence[str]) -> None:
        self.prices = prices
        self.levels = tuple(levels)
        options = prices.purchases
        self.owned = np.array([float(prices.owned.get(level, 0)) for level in levels])
        self._each = np.array([each.each for each in options])
        self._setup = np.array([each.setup for each in options])
        self._effect = np.zeros((len(options), len(levels)))
        for index, option in enumerate(options):
            self._effect[index, self.levels.index(option.level)] += 1
            if option.before:
                self._effect[index, self.levels.index(option.before)] -= 1

    @property
    def least(self) -> float:
        """The price of the cheapest single image, set-up included."""
        return float((self._each + self._setup).min())

    @property
    def whole(self) -> float:
        """The most that can be spent: the whole pool at its dearest, and all upgrades."""
        limits = np.array([self._limit(index) for index in range(len(self._each))])
        return float((limits * self._each + self._setup).sum())

    def steps(self, most: int) -> int:
        """Into how many equal parts a budget can be divided, at most 20, with at most so many plans."""
        options = len(self._each)
        return max(n for n in range(1, _FINEST + 1) if n == 1 or math.comb(n + options - 1, options - 1) <= most)

    def plans(self, budget: float, steps: int) -> Plans:
        """All plans that give each purchase a multiple of ``1 / steps`` of the budget.

        What the pool or the owned images do not allow is left unspent; the dearest purchase is served first.
        """
        options = len(self._each)
        return self.bought(np.array(_compositions(steps, options)) / steps, budget)

    def around(self, shares: Array, budget: float, step: float) -> Plans:
        """Plans that move a part of one plan's budget from one purchase to another.

        Args:
            shares: (purchases,), of the plan.
            budget: The budget.
            step: Share of the budget that is moved.
        """
        moved = [shares]
        for source, target in itertools.permutations(range(len(shares)), 2):
            amount = min(step, shares[source])
            if amount > 0:
                changed = shares.copy()
                changed[source] -= amount
                changed[target] += amount
                moved.append(changed)
        return self.bought(np.array(moved), budget)

    def equal_split(self, budget: float) -> Plans:
        """The plan that spends equally on every purchase from the pool."""
        shares = np.array([float(not each.before) for each in self.prices.purchases])
        return self.bought(shares[None] / max(shares.sum(), 1), budget)

    def all_of(self, index: int, budget: float) -> Plans:
        """The plan that spends everything on one purchase."""
        return self.bought(np.eye(len(self._each))[index][None], budget)

    def nothing(self) -> Plans:
        """The plan that buys nothing."""
        return self.bought(np.zeros((1, len(self._each))), 0.0)

    def bought(self, shares: Array, budget: float) -> Plans:
        """The plans for given shares (plans, purchases) of a budget."""
        money = np.maximum(shares * budget - self._setup, 0) * (shares > 0)
        counts = np.floor(money / self._each + 1e-9)
        pool = np.full(len(shares), float(self.prices.pool))
        owned = np.repeat(self.owned[None], len(shares), axis=0)
        for index in np.argsort(-self._each, kind="stable"):
            option = self.prices.purchases[index]
            place = self.levels.index(option.before) if option.before else -1
            left = owned[:, place] if option.before else pool
            counts[:, index] = np.minimum(counts[:, index], left)
            left -= counts[:, index]
        cost = (counts * self._each + (counts > 0) * self._setup).sum(1)
        return Plans(counts, self.owned + counts @ self._effect, cost, shares)

    def _limit(self, index: int) -> float:
        before = self.prices.purchases[index].before
        return float(self.owned[self.levels.index(before)]) if before else float(self.prices.pool)


def _compositions(total: int, parts: int) -> list[tuple[int, ...]]:
    """All ways to write a number as an ordered sum of so many numbers of 0 or more."""
    if parts == 1:
        return [(total,)]
    return [(first, *rest) for first in range(total + 1) for rest in _compositions(total - first, parts - 1)]
