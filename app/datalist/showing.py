"""Show what a datalist holds: as a summary, as a table for a terminal, and as a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.datalist.holdings import STATES, SectionHoldings, co_occurrence, holdings
from app.datalist.item import SECTIONS, Datalist
from app.files.atomic import write_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {
    "present": "#b2182b",
    "certainty": "#ef8a62",
    "uncertain": "#fddbc7",
    "not said": "#d9d9d9",
    "absent": "#67a9cf",
}
_LOCATIONS = ("located", "nowhere", "boxes", "masks")


def summary(datalist: Datalist) -> str:
    """Items and patients by section, and the counts of what was included and left out when it was made."""
    lines = [f"{datalist.name}: {datalist.description}", section_lines(datalist)]
    counts = datalist.provenance.get("counts")
    if isinstance(counts, dict):
        lines += [f"  {what}: {count}" for what, count in counts.items()]
    unmapped = datalist.provenance.get("unmapped")
    if isinstance(unmapped, dict):
        named = ", ".join(f"{name} {count}" for name, count in unmapped.items())
        lines.append(f"  Labels that are no finding of the vocabulary, with how often they occur: {named}")
    for what in ("columns not used", "degraded"):
        facts = datalist.provenance.get(what)
        if isinstance(facts, list):
            lines.append(f"  {what}: {'; '.join(map(_in_words, facts))}")
    return "\n".join(lines)


def section_lines(datalist: Datalist) -> str:
    """One line for each section, and one for all that are empty."""
    held = holdings(datalist)
    lines = []
    for section, part in held.items():
        boxes = sum(finding.boxes for finding in part.findings.values())
        masks = sum(finding.masks for finding in part.findings.values())
        views = ", ".join(f"{view} {count}" for view, count in part.views.items())
        lines.append(
            f"  {section}: {part.images} images of {part.patients} patients in {part.studies} studies, "
            f"{boxes} boxes, {masks} masks; views: {views}"
        )
    empty = ", ".join(section for section in SECTIONS if section not in held)
    return "\n".join([*lines, *([f"  nothing in: {empty}"] if empty else [])])


def table(datalist: Datalist) -> str:
    """The summary, then each finding by section, then how often findings occur together."""
    held = holdings(datalist)
    parts = [summary(datalist), *_contradictions(datalist.findings, held)]
    if held:
        parts += ["", *_aligned(list(_finding_rows(datalist.findings, held)))]
    if len(datalist.findings) > 1:
        parts += ["", "Images with both findings present:", *_aligned(list(_pair_rows(datalist)))]
    return "\n".join(parts)


def draw(datalist: Datalist, path: Path) -> None:
    """Draw a picture, in the format of the file's suffix.

    It shows each section's labels by finding, located images by finding, and co-occurrence as a share of the row's
    finding.
    """
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams["text.parse_math"] = False  # names of findings may contain $
    held = holdings(datalist)
    height = 2.2 + 0.3 * len(datalist.findings)
    figure = Figure(figsize=(4.2 * (len(held) + 2), height), layout="constrained")
    axes = figure.subplots(1, len(held) + 2, squeeze=False)[0]
    for index, (axis, (section, part)) in enumerate(zip(axes, held.items(), strict=False)):
        _draw_states(axis, section, part, is_first=index == 0)
    _draw_located(axes[-2], datalist.findings, held)
    _draw_pairs(axes[-1], datalist)
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False)
    figure.suptitle(datalist.name)
    write_figure(path, figure, dpi=110)


def _in_words(fact: object) -> str:
    if not isinstance(fact, dict):
        return str(fact)
    return ", ".join(f"{name} {_in_words(value)}" for name, value in fact.items())


def _contradictions(findings: Sequence[str], held: dict[str, SectionHoldings]) -> Iterator[str]:
    for name, text in (
        ("present_nowhere", "labelled present but annotated as nowhere"),
        ("absent_located", "labelled absent but located"),
    ):
        counts = {each: sum(getattr(part.findings[each], name) for part in held.values()) for each in findings}
        listed = ", ".join(f"{finding} {count}" for finding, count in counts.items() if count)
        if listed:
            yield f"  Note: images {text}: {listed}"


def _finding_rows(findings: Sequence[str], held: dict[str, SectionHoldings]) -> Iterator[list[str]]:
    has_certainty = any(counts.states["certainty"] for part in held.values() for counts in part.findings.values())
    states = [state for state in STATES if state != "certainty" or has_certainty]
    yield ["finding", "section", *states, *_LOCATIONS]
    for finding in findings:
        for index, (section, part) in enumerate(held.items()):
            counts = part.findings[finding]
            numbers = [counts.states[state] for state in states] + [getattr(counts, name) for name in _LOCATIONS]
            yield [finding if index == 0 else "", section, *map(str, numbers)]


def _pair_rows(datalist: Datalist) -> Iterator[list[str]]:
    """Columns are numbered like the rows, so that many findings fit on a terminal."""
    yield ["", *(str(number) for number in range(1, len(datalist.findings) + 1))]
    for number, (finding, row) in enumerate(zip(datalist.findings, co_occurrence(datalist), strict=True), start=1):
        yield [f"{number} {finding}", *map(str, row)]


def _aligned(rows: list[list[str]]) -> Iterator[str]:
    """Columns of words are aligned to the left, columns of numbers to the right."""
    columns = list(zip(*rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    aligns = [">" if any(cell.isdigit() for cell in column[1:]) else "<" for column in columns]
    for row in rows:
        cells = zip(row, aligns, widths, strict=True)
        yield "  ".join(f"{cell:{align}{width}}" for cell, align, width in cells).rstrip()


def _draw_states(axis: Axes, section: str, part: SectionHoldings, is_first: bool) -> None:
    findings = list(part.findings)
    left = [0.0] * len(findings)
    for state, colour in _COLOURS.items():
        shares = [part.findings[finding].states[state] / part.images for finding in findings]
        axis.barh(findings, shares, left=left, color=colour, label=state)
        left = [start + share for start, share in zip(left, shares, strict=True)]
    for row, finding in enumerate(findings):
        axis.text(0.98, row, str(part.findings[finding].states["present"]), ha="right", va="center", fontsize=7)
    title = f"{section}: {part.images} images,\n{part.patients} patients"
    axis.set(title=title, xlabel="share (number: present)", xlim=(0, 1))
    axis.invert_yaxis()
    if not is_first:
        axis.set_yticklabels([])


def _draw_located(axis: Axes, findings: Sequence[str], held: dict[str, SectionHoldings]) -> None:
    left = [0] * len(findings)
    for section, part in held.items():
        counts = [part.findings[finding].located for finding in findings]
        axis.barh(list(findings), counts, left=left, label=section)
        left = [start + count for start, count in zip(left, counts, strict=True)]
    axis.set(title="located images", xlabel="images with a box or a mask")
    axis.legend(fontsize=7)
    axis.invert_yaxis()
    axis.set_yticklabels([])


def _draw_pairs(axis: Axes, datalist: Datalist) -> None:
    matrix = co_occurrence(datalist)
    shares = [[count / row[index] if row[index] else 0.0 for count in row] for index, row in enumerate(matrix)]
    axis.imshow(shares, vmin=0, vmax=1, cmap="magma_r", aspect="auto")
    ticks = range(len(datalist.findings))
    axis.set_xticks(ticks, datalist.findings, rotation=90, fontsize=7)
    axis.set_yticks(ticks, datalist.findings, fontsize=7)
    axis.set(title="of the images with (row),\nshare with (column) too")
