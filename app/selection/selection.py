"""The selection: which images of a pool to annotate next, at which level, for what reason and at what price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.annotations.levels import LEVELS
from app.datalist.item import Datalist, Item
from app.datalist.people import caseless
from app.findings import NOT_SAID
from app.planning.planner import Planner
from app.planning.prices import Prices, Purchase
from app.selection.batch import Batch, Offer, fill
from app.selection.scores import Scores
from app.selection.strategies import (
    ONE_MEMBER,
    RARE,
    Index,
    Order,
    by_finding,
    by_value,
    covering,
    disagreement,
    rare_findings,
    uncertainty,
)

STRATEGIES: Mapping[str, str] = {
    "mixed": "half of the budget for patients drawn at random, half for the likeliest images of the rare findings",
    "rare": "the likeliest images of the rare findings",
    "uncertain": "the images of which the network is least certain (entropy, mean over the findings)",
    "committee": "the images on which the runs disagree most (mutual information, mean over the findings)",
    "coverage": "images that are far from each other in what the network says of them (greedy k-centre)",
    "random": "patients drawn at random",
}
"""Strategies in words; the first is the default."""
RANDOM = "random"
RANDOM_SHARE = 0.2
_MIXED_SHARE = 0.5
IMAGE = "image"
_NLP = "nlp"
_LIKELY = 0.5
SELECTION, CHOSEN_BY, LEVEL = "selection", "chosen_by", "level"
"""Names in a datalist's provenance and in its items' attributes."""


@dataclass(frozen=True)
class Wish:
    """What is asked for.

    Attributes:
        strategy: One of ``STRATEGIES``.
        budget: In the unit of the prices.
        level: Level of the images on which a finding is likely.
        share: Of the budget, for random patients.
        seed: Of everything random.
        rare: The findings to look for; empty for the rare ones.
    """

    strategy: str
    budget: float
    level: str = IMAGE
    share: float = RANDOM_SHARE
    seed: int = 0
    rare: tuple[str, ...] = ()


@dataclass(frozen=True)
class Selection:
    """What was chosen.

    Attributes:
        wish: What was asked for.
        items: The chosen images, in an order that does not tell why; ``attributes`` do.
        suggestions: The same with what the network calls, where nobody has said anything, as labels.
        findings: The findings that the strategy looks for.
        prevalence: Of each finding, and where it comes from: training labels, or predictions.
        cost: Expected, in the unit of the prices.
    """

    wish: Wish
    items: tuple[Item, ...]
    suggestions: tuple[Item, ...]
    findings: tuple[str, ...]
    prevalence: Mapping[str, tuple[float, str]]
    cost: float

    @property
    def has_rare(self) -> bool:
        """Whether a finding that the strategy looks for is rare."""
        return any(self.prevalence[name][0] < RARE for name in self.findings)

    def count(self, reason: str, level: str) -> int:
        """Images by why they were chosen and at which level."""
        return sum(item.attributes[CHOSEN_BY] == reason and item.attributes[LEVEL] == level for item in self.items)

    @property
    def levels(self) -> tuple[str, ...]:
        """Levels of the chosen images, the cheapest first."""
        named = {str(item.attributes[LEVEL]) for item in self.items}
        return tuple(level for level in reversed(list(LEVELS)) if level in named)

    def at(self, level: str, blind: bool) -> list[Item]:
        """The images of a level for other programs, with suggestions or without anything."""
        chosen = [item for item in self.suggestions if item.attributes[LEVEL] == level]
        if blind:
            return [
                replace(item, label=(NOT_SAID,) * len(item.label), boxes=(), mask={}, annotated=()) for item in chosen
            ]
        return chosen


def require_possible(prices: Prices, wish: Wish, members: int) -> None:
    """Refuse, before anything is scored, what cannot be chosen.

    Raises:
        ValueError: The price list lacks a level, there are too few runs for a committee, or the budget is too small.
    """
    least = min(each.setup + each.expected(0.0) for each in _purchases(prices, wish).values())
    if wish.budget < least:
        raise ValueError(f"--budget {wish.budget:g}: does not pay for one image, which costs {least:g} {prices.unit}.")
    if wish.strategy == "committee" and members < 2:
        raise ValueError(ONE_MEMBER)


def with_predictions(items: Sequence[Item], scores: Scores) -> tuple[list[Item], Scores, dict[str, int]]:
    """The images that anything is predicted of, with their scores, and how many others are left out."""
    known = scores.is_known
    left_out = {"left out: images without a prediction": int((~known).sum())} if not known.all() else {}
    return [item for item, is_known in zip(items, known, strict=True) if is_known], scores.of(known), left_out


def select(
    items: Sequence[Item],
    findings: Sequence[str],
    scores: Scores,
    trained: Mapping[str, tuple[int, int]],
    prices: Prices,
    wish: Wish,
) -> Selection:
    """Choose images of a pool.

    Args:
        items: The N images that may be chosen.
        findings: Names, in the order of their labels.
        scores: Predictions for them.
        trained: Training images with and without each finding.
        prices: The price list.
        wish: What is asked for.

    Raises:
        ValueError: The price list lacks a level, the strategy needs more runs, or the budget is too small.
    """
    prevalence = _prevalence(findings, scores, trained)
    unknown = [name for name in wish.rare if name not in prevalence]
    if unknown:
        raise ValueError(f"--rare {','.join(unknown)}: no run predicts this finding.")
    wanted = wish.rare or rare_findings({name: share for name, (share, _) in prevalence.items()})
    offer, levels = _offer(items, scores, prices, wish)
    order = _order(wish, scores, [list(findings).index(name) for name in wanted])
    share = max(wish.share, _MIXED_SHARE) if wish.strategy == "mixed" else wish.share
    batch = fill(offer, order, wish.budget, share, wish.seed)
    reason = "rare" if wish.strategy == "mixed" else wish.strategy
    chosen = _marked(items, batch, [levels[number] for number in offer.level], reason)
    shuffled = np.random.default_rng([wish.seed, 2]).permutation(sorted(chosen))
    present, mean = scores.present, scores.mean
    return Selection(
        wish=wish,
        items=tuple(chosen[index] for index in shuffled),
        suggestions=tuple(_suggested(chosen[index], present[index], mean[index]) for index in shuffled),
        findings=wanted if reason == "rare" else tuple(prevalence),
        prevalence=prevalence,
        cost=batch.cost,
    )


def datalist_of(selection: Selection, pool: Datalist, about: Mapping[str, object]) -> Datalist:
    """The chosen images as a datalist, whose provenance says how they were chosen."""
    wish = selection.wish
    facts: dict[str, object] = {
        "strategy": wish.strategy,
        "budget": wish.budget,
        "cost": round(selection.cost, 6),
        "seed": wish.seed,
        "findings": list(selection.findings),
        **about,
    }
    listed = Datalist.unsplit(f"{pool.name} next", pool.findings, selection.items, STRATEGIES[wish.strategy])
    return replace(listed, provenance={**pool.provenance, SELECTION: facts})


def worth_of_levels(planner: Planner, budget: float) -> dict[str, float]:
    """Expected gain of the metric for a unit of money, if the budget went to images of one level that people read."""
    nothing = planner.choice(planner.market.nothing())
    worth = {}
    for index, option in enumerate(planner.prices.purchases):
        if not option.before and (option.level == IMAGE or option.level in planner.prices.located):
            choice = planner.choice(planner.market.all_of(index, budget))
            if choice.cost > 0:
                worth[option.level] = float((choice.draws - nothing.draws).mean()) / choice.cost
    if not worth:
        raise ValueError(f"the budget {budget:g} does not pay for one image of any level that people read.")
    return worth


def _prevalence(
    findings: Sequence[str], scores: Scores, trained: Mapping[str, tuple[int, int]]
) -> dict[str, tuple[float, str]]:
    """Prevalence of the findings that are predicted, from training labels or, without any, from predictions."""
    shares: dict[str, tuple[float, str]] = {}
    for name, values in zip(findings, scores.mean.T, strict=True):
        known = values[~np.isnan(values)]
        present, absent = trained.get(name, (0, 0))
        if len(known):
            labelled = (present / max(present + absent, 1), f"{present + absent:,} training labels")
            shares[name] = labelled if present + absent else (float(known.mean()), "mean of the predictions")
    return shares


def _offer(items: Sequence[Item], scores: Scores, prices: Prices, wish: Wish) -> tuple[Offer, tuple[str, ...]]:
    """Patients, levels and prices: the dearer level only where a finding is likely, or where a label says so."""
    purchases = _purchases(prices, wish)
    levels = tuple(purchases)
    said = np.array([max((value for value in item.label), default=NOT_SAID) for item in items], dtype=float)
    likely = np.maximum(np.nan_to_num(scores.mean).max(axis=1), said)
    level = (likely > _LIKELY).astype(np.int64) * (len(levels) - 1)
    priced = zip(level.tolist(), np.clip(likely, 0, 1).tolist(), strict=True)
    price = np.array([purchases[levels[at]].expected(probability) for at, probability in priced])
    numbers: dict[str, int] = {}
    patient = np.array([numbers.setdefault(caseless(item.patient), len(numbers)) for item in items])
    return Offer(patient, level, price, [each.setup for each in purchases.values()]), levels


def _purchases(prices: Prices, wish: Wish) -> dict[str, Purchase]:
    """What is bought of the pool by level: that of all images, then that of images on which a finding is likely."""
    return {level: _purchase(prices, level) for level in (IMAGE, wish.level)}


def _purchase(prices: Prices, level: str) -> Purchase:
    options = {each.level: each for each in prices.purchases if not each.before}
    readable = [name for name in options if name in LEVELS and name != _NLP]
    if level not in readable:
        raise ValueError(
            f"the price list has no price of level {level!r} (it has {', '.join(readable) or 'no level to read'} of "
            f"{', '.join(name for name in LEVELS if name != _NLP)}); add it to levels."
        )
    return options[level]


def _order(wish: Wish, scores: Scores, columns: Sequence[int]) -> Order | None:
    if wish.strategy == RANDOM:
        return None
    if wish.strategy in ("mixed", "rare"):
        return by_finding(scores.mean, columns, wish.seed)
    if wish.strategy == "coverage":
        return covering(scores.vectors)
    value = uncertainty(scores.mean) if wish.strategy == "uncertain" else disagreement(scores.probability)
    return by_value(value, wish.seed)


def _marked(items: Sequence[Item], batch: Batch, levels: Sequence[str], reason: str) -> dict[int, Item]:
    def marked(index: int, why: str) -> Item:
        item = items[index]
        return replace(item, attributes={**item.attributes, CHOSEN_BY: why, LEVEL: levels[index]})

    def part(indices: Index, why: str) -> dict[int, Item]:
        return {index: marked(index, why) for index in indices.tolist()}

    return part(batch.random, RANDOM) | part(batch.chosen, reason)


def _suggested(item: Item, present: np.ndarray, probability: np.ndarray) -> Item:
    """The item with labels where nobody has said anything, and with certainties decided."""
    label = []
    for said, is_present, p in zip(item.label, present.tolist(), probability.tolist(), strict=True):
        if said == NOT_SAID:
            label.append(NOT_SAID if np.isnan(p) else float(is_present))
        else:
            label.append(float(said > 0.5) if said > 0 else said)
    return replace(item, label=tuple(label))
