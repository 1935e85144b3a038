"""Comparisons in MLflow: files and tags under the runs that were compared."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from pathlib import Path

from app.comparing.calls import SHARES
from app.comparing.comparison import ModelRow, RunComparison
from app.comparing.comparison_output import write_comparison
from app.comparing.conclusions import ALPHA
from app.pages import numbers
from app.tracking import StoredRun, TrackingError
from app.tracking.promoting import COMPARISON
from evaluation.margins import opposite

FOLDER = "comparisons"
MOST_WORSE = 20
LONGEST = 120
"""Characters of an artifact folder's name, and of a run's name within that of a tag."""


def log_comparison(comparison: RunComparison) -> list[str]:
    """Log a comparison to every run that MLflow knows.

    A run gets the files in ``comparisons/<names>/``, and for each run that it was tested against a tag
    ``frugal.compared_with.<run>`` that says it in words (this run - that run), and one for ``frugal promote``. If
    methods of several runs were compared, the first tag names the other method, and there is no second: what a method
    shows says little about one of its runs.

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
    for letter, method in zip(comparison.letters, comparison.methods, strict=True):
        for files in method.runs:
            if files.run is None:
                sentences.append(f"{letter} not logged: {files.problem or f'{files.word} names no run in MLflow'}")
            else:
                sentences.append(f"{letter} logged to run {files.run.name} ({files.run.id}), artifacts in {FOLDER}/")
    return sentences


def _log(comparison: RunComparison, run: StoredRun, paths: tuple[Path, ...]) -> None:
    tags: dict[str, str] = {}
    for model in range(1, len(comparison.methods)):
        for own, other in ((0, model), (model, 0)):
            if run.id not in {files.run.id for files in comparison.methods[own].runs if files.run is not None}:
                continue
            name = _short(comparison.names[other])
            tags[f"frugal.compared_with.{name}"] = _differences(comparison, model, is_reference=own == 0)
            there = comparison.methods[other].runs
            if len(there) == 1 and there[0].run is not None:
                worse = {"worse": worse_in(comparison, model, is_reference=own == 0)[:MOST_WORSE]}
                tags[f"{COMPARISON}{there[0].run.id}"] = json.dumps(worse)
    folder = f"{FOLDER}/{_short('_vs_'.join(comparison.names))}"
    try:
        run.add(tags)
        for path in paths:
            run.add_artifact(path, folder)
    except TrackingError as error:
        raise ValueError(str(error)) from error


def worse_in(comparison: RunComparison, model: int, is_reference: bool) -> list[str]:
    """In what a model is worse than the reference, or the reference than it: the interval lies below zero.

    Single findings count if that holds after Holm's correction; the mean over findings counts by itself. Sensitivity
    and specificity do not count: another threshold makes any model worse in one of them.
    """
    worse = []
    for measure in comparison.measures:
        for row in measure.all_rows if measure.key not in SHARES else ():
            difference = opposite(row.difference) if is_reference else row.difference
            if row.model == model and difference.upper < 0 and (row in measure.macro or not row.p_holm >= ALPHA):
                worse.append(f"{measure.key} {row.finding} {numbers.difference(difference)}")
    return worse


def _differences(comparison: RunComparison, model: int, is_reference: bool) -> str:
    """A model's comparison with the reference in words, as seen by one of the two."""
    sentences = []
    for measure in comparison.measures:
        for row in measure.rows:
            if row.model == model:
                difference = opposite(row.difference) if is_reference else row.difference
                shown = numbers.difference(difference), numbers.p_value(row.p_holm)
                within = _within(row, "that" if is_reference else "this")
                sentences.append(f"{measure.key} {row.finding} {shown[0]}, p (Holm) {shown[1]}{within}")
    several = any(len(comparison.methods[each].runs) > 1 for each in (0, model))
    which = "this method - that method, means over runs" if several else "this run - that run"
    return f"{which}: " + "; ".join(sentences)


def _within(row: ModelRow, which: str) -> str:
    """The tests within a margin, if one was declared; ``which`` of the two is the model."""
    test = row.margin_holm
    if test is None:
        return ""
    noninferior, equivalent = numbers.p_value(test.p_noninferior), numbers.p_value(test.p_equivalent)
    return f", margin {test.margin:g}: {which} non-inferior p (Holm) {noninferior}, equivalent p (Holm) {equivalent}"


def _short(name: str) -> str:
    """A name as part of a path, a metric or a tag; one that is cut ends in digits of its hash."""
    safe = re.sub(r"[^\w.\- ]+", "_", name).strip(". ") or "run"
    if len(safe) <= LONGEST:
        return safe
    return f"{safe[: LONGEST - 9]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
