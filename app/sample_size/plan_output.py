"""A planned study in words, as JSON, and as a picture."""

from __future__ import annotations

import json
import math
import textwrap
from typing import TYPE_CHECKING

import numpy as np

from app.pages.style import COLOURS
from app.sample_size.plan import Plan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 60
REACH = 2.5
"""How far beyond the needed number a picture goes."""
FEWEST = 10
LINE = 95
"""Characters of a line of a picture's title."""


def plan_text(plan: Plan) -> str:
    """The answer, a table of numbers against power or width, and what they rest on."""
    lines = [f"{plan.aim}:", f"    {_patients(plan, plan.needed)}"]
    if plan.cautious_at is not None:
        lines.append(f"    cautiously {_patients(plan, plan.patients(plan.target, is_cautious=True))}")
    head, rows = _table(plan)
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines += ["", *("  ".join(map(str.rjust, row, widths)).rstrip() for row in (head, *rows)), ""]
    return "\n".join([*lines, *_few(plan), *plan.notes])


def _few(plan: Plan) -> list[str]:
    counts = [_counted(plan, plan.needed)] if plan.others is None else plan.needed
    if not 0 < min(counts) < FEWEST:
        return []
    return [f"Take at least {FEWEST} patients of either kind: with fewer these formulas do not hold (Obuchowski 2004)."]


def plan_json(plan: Plan) -> str:
    """The same for programs; ``table`` has a row for each power or width."""
    measure = "width" if plan.is_width else "power"
    table = []
    for target in plan.targets:
        row: dict[str, object] = {measure: target} | _counts(plan, target, is_cautious=False)
        if plan.cautious_at is not None:
            row["cautious"] = _counts(plan, target, is_cautious=True)
        table.append(row)
    content = {"aim": plan.aim, **plan.facts, "needed": table[plan.targets.index(plan.target)], "table": table}
    return json.dumps(content | {"notes": plan.notes}, indent=1)


def draw_plan(plan: Plan) -> Figure:
    """Power, or width, against patients: as the pilot or the statement says, and cautiously."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    needed = _counted(plan, plan.needed)
    most = needed
    if plan.cautious_at is not None:
        most = _counted(plan, plan.patients(plan.target, is_cautious=True))
    counts = np.unique(np.geomspace(2, max(REACH * most, 10), POINTS).astype(int)).tolist()
    totals = [sum(plan.split(count)) for count in counts]
    name = "as the pilot says" if plan.cautious_at is not None else "as stated"
    axes.plot(totals, [plan.reached(count) for count in counts], color=COLOURS[1], label=name)
    if plan.cautious_at is not None:
        values = [plan.reached(count, is_cautious=True) for count in counts]
        axes.plot(totals, values, color=COLOURS[2], linestyle="--", label="cautious: upper limit of the variance")
    point = sum(plan.needed), plan.reached(needed)
    axes.plot(*point, "o", color=COLOURS[1])
    axes.axhline(plan.target, color="0.4", linewidth=1, linestyle=":")
    offset, side = ((8, 8), "left") if plan.is_width else ((-8, 8), "right")
    axes.annotate(_patients(plan, plan.needed), point, offset, textcoords="offset points", fontsize=9, ha=side)
    axes.set(xlabel=_who(plan), ylabel="width of the interval" if plan.is_width else "power", xscale="log")
    axes.set_ylim(0, None if plan.is_width else 1.02)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=9, loc="best" if plan.is_width else "lower right")
    axes.set_title(textwrap.fill(plan.aim, LINE, break_on_hyphens=False), fontsize=9, loc="left")
    return figure


def _counts(plan: Plan, target: float, is_cautious: bool) -> dict[str, object]:
    present, absent = plan.patients(target, is_cautious)
    if plan.others is None:
        return {"with_finding" if plan.counted == "with" else "without": present + absent}
    return {"with_finding": present, "without": absent, "patients": present + absent}


def _counted(plan: Plan, patients: tuple[int, int]) -> int:
    return patients[0 if plan.counted == "with" else 1]


def _patients(plan: Plan, patients: tuple[int, int]) -> str:
    """Numbers of patients in words."""
    if plan.others is None:
        return f"{_counted(plan, patients):,} patients {plan.counted} the finding"
    present, absent = patients
    return f"{present:,} patients with and {absent:,} without the finding ({present + absent:,} in all)"


def _who(plan: Plan) -> str:
    return "patients" if plan.others is not None else f"patients {plan.counted} the finding"


def _table(plan: Plan) -> tuple[list[str], list[list[str]]]:
    kinds = [plan.counted] if plan.others is None else ["with", "without", "in all"]
    head = ["width" if plan.is_width else "power", *kinds]
    if plan.cautious_at is not None:
        head += [f"cautiously {kinds[0]}", *kinds[1:]]
    rows = []
    for target in plan.targets:
        row = [_shown(plan, target)]
        for is_cautious in (False, True)[: 1 + (plan.cautious_at is not None)]:
            patients = plan.patients(target, is_cautious)
            numbers = [_counted(plan, patients)] if plan.others is None else [*patients, sum(patients)]
            row += [f"{number:,}" for number in numbers]
        rows.append([*row, "*" if math.isclose(target, plan.target) else ""])
    return [*head, ""], rows


def _shown(plan: Plan, target: float) -> str:
    return f"{target:.3g}" if plan.is_width else f"{100 * target:.3g}%"
