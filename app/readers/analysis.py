"""From the tables of a reader study to its analysis: the figures of merit, and how they vary."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.readers.marks import Marked, read_marks
from app.readers.readings import Readings, read_readings
from evaluation.figures_of_merit import Figures, Units, areas, shares
from evaluation.multireader import MultiReader, Population, obuchowski_rockette

FIGURES = {
    "auc": "area under the ROC curve",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "lroc": "area under the LROC curve",
    "afroc": "area under the AFROC curve (JAFROC)",
    "wafroc": "area under the weighted AFROC curve (JAFROC)",
}
OF_MARKS = ("afroc", "wafroc")
OF_THRESHOLD = ("sensitivity", "specificity")
DELONG, JACKKNIFE = "delong", "jackknife"


@dataclass(frozen=True)
class Question:
    """What is asked of the tables.

    Attributes:
        figure: A key of ``FIGURES``.
        threshold: For sensitivity and specificity: scores of at least this much call the finding present.
        population: To whom results apply.
        covariance: ``delong`` (from the influence of each patient) or ``jackknife``.
        level: Confidence.
    """

    figure: str
    threshold: float | None = None
    population: Population = Population()  # noqa: RUF009 - it is frozen
    covariance: str = DELONG
    level: float = 0.95


@dataclass(frozen=True)
class ReaderStudy:
    """A reader study, analysed.

    Attributes:
        readers: Names.
        modalities: Names.
        counts: What was read, by its name in the plural.
    """

    question: Question
    readers: tuple[str, ...]
    modalities: tuple[str, ...]
    counts: dict[str, int]
    result: MultiReader


def analyse(table: Path, question: Question, lesions: Path | None = None) -> ReaderStudy:
    """Read and analyse.

    Args:
        table: Of readings or, with ``lesions``, of marks.
        question: What is asked.
        lesions: The cases with their lesions, for marks.

    Raises:
        ValueError: The tables cannot be read, do not suit the figure of merit, or leave it undefined.
    """
    _require(question, lesions)
    given = read_readings(table) if lesions is None else read_marks(table, lesions)
    if isinstance(given, Marked):
        units = given.weighted() if question.figure == "wafroc" else given.unweighted()
        normal = len(units.absent)
        counts = {"cases with lesions": given.cases - normal, "cases without": normal, "lesions": len(units.present)}
        counts["patients"] = units.patients
        figures = areas(units)
    else:
        present = int(given.present.sum())
        counts = {"cases present": present, "cases absent": len(given.present) - present, "patients": given.patients}
        figures = _of_scores(given, question, table)
    missing = [name for name, count in counts.items() if not count]
    if missing:
        raise ValueError(f"{table}: the {FIGURES[question.figure]} is undefined: there are no {missing[0]}")
    if question.population.readers and len(given.readers) < 2:
        raise ValueError(f"{table}: a single reader does not show how readers vary: choose --fixed readers")
    covariance = figures.covariance() if question.covariance == DELONG else figures.jackknife_covariance()
    shape = len(given.modalities), len(given.readers)
    try:
        result = obuchowski_rockette(figures.value.reshape(shape), covariance, question.population, question.level)
    except ValueError as error:
        raise ValueError(f"{table}: {error}") from error
    return ReaderStudy(question, given.readers, given.modalities, counts, result)


def _of_scores(readings: Readings, question: Question, table: Path) -> Figures:
    present, patient, score = readings.present, readings.patient, readings.score
    if question.figure in OF_THRESHOLD:
        chosen = present if question.figure == "sensitivity" else ~present
        is_called = score[chosen] >= question.threshold
        return shares(is_called == present[chosen][:, None], patient[chosen], readings.patients)
    if question.figure == "lroc":
        score = np.where(_is_right(readings, table), score, -np.inf)
    weight = np.ones(int(present.sum()))
    return areas(Units(score[present], patient[present], weight, score[~present], patient[~present], readings.patients))


def _is_right(readings: Readings, table: Path) -> np.ndarray:
    """Whether a score counts for LROC: a present case whose place was wrong is beaten by every absent case."""
    if readings.correct is None:
        raise ValueError(f"{table}: LROC needs a column 'correct': 1 if the place was right, 0 if it was wrong")
    unknown = int(np.isnan(readings.correct[readings.present]).sum())
    if unknown:
        raise ValueError(
            f"{table}: 'correct' is empty in {unknown:,} readings of present cases; LROC needs 1 or 0 in each"
        )
    return (readings.correct == 1) | ~readings.present[:, None]


def _require(question: Question, lesions: Path | None) -> None:
    if (question.figure in OF_MARKS) != (lesions is not None):
        allowed = ", ".join(OF_MARKS if lesions else [name for name in FIGURES if name not in OF_MARKS])
        raise ValueError(
            f"--figure {question.figure}: {'without' if lesions is None else 'with'} --lesions, choose {allowed}. "
            "--lesions names the table of lesions that marks are compared with"
        )
    if (question.figure in OF_THRESHOLD) != (question.threshold is not None):
        need = "needs --threshold" if question.threshold is None else "takes no --threshold"
        raise ValueError(
            f"--figure {question.figure}: {need}; scores of at least the threshold call the finding present"
        )
    if question.threshold is not None and math.isnan(question.threshold):
        raise ValueError("--threshold nan: must be a number")
