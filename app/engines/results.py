"""From the outputs of a pass to the numbers that are reported, with thresholds chosen on validation alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from app.engines.outputs import Outputs
from evaluation.cases import FindingResult, Interval
from evaluation.delong import area_covariance, auc_intervals, macro_auc_interval
from evaluation.overlap import best_threshold_of_mean

Metrics = dict[str, Any]
"""By measure, by finding (and ``macro``): a mapping with at least ``value``."""


def map_thresholds(validation: Outputs) -> list[float]:
    """For each finding the threshold at which the mean Dice over validation images is highest.

    A finding that validation locates nowhere gets 0.5.
    """
    chosen = [best_threshold_of_mean(*validation.histograms(c)).threshold for c in range(validation.score.shape[1])]
    return [0.5 if np.isnan(threshold) else threshold for threshold in chosen]


def metrics(
    outputs: Outputs, samples: Sequence[Mapping[str, Any]], findings: Sequence[str], thresholds: Sequence[float]
) -> Metrics:
    """All that is reported of one section.

    Args:
        outputs: of the pass.
        samples: of the section, in the datalist's order; ``outputs.index`` points into it.
        findings: names, C.
        thresholds: of the maps, C, from ``map_thresholds`` on validation.

    Returns:
        ``auc`` and ``dice`` by finding and ``macro``, and ``auc_by_view`` where there are several views.
    """
    visited = [samples[i] for i in outputs.index]
    patient = np.array([sample["patient"] for sample in visited])
    result: Metrics = {"auc": _auc(outputs, findings, patient, np.ones(len(visited), dtype=bool))}
    dice = _dice(outputs, findings, thresholds)
    if dice:
        result["dice"] = dice
    views = np.array([sample["view"] for sample in visited])
    if len(set(views)) > 1:
        result["auc_by_view"] = {
            view or "unknown": _auc(outputs, findings, patient, views == view) for view in sorted(set(views))
        }
    return result


def write_metrics(result: Metrics, path: Path) -> None:
    """Write as JSON; a value that is undefined is ``null``."""
    path.write_text(json.dumps(_without_nan(result), indent=2) + "\n")


def flat(result: Metrics) -> dict[str, float]:
    """Every ``value`` under its path, as MLflow's metrics want it: ``auc.Nodule``, ``auc_by_view.AP.macro``."""
    return {".".join(path): entry["value"] for path, entry in _defined(result)}


def table(result: Metrics) -> str:
    """A plain table of the values for a terminal, one row a measure and finding."""
    rows: list[tuple[str, str]] = []
    for path, entry in _defined(result):
        limits = f"  [{entry['lower']:.3f}, {entry['upper']:.3f}]" if _has_limits(entry) else ""
        cases = f"  n = {entry['present']} present, {entry['absent']} absent" if "absent" in entry else ""
        cases = cases or (f"  n = {entry['images']} images" if "images" in entry else "")
        rows.append((" ".join(path), f"{entry['value']:.3f}{limits}{cases}"))
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in rows)


def _auc(outputs: Outputs, findings: Sequence[str], patient: np.ndarray, chosen: np.ndarray) -> Metrics:
    score, label, who = outputs.score[chosen], outputs.label[chosen], patient[chosen]
    results: list[FindingResult] = list(auc_intervals(score, label, who))
    entries: Metrics = {name: asdict(each) for name, each in zip(findings, results, strict=True)}
    macro: Interval = macro_auc_interval(area_covariance(score, label, who))
    return entries | {"macro": asdict(macro)}


def _dice(outputs: Outputs, findings: Sequence[str], thresholds: Sequence[float]) -> Metrics:
    entries: Metrics = {}
    for c, (name, threshold) in enumerate(zip(findings, thresholds, strict=True)):
        values = outputs.dice(c, threshold)
        if len(values):
            entries[name] = {
                "value": float(values.mean()),
                "worst": float(values.min()),
                "images": len(values),
                "threshold": float(threshold),
            }
    if entries:
        entries["macro"] = {"value": float(np.mean([entry["value"] for entry in entries.values()]))}
    return entries


def _defined(result: Metrics, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Metrics]]:
    """Every entry with a value that is defined, under its path of names (which may hold dots themselves)."""
    for name, entry in result.items():
        if isinstance(entry, dict) and "value" not in entry:
            yield from _defined(entry, (*path, name))
        elif isinstance(entry, dict) and not np.isnan(entry["value"]):
            yield (*path, name), entry


def _has_limits(entry: Metrics) -> bool:
    return "lower" in entry and not np.isnan(entry["lower"])


def _without_nan(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
