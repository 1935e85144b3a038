"""How good readers are, as a text, as a table to keep, and with warnings of what it cannot tell."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from evaluation.cells import csv_text

if TYPE_CHECKING:
    from app.annotations.reader_skill import Readings
    from evaluation.cases import Interval
    from evaluation.reader_skill import ReaderSkill

FEW = 10
"""A sensitivity that rests on fewer images with the finding is marked, and so is a specificity on fewer without."""
NEEDED = 3
"""Readers an image that the model needs."""
COLUMNS = (
    *("finding", "reader", "read", "said_present", "expected_present"),
    *(f"{name}{limit}" for name in ("sensitivity", "specificity", "prevalence") for limit in ("", "_lower", "_upper")),
)
_ROW = "  {:{width}}  {:>6}  {:>12}  {:>16}  {:24}  {}"


def skill_text(readings: Readings, skills: Sequence[ReaderSkill]) -> str:
    """A table a finding, one line a reader, and the warnings below."""
    width = max(map(len, ("reader", *readings.readers)))
    lines = [
        "How good each reader is, as far as their agreement tells (Dawid and Skene's model, 95% intervals). This is no "
        "truth: what all readers miss counts as absent."
    ]
    for index, (finding, skill) in enumerate(zip(readings.findings, skills, strict=True)):
        lines.append(f"{finding}: probably in {_percent(skill.prevalence)} of images")
        head = ("reader", "read", "said present", "probably present", "sensitivity", "specificity")
        lines.append(_ROW.format(*head, width=width))
        for reader, name in enumerate(readings.readers):
            present = float(skill.present[reader])
            cells = (
                _with_mark(skill.sensitivity[reader], present),
                _with_mark(skill.specificity[reader], float(skill.read[reader]) - present),
            )
            counts = int(skill.read[reader]), _said_present(readings, index, reader), f"{present:.1f}"
            lines.append(_ROW.format(name, *counts, *cells, width=width).rstrip())
    return "\n".join([*lines, *(f"Warning: {warning}" for warning in skill_warnings(readings, skills))])


def skill_csv(readings: Readings, skills: Sequence[ReaderSkill]) -> str:
    """One row a finding and reader, with `COLUMNS` and all digits; what a reader said nothing of is empty."""
    rows: list[Sequence[object]] = [COLUMNS]
    for index, (finding, skill) in enumerate(zip(readings.findings, skills, strict=True)):
        for reader, name in enumerate(readings.readers):
            counts = int(skill.read[reader]), _said_present(readings, index, reader), float(skill.present[reader])
            intervals = skill.sensitivity[reader], skill.specificity[reader], skill.prevalence
            values = [value for each in intervals for value in (each.value, each.lower, each.upper)]
            rows.append([finding, name, *counts, *values])
    return csv_text(rows)


def skill_warnings(readings: Readings, skills: Sequence[ReaderSkill]) -> list[str]:
    """What the numbers rest on too little to be believed, in words."""
    warnings = [*_of_few_readers(readings, skills), *_of_contrary_readers(readings, skills)]
    warnings += [
        f"{finding}: the estimate did not settle."
        for finding, skill in zip(readings.findings, skills, strict=True)
        if not skill.converged
    ]
    counts = [
        min(present, read - present)
        for skill in skills
        for present, read in zip(skill.present.tolist(), skill.read.tolist(), strict=True)
        if read
    ]
    marked = sum(count < FEW for count in counts)
    if marked:
        warnings.append(
            f"numbers with * rest on fewer than {FEW} images ({marked} of {len(counts)} pairs of reader and finding); "
            "trust their intervals only."
        )
    return warnings


def _of_few_readers(readings: Readings, skills: Sequence[ReaderSkill]) -> list[str]:
    findings_of = defaultdict[tuple[int, int], list[str]](list)
    for finding, skill in zip(readings.findings, skills, strict=True):
        few = (skill.readers > 0) & (skill.readers < NEEDED)
        findings_of[int(few.sum()), int((skill.readers > 0).sum())].append(finding)
    return [
        f"{', '.join(findings)}: {few} of {read} images were read by fewer than {NEEDED}; where two disagree, nothing "
        "tells who is right, and the prior decides."
        for (few, read), findings in findings_of.items()
        if few
    ]


def _of_contrary_readers(readings: Readings, skills: Sequence[ReaderSkill]) -> list[str]:
    return [
        f"{finding}: {reader} says present where others say absent, more often than by chance. Check whether these "
        "labels are the wrong way round."
        for finding, skill in zip(readings.findings, skills, strict=True)
        for reader, one, two in zip(readings.readers, skill.sensitivity, skill.specificity, strict=True)
        if one.upper + two.upper < 1
    ]


def _said_present(readings: Readings, finding: int, reader: int) -> int:
    return int((readings.values[finding, :, reader] == 1).sum())


def _with_mark(interval: Interval, images: float) -> str:
    if math.isnan(interval.value):
        return "-"
    mark = " *" if images < FEW else ""
    return f"{interval.value:.3f} ({interval.lower:.3f} to {interval.upper:.3f}){mark}"


def _percent(interval: Interval) -> str:
    if math.isnan(interval.value):
        return "an unknown share"
    return f"{interval.value:.1%} ({interval.lower:.1%} to {interval.upper:.1%})"
