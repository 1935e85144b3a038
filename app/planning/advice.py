"""Advice: the recommended plan, its alternatives, what to run next, and what all this cannot know."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from app.planning.next_cell import NextCell, next_cell
from app.planning.planner import LEVEL, NEARLY, Choice, Planner
from evaluation.cases import Interval

SCHEMA = 1
_FAR = 5
"""A plan of so many times the images of the pilot's largest cell is called far beyond it."""


@dataclass(frozen=True)
class Advice:
    """Everything that the page and ``plan.json`` say.

    Attributes:
        planner: The planner.
        recommended: The plan.
        target: The metric that was asked for; None for a budget.
        certainty: The probability with which a target is to be reached.
        budget: The money that the plan may cost; for a target, what the plan costs.
        rules: Simple rules at the same budget, the equal split first.
        nearly: The cheapest plan that is nearly as good; None if there is none.
        front: The best plans from cheap to dear.
        next: The cell that the pilot should run next.
    """

    planner: Planner
    recommended: Choice
    target: float | None
    certainty: float
    budget: float
    rules: tuple[Choice, ...]
    nearly: Choice | None
    front: tuple[Choice, ...]
    next: NextCell

    @property
    def alternatives(self) -> tuple[Choice, ...]:
        """The cheaper plan, if there is one, and the simple rules."""
        return (*([] if self.nearly is None else [self.nearly]), *self.rules)

    @property
    def is_known_better(self) -> bool:
        """Whether the plan is known to be better than the equal split of the same money."""
        return not self.rules or self.recommended.p_better(self.rules[0]) >= self.planner.known


def advise(planner: Planner, budget: float | None, target: float | None, certainty: float) -> Advice:
    """Advice for a budget, or for a target that is to be reached with a certainty.

    Raises:
        ValueError: The budget or target is out of range.
    """
    if target is not None:
        recommended = planner.for_target(target, certainty)
        budget = recommended.cost
    else:
        recommended = planner.for_budget(budget or 0.0)
        budget = float(budget or 0.0)
    spent = max(budget, planner.market.least)
    front = planner.front(spent / 30, min(5 * spent, planner.market.whole))
    nearly = next((each for each in front if each.draws.mean() >= recommended.draws.mean() - NEARLY), None)
    if nearly is not None:
        nearly = replace(nearly, rule="nearly as good") if nearly.cost < 0.9 * recommended.cost else None
    rules = tuple(planner.simple_rules(budget)) if budget >= planner.market.least else ()
    return Advice(
        planner=planner,
        recommended=recommended,
        target=target,
        certainty=certainty,
        budget=budget,
        rules=rules,
        nearly=nearly,
        front=tuple(front),
        next=next_cell(planner, spent),
    )


def plan_json(advice: Advice) -> dict[str, Any]:
    """The content of ``plan.json``; docs/planning.md describes it."""
    planner = advice.planner
    return {
        "schema": SCHEMA,
        "metric_name": planner.name,
        "unit": planner.prices.unit,
        "budget": advice.budget if advice.target is None else None,
        "target": advice.target,
        **_entry(advice, advice.recommended),
        "no_plan_known_better": not advice.is_known_better,
        "alternatives": [
            {"rule": each.rule, **_entry(advice, each), "p_recommended_better": advice.recommended.p_better(each)}
            for each in advice.alternatives
        ],
        "front": [_entry(advice, each) for each in advice.front],
        "next_cell": {
            "images": advice.next.images,
            "gain": advice.next.gain,
            "hours": None if math.isnan(advice.next.hours) else advice.next.hours,
            "price": advice.next.price,
        },
        "pilot": {
            "cells": len(planner.pilot.mean),
            "levels": list(planner.pilot.levels),
            "largest": int(planner.pilot.largest),
        },
        "cautions": sentences(advice),
    }


def images_of(planner: Planner, choice: Choice) -> dict[str, int]:
    """Images to buy, by level or upgrade; what is not bought is left out."""
    counts = zip(planner.prices.purchases, choice.plan.counts[0], strict=True)
    return {option.name: int(count) for option, count in counts if count}


def _entry(advice: Advice, choice: Choice) -> dict[str, Any]:
    planner = advice.planner
    total = zip(planner.pilot.levels, choice.plan.sizes[0], strict=True)
    return {
        "recommended" if choice is advice.recommended else "images": images_of(planner, choice),
        "total": {level: int(count) for level, count in total if count},
        "cost": choice.cost,
        "metric": {"value": choice.metric.value, "lower": choice.metric.lower, "upper": choice.metric.upper},
        "p_target": None if advice.target is None else choice.p_at_least(advice.target),
    }


def sentences(advice: Advice) -> list[str]:
    """What is known and what is not."""
    planner, chosen = advice.planner, advice.recommended
    known = list(planner.notes)
    if advice.target is not None and chosen.p_at_least(advice.target) < advice.certainty:
        known.append(
            f"No plan within the pool reaches {planner.name} {advice.target:g} with a probability of "
            f"{advice.certainty:.0%}; this one comes nearest, with {chosen.p_at_least(advice.target):.0%}."
        )
    if not advice.is_known_better:
        known.append(
            "No plan is known to be better than spending equally on every level: the probability that this one is, is "
            f"{chosen.p_better(advice.rules[0]):.0%}, and {planner.known:.1%} is asked of the best of "
            f"{len(planner.prices.purchases)} things to buy."
        )
    largest = planner.pilot.largest
    factor = chosen.plan.sizes[0].sum() / largest
    if factor > 1:
        far = " That is far: run larger cells before the whole order." if factor > _FAR else ""
        known.append(
            f"The plan has {factor:.1f} times the images of the pilot's largest cell ({largest:,.0f}); the rest is "
            f"extrapolated.{far}"
        )
    known += _unseen(planner, chosen)
    known.append(
        f"Intervals of {LEVEL:.0%} hold the expected metric of networks that are trained like the pilot's, for as many "
        "steps, on such annotations; single trainings vary around it, with a standard deviation of "
        f"{planner.pilot.spread:.3f} in the pilot's largest cells. They know nothing of other networks, other "
        "hospitals or labels that are worse than the pilot's."
    )
    return known


def _unseen(planner: Planner, chosen: Choice) -> list[str]:
    present = chosen.plan.sizes[0] > 0
    if present.sum() < 2 or (planner.pilot.sizes[:, present] > 0).all(1).any():
        return []
    names = ", ".join(level for level, is_there in zip(planner.pilot.levels, present, strict=True) if is_there)
    return [f"The pilot has no cell with {names} together: that their worth adds up is assumed, not seen."]


def plain(interval: Interval) -> str:
    """``0.912 (0.880 to 0.935)``."""
    return f"{interval.value:.3f} ({interval.lower:.3f} to {interval.upper:.3f})"
