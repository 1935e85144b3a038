"""The report of a run as one self-contained HTML page, without anything that identifies a patient."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from app.comparing.run_files import RunFiles
from app.files.own_json import read_record
from app.pages import numbers, page
from app.reporting.group_tables import group_parts
from app.reporting.metric_tables import MetricValue, headlines, metric_parts, metric_values
from app.tracking import StoredRun
from app.tracking.names import flatten
from evaluation import PredictionTable, area_covariance, auc_intervals, macro_auc_interval, read_predictions

PICTURES = {
    "curves.png": "ROC and precision-recall curves.",
    "score_distributions.png": "Scores of present and of absent cases.",
    "reliability.png": "Calibration: how often a finding was present at each score.",
    "history.png": "Losses and validation measures by epoch.",
}
HISTORY = "history.png"
CASE = "cases_"
CASES = (
    "Best, typical and worst present cases of each finding, and false alarms. Red: the network's map if the finding "
    "was called, and its outline at the threshold; green: the annotation. Cases are numbered by their position in the "
    "section of the datalist, from 0."
)
DATA = "data.json"
"""Facts about a run's data."""
PROVENANCE = "provenance."
PACKAGES = ("python", "torch", "monai", "pytorch-ignite", "numpy", "mlflow", "pydicom", "opencv-python-headless")
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
    table = read_predictions(files.predictions)
    metrics, settings, pictures = _metrics(files, table), files.settings(), files.pictures()
    values = list(metric_values(metrics))
    section = str(metrics.get("section", settings.get("section", "")))
    patients = numbers.counted(len(np.unique(table.patient)), "patient")
    cases = f"{section} section, " * bool(section) + f"{numbers.counted(len(table.image), 'image')} of {patients}"
    path = files.file(DATA)
    data = {} if path is None else flatten(read_record(path, "facts about a run's data", "The report can do without."))
    warnings = [str(text) for text in metrics.get("warnings", [])]
    sections = [
        page.tiles([*headlines(values), ("Cases", f"{len(table.image):,}", f"of {patients}")]),
        page.section("Data and split", _data(data, cases, files.problem)),
        page.section("What it reached", _reached(metrics, values)),
        *_pictures("Curves", pictures, _curves(pictures)),
        page.section("Subgroups", group_parts(table, warnings)),
        *_pictures("Cases", pictures, [name for name in pictures if name.startswith(CASE)], [CASES]),
        *_pictures("Training", pictures, [name for name in pictures if name == HISTORY]),
        page.section("Run and settings", _settings(files, settings)),
    ]
    return page.page(f"Report of {files.name}", cases, sections)


def _metrics(files: RunFiles, table: PredictionTable) -> dict[str, Any]:
    path = files.file("metrics.json")
    if path is not None:
        return read_record(path, "the results of a run", "Evaluate the model again.")
    areas = auc_intervals(table.rank, table.label, table.patient)
    entries = {name: asdict(area) for name, area in zip(table.findings, areas, strict=True)}
    macro = macro_auc_interval(area_covariance(table.rank, table.label, table.patient))
    return {"auc": entries | {"macro": asdict(macro)}}


def _data(data: Mapping[str, str], cases: str, problem: str) -> list[str]:
    """Facts about the data, as the run recorded them."""
    measured = ("measured here", cases)
    if not data:
        missing = "The data is recorded with the run in MLflow, and no run is known here"
        reason = f" ({problem})" if problem else ""
        return [page.facts([measured]), page.note(f"{missing}{reason}. Name the run instead to see its data.")]
    facts: dict[str, list[tuple[str, str]]] = {"about": [], "split": [], "rest": []}
    for name, value in data.items():
        origin = name.removeprefix(PROVENANCE)
        group = "about" if origin == name else "split" if origin.partition(".")[0] == "split" else "rest"
        facts[group].append((_plain(origin), value))
    parts: list[str] = [page.facts([*facts["about"], *facts["split"], measured])]
    if facts["rest"]:
        parts.append(page.folded("How the data was made, and what was left out", page.facts(facts["rest"])))
    return parts


def _reached(metrics: Mapping[str, Any], values: Sequence[MetricValue]) -> list[Markup]:
    """Metrics, after a warning if thresholds or weights were chosen on these very cases."""
    regions, thresholds = (_as_dict(metrics.get(key)) for key in ("regions", "thresholds"))
    warning = [page.note(str(thresholds["warning"]), "warning")] if "warning" in thresholds else []
    facts = [(_plain(name), str(text)) for name, text in regions.items()]
    facts += [("thresholds", str(thresholds["chosen_on"]))] if "chosen_on" in thresholds else []
    summary = "How regions were measured, and where thresholds come from"
    return [*warning, *metric_parts(values), *([page.folded(summary, page.facts(facts))] if facts else [])]


def _curves(pictures: Mapping[str, Path]) -> list[str]:
    """Pictures that are neither cases nor of the training; those with a known caption first."""
    names = [name for name in pictures if not name.startswith(CASE) and name != HISTORY]
    return [*(name for name in PICTURES if name in names), *sorted(set(names) - PICTURES.keys())]


def _pictures(
    heading: str, pictures: Mapping[str, Path], names: Sequence[str], intro: Sequence[str] = ()
) -> list[Markup]:
    shown = [page.picture(pictures[name].read_bytes(), PICTURES.get(name) or _caption(name)) for name in names]
    return [page.section(heading, [*intro, *shown])] if shown else []


def _settings(files: RunFiles, settings: Mapping[str, str]) -> list[str]:
    parts: list[str] = [page.facts([("from", files.word)])] if files.run is None else _run(files.run)
    if settings:
        parts.append(page.folded(numbers.counted(len(settings), "setting"), page.facts(settings.items())))
    return parts


def _run(run: StoredRun) -> list[str]:
    started = datetime.fromtimestamp(run.started, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
    took = "not ended" if math.isnan(run.seconds) else f"{run.seconds / 60:.1f} minutes"
    about = [("run", f"{run.name} ({run.id})"), ("experiment", run.experiment), ("status", run.status)]
    about += [("started", started), ("took", took)]
    code = [(name, run.tags[tag]) for tag, name in CODE.items() if tag in run.tags]
    versions = [(name, run.tags[f"frugal.{name}"]) for name in PACKAGES if f"frugal.{name}" in run.tags]
    parts: list[str] = [page.facts([*about, *code])]
    return [*parts, page.folded("Versions", page.facts(versions))] if versions else parts


def _caption(name: str) -> str:
    return name.removeprefix(CASE).removesuffix(".png").replace("_", " ").capitalize()


def _plain(name: str) -> str:
    return name.replace("_", " ").replace(".", ": ")


def _as_dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
