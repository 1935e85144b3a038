"""Pictures of a plan: cost against metric, and the learning curve of each level."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.pages.style import COLOURS
from app.planning.advice import Advice

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKERS = "sD^vP*X<>"
_POINTS = 40
_TAILS = (0.05, 0.5, 0.95)


def draw_front(advice: Advice) -> Figure:
    """The best metric for each cost with its 90% interval, the recommended plan, and the simple rules."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.8), layout="constrained")
    axes = figure.subplots()
    cost = [each.cost for each in advice.front]
    limits = [(each.metric.lower, each.metric.value, each.metric.upper) for each in advice.front]
    lower, middle, upper = np.array(limits).T
    axes.fill_between(cost, lower, upper, color=COLOURS[1], alpha=0.15, linewidth=0, label="90% interval")
    axes.plot(cost, middle, color=COLOURS[1], label="best plan for the cost")
    for index, rule in enumerate(advice.rules):
        marker, colour = MARKERS[index % len(MARKERS)], COLOURS[(index + 2) % len(COLOURS)]
        axes.plot(rule.cost, rule.metric.value, marker, color=colour, markersize=7, label=rule.rule)
    chosen = advice.recommended
    error = [[chosen.metric.value - chosen.metric.lower], [chosen.metric.upper - chosen.metric.value]]
    if chosen.cost > 0:
        axes.errorbar(
            chosen.cost, chosen.metric.value, error, fmt="o", color="black", capsize=4, label="recommended plan"
        )
    if advice.target is not None:
        axes.axhline(advice.target, color="0.4", linestyle="--", linewidth=1, label=f"target {advice.target:g}")
    axes.set_xscale("log")
    axes.set(xlabel=f"cost ({advice.planner.prices.unit})", ylabel=advice.planner.name)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def draw_curves(advice: Advice) -> Figure:
    """The learning curve of each level alone, with the pilot's cells and their 90% intervals."""
    from matplotlib.figure import Figure

    planner = advice.planner
    figure = Figure(figsize=(8, 4.8), layout="constrained")
    axes = figure.subplots()
    largest = max(float(advice.recommended.plan.sizes.sum()), planner.pilot.largest)
    counts = np.geomspace(planner.pilot.sizes.sum(1).min() / 2, 2 * largest, _POINTS)
    for index, level in enumerate(planner.pilot.levels):
        colour, marker = COLOURS[(index + 1) % len(COLOURS)], MARKERS[index % len(MARKERS)]
        if not planner.alone[index]:
            continue
        drawn = planner.metric(counts[:, None] * np.eye(len(planner.pilot.levels))[index])
        lower, middle, upper = np.quantile(drawn, _TAILS, axis=0)
        axes.fill_between(counts, lower, upper, color=colour, alpha=0.08, linewidth=0)
        axes.plot(counts, middle, color=colour, label=level)
        for pilot in planner.pilots:
            cells = (pilot.sizes[:, index] > 0) & ~pilot.mixed
            error = 1.645 * pilot.error[cells]
            axes.errorbar(
                pilot.sizes[cells, index], pilot.mean[cells], error, fmt=marker, color=colour, markersize=4, capsize=2
            )
    axes.axvline(planner.pilot.largest, color="0.4", linestyle=":", label="largest cell of the pilot")
    axes.set_xscale("log")
    axes.set(xlabel="images", ylabel=planner.name)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return figure
