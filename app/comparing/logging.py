"""Log a comparison to the runs that were compared, where MLflow knows them."""

from __future__ import annotations

import hashlib
import math
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from app.comparing.comparison import Measured, Row, Study
from app.comparing.comparison_forms import write_comparison
from app.findings import safe_names
from app.pages import numbers
from app.tracking import StoredRun, TrackingError
from evaluation.cases import Interval

FOLDER = "comparisons"
LONGEST = 120
"""Characters of a folder of artifacts, and of a run's name within that of a metric."""


def log_comparison(study: Study) -> list[str]:
    """Give every run of the comparison its files, a tag and its differences as metrics.

    A run gets ``comparisons/<names>/`` with the page, the CSV and the plots; for each run that it was tested against,
    metrics ``compared_with.<run>.<measure>.<finding>.difference`` and ``.p_holm``, the difference being this run - that
    run; and a tag ``frugal.compared_with.<run>`` that says it in words. Files and folders without a run get nothing.

    Returns:
        What was done, in sentences: one a model.

    Raises:
        ValueError: a store that answered before does not take it.
    """
    runs = {result.run.id: result.run for result in study.results if result.run is not None}
    if runs:
        with tempfile.TemporaryDirectory(prefix="frugal-") as folder:
            files = write_comparison(study, Path(folder))
            for run in runs.values():
                _log(study, run, files)
    return [_said(study, place) for place in range(len(study.results))]


def _log(study: Study, run: StoredRun, files: tuple[Path, ...]) -> None:
    metrics: dict[str, float] = {}
    tags: dict[str, str] = {}
    for model in range(1, len(study.results)):
        for own, other in ((0, model), (model, 0)):
            result = study.results[own].run
            if result is not None and result.id == run.id:
                metrics |= _metrics(study, own, other, model)
                tags |= _tags(study, own, other, model)
    place = f"{FOLDER}/{_short('_vs_'.join(study.names))}"
    try:
        run.add(metrics, tags)
        for path in files:
            run.add_artifact(path, place)
    except TrackingError as error:
        raise ValueError(str(error)) from error


def _metrics(study: Study, own: int, other: int, model: int) -> dict[str, float]:
    metrics: dict[str, float] = {}
    findings = safe_names(list(dict.fromkeys(row.finding for each in study.measures for row in each.rows)))
    for measured, row, difference in _rows(study, own, model):
        finding = findings.get(row.finding, row.finding)
        name = f"compared_with.{_short(study.names[other])}.{measured.key}.{finding}"
        p = row.p if math.isnan(row.p_holm) else row.p_holm
        metrics |= {f"{name}.difference": difference.value, f"{name}.p_holm": p}
    return {name: value for name, value in metrics.items() if not math.isnan(value)}


def _tags(study: Study, own: int, other: int, model: int) -> dict[str, str]:
    said = [
        f"{measured.key} {row.finding} {numbers.difference(difference)}, p (Holm) {numbers.p_value(row.p_holm)}"
        for measured, row, difference in _rows(study, own, model)
        if row not in measured.macro
    ]
    return {f"frugal.compared_with.{_short(study.names[other])}": "this run - that run: " + "; ".join(said)}


def _rows(study: Study, own: int, model: int) -> Iterator[tuple[Measured, Row, Interval]]:
    """Rows of a model, with the difference as seen from the one of the two that is asked for."""
    for measured in study.measures:
        for row in (*measured.rows, *measured.macro):
            if row.model == model:
                seen = row.difference
                back = Interval(0.0 - seen.value, 0.0 - seen.upper, 0.0 - seen.lower)
                yield measured, row, seen if own == model else back


def _said(study: Study, place: int) -> str:
    result, letter = study.results[place], study.letters[place]
    if result.run is not None:
        return f"{letter} logged to run {result.run.name} ({result.run.id}), artifacts in {FOLDER}/"
    return f"{letter} not logged: {result.problem or f'{result.word} names no run in MLflow'}"


def _short(name: str) -> str:
    """A name as part of an artifact's path, a metric or a tag, told from others by its digest where it is cut."""
    safe = re.sub(r"[^\w.\- ]+", "_", name).strip(". ") or "run"
    if len(safe) <= LONGEST:
        return safe
    return f"{safe[: LONGEST - 9]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
