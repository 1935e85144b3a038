"""The report of a run: a document without anything that identifies a patient."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from app.comparing.run_files import RunFiles
from app.pages import numbers
from app.pages.document import Document, Facts, Folded, Heading, Note, Part, Picture, Section, Table, Tiles, as_page
from app.reporting.checklist import Checklist, filled
from app.reporting.claim_2024 import CLAIM_2024
from app.reporting.facts import facts_of
from app.reporting.flow import flow_of, flow_parts
from app.reporting.flow_picture import flow_svg
from app.reporting.gaps import called_findings, gap_parts
from app.reporting.group_tables import group_parts
from app.reporting.method_facts import PACKAGES
from app.reporting.metric_tables import MetricValue, headlines, metric_parts, metric_values
from app.reporting.model_card import MODEL_CARD
from app.reporting.run_record import RunRecord, as_dict, read_run
from app.reporting.stard_ai import STARD_AI
from app.reporting.table_one import table_one_parts
from app.reporting.tripod_ai import TRIPOD_AI
from app.tracking import StoredRun
from app.tracking.names import flatten

CHECKLISTS: tuple[Checklist, ...] = (CLAIM_2024, STARD_AI, TRIPOD_AI, MODEL_CARD)
PICTURES = {
    "curves.png": "ROC and precision-recall curves.",
    "score_distributions.png": "Scores of present and of absent cases.",
    "reliability.png": "Calibration: how often a finding was present at each score.",
    "decision_curves.png": (
        "Decision curves: the net benefit of acting on a score, by the probability from which one would act, against "
        "acting on everybody or on nobody."
    ),
    "history.png": "Losses and validation measures by epoch.",
}
HISTORY = "history.png"
CASE = "cases_"
CASES = (
    "Best, typical and worst present cases of each finding, and false alarms. Red: the network's map if the finding "
    "was called, and its outline at the threshold; green: the annotation. Cases are numbered by their position in the "
    "section of the datalist, from 0."
)
PROVENANCE = "provenance."
ELSEWHERE = (
    *("provenance.counts.", "provenance.flow", "provenance.split.fingerprint", "sections.", "workflow"),
    *("training_items", "validation_items", "test_items"),
)
"""Beginnings of names of facts about the data that the report shows elsewhere."""
CODE = {
    "workflow": "workflow",
    "frugal.version": "FrugalCXR",
    "mlflow.source.git.commit": "commit",
    "frugal.git_changed": "code changed since the commit",
}


def report_page(files: RunFiles) -> str:
    """The whole page about a run.

    Metrics are those of ``metrics.json``; without it, areas are measured from the predictions.

    Raises:
        ValueError: A file of the run cannot be read.
    """
    return as_page(report(read_run(files)))


def report(record: RunRecord) -> Document:
    """Everything about a run: its data, results, subgroups, cases, settings, and what checklists ask for."""
    values = list(metric_values(record.metrics))
    patients = numbers.counted(record.patients, "patient")
    cases = f"{numbers.counted(len(record.table.image), 'image')} of {patients}"
    cases = f"{record.section} section, {cases}" if record.section else cases
    pictures = record.files.pictures()
    flow = flow_of(record)
    diagram = Picture("flow.svg", flow_svg(flow), "Flow of cases, from the tables to those that were measured.")
    sections = [
        Section("Data and split", _data(record, cases)),
        Section("Flow of cases", [diagram, *flow_parts(flow)]),
        Section("Who the patients are", table_one_parts(record)),
        Section("What it reached", _reached(record, values)),
        *_pictures("Curves", pictures, _curves(pictures)),
        Section("Subgroups", [*group_parts(record.table, record.warnings), *gap_parts(record)]),
        *_pictures("Cases", pictures, [name for name in pictures if name.startswith(CASE)], [CASES]),
        *_pictures("Training", pictures, [name for name in pictures if name == HISTORY]),
        Section("Run and settings", _settings(record)),
        Section("Model card and checklists", _checklists(record)),
    ]
    tiles = Tiles([*headlines(values), ("Cases", f"{len(record.table.image):,}", f"of {patients}")])
    return Document(f"Report of {record.files.name}", cases, sections, tiles)


def checklists(record: RunRecord) -> dict[str, Document]:
    """Each checklist, and the model card, as a document, by the name of its file."""
    facts = facts_of(record)
    return {each.key: filled(each, facts, record.files.name) for each in CHECKLISTS}


def _data(record: RunRecord, cases: str) -> list[Part]:
    """Facts about the data, as the run recorded them."""
    measured = ("measured here", cases)
    if not record.data:
        missing = "The data is recorded with the run in MLflow, and no run is known here"
        reason = f" ({record.files.problem})" if record.files.problem else ""
        return [Facts([measured]), Note(f"{missing}{reason}. Name the run instead to see its data.", "plain")]
    facts: dict[str, list[tuple[str, str]]] = {"about": [], "split": [], "rest": []}
    for name, value in flatten(record.data).items():
        if name.startswith(ELSEWHERE):
            continue
        origin = name.removeprefix(PROVENANCE)
        group = "about" if origin == name else "split" if origin.partition(".")[0] == "split" else "rest"
        facts[group].append((_plain(origin), value))
    parts: list[Part] = [Facts([*facts["about"], *facts["split"], measured])]
    if facts["rest"]:
        parts.append(Folded("How the data was made", [Facts(facts["rest"])]))
    return parts


def _reached(record: RunRecord, values: Sequence[MetricValue]) -> list[Part]:
    """Metrics, after a warning if thresholds or weights were chosen on these very cases."""
    regions, thresholds = (as_dict(record.metrics.get(key)) for key in ("regions", "thresholds"))
    warning = [Note(str(thresholds["warning"]), "warning")] if "warning" in thresholds else []
    facts = [(_plain(name), str(text)) for name, text in regions.items()]
    facts += [("thresholds", f"chosen on {thresholds['chosen_on']}")] if "chosen_on" in thresholds else []
    facts += [("thresholds of scores", str(thresholds["chosen_for"]))] if "chosen_for" in thresholds else []
    summary = "How regions were measured, and where thresholds come from"
    folded = [Folded(summary, [Facts(facts)])] if facts else []
    return [*warning, *metric_parts(values), *_cross_table(record), *folded]


def _cross_table(record: RunRecord) -> Iterator[Part]:
    """What was called against what is present, at the run's own thresholds."""
    rows = []
    for finding, called in called_findings(record).items():
        label = record.table.label[:, record.table.findings.index(finding)]
        counts = [int((side & (label == value)).sum()) for value in (1, 0) for side in (called, ~called)]
        rows.append((finding, *(f"{count:,}" for count in counts)))
    if rows:
        head = ("finding", "present, called", "present, not called", "absent, called", "absent, not called")
        yield Heading("Called against present")
        yield Table(head, rows)


def _checklists(record: RunRecord) -> list[Part]:
    parts: list[Part] = [
        "What the run's record answers of each item, and what is left for you. frugal report --hand-in DIR writes each "
        "as a file of its own, to be completed."
    ]
    for document in checklists(record).values():
        inner: list[Part] = [document.subtitle]
        for section in document.sections:
            inner += [Heading(section.heading), *section.parts]
        parts.append(Folded(document.title, inner))
    return parts


def _curves(pictures: Mapping[str, Path]) -> list[str]:
    """Pictures that are neither cases nor of the training; those with a known caption first."""
    names = [name for name in pictures if not name.startswith(CASE) and name != HISTORY]
    return [*(name for name in PICTURES if name in names), *sorted(set(names) - PICTURES.keys())]


def _pictures(
    heading: str, pictures: Mapping[str, Path], names: Sequence[str], intro: Sequence[str] = ()
) -> list[Section]:
    shown = [Picture(name, pictures[name].read_bytes(), PICTURES.get(name) or _caption(name)) for name in names]
    return [Section(heading, [*intro, *shown])] if shown else []


def _settings(record: RunRecord) -> list[Part]:
    files = record.files
    parts: list[Part] = [Facts([("from", files.word)])] if files.run is None else _run(files.run)
    if record.settings:
        summary = numbers.counted(len(record.settings), "setting")
        parts.append(Folded(summary, [Facts(list(record.settings.items()))]))
    return parts


def _run(run: StoredRun) -> list[Part]:
    started = datetime.fromtimestamp(run.started, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
    took = "not ended" if math.isnan(run.seconds) else f"{run.seconds / 60:.1f} minutes"
    about = [("run", f"{run.name} ({run.id})"), ("experiment", run.experiment), ("status", run.status)]
    about += [("started", started), ("took", took)]
    code = [(name, run.tags[tag]) for tag, name in CODE.items() if tag in run.tags]
    versions = [(name, run.tags[f"frugal.{name}"]) for name in PACKAGES if f"frugal.{name}" in run.tags]
    parts: list[Part] = [Facts([*about, *code])]
    return [*parts, Folded("Versions", [Facts(versions)])] if versions else parts


def _caption(name: str) -> str:
    return name.removeprefix(CASE).removesuffix(".png").replace("_", " ").capitalize()


def _plain(name: str) -> str:
    return name.replace("_", " ").replace(".", ": ")
