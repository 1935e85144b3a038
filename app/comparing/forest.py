"""Forest plots: the values of all models with their intervals, and their differences from the reference."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from app.comparing.comparison import MeasureComparison
from app.pages import numbers
from app.pages.style import COLOURS
from evaluation.cases import FindingResult, Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = "osD^vP*X"
"""A shape for each model, so that a print in grey can be read."""
LONGEST_NAME = 40
MINUS = "\N{MINUS SIGN}"


class Line(NamedTuple):
    """A line of the plot: a model's value and difference, or the heading of a block, which has no model."""

    block: int
    label: str
    model: int | None = None
    value: FindingResult | None = None
    difference: Interval | None = None


def forest_svg(measure: MeasureComparison, letters: str, names: Sequence[str]) -> bytes:
    """The plot as an SVG file; the same input always gives the same bytes."""
    import matplotlib

    file = io.BytesIO()
    # Names of findings and runs are shown as they are: "$" begins no formula.
    with matplotlib.rc_context({"svg.hashsalt": "frugal", "text.parse_math": False}):
        forest_plot(measure, letters, names).savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


def forest_plot(measure: MeasureComparison, letters: str, names: Sequence[str]) -> Figure:
    """Draw a block of lines for each finding, with values on the left and differences on the right.

    Args:
        measure: What was compared.
        letters: Of the models, the reference first.
        names: Of the models, for the legend.
    """
    from matplotlib.figure import Figure

    lines = _lines(measure, letters)
    figure = Figure(figsize=(10, 1 + 0.21 * (len(lines) + len(names))), layout="constrained")
    values, differences = figure.subplots(1, 2)
    for model, name in enumerate(names):
        label = f"{letters[model]}  {_short(name)}"
        _draw(values, {y: line.value for y, line in enumerate(lines) if line.model == model}, model, label)
        _draw(differences, {y: line.difference for y, line in enumerate(lines) if line.model == model}, model)
    texts = [numbers.difference(line.difference).replace("-", MINUS) if line.difference else "" for line in lines]
    others = letters[1] if len(letters) == 2 else "each model"
    _arrange(values, lines, [line.label for line in lines], measure.title)
    margin = "" if measure.margin is None else f"; dotted: margin {measure.margin:g}"
    _arrange(differences, lines, texts, f"Difference, {others} {MINUS} {letters[0]}{margin}")
    for line, label in zip(lines, values.get_yticklabels(), strict=True):
        label.set_weight("bold" if line.model is None else "normal")
    differences.yaxis.tick_right()
    differences.axvline(0, color="black", linewidth=0.8, zorder=1)
    for limit in () if measure.margin is None else (-measure.margin, measure.margin):
        differences.axvline(limit, color="black", linewidth=0.8, linestyle=":", zorder=1)
    reach = max(0.01, *map(abs, differences.get_xlim()))
    differences.set_xlim(-reach, reach)
    figure.legend(loc="outside lower left", frameon=False, fontsize=9)
    return figure


def _lines(measure: MeasureComparison, letters: str) -> list[Line]:
    lines = []
    for block, (finding, group) in enumerate(itertools.groupby(measure.all_rows, key=lambda row: row.finding)):
        rows = list(group)
        reference = rows[0].reference
        noun = "finding" if rows[0] in measure.macro else "case"
        counts = numbers.counted(reference.present, noun)
        if reference.absent:
            counts = f"{reference.present} present, {reference.absent} absent"
        lines.append(Line(block, f"{_short(finding)}: {counts}"))
        lines.append(Line(block, letters[0], 0, reference))
        lines += [Line(block, letters[row.model], row.model, row.result, row.difference) for row in rows]
    return lines


def _draw(axes: Axes, values: dict[int, FindingResult | Interval | None], model: int, label: str = "") -> None:
    """Draw a model's values with their intervals; undefined values and limits are left out."""
    shown = {y: value for y, value in values.items() if value is not None}
    axes.errorbar(
        [value.value for value in shown.values()],
        list(shown),
        xerr=[
            [max(0.0, value.value - value.lower) for value in shown.values()],
            [max(0.0, value.upper - value.value) for value in shown.values()],
        ],
        fmt=MARKERS[model],
        color=COLOURS[model],
        markersize=5,
        label=label,
    )


def _arrange(axes: Axes, lines: Sequence[Line], texts: Sequence[str], title: str) -> None:
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_yticks(range(len(lines)), texts)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=5)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    axes.set_title(title, loc="left", fontsize=11)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    for y, line in enumerate(lines):
        if line.block % 2 == 0:
            axes.axhspan(y - 0.5, y + 0.5, color="0.96", linewidth=0, zorder=0)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}\N{HORIZONTAL ELLIPSIS}"
