"""Show what a datalist holds: as a summary, as a table for a terminal, and as a CSV table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.datalist.holdings import STATES, FindingHoldings, SectionHoldings, co_occurrence, holdings
from app.datalist.item import FLOW, SECTIONS, Datalist
from evaluation.cells import csv_text

_LOCATIONS = ("located", "nowhere", "boxes", "masks")


def summary(datalist: Datalist) -> str:
    """Items and patients by section, and the counts of what was included and left out when it was made."""
    lines = [f"{datalist.name}: {datalist.description}", section_lines(datalist)]
    counts = datalist.provenance.get("counts")
    if isinstance(counts, dict):
        lines += [f"  {what}: {count}" for what, count in counts.items()]
    unmapped = datalist.provenance.get("unmapped")
    if isinstance(unmapped, dict) and unmapped:
        named = ", ".join(f"{name} {count}" for name, count in unmapped.items())
        lines.append(f"  Labels that are no finding of the vocabulary, with how often they occur: {named}")
    for what, facts in datalist.provenance.items():
        if isinstance(facts, list) and what != FLOW:  # the counts say it already
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


def holdings_csv(datalist: Datalist) -> str:
    """One row per finding and section that is not empty, and one per finding for the sections together.

    Columns are ``finding``, ``section`` (or ``all``), images by state of their label (``not_said`` in one word), and
    what is located.
    """
    columns = [state.replace(" ", "_") for state in STATES] + list(_LOCATIONS)
    lines: list[list[object]] = [["finding", "section", *columns]]
    held = holdings(datalist)
    for finding in datalist.findings:
        rows = {section: _numbers(part.findings[finding], STATES) for section, part in held.items()}
        rows["all"] = [sum(row[index] for row in rows.values()) for index in range(len(columns))]
        lines += [[finding, section, *numbers] for section, numbers in rows.items()]
    return csv_text(lines)


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
            numbers = _numbers(part.findings[finding], states)
            yield [finding if index == 0 else "", section, *map(str, numbers)]


def _numbers(counts: FindingHoldings, states: Sequence[str]) -> list[int]:
    return [counts.states[state] for state in states] + [getattr(counts, name) for name in _LOCATIONS]


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
