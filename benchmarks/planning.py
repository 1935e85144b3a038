"""How good plans are: regret beside simple rules, and whether 90% intervals hold, on simulated hospitals.

    python -m benchmarks.planning --tasks 100

The truth of each task is a curve of one of seven families, of which the planner knows four; exponents and ceilings
differ by level, and images of different levels are worth a little more or less together than alone. The pilot is cut
from 2,000 outlined radiographs: four levels at four sizes and three mixtures, three seeds each. A plan's regret is by
how many AUC points the best plan is better in truth. Seeds below 10,000 served to choose the planner's settings; these
are others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import curve_fit
from scipy.special import expit, logit, ndtr

from app.planning.pilot import Pilot
from app.planning.planner import Planner
from app.planning.prices import Prices, Purchase
from app.planning.purchases import Plans
from benchmarks.report import machine, options, publish

Array = NDArray[np.float64]
LEVELS = ("nlp", "image", "box", "outline")
BUDGETS = (2_000.0, 10_000.0, 40_000.0)
SIZES = (250, 500, 1_000, 2_000)
MIXTURES = ((1_000, 0, 0, 500), (0, 1_000, 0, 500), (0, 0, 1_000, 500))
OUTSIDE = ("two stages", "shifted power", "step")
"""Families that the planner does not know."""


def curve(family: str, x: Array, exponent: Array, ceiling: Array, second: float) -> Array:
    """Quality at effective images ``x``."""
    power = x**exponent
    forms: dict[str, Callable[[], Array]] = {
        "hill": lambda: power / (1 + power),
        "weibull": lambda: 1 - np.exp(-power),
        "lognormal": lambda: ndtr(exponent * np.log(x) / 1.6),
        "power": lambda: expit(ceiling - 1 / power) / expit(ceiling),
        "two stages": lambda: 0.6 * power / (1 + power) + 0.4 * (power / second) ** 1.5 / (1 + (power / second) ** 1.5),
        "shifted power": lambda: 1 - (1 + x) ** -exponent,
        "step": lambda: 0.8 * power / (1 + power) + 0.2 * expit(4 * np.log(x / second)),
    }
    return np.asarray(expit(ceiling) * forms[family]())


FAMILIES = ("hill", "weibull", "lognormal", "power", *OUTSIDE)


@dataclass(frozen=True)
class Truth:
    """What a network really reaches."""

    family: str
    half: float
    exponents: Array
    ceiling: float
    deviations: Array
    efficiencies: Array
    interaction: float
    second: float

    def quality(self, sizes: Array) -> Array:
        """2 AUC - 1 with images of each level, (plans, levels)."""
        effective = self.efficiencies * sizes / self.half
        share = effective / np.maximum(effective.sum(1, keepdims=True), 1e-12)
        total = (effective**self.interaction).sum(1) ** (1 / self.interaction)
        ceiling = self.ceiling + share @ self.deviations
        return curve(self.family, np.maximum(total, 1e-12), share @ self.exponents, ceiling, self.second)

    def auc(self, sizes: Array) -> Array:
        """Area under the ROC curve, in points."""
        return 50 * (self.quality(sizes) + 1)


def drawn_truth(random: np.random.Generator, alike: bool) -> Truth:
    """A truth; ``alike`` makes every image of every level worth the same."""
    levels = len(LEVELS)
    exponents = np.full(levels, random.uniform(0.55, 1.2))
    deviations = np.zeros(levels)
    efficiencies = np.ones(levels)
    interaction = 1.0
    if not alike:
        exponents = exponents * np.exp(0.12 * random.standard_normal(levels))
        deviations = 0.15 * random.standard_normal(levels)
        efficiencies = np.array([random.uniform(*limits) for limits in ((0.1, 0.6), (0.5, 1), (0.7, 1.1), (1, 1))])
        interaction = float(np.exp(0.1 * random.standard_normal()))
    return Truth(
        family=str(random.choice(FAMILIES)),
        half=float(np.exp(random.uniform(np.log(300), np.log(8_000)))),
        exponents=exponents,
        ceiling=float(logit(2 * random.uniform(0.86, 0.985) - 1)),
        deviations=deviations,
        efficiencies=efficiencies,
        interaction=interaction,
        second=random.uniform(3, 15),
    )


def simulated_runs(truth: Truth, random: np.random.Generator, seeds: int = 3) -> tuple[Array, Array]:
    """Sizes (cells, levels) and areas (cells, seeds); a run varies by 3 AUC points at 1,000 images, less at more."""
    single = [np.eye(len(LEVELS))[level] * size for level in range(len(LEVELS)) for size in SIZES]
    sizes = np.array([*single, *MIXTURES], dtype=float)
    spread = np.maximum(0.03 * (sizes.sum(1) / 1_000) ** -0.4, 0.004)[:, None]
    values = truth.auc(sizes)[:, None] / 100 + spread * random.standard_normal((len(sizes), seeds))
    return sizes, np.clip(values, 0.3, 0.9999)


def simulated_pilot(truth: Truth, random: np.random.Generator, seeds: int = 3) -> Pilot:
    """The pilot of such runs; variances are pooled over cells of like size, as the application does."""
    sizes, values = simulated_runs(truth, random, seeds)
    totals = sizes.sum(1)
    alike = np.abs(np.log(totals[:, None] / totals)) < 0.5
    variance = (alike @ values.var(1, ddof=1)) / alike.sum(1)
    seconds = np.full(len(sizes), np.nan)
    return Pilot("auc.macro", LEVELS, sizes, values.mean(1), np.sqrt(variance / seeds), seconds, seeds)


def power_law_rule(pilot: Pilot, planner: Planner, budget: float) -> Plans:
    """The peer: a power law for each level alone, and everything on the level that promises most."""
    best, chosen = -1.0, planner.market.equal_split(budget)
    for index, option in enumerate(planner.prices.purchases):
        level = pilot.levels.index(option.level)
        own = (pilot.sizes[:, level] > 0) & ~pilot.mixed
        x, y = pilot.sizes[own, level] / 1_000, pilot.mean[own]
        try:
            fit, _ = curve_fit(_power_law, x, y, p0=(0.9, 0.2, 0.5), bounds=((0.5, 0, 0.01), (1, 1, 3)))
        except RuntimeError:
            continue
        plan = planner.market.all_of(index, budget)
        promised = float(_power_law(plan.counts[0, index : index + 1] / 1_000 + 1e-9, *fit)[0])
        if promised > best:
            best, chosen = promised, plan
    return chosen


def _power_law(x: Array, ceiling: float, scale: float, exponent: float) -> Array:
    return ceiling - scale * x**-exponent


def prices_of(alike: bool) -> Prices:
    """Minutes an image; the same for all levels if they are alike."""
    each = (1.0, 1.0, 1.0, 1.0) if alike else (0.02, 0.5, 1.5, 5.0)
    purchases = tuple(Purchase(level, price) for level, price in zip(LEVELS, each, strict=True))
    if not alike:
        purchases = (Purchase("nlp", 0.02, setup=600.0), *purchases[1:])
    return Prices("minutes", purchases, {"outline": 2_000}, 100_000, frozenset({"box", "outline"}))


def task(seed: int, alike: bool) -> Array:
    """What :data:`HEAD` names, as (budgets, numbers)."""
    random = np.random.default_rng(seed)
    truth = drawn_truth(random, alike)
    pilot = simulated_pilot(truth, random)
    planner = Planner([pilot], prices_of(alike))
    rows = []
    for budget in BUDGETS:
        choice = planner.for_budget(budget)
        equal = planner.choice(planner.market.equal_split(budget))
        every = planner.market.plans(budget, planner.market.steps(2_000))
        best = max(truth.auc(every.sizes).max(), truth.auc(choice.plan.sizes)[0])
        reached, by_equal = truth.auc(choice.plan.sizes)[0], truth.auc(equal.plan.sizes)[0]
        by_power_law = truth.auc(power_law_rule(pilot, planner, budget).sizes)[0]
        limits = np.array([choice.metric.lower, choice.metric.value, choice.metric.upper]) * 100
        holds = limits[0] <= reached <= limits[2]
        error = limits[1] - reached
        known = choice.p_better(equal) >= planner.known
        rows.append([best - reached, best - by_equal, best - by_power_law, holds, limits[2] - limits[0], error, known])
    return np.array(rows, dtype=float)


HEAD = (
    *("regret", "of the equal split", "of a power law a level", "interval holds", "its width", "error of its median"),
    "known to be better",
)


def main() -> None:
    parser = options(__doc__, tasks=200, first=10_000)
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.tasks)
    lines = [("levels", "budget", *HEAD), ("---",) * (len(HEAD) + 2)]
    for alike in (False, True):
        numbers = np.array([task(seed, alike) for seed in seeds])
        for index, budget in enumerate(BUDGETS):
            digits = [f"{value:.2f}" for value in numbers[:, index].mean(0)]
            lines.append(("alike" if alike else "differ", f"{budget:,.0f}", *digits))
    text = "\n".join([*(f"| {' | '.join(line)} |" for line in lines), "", f"{len(seeds)} tasks each; {machine()}"])
    publish("planning", "How good plans are", __doc__, text, arguments.write)


if __name__ == "__main__":
    main()
