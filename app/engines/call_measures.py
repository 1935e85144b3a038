"""What is reported of calls: shares and likelihood ratios at a threshold, at a prevalence, and points of the curve."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from app.checking.operating_points import YOUDEN, ThresholdRule
from evaluation.cases import Interval
from evaluation.curve_points import CurvePoint, sensitivity_at_specificity, specificity_at_sensitivity
from evaluation.likelihood_ratios import LikelihoodRatios
from evaluation.operating import OperatingPoint
from evaluation.partial_areas import partial_auc

Entries = dict[str, Any]

RATIOS = ("positive_likelihood_ratio", "negative_likelihood_ratio")
"""Measures that have no mean over findings."""
AT_PREVALENCE = ("precision_at_prevalence", "negative_predictive_value_at_prevalence")
WANTED = 0.9
"""The specificity, or sensitivity, at which the other is reported on the same cases; partial areas begin there."""


def call_measures(point: OperatingPoint, threshold: Mapping[str, float]) -> Entries:
    """Measures of one finding at a threshold, each with interval, counts and ``threshold``."""
    about = {**asdict(point.counts), **threshold}
    shares = ("sensitivity", "specificity", "precision", "negative_predictive_value", "f1", "accuracy")
    entries = {name: asdict(getattr(point, name)) | about for name in shares}
    ratios = point.likelihood_ratios.positive, point.likelihood_ratios.negative
    return entries | {name: asdict(each) | about for name, each in zip(RATIOS, ratios, strict=True)}


def curve_measures(logit: np.ndarray, label: np.ndarray, patient: np.ndarray, findings: Sequence[str]) -> Entries:
    """Points and a part of each finding's ROC curve, chosen on these very cases; (N, C) in, measures by level out."""
    entries: Entries = {}

    def add(measure: str, level: str, name: str, entry: Entries) -> None:
        entries.setdefault(measure, {}).setdefault(level, {})[name] = entry

    for c, name in enumerate(findings):
        column = logit[:, c], label[:, c]
        point = sensitivity_at_specificity(*column, WANTED, patient)
        add("sensitivity_at_specificity", f"specificity {WANTED}", name, _of_point(point))
        point = specificity_at_sensitivity(*column, WANTED, patient)
        add("specificity_at_sensitivity", f"sensitivity {WANTED}", name, _of_point(point))
        part = partial_auc(*column, patient, (WANTED, 1.0))
        about = asdict(part.counts) | {"area": part.area.value, "mean_sensitivity": part.mean.value}
        add("partial_auc", f"specificity {WANTED} to 1", name, asdict(part.standardised) | about)
    return entries


def at_prevalence(result: Mapping[str, Any], prevalence: Mapping[str, float]) -> Entries:
    """Predictive values where findings are as frequent as stated, from the likelihood ratios of a result.

    Example:
        >>> entry = {"value": 8.0, "lower": 4.0, "upper": 16.0, "threshold": 0.5}
        >>> result = {"positive_likelihood_ratio": {"Mass": entry}, "negative_likelihood_ratio": {"Mass": entry}}
        >>> found = at_prevalence(result, {"Mass": 0.02})["precision_at_prevalence"]["Mass"]
        >>> round(found["value"], 3), found["prevalence"], found["threshold"]
        (0.14, 0.02, 0.5)

    Args:
        result: Measures by finding.
        prevalence: By finding; those that the result lacks are left out.
    """
    entries: Entries = {}
    for name, share in prevalence.items():
        given = [result.get(measure, {}).get(name) for measure in RATIOS]
        if None in given:
            continue
        ratios = LikelihoodRatios(*(Interval(entry["value"], entry["lower"], entry["upper"]) for entry in given))
        about = {key: value for key, value in given[0].items() if key not in vars(ratios.positive)}
        for measure, interval in zip(AT_PREVALENCE, ratios.predictive_values(share), strict=True):
            entries.setdefault(measure, {})[name] = asdict(interval) | about | {"prevalence": share}
    return entries


def missed(result: Mapping[str, Any], rule: ThresholdRule) -> Iterator[str]:
    """A sentence for each finding whose interval lies below the sensitivity or specificity that was wanted."""
    if rule.measure == YOUDEN:
        return
    for name, entry in result.get(rule.measure, {}).items():
        if entry.get("upper", math.nan) < rule.share:
            limits = f"95%: {entry['lower']:.3f} to {entry['upper']:.3f}"
            yield (
                f"{name}: {rule.measure} is {entry['value']:.3f} ({limits}) at the threshold that reached "
                f"{rule.share:g} on validation."
            )


def _of_point(point: CurvePoint) -> Entries:
    limits = {"value": point.value, "lower": point.lower, "upper": point.upper}
    return limits | asdict(point.counts) | {"logit_threshold": point.threshold}
