"""Reliability and decision curves of a section, as tables."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from app.engines.measures import patient_index
from app.engines.outputs import Outputs
from app.files.atomic import whole_file
from evaluation.calibration import reliability_curve
from evaluation.cells import safe_row
from evaluation.decision_curve import decision_curve


def write_reliability(
    outputs: Outputs, samples: Sequence[Mapping[str, Any]], findings: Sequence[str], path: Path
) -> None:
    """Write ``reliability.csv``: for each bin of scores that has cases, their mean score and the share present."""
    patient = patient_index(samples[i] for i in outputs.index)
    rows = []
    for c, name in enumerate(findings):
        curve = reliability_curve(outputs.score[:, c], outputs.label[:, c], patient=patient)
        values = zip(curve.cases.tolist(), curve.probability, curve.share, curve.lower, curve.upper, strict=True)
        rows += [(name, *row) for row in values if row[0]]
    _write(("finding", "cases", "mean_score", "share_present", "lower", "upper"), rows, path)


def write_decision_curves(
    outputs: Outputs, samples: Sequence[Mapping[str, Any]], findings: Sequence[str], path: Path
) -> None:
    """Write ``decision_curve.csv``: at each threshold the net benefit, that of acting on everybody, and the gain."""
    patient = patient_index(samples[i] for i in outputs.index)
    rows = []
    for c, name in enumerate(findings):
        for point in decision_curve(outputs.score[:, c], outputs.label[:, c], patient):
            model, gain = point.model, point.gain
            limits = (model.value, model.lower, model.upper, point.treat_all.value, gain.value, gain.lower, gain.upper)
            rows.append((name, point.threshold, *limits))
    names = ("net_benefit", "lower", "upper", "treat_all", "gain", "gain_lower", "gain_upper")
    _write(("finding", "threshold", *names), rows, path)


def _write(header: Sequence[str], rows: Iterable[Sequence[Any]], path: Path) -> None:
    """Write a table; undefined values are empty."""
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for row in rows:
            writer.writerow(safe_row("" if isinstance(x, float) and math.isnan(x) else _short(x) for x in row))


def _short(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value
