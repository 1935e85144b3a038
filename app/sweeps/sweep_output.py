"""Writing the outcomes of a sweep: two tables, and one picture per metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.files.atomic import write_figure, write_whole
from app.findings import file_names
from app.pages.style import COLOURS
from app.sweeps.cell_comparisons import FILE, comparisons_csv
from app.sweeps.curves import CURVES, curves_csv
from app.sweeps.outcomes import CellResult, Outcomes
from app.sweeps.sweep import Sweep
from app.sweeps.sweep_tables import table_csv, table_markdown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = "osD^vP*X"
LOGARITHMIC = 8
"""The axis is logarithmic if the largest number is at least so many times the smallest."""


def write_outcomes(outcomes: Outcomes, folder: Path) -> list[Path]:
    """Write ``table.csv``, ``table.md``, ``comparisons.csv``, ``curves.csv`` and a picture per metric into the folder.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / "table.csv", folder / "table.md"]
    for path, text in zip(files, (table_csv(outcomes), table_markdown(outcomes)), strict=True):
        write_whole(path, text)
    if outcomes.sweep.comparisons:
        files.append(folder / FILE)
        write_whole(files[-1], comparisons_csv(tuple(outcomes.sweep.factors), outcomes.comparisons))
    if outcomes.curves:
        files.append(folder / CURVES)
        write_whole(files[-1], curves_csv(outcomes.sweep, outcomes.curves))
    by_metric = outcomes.by_metric()
    names = file_names(list(by_metric))
    for metric, results in by_metric.items():
        defined = [result for result in results if not math.isnan(result.mean.value)]
        if defined:
            files.append(folder / f"{names[metric]}.png")
            write_figure(files[-1], draw_metric(outcomes.sweep, metric, defined), dpi=120)
    return files


def draw_metric(sweep: Sweep, metric: str, results: Sequence[CellResult]) -> Figure:
    """A metric over one factor, with intervals; one line for each combination of the other factors.

    The factor is the last one whose values are all numbers, or else the last one; values that are no numbers are not
    joined by lines. Lines are shifted a little, so that their intervals do not hide each other.
    """
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams["text.parse_math"] = False  # names are shown as they are
    along = _factor_along(sweep)
    names = sweep.factors.get(along, ("",))
    values = _as_numbers(names)
    positions = dict(zip(names, values or map(float, range(len(names))), strict=True))
    span = max(positions.values()) - min(positions.values()) or 1.0
    is_logarithmic = bool(values) and min(values) > 0 and max(values) / min(values) >= LOGARITHMIC
    figure = Figure(figsize=(7.5, 4.8), layout="constrained")
    axes = figure.subplots()
    lines = _lines(results, along)
    for index, (label, line) in enumerate(lines.items()):
        shift = (index - (len(lines) - 1) / 2) * 0.012
        x = [positions[result.cell.values.get(along, "")] for result in line]
        x = [each * (1 + 2 * shift) if is_logarithmic else each + shift * span for each in x]
        _draw_line(axes, x, line, label, index, is_joined=bool(values))
    if is_logarithmic:
        axes.set_xscale("log")
    axes.set_xticks(list(positions.values()), names)
    axes.minorticks_off()
    axes.set(xlabel=along, ylabel=metric, title=f"{sweep.name}: mean and 95% interval over {sweep.replicate_word}s")
    axes.grid(alpha=0.3)
    if any(lines):
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))  # beside the axes, where it hides nothing
    return figure


def _draw_line(
    axes: Axes, x: Sequence[float], line: Sequence[CellResult], label: str, index: int, is_joined: bool
) -> None:
    axes.errorbar(
        x,
        [result.mean.value for result in line],
        # A single seed has no interval.
        yerr=[0.0 if math.isnan(each.mean.upper) else each.mean.upper - each.mean.value for each in line],
        label=label,
        capsize=3,
        marker=MARKERS[index % len(MARKERS)],
        color=COLOURS[index % len(COLOURS)],
        linestyle="-" if is_joined else "none",
    )


def _lines(results: Sequence[CellResult], along: str) -> dict[str, list[CellResult]]:
    lines: dict[str, list[CellResult]] = {}
    for result in results:
        others = [value for factor, value in result.cell.values.items() if factor != along]
        lines.setdefault(", ".join(others), []).append(result)
    return lines


def _factor_along(sweep: Sweep) -> str:
    numeric = [factor for factor, names in sweep.factors.items() if len(names) > 1 and _as_numbers(names)]
    return (numeric or list(sweep.factors) or [""])[-1]


def _as_numbers(names: Sequence[str]) -> list[float]:
    """The names as numbers; empty if one is no number."""
    try:
        return [float(name) for name in names]
    except ValueError:
        return []
