"""The batch: what a budget buys of an order of images, with a random share and one image a patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.selection.strategies import Array, Index, Order


@dataclass(frozen=True)
class Offer:
    """What can be bought.

    Attributes:
        patient: (N,) numbers of the images' patients.
        level: (N,) numbers of the levels at which the images would be annotated.
        price: (N,), expected price of each.
        setup: Price of the first image of each level.
    """

    patient: Index
    level: Index
    price: Array
    setup: Sequence[float]


@dataclass(frozen=True)
class Batch:
    """What is bought.

    Attributes:
        random: Images that were drawn at random.
        chosen: Images that the strategy chose.
        cost: Expected.
    """

    random: Index
    chosen: Index
    cost: float


class _Purse:
    """What is left of a budget, and which patients and levels were paid for."""

    def __init__(self, offer: Offer, budget: float) -> None:
        self._offer = offer
        self.budget = budget
        self.cost = 0.0
        self._patients: set[int] = set()
        self._levels: set[int] = set()

    def buy(self, order: Index, limit: float) -> Index:
        """Images in their order, one a patient, up to the first that would bring all costs above a limit."""
        bought: list[int] = []
        for index in order.tolist():
            patient, level = int(self._offer.patient[index]), int(self._offer.level[index])
            if patient in self._patients:
                continue
            price = float(self._offer.price[index]) + (0 if level in self._levels else self._offer.setup[level])
            if self.cost + price > limit + 1e-9:
                break
            bought.append(index)
            self.cost += price
            self._patients.add(patient)
            self._levels.add(level)
        return np.array(bought, dtype=np.int64)


def fill(offer: Offer, order: Order | None, budget: float, share: float, seed: int) -> Batch:
    """Spend a budget: a share on random patients, the rest by a strategy.

    A random patient is drawn with one random image, before the strategy chooses, so that these images are a fair sample
    of the pool's patients.

    Args:
        offer: What can be bought.
        order: The strategy; None spends everything at random.
        budget: What all images may cost.
        share: Of the budget, for random images; at least one is drawn.
        seed: Of the draw.

    Raises:
        ValueError: The budget does not pay for one image.

    Example:
        >>> offer = Offer(np.arange(10), np.zeros(10, int), np.full(10, 2.0), [0.0])
        >>> batch = fill(offer, lambda chosen, count: np.setdiff1d(np.arange(10), chosen), 10, share=0.4, seed=0)
        >>> len(batch.random), len(batch.chosen), batch.cost
        (2, 3, 10.0)
    """
    purse = _Purse(offer, budget)
    shuffled = np.random.default_rng(seed).permutation(len(offer.price))
    # One image of each patient, at random: otherwise a patient of many images would be drawn sooner.
    first = np.unique(offer.patient[shuffled], return_index=True)[1]
    draw = np.random.default_rng([seed, 1]).permutation(shuffled[first])
    random = purse.buy(draw, budget if order is None else budget * share)
    if not len(random):
        random = purse.buy(draw[:1], budget)
    if not len(random):
        raise ValueError(f"--budget {budget:g}: does not pay for one image.")
    if order is None:
        return Batch(random, np.array([], dtype=np.int64), purse.cost)
    most = int(min(len(offer.price), budget / max(float(offer.price.min()), 1e-9) + 1))
    chosen = np.array([], dtype=np.int64)
    while True:  # a strategy may offer several images of a patient, of which one is bought
        taken = np.flatnonzero(np.isin(offer.patient, offer.patient[np.concatenate([random, chosen])]))
        more = purse.buy(order(taken, most), budget)
        if not len(more):
            return Batch(random, chosen, purse.cost)
        chosen = np.concatenate([chosen, more])
