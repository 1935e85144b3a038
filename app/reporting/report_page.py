"""The report of a run as one self-contained HTML page, with nothing on it that identifies a patient."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from app.pages import numbers, page
from app.pages.page import Html
from app.reporting.group_tables import group_parts
from app.reporting.reached import headlines, reached
from app.reporting.report import Report
from app.tracking import StoredRun

PICTURES = {
    "curves.png": "ROC and precision-recall curves.",
    "score_distributions.png": "Scores of present and of absent cases.",
    "reliability.png": "Calibration: how often a finding was present where the score said so.",
    "history.png": "Losses and validation measures by epoch.",
}
CASE = "cases_"
CASES = (
    "Best, typical and worst present cases of each finding. Red: the network's map, and its outline at the threshold; "
    "green: the annotation. Cases are numbered by their place in the section of the datalist, from 0."
)
PROVENANCE = "provenance."
PACKAGES = ("python", "torch", "monai", "pytorch-ignite", "numpy", "mlflow", "pydicom", "opencv-python-headless")
CODE = {
    "workflow": "workflow",
    "frugal.version": "FrugalCXR",
    "mlflow.source.git.commit": "commit",
    "frugal.git_changed": "code changed since the commit",
}


def report_page(report: Report) -> str:
    """The whole page."""
    cases = [name for name in report.pictures if name.startswith(CASE)]
    curves = [name for name in report.pictures if name not in (*cases, "history.png")]
    counted = ("Cases", f"{report.images:,}", f"of {numbers.counted(report.patients, 'patient')}")
    parts = [
        page.tiles([*headlines(report.values), counted]),
        page.section("Data and split", _data(report)),
        page.section("What it reached", [*_warning(report), *reached(report.values), *_how(report)]),
        *_pictures(report, "Curves", sorted(curves, key=_place)),
        page.section("Subgroups", group_parts(report)),
        *_pictures(report, "Cases", cases, CASES),
        *_pictures(report, "Training", ["history.png"]),
        page.section("Run and settings", _settings(report)),
    ]
    return page.page(f"Report of {report.result.name}", _subtitle(report), parts)


def _subtitle(report: Report) -> str:
    section = f"{report.section} section, " if report.section else ""
    return f"{section}{numbers.counted(report.images, 'image')} of {numbers.counted(report.patients, 'patient')}"


def _data(report: Report) -> list[str]:
    measured = ("measured here", _subtitle(report))
    if not report.data:
        problem = f" ({report.result.problem})" if report.result.problem else ""
        missing = "What data this was is recorded with the run in MLflow, and no run is known here"
        return [page.facts([measured]), page.note(f"{missing}{problem}. Name the run to have it told.")]
    made = {n.removeprefix(PROVENANCE): v for n, v in report.data.items() if n.startswith(PROVENANCE)}
    about = [(_plain(name), value) for name, value in report.data.items() if not name.startswith(PROVENANCE)]
    split = [(_plain(name), value) for name, value in made.items() if name.partition(".")[0] == "split"]
    rest = [(_plain(name), value) for name, value in made.items() if name.partition(".")[0] != "split"]
    parts: list[str] = [page.facts([*about, *split, measured])]
    if rest:
        parts.append(page.folded("How the data was made, and what was left out", page.facts(rest)))
    return parts


def _warning(report: Report) -> list[Html]:
    """Whether thresholds or weights were chosen on these very cases."""
    return [page.note(report.thresholds["warning"], "warning")] if "warning" in report.thresholds else []


def _how(report: Report) -> list[Html]:
    facts = [(_plain(name), text) for name, text in report.regions.items()]
    facts += [("thresholds", report.thresholds["chosen_on"])] if "chosen_on" in report.thresholds else []
    summary = "How regions were measured, and where thresholds come from"
    return [page.folded(summary, page.facts(facts))] if facts else []


def _pictures(report: Report, heading: str, names: Sequence[str], said: str = "") -> list[Html]:
    here = [name for name in names if name in report.pictures]
    shown = [page.picture(report.pictures[name], PICTURES.get(name) or _caption(name)) for name in here]
    return [page.section(heading, [*([said] if said else []), *shown])] if shown else []


def _settings(report: Report) -> list[str]:
    run = report.result.run
    parts: list[str] = [page.facts([("from", report.result.word)])] if run is None else _run(run)
    if report.settings:
        settings = page.facts(list(report.settings.items()))
        parts.append(page.folded(numbers.counted(len(report.settings), "setting"), settings))
    return parts


def _run(run: StoredRun) -> list[str]:
    started = datetime.fromtimestamp(run.started, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
    took = "not ended" if math.isnan(run.seconds) else f"{run.seconds / 60:.1f} minutes"
    about = [("run", f"{run.name} ({run.id})"), ("experiment", run.experiment), ("status", run.status)]
    code = [(said, run.tags[tag]) for tag, said in CODE.items() if tag in run.tags]
    versions = [(name, run.tags[f"frugal.{name}"]) for name in PACKAGES if f"frugal.{name}" in run.tags]
    parts: list[str] = [page.facts([*about, ("started", started), ("took", took), *code])]
    return [*parts, page.folded("Versions", page.facts(versions))] if versions else parts


def _place(name: str) -> tuple[int, str]:
    """Pictures that are known come first, in their order."""
    known = list(PICTURES)
    return (known.index(name) if name in known else len(known)), name


def _caption(name: str) -> str:
    return name.removeprefix(CASE).removesuffix(".png").replace("_", " ").capitalize()


def _plain(name: str) -> str:
    return name.replace("_", " ").replace(".", ": ")
