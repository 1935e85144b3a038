"""What a comparison shows, in words."""

from __future__ import annotations

import math

from app.comparing.comparison import MeasureComparison, RunComparison
from app.comparing.declared_margins import within_words
from app.pages.numbers import counted
from evaluation.cases import Interval

ALPHA = 0.05
"""A difference is called shown if its corrected p is below it."""


def conclusions(comparison: RunComparison, measure: MeasureComparison) -> list[str]:
    """For each model, for which findings it is better or worse after Holm's correction, and what a margin shows."""
    sentences = []
    for model in range(1, len(comparison.methods)):
        rows = [row for row in measure.rows if row.model == model]
        tested = [row for row in rows if not math.isnan(row.p_holm)]
        shown = [row for row in tested if row.p_holm < ALPHA]
        better = [row.finding for row in shown if row.difference.value > 0]
        worse = [row.finding for row in shown if row.difference.value < 0]
        a, b = comparison.letters[0], comparison.letters[model]
        if tested and all(row.difference == Interval(0.0, 0.0, 0.0) for row in tested):
            sentences.append(f"{b} and {a} do not differ at all: every difference is exactly 0.")
            continue
        parts = [f"better than {a} for {', '.join(better)}"] if better else []
        parts += [f"worse than {a} for {', '.join(worse)}"] if worse else []
        sentence = f"{b} is {' and '.join(parts)}" if parts else f"No difference between {b} and {a} is shown"
        others, untested = len(tested) - len(better) - len(worse), len(rows) - len(tested)
        if parts and others:
            sentence += f"; no difference is shown for {counted(others, 'other finding')}"
        if untested:
            sentence += f"; {counted(untested, 'finding')} cannot be tested"
        sentences.append(f"{sentence}.")
        sentences += _within(comparison, measure, model)
    return sentences


def _within(comparison: RunComparison, measure: MeasureComparison, model: int) -> list[str]:
    """What a margin shows of a model, if one was declared."""
    results = {
        row.finding: (row.margin_holm.p_noninferior, row.margin_holm.p_equivalent)
        for row in measure.all_rows
        if row.model == model and row.margin_holm is not None
    }
    if measure.margin is None or not results:
        return []
    return [within_words((comparison.letters[model], comparison.letters[0]), measure.margin, results)]
