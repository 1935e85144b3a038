"""The flow of cases: from the tables of a data set, through datalist, split and reading, to those measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from app.datalist.holdings import STATES
from app.datalist.item import SECTIONS
from app.findings import NOT_SAID, UNCERTAIN
from app.pages.document import Heading, Note, Part, Table
from app.reporting.run_record import RunRecord, as_dict

LEFT_OUT = "left out"
UNRECORDED = "for reasons that the datalist does not record"


@dataclass(frozen=True)
class Step:
    """Images and patients that remain after a step.

    Attributes:
        what: What they are.
        images: Their number.
        patients: That of their patients; None if it is not known.
        left_out: Images that this step left out, by reason.
    """

    what: str
    images: int
    patients: int | None
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class SectionFlow:
    """A section of the datalist.

    Attributes:
        name: ``training``, ``validation`` or ``test``.
        listed: Its images and patients.
        unreadable: Images that could not be read, and were left out; None if the run does not say.
        findings: By finding, images by state of their label.
    """

    name: str
    listed: Step
    unreadable: int | None
    findings: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Flow:
    """The whole flow.

    Attributes:
        steps: From the tables to the datalist, in order.
        before: What readers of the tables counted themselves: not all of it is a number of images.
        sections: Of the datalist.
        measured: The images and patients that were measured.
        findings: By finding, measured images by state of their label, and patients with and without it.
    """

    steps: Sequence[Step]
    before: Mapping[str, int]
    sections: Sequence[SectionFlow]
    measured: Step
    findings: Mapping[str, Mapping[str, int]]


def flow_of(record: RunRecord) -> Flow:
    """The flow as far as the run's record knows it."""
    sections = _sections(record)
    total = sum(each.listed.images for each in sections)
    counted = [each.listed.patients for each in sections]
    patients = None if None in counted else sum(each or 0 for each in counted)  # no patient is in two sections
    steps = _steps(record)
    if sections and not (steps and (steps[-1].images, steps[-1].patients) == (total, patients)):
        missing = {UNRECORDED: steps[-1].images - total} if steps and steps[-1].images != total else {}
        steps.append(Step("in the datalist", total, patients, missing))
    recorded = {f"{LEFT_OUT}: {reason}" for step in steps for reason in step.left_out}
    counts = as_dict(record.provenance("counts"))
    before = {what: n for what, n in counts.items() if what not in recorded and isinstance(n, int)}
    return Flow(steps, before, sections, _measured_step(record, sections), _measured(record))


def flow_parts(flow: Flow) -> list[Part]:
    """Tables of the steps and of the cases of each finding."""
    rows = [row for step in flow.steps for row in _rows(step)]
    for section in flow.sections:
        rows += _rows(section.listed)
        unread = section.unreadable
        if unread and section.name not in flow.measured.what:
            rows.append((f"{section.name}: could not be read", _minus(unread), ""))
    rows += _rows(flow.measured)
    parts: list[Part] = [Table(("step", "images", "patients"), rows)]
    if flow.before:
        parts.append(Heading("What the readers of the tables counted"))
        parts.append(Table(("", "number"), [(what, f"{count:,}") for what, count in flow.before.items()]))
    return [*parts, *_finding_parts(flow)]


def _finding_parts(flow: Flow) -> list[Part]:
    """Present, absent and unknown cases by section and finding."""
    lost = any(flow.measured.left_out.values())
    others = [each for each in flow.sections if each.findings and (lost or each.name not in flow.measured.what)]
    groups = [(each.name, each.findings) for each in others]
    groups.append((flow.measured.what, flow.findings))
    used = [state for state in STATES if any(c.get(state) for _, findings in groups for c in findings.values())]
    patients = ("present_patients", "absent_patients")
    rows = []
    for name, findings in groups:
        for index, (finding, counts) in enumerate(findings.items()):
            numbers = [f"{counts.get(state, 0):,}" for state in used]
            numbers += [f"{counts[each]:,}" if each in counts else "" for each in patients]
            rows.append(("" if index else name, finding, *numbers))
    head = ("section", "finding", *used, "patients with it", "patients without it")
    reading = (
        "Images by their label, per finding. Uncertain ones, and those of which nobody said anything, are in no "
        "measure of that finding. A patient may have images with and without it."
    )
    return [Heading("Cases of each finding"), Table(head, rows, left=2, group=True), Note(reading)]


def _rows(step: Step) -> list[tuple[str, str, str]]:
    lost = [(f"{LEFT_OUT}: {reason}", _minus(count), "") for reason, count in step.left_out.items() if count]
    patients = "" if step.patients is None else f"{step.patients:,}"
    return [*lost, (step.what, f"{step.images:,}", patients)]


def _minus(count: int) -> str:
    return f"-{count:,}" if count > 0 else f"+{-count:,}"


def _measured_step(record: RunRecord, sections: Sequence[SectionFlow]) -> Step:
    """The cases that were measured, and what left their section before."""
    images, left_out = len(record.table.image), {}
    mine = next((each for each in sections if each.name == record.section), None)
    if mine is not None:
        left_out = {"could not be read": mine.unreadable or 0}
        rest = mine.listed.images - images - sum(left_out.values())
        left_out |= {"for reasons that the run does not record": rest} if rest else {}
    what = f"measured ({record.section} section)" if record.section else "measured"
    return Step(what, images, record.patients, left_out)


def _steps(record: RunRecord) -> list[Step]:
    """The steps of a datalist's provenance; the first one has left out nothing."""
    steps: list[Step] = []
    for each in record.steps:
        patients = each.get("patients")
        what = "remaining" if steps else "listed by the tables"
        known = patients if isinstance(patients, int) else None
        steps.append(Step(what, each["images"], known, as_dict(each.get("left_out"))))
    return steps


def _sections(record: RunRecord) -> list[SectionFlow]:
    excluded = record.unreadable
    sections = []
    for name in SECTIONS:
        about = as_dict(record.sections.get(name))
        images = about.get("images", record.data.get(f"{name}_items"))
        if not isinstance(images, int) or not images:
            continue
        unreadable = excluded.get(name, 0) if excluded is not None and _was_read(record, name) else None
        listed = Step(f"{name} section", images, about.get("patients"))
        sections.append(SectionFlow(name, listed, unreadable, _findings(about)))
    return sections


def _was_read(record: RunRecord, section: str) -> bool:
    return record.workflow == "training" or section == record.section


def _findings(about: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    return {
        name: {state: count for state, count in as_dict(counts).items() if isinstance(count, int)}
        for name, counts in as_dict(about.get("findings")).items()
    }


def _measured(record: RunRecord) -> dict[str, dict[str, int]]:
    table = record.table
    cases = {}
    for column, finding in enumerate(table.findings):
        label = table.label[:, column]
        by_state = {"present": label == 1, "absent": label == 0, "uncertain": label == UNCERTAIN}
        by_state["not said"] = (label == NOT_SAID) | np.isnan(label)
        counts = {state: int(chosen.sum()) for state, chosen in by_state.items()}
        for state in ("present", "absent"):
            counts[f"{state}_patients"] = len(np.unique(table.patient[by_state[state]]))
        cases[finding] = counts
    return cases
