"""A picture of how far label sets agree: rows are findings, columns pairs of label sets, colours bands of kappa."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.annotations.agreement import SetsAgreement
from app.files.atomic import write_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {
    "Almost perfect": "#1a9850",
    "Substantial": "#91cf60",
    "Moderate": "#d9ef8b",
    "Fair": "#fee08b",
    "None to slight": "#fc8d59",
    "No agreement": "#d73027",
    "Undefined": "#bdbdbd",
}
"""By the names of Landis and Koch, as Cheplygina et al. use them."""
_DARK = ("Almost perfect", "No agreement")


def draw(pairs: Sequence[SetsAgreement], path: Path) -> None:
    """Draw a picture, in the format of the file's suffix.

    The number of shared images is below the names of the sets. A cell is empty if the two sets do not share the
    finding; a column says so if they share no image. A kappa is undefined if both sets give all images one label.

    Args:
        pairs: The result of :func:`app.annotations.agreement.agreements`.
        path: Of the picture.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    titles = [one.title for pair in pairs for one in pair.findings]
    labels: dict[frozenset[str], str] = {}
    for title in titles:
        labels.setdefault(_row(title), title)
    rows = list(labels)
    width = 2.2 + 0.09 * max(map(len, labels.values()), default=10) + 1.05 * len(pairs)
    figure = Figure(figsize=(max(width, 7.0), 2.6 + 0.34 * max(len(rows), 3)), layout="constrained")
    axes = figure.subplots()
    for column, pair in enumerate(pairs):
        _draw_column(axes, column, pair, rows)
    axes.set(xlim=(-0.5, len(pairs) - 0.5), ylim=(max(len(rows), 1) - 0.5, -0.5))
    axes.set_xticks(range(len(pairs)), [f"{pair.first}\nand {pair.second}\n({pair.shared:,})" for pair in pairs])
    axes.set_yticks(range(len(rows)), list(labels.values()))
    axes.tick_params(length=0, labelsize=8)
    axes.spines[:].set_visible(False)
    axes.set_title("Cohen's kappa (number of shared images)", fontsize=10)
    bands = [Patch(facecolor=colour, label=name) for name, colour in COLOURS.items()]
    figure.legend(handles=bands, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    write_figure(path, figure, dpi=130)


def _draw_column(axes: Axes, column: int, pair: SetsAgreement, rows: Sequence[frozenset[str]]) -> None:
    from matplotlib.patches import Rectangle

    centred: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8}
    if not pair.findings:
        words = "no shared finding" if pair.shared else "no shared images"
        axes.text(column, (len(rows) - 1) / 2, words, rotation=90, color="#555555", **centred)
        return
    for one in pair.findings:
        row, measured = rows.index(_row(one.title)), one.agreement
        axes.add_patch(Rectangle((column - 0.48, row - 0.46), 0.96, 0.92, facecolor=COLOURS[measured.name]))
        value = measured.kappa.value
        colour = "white" if measured.name in _DARK else "black"
        axes.text(column, row, "-" if math.isnan(value) else f"{value:.2f}", color=colour, **centred)


def _row(title: str) -> frozenset[str]:
    """The row of a finding: ``A = B`` and ``B = A`` share one."""
    return frozenset(title.split(" = "))
