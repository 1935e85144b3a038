"""Comparisons in MLflow: files, metrics and tags under the runs that were compared."""

from __future__ import annotations

import hashlib
import math
import re
import tempfile
from pathlib import Path

from app.comparing.comparison import RunComparison, opposite
from app.comparing.comparison_output import write_comparison
from app.findings import safe_names
from app.pages import numbers
from app.tracking import StoredRun, TrackingError

FOLDER = "comparisons"
LONGEST = 120
"""Characters of an artifact folder's name, and of a run's name within that of a metric or tag."""


def log_comparison(comparison: RunComparison) -> list[str]:
    """Log a comparison to every run that MLflow knows.

    A run gets the files in ``comparisons/<names>/``; for each run that it was tested against, metrics
    ``compared_with.<run>.<measure>.<finding>.difference`` (this run - that run) and ``.p_holm``; and a tag
    ``frugal.compared_with.<run>`` that says it in words.

    Returns:
        A sentence per model for the user.

    Raises:
        ValueError: The store refuses.
    """
    runs = {files.run.id: files.run for files in comparison.runs if files.run is not None}
    if runs:
        with tempfile.TemporaryDirectory(prefix="frugal-") as folder:
            paths = write_comparison(comparison, Path(folder))
            for run in runs.values():
                _log(comparison, run, paths)
    sentences = []
    for letter, files in zip(comparison.letters, comparison.runs, strict=True):
        if files.run is None:
            sentences.append(f"{letter} not logged: {files.problem or f'{files.word} names no run in MLflow'}")
        else:
            sentences.append(f"{letter} logged to run {files.run.name} ({files.run.id}), artifacts in {FOLDER}/")
    return sentences


def _log(comparison: RunComparison, run: StoredRun, paths: tuple[Path, ...]) -> None:
    metrics: dict[str, float] = {}
    tags: dict[str, str] = {}
    for model in range(1, len(comparison.runs)):
        for own, other in ((0, model), (model, 0)):
            files = comparison.runs[own]
            if files.run is not None and files.run.id == run.id:
                new_metrics, tag = _differences(comparison, model, is_reference=own == 0)
                name = _short(comparison.names[other])
                metrics |= {f"compared_with.{name}.{each}": value for each, value in new_metrics.items()}
                tags[f"frugal.compared_with.{name}"] = tag
    folder = f"{FOLDER}/{_short('_vs_'.join(comparison.names))}"
    try:
        run.add(metrics, tags)
        for path in paths:
            run.add_artifact(path, folder)
    except TrackingError as error:
        raise ValueError(str(error)) from error


def _differences(comparison: RunComparison, model: int, is_reference: bool) -> tuple[dict[str, float], str]:
    """Metrics and tag of a model's comparison with the reference, as seen by one of the two."""
    findings = safe_names(list(dict.fromkeys(row.finding for each in comparison.measures for row in each.rows)))
    metrics: dict[str, float] = {}
    sentences = []
    for measure in comparison.measures:
        for row in measure.all_rows:
            if row.model != model:
                continue
            difference = opposite(row.difference) if is_reference else row.difference
            name = f"{measure.key}.{findings.get(row.finding, row.finding)}"
            p = row.p if math.isnan(row.p_holm) else row.p_holm
            metrics |= {f"{name}.difference": difference.value, f"{name}.p_holm": p}
            if row not in measure.macro:
                shown = numbers.difference(difference), numbers.p_value(row.p_holm)
                sentences.append(f"{measure.key} {row.finding} {shown[0]}, p (Holm) {shown[1]}")
    defined = {name: value for name, value in metrics.items() if not math.isnan(value)}
    return defined, "this run - that run: " + "; ".join(sentences)


def _short(name: str) -> str:
    """A name as part of a path, a metric or a tag; one that is cut ends in digits of its hash."""
    safe = re.sub(r"[^\w.\- ]+", "_", name).strip(". ") or "run"
    if len(safe) <= LONGEST:
        return safe
    return f"{safe[: LONGEST - 9]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
