"""A study's files: tables, one picture a metric, and the parent run in MLflow that holds them."""

from __future__ import annotations

import logging
import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.files.atomic import write_figure, write_whole
from app.findings import LONGEST_NAME, file_names
from app.pages.style import COLOURS_LIGHT
from app.sweeps.plan import Matrix
from app.sweeps.table import Results, Row, table_csv, table_markdown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)

MARKERS = "osD^vP*X"
LOGARITHMIC = 8
"""From this ratio of the largest to the smallest number on, the axis is logarithmic."""


def write_results(results: Results, folder: Path) -> list[Path]:
    """Write ``table.csv``, ``table.md`` and ``<metric>.png`` each; every file appears whole.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in (("table.csv", table_csv(results)), ("table.md", table_markdown(results))):
        write_whole(folder / name, text)
        written.append(folder / name)
    names = picture_names(list(dict.fromkeys(row.metric for row in results.rows)))
    for metric in names:
        rows = [row for row in results.rows if row.metric == metric and not math.isnan(row.mean.value)]
        if rows:
            path = folder / f"{names[metric]}.png"
            write_figure(path, picture(results.matrix, metric, rows), dpi=120)
            written.append(path)
    return written


def picture_names(metrics: Sequence[str]) -> dict[str, str]:
    """What the pictures of metrics are called: with underscores for all but letters, digits, dots and hyphens."""
    plain = {name: re.sub(r"[^\w.\-]+", "_", name).strip(".") for name in metrics}
    shared, safe = Counter(name.casefold() for name in plain.values()), file_names(metrics)
    is_good = {name: shared[each.casefold()] == 1 and 0 < len(each) <= LONGEST_NAME for name, each in plain.items()}
    return {name: plain[name] if is_good[name] else safe[name] for name in metrics}


def picture(matrix: Matrix, metric: str, rows: Sequence[Row]) -> Figure:
    """A metric over one factor, a line with intervals for every combination of the others.

    The factor is the last one whose values are all numbers, else the last one. Lines stand a little beside each other,
    so that their intervals can be told apart; factors without numbers get no line between their values.
    """
    from matplotlib.figure import Figure

    along = _factor_along(matrix)
    lines: dict[str, list[Row]] = {}
    for row in rows:
        others = [value for factor, value in row.cell.values.items() if factor != along]
        lines.setdefault(", ".join(others), []).append(row)
    figure = Figure(figsize=(7.5, 4.8), layout="constrained")
    axes = figure.subplots()
    numbers = _numbers(matrix.factors.get(along, ()))
    places = dict(
        zip(matrix.factors.get(along, ("",)), numbers or range(len(matrix.factors.get(along, ("",)))), strict=True)
    )
    is_logarithmic = bool(numbers) and min(numbers) > 0 and max(numbers) / min(numbers) >= LOGARITHMIC
    for number, (name, of_line) in enumerate(lines.items()):
        shift = (number - (len(lines) - 1) / 2) * 0.012
        _draw_line(axes, of_line, along, places, (name, number), (shift, is_logarithmic, bool(numbers)))
    if is_logarithmic:
        axes.set_xscale("log")
    axes.set_xticks(list(places.values()), list(places))
    axes.minorticks_off()
    axes.set(xlabel=along, ylabel=metric, title=f"{matrix.name}: mean and 95% interval over {matrix.replicate_word}s")
    axes.grid(alpha=0.3)
    if any(lines):
        axes.legend(fontsize=8)
    return figure


def _draw_line(
    axes: Axes,
    rows: Sequence[Row],
    along: str,
    places: dict[str, float],
    line: tuple[str, int],
    how: tuple[float, bool, bool],
) -> None:
    (name, number), (shift, is_logarithmic, is_joined) = line, how
    span = max(places.values()) - min(places.values()) or 1.0
    x = [places[row.cell.values.get(along, "")] for row in rows]
    x = [place * (1 + 2 * shift) if is_logarithmic else place + shift * span for place in x]
    means = [row.mean.value for row in rows]
    # One seed alone has no interval.
    reach = [0.0 if math.isnan(row.mean.upper) else row.mean.upper - row.mean.value for row in rows]
    axes.errorbar(
        x,
        means,
        yerr=reach,
        label=name,
        capsize=3,
        marker=MARKERS[number % len(MARKERS)],
        color=COLOURS_LIGHT[number % len(COLOURS_LIGHT)],
        linestyle="-" if is_joined else "none",
    )


def _factor_along(matrix: Matrix) -> str:
    names = list(matrix.factors)
    numeric = [factor for factor in names if _numbers(matrix.factors[factor]) and len(matrix.factors[factor]) > 1]
    return (numeric or names or [""])[-1]


def _numbers(names: Sequence[str]) -> list[float]:
    """The names as numbers; empty where one is none."""
    try:
        return [float(name) for name in names]
    except ValueError:
        return []


def log_study(results: Results, folder: Path, files: Sequence[Path]) -> str:
    """Log tables and pictures to a run of the study's name, under which MLflow shows the runs of its cells.

    The parent is made when the study is first logged, in the experiment of its cells; later it goes on in the same run.

    Returns:
        What was done, in a sentence.

    Raises:
        TrackingError: the store refuses.
    """
    from app.tracking import Run
    from app.tracking.stored import run_of_folder

    found = [run_of_folder(path) for path in sorted(folder.glob("cells/*/*"))]
    cells = [cell for cell in found if cell is not None]
    if not cells:
        return "no run of a cell is in MLflow: nothing logged"
    with Run(cells[0].experiment, results.matrix.name, folder=folder, resume=_earlier(folder)) as run:
        run.tags({"workflow": "study", "frugal.study": results.matrix.name})
        for row in results.rows:
            if not math.isnan(row.mean.value):
                run.metrics({f"{row.metric}.{row.cell.name}": row.mean.value}, step=0)
        for path in files:
            run.artifact(path)
        parent, name = run.id, run.name
    for cell in cells:
        cell.add({}, {"mlflow.parentRunId": parent})
    return f"logged to run {name} ({parent})"


def _earlier(folder: Path) -> str | None:
    """The id of the run that the study was logged to before; None where there is none, or none is known any more."""
    from app.tracking import TrackingError
    from app.tracking.stored import head_of_folder

    try:
        head = head_of_folder(folder, "A new run is opened for the study.")
    except TrackingError as error:
        logger.warning(str(error))
        return None
    return head["run"] if head else None
