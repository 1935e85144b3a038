"""The planner: from a pilot and a price list, what to buy with a budget, or for a target, and how certain that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.nearest import did_you_mean
from app.planning.learning_curves import Array, Curves, Mask
from app.planning.pilot import Pilot
from app.planning.posterior import AUC_PRIOR, OVERLAP_PRIOR, Posterior
from app.planning.prices import Prices
from app.planning.purchases import Market, Plans
from evaluation.cases import Interval

KNOWN = 0.95
"""A plan is known to be better than another if its metric is larger in this share of the draws, for a plan that was
fixed beforehand; the best of several must do more (:attr:`Planner.known`)."""
LEVEL = 0.9
"""Of all intervals."""
NEARLY = 0.005
"""A plan whose expected metric is so near the best is nearly as good."""
_SEARCHED = 4
"""The search uses every fourth draw; what is reported uses all."""
_MANY, _FEW = 12_000, 800
_PART = 500
_REFINEMENTS = (0.5, 0.25, 0.125)
_FRONT = 14
_HALVINGS = 6


@dataclass(frozen=True)
class Choice:
    """A plan with what is expected of it.

    Attributes:
        plan: The plan, alone.
        metric: Median with its 90% interval.
        draws: (draws,), the metric.
        rule: How it was chosen, in words.
    """

    plan: Plans
    metric: Interval
    draws: Array
    rule: str = ""

    @property
    def cost(self) -> float:
        """Its cost."""
        return float(self.plan.cost[0])

    def p_at_least(self, target: float) -> float:
        """Probability that the metric reaches a target."""
        return float((self.draws >= target).mean())

    def p_better(self, other: Choice) -> float:
        """Probability that its metric is larger than another's; ties count half."""
        return float((self.draws > other.draws).mean() + (self.draws == other.draws).mean() / 2)


class Planner:
    """Plans for a metric.

    Args:
        pilots: Of the metric; if there are several (``auc.worst``), plans are for the worst of them.
        prices: The price list.
        metric: Name of the metric, for people; that of the first pilot by default.

    Raises:
        ValueError: A level of the price list is not in the pilot, or a located metric cannot be planned.
    """

    def __init__(self, pilots: Sequence[Pilot], prices: Prices, metric: str = "") -> None:
        self.name = metric or pilots[0].metric
        self.notes: list[str] = []
        if pilots[0].is_located:
            pilots, prices = self._located(pilots, prices)
        self.pilots = tuple(pilots)
        self.pilot = pilots[0]
        for level in prices.levels:
            if level not in self.pilot.levels:
                known = ", ".join(self.pilot.levels)
                raise ValueError(
                    f"the pilot has no images at level {level!r} (it has {known}), so nothing is known of their worth: "
                    f"run cells of it, or take it out of the price list.{did_you_mean(level, self.pilot.levels)}"
                )
        self.prices = prices
        self.market = Market(prices, self.pilot.levels)
        self._posteriors = [_posterior(pilot, prices) for pilot in pilots]

    @property
    def alone(self) -> Mask:
        """(levels,), whether images of a level alone give the metric."""
        given = [level in self.prices.located or not self.pilot.is_located for level in self.pilot.levels]
        return np.array(given)

    @property
    def known(self) -> float:
        """Share of the draws in which the best plan must be better than another in order to be known to be.

        The best of several plans looks better than it is, so the probability of an error is divided by the number of
        purchases among which it was chosen (Bonferroni's correction).
        """
        return 1 - (1 - KNOWN) / len(self.prices.purchases)

    def metric(self, sizes: Array, every: int = 1) -> Array:
        """The metric with numbers of images (plans, levels), as (draws, plans)."""
        parts = []
        for first in range(0, len(sizes), _PART):
            drawn = [each.quality(sizes[first : first + _PART], every) for each in self._posteriors]
            parts.append(np.min(drawn, axis=0))
        quality: Array = np.concatenate(parts, axis=1)
        return (quality + 1) / 2 if self.pilot.is_area else quality

    def choice(self, plan: Plans, rule: str = "") -> Choice:
        """A single plan with what is expected of it."""
        draws = self.metric(plan.sizes)[:, 0]
        tail = (1 - LEVEL) / 2
        lower, median, upper = np.quantile(draws, (tail, 0.5, 1 - tail))
        return Choice(plan, Interval(float(median), float(lower), float(upper)), draws, rule)

    def for_budget(self, budget: float) -> Choice:
        """The plan with the largest expected metric.

        Raises:
            ValueError: The budget does not pay for a single image.
        """
        self._require_enough(budget)
        return self._best(budget, None, _MANY, refine=True)

    def for_target(self, target: float, certainty: float) -> Choice:
        """The cheapest plan that reaches a target with the given probability; the likeliest if none does.

        Raises:
            ValueError: The target is out of range.
        """
        least = 0.5 if self.pilot.is_area else 0.0
        if not least < target < 1:
            raise ValueError(f"--target {target:g}: must be above {least:g} and below 1 for {self.name}.")
        nothing = self.choice(self.market.nothing(), "nothing more is needed")
        if nothing.p_at_least(target) >= certainty:
            return nothing
        enough, too_little = math.inf, 0.0
        likeliest = nothing
        for budget in self.budgets(self.market.least, self.market.whole):
            likeliest = max(likeliest, self._best(budget, target, _FEW), key=lambda each: each.p_at_least(target))
            if likeliest.p_at_least(target) >= certainty:
                enough = budget
                break
            too_little = budget
        for _ in range(_HALVINGS if enough < math.inf else 0):
            middle = math.sqrt(enough * max(too_little, self.market.least))
            choice = self._best(middle, target, _FEW)
            if choice.p_at_least(target) >= certainty:
                enough, likeliest = middle, choice
            else:
                too_little = middle
        return likeliest

    def front(self, smallest: float, largest: float) -> list[Choice]:
        """The best plan at each of some budgets, as far as a larger one buys a better plan."""
        choices: list[Choice] = []
        for budget in self.budgets(smallest, largest):
            choice = self._best(budget, None, _FEW)
            if not choices or choice.draws.mean() > choices[-1].draws.mean():
                choices.append(choice)
        return choices

    def budgets(self, smallest: float, largest: float) -> list[float]:
        """Budgets from one to another, each larger by the same factor."""
        smallest = max(smallest, self.market.least)
        return [float(each) for each in np.geomspace(smallest, max(largest, smallest), _FRONT)]

    def simple_rules(self, budget: float) -> list[Choice]:
        """The equal split, and everything on one purchase."""
        rules = [self.choice(self.market.equal_split(budget), "equal split")]
        for index, option in enumerate(self.prices.purchases):
            rules.append(self.choice(self.market.all_of(index, budget), f"all {option.name}"))
        return [rule for rule in rules if rule.cost > 0]

    def _best(self, budget: float, target: float | None, most: int, refine: bool = False) -> Choice:
        def score(plans: Plans) -> Array:
            drawn = self.metric(plans.sizes, _SEARCHED)
            by_target = 0.0 if target is None else (drawn >= target).mean(0)
            return np.asarray(by_target + 1e-3 * drawn.mean(0) - 1e-9 * plans.cost / max(budget, 1e-9))

        steps = self.market.steps(most)
        plans = self.market.plans(budget, steps)
        best = plans.take([int(score(plans).argmax())])
        for part in _REFINEMENTS if refine else ():
            near = self.market.around(best.shares[0], budget, part / steps)
            best = near.take([int(score(near).argmax())])
        return self.choice(best, "best")

    def _require_enough(self, budget: float) -> None:
        if not self.market.least <= budget < math.inf:
            fixed = ", ".join(f"{each.name} {each.setup + each.each:g}" for each in self.prices.purchases)
            raise ValueError(
                f"--budget {budget:g}: does not pay for one image; with set-up costs the first one costs {fixed} "
                f"{self.prices.unit}."
            )

    def _located(self, pilots: Sequence[Pilot], prices: Prices) -> tuple[list[Pilot], Prices]:
        """Pilots of cells that have locations, and prices without what the pilot has not shown beside locations."""
        levels = pilots[0].levels
        is_located = np.array([level in prices.located for level in levels])
        if not is_located.any():
            raise ValueError(
                f"{pilots[0].metric}: no level of the pilot ({', '.join(levels)}) says where findings are; say so by "
                "located: true in the price list if one does."
            )
        has_location = np.asarray((pilots[0].sizes[:, is_located] > 0).any(1))
        left_out = int((~has_location).sum())
        if left_out:
            self.notes.append(
                f"{left_out} cells of the pilot without any location are left out: image-level labels alone give no "
                f"{pilots[0].metric}."
            )
        kept = [_cells(pilot, has_location) for pilot in pilots]
        if len(kept[0].mean) < 3:
            raise ValueError(f"{kept[0].metric}: {len(kept[0].mean)} cells have locations; a pilot needs 3 or more.")
        unseen = [level for level in prices.levels if level in levels and level not in kept[0].levels]
        if unseen:
            self.notes.append(
                f"The pilot has no cell of {', '.join(unseen)} beside located images, so they are not planned for "
                f"{kept[0].metric}: run a mixture first."
            )
        purchases = tuple(each for each in prices.purchases if not {each.level, each.before} & set(unseen))
        if not purchases:
            raise ValueError(
                f"{kept[0].metric}: the pilot shows nothing of what the price list sells: run mixtures first."
            )
        owned = {level: count for level, count in prices.owned.items() if level not in unseen}
        return kept, replace(prices, purchases=purchases, owned=owned)


def _posterior(pilot: Pilot, prices: Prices) -> Posterior:
    scale = float(np.exp(np.log(pilot.sizes.sum(1)).mean()))
    located = tuple(level in prices.located for level in pilot.levels) if pilot.is_located else None
    prior = AUC_PRIOR if pilot.is_area else OVERLAP_PRIOR
    curves = Curves(len(pilot.levels), scale, located)
    return Posterior(curves, pilot.sizes, pilot.quality, pilot.quality_error, prior)


def _cells(pilot: Pilot, kept: Mask) -> Pilot:
    """Some cells of a pilot, and the levels that these have."""
    sizes = pilot.sizes[kept]
    used: Mask = np.asarray((sizes > 0).any(0))
    return replace(
        pilot,
        levels=tuple(level for level, is_used in zip(pilot.levels, used, strict=True) if is_used),
        sizes=sizes[:, used],
        mean=pilot.mean[kept],
        error=pilot.error[kept],
        seconds=pilot.seconds[kept],
    )
