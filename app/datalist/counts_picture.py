"""Draw what a section holds as bars: labels by finding, located images, and findings that occur together."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from app.datalist.holdings import FindingHoldings, SectionHoldings

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {
    "present": "#b2182b",
    "certainty": "#ef8a62",
    "uncertain": "#fddbc7",
    "not said": "#d9d9d9",
    "absent": "#67a9cf",
}
_WRITTEN = 8
"""Findings up to which the shares of pairs are written as numbers."""
_LONGEST = 28
"""Characters of a finding's name."""
_LOCATIONS = {"boxes": "#4d9221", "masks": "#a1d76a"}


def most_frequent(part: SectionHoldings, count: int) -> SectionHoldings:
    """A section with the findings that most is said of (present, uncertain, a certainty, located), in their order."""

    def said(counts: FindingHoldings) -> int:
        return sum(counts.states[state] for state in ("present", "uncertain", "certainty")) + counts.located

    chosen = sorted(part.findings, key=lambda finding: said(part.findings[finding]), reverse=True)[:count]
    return replace(part, findings={name: counts for name, counts in part.findings.items() if name in chosen})


def draw_states(axes: Axes, part: SectionHoldings) -> None:
    """Draw the shares of the states of each finding's label, with the number of images where it is present."""
    findings = list(part.findings)
    left = [0.0] * len(findings)
    states = [state for state in _COLOURS if any(count.states[state] for count in part.findings.values())]
    for state in states:
        shares = [part.findings[finding].states[state] / part.images for finding in findings]
        axes.barh(findings, shares, left=left, color=_COLOURS[state], label=state)
        left = [start + share for start, share in zip(left, shares, strict=True)]
    for row, finding in enumerate(findings):
        axes.text(0.98, row, str(part.findings[finding].states["present"]), ha="right", va="center", fontsize=7)
    axes.set(xlabel="labels: share of images (number: present)", xlim=(0, 1))
    _finish(axes, findings)


def draw_located(axes: Axes, part: SectionHoldings) -> None:
    """Draw the numbers of boxes and masks of each finding."""
    findings = list(part.findings)
    left = [0] * len(findings)
    for kind, colour in _LOCATIONS.items():
        counts = [getattr(part.findings[finding], kind) for finding in findings]
        if any(counts):
            axes.barh(findings, counts, left=left, color=colour, label=kind)
        left = [start + count for start, count in zip(left, counts, strict=True)]
    for row, (finding, end) in enumerate(zip(findings, left, strict=True)):
        located = part.findings[finding].located
        axes.text(end, row, f" {located}" if located else "", va="center", fontsize=7)
    axes.set(xlabel="locations: boxes and masks (number: images with one)", xlim=(0, 1.15 * max(left)))
    _finish(axes, findings)


def draw_pairs(axes: Axes, findings: Sequence[str], matrix: Sequence[Sequence[int]]) -> None:
    """Draw how often findings occur together (:func:`app.datalist.holdings.co_occurrence`), as a share of the row's."""
    shares = [[count / row[index] if row[index] else 0.0 for count in row] for index, row in enumerate(matrix)]
    axes.imshow(shares, vmin=0, vmax=1, cmap="magma_r", aspect="auto")
    if len(findings) <= _WRITTEN:
        for row, column in itertools.product(range(len(findings)), repeat=2):
            share = shares[row][column]
            colour = "white" if share > 0.5 else "black"
            axes.text(column, row, f"{share:.0%}", ha="center", va="center", fontsize=7, color=colour)
    ticks = range(len(findings))
    names = [_shortened(finding) for finding in findings]
    axes.set_xticks(ticks, names, rotation=90)
    axes.set_yticks(ticks, names)
    axes.tick_params(labelsize=7)
    axes.set_title("Of the images with (row), share with (column) too", fontsize=7)


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 3]}..."


def _finish(axes: Axes, findings: Sequence[str]) -> None:
    axes.set_yticks(range(len(findings)), [_shortened(finding) for finding in findings])
    axes.invert_yaxis()
    axes.tick_params(labelsize=7)
    axes.xaxis.label.set_fontsize(7)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            fontsize=7,
            loc="lower center",
            bbox_to_anchor=(0.5, 1.0),
            ncols=5,
            frameon=False,
            columnspacing=1,
            handlelength=1,
        )
