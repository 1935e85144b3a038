"""Pictures of a table: the paper's numbers and ours, with rows as lines over columns."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.pages.style import COLOURS
from app.papers.declaration import PrintedTable
from app.papers.results import Measured

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def picture_name(page: Path, table: str, what: str) -> str:
    """The name of a picture beside a page.

    Example:
        >>> picture_name(Path("docs/paper.md"), "Fig. 2", "small")
        'paper_fig_2_small.png'
    """
    return f"{page.stem}_{re.sub(r'[^a-z0-9]+', '_', f'{table} {what}'.lower()).strip('_')}.png"


def short_names(pictures: Sequence[str]) -> list[str]:
    """What tells pictures apart: their names without suffix or, if two share one, the parts of their paths that differ.

    Example:
        >>> short_names(["s/cells/model=A/seed-0/curves.png", "s/cells/model=B/seed-0/curves.png"])
        ['model=A', 'model=B']
        >>> short_names(["s/a/curves.png", "s/b/history.png"])
        ['curves', 'history']
    """
    stems = [Path(picture).stem for picture in pictures]
    if len(set(stems)) == len(stems):
        return stems
    paths = [Path(picture).with_suffix("").parts for picture in pictures]
    differs = [len(set(parts)) > 1 for parts in itertools.zip_longest(*paths)]
    return [", ".join(part for part, is_shown in zip(path, differs, strict=False) if is_shown) for path in paths]


def draw_table(table: PrintedTable, size: str, cells: Mapping[tuple[str, str], Measured]) -> Figure:
    """The paper's numbers, if it prints any, on the left, and one size's with intervals on the right."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams["text.parse_math"] = False  # names are shown as they are
    printed = any(not math.isnan(cell.value) for row in table.rows.values() for cell in row.values())
    figure = Figure(figsize=(11 if printed else 6.5, 4.2), layout="constrained")
    axes = figure.subplots(1, 2 if printed else 1, squeeze=False)[0]
    positions = range(len(table.columns))
    for index, (name, row) in enumerate(table.rows.items()):
        colour = COLOURS[index % len(COLOURS)]
        if printed:
            axes[0].plot(positions, [cell.value for cell in row.values()], marker="o", color=colour, label=name)
        measured = [cells.get((name, column)) for column in table.columns]
        values = [math.nan if each is None else each.interval.value for each in measured]
        above = [0.0 if each is None or math.isnan(each.interval.upper) else each.interval.upper for each in measured]
        error = [max(0.0, top - value) if top else 0.0 for top, value in zip(above, values, strict=True)]
        axes[-1].errorbar(positions, values, yerr=error, marker="o", capsize=3, color=colour, label=name)
    for axis, title in zip(axes, ("paper", size) if printed else (size,), strict=True):
        axis.set_xticks(list(positions), table.columns, rotation=30, ha="right", fontsize=8)
        axis.set(title=f"{table.name}: {title}", ylabel=table.title)
        axis.grid(alpha=0.3)
    axes[-1].legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return figure
