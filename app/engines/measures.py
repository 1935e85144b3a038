"""From the outputs of a pass to the reported measures, at thresholds chosen on validation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from app.engines.call_measures import RATIOS, call_measures, curve_measures
from app.engines.outputs import Outputs
from app.engines.probability_measures import probability_measures
from app.engines.record import ModelRecord
from evaluation.average_precision import average_precision_interval
from evaluation.cases import FindingResult
from evaluation.delong import area_covariance, macro_auc_interval
from evaluation.localisation import CORRECT_FROM, is_correct
from evaluation.means import mean_interval, ratio_interval
from evaluation.operating import operating_point
from evaluation.patients import patient_numbers
from evaluation.shares import share_interval
from evaluation.subgroups import TreatmentCheck, age_bands, check_treatment, corrected, group_names, untested

Metrics = dict[str, Any]
"""By measure and finding (and ``macro``), a mapping with at least ``value``."""

REGION_THRESHOLD = 0.5
LOCALISED = ("iou_accuracy", "ior_accuracy")
RECALIBRATED = ("calibration_intercept", "calibration_slope", "calibration_error_debiased", "brier")
"""Measures that are reported before and after recalibration."""
MAX_GROUPS = 12
"""Attributes with more values are not reported by group."""
TREATMENTS = {"drain": "a chest drain", "tube": "a tube"}


def metrics(outputs: Outputs, samples: Sequence[Mapping[str, Any]], record: ModelRecord) -> Metrics:
    """Compute everything that is reported on a section.

    Args:
        outputs: Of the pass.
        samples: What was evaluated; ``outputs.index`` points into it.
        record: Findings and thresholds.

    Returns:
        By measure and finding: the value, its interval (images of a patient are taken together; the calibration error
        has none) and counts of images and patients. ``macro`` is the mean over the findings for which the measure is
        defined; ``findings`` is their number. Only macro AUC has an interval, over the findings with at least two
        present and two absent cases. ``auc_by_view``, and ``auc_by`` other attributes; ``warnings`` as text,
        and ``not_tested``: what could not be tested, and why.
    """
    visited = [samples[i] for i in outputs.index]
    patient = patient_index(visited)
    result = _scores(outputs.logit, outputs.label, patient, record)
    result |= curve_measures(outputs.logit, outputs.label, patient, record.findings)
    result = with_macros(result | _overlap(outputs, record, patient) | _localisation(outputs, record.findings, patient))
    if record.recalibration:
        result["recalibration"] = _gain(result, outputs, patient, record)
    by_group = {
        attribute: {
            name: _areas(
                outputs.logit[group == name], outputs.label[group == name], record.findings, patient[group == name]
            )
            for name in np.unique(group).tolist()
        }
        for attribute, group in _groups(visited).items()
    }
    if "view" in by_group:
        result["auc_by_view"] = by_group.pop("view")
    checks = _treatment_checks(outputs, record.findings, patient, visited)
    warnings = [check.warning for check in checks if check.warning]
    return result | {"auc_by": by_group, "warnings": warnings, "not_tested": list(untested(checks))}


def score_metrics(logit: np.ndarray, label: np.ndarray, patient: np.ndarray, record: ModelRecord) -> Metrics:
    """Compute the measures of scores alone, for images or studies.

    Args:
        logit: (N, C).
        label: (N, C); 1 present, 0 absent, negative or NaN unknown.
        patient: (N,) numbers.
        record: C findings and thresholds.

    Returns:
        By measure and finding, with ``macro``, as in `metrics`.

    Example:
        >>> logit, label = np.array([[-1.0], [0.5], [2.0], [1.0]]), np.array([[0.0], [0.0], [1.0], [1.0]])
        >>> record = ModelRecord(("Nodule",), {}, score_thresholds=(0.7,), map_thresholds=(0.5,))
        >>> result = score_metrics(logit, label, np.arange(4), record)
        >>> result["auc"]["Nodule"]["value"], result["specificity"]["Nodule"]["value"]
        (1.0, 1.0)
    """
    return with_macros(_scores(logit, label, patient, record))


def patient_index(samples: Iterable[Mapping[str, Any]]) -> np.ndarray:
    """Number the patients of N samples: (N,) integers, which are faster to group than names."""
    patients = [sample["patient"] for sample in samples]
    return patient_numbers(patients, len(patients))[1]


def images_and_patients(patient: np.ndarray) -> Metrics:
    """Count images, whose patients (N,) these are, and their patients: the numbers beside a value.

    Example:
        >>> images_and_patients(np.array([7, 7, 3]))
        {'images': 3, 'patients': 2}
    """
    return {"images": len(patient), "patients": len(np.unique(patient))}


def with_macros(entries: Metrics) -> Metrics:
    """Add the mean over findings, ``macro``, at every level that lacks it.

    Example:
        >>> with_macros({"dice": {"Nodule": {"value": 0.5}, "Mass": {"value": 0.7}}})["dice"]["macro"]
        {'value': 0.6, 'findings': 2}
    """
    if any("value" not in entry for entry in entries.values()):
        return {name: entry if name in RATIOS else with_macros(entry) for name, entry in entries.items()}
    if "macro" in entries or not entries:
        return entries
    defined = [entry["value"] for entry in entries.values() if not np.isnan(entry["value"])]
    mean = float(np.mean(defined)) if defined else float("nan")
    return entries | {"macro": {"value": mean, "findings": len(defined)}}


def _scores(logit: np.ndarray, label: np.ndarray, patient: np.ndarray, record: ModelRecord) -> Metrics:
    result: Metrics = {"auc": _areas(logit, label, record.findings, patient)}
    calibrated = record.calibrated(logit)
    for c, name in enumerate(record.findings):
        threshold = {"threshold": record.score_thresholds[c], "logit_threshold": record.logit_thresholds[c]}
        entries = _at_threshold(logit[:, c], label[:, c], patient, threshold)
        for measure, entry in (entries | probability_measures(calibrated[:, c], label[:, c], patient)).items():
            if "value" in entry:
                result.setdefault(measure, {})[name] = entry
                continue
            for level, each in entry.items():
                result.setdefault(measure, {}).setdefault(level, {})[name] = each
    return result


def _areas(score: np.ndarray, label: np.ndarray, findings: Sequence[str], patient: np.ndarray) -> Metrics:
    covariance = area_covariance(score, label, patient)
    results: list[FindingResult] = [covariance.result(c) for c in range(len(findings))]
    entries: Metrics = {name: asdict(each) for name, each in zip(findings, results, strict=True)}
    defined = [each for each in results if not np.isnan(each.value)]
    # The macro average over a single finding is that finding, with the interval that is exact for few cases.
    if len(defined) == 1:
        return entries | {"macro": asdict(defined[0].interval) | {"findings": 1}}
    count = int((~np.isnan(np.diag(covariance.covariance))).sum())
    return entries | {"macro": asdict(macro_auc_interval(covariance)) | {"findings": count}}


def _at_threshold(logit: np.ndarray, label: np.ndarray, patient: np.ndarray, threshold: dict[str, float]) -> Metrics:
    point = operating_point(logit, label, threshold["logit_threshold"], patient)
    entries: Metrics = {"average_precision": asdict(average_precision_interval(logit, label, patient))}
    return entries | call_measures(point, threshold)


def _gain(after: Metrics, outputs: Outputs, patient: np.ndarray, record: ModelRecord) -> Metrics:
    """What recalibration gave: the form of each finding, and measures of the scores before and ``after`` it."""
    before = {
        name: probability_measures(outputs.logit[:, c], outputs.label[:, c], patient)
        for c, name in enumerate(record.findings)
    }
    result = {
        measure: {"before": {name: before[name][measure] for name in record.findings}, "after": after[measure]}
        for measure in RECALIBRATED
    }
    forms = {name: form.method for name, form in zip(record.findings, record.recalibration, strict=True)}
    return {"forms": forms} | with_macros(result)


def _overlap(outputs: Outputs, record: ModelRecord, patient: np.ndarray) -> Metrics:
    entries: Metrics = {}
    for c, name in enumerate(record.findings):
        threshold = record.map_thresholds[c]
        rows, values = outputs.dice(c, threshold)
        if not len(rows):
            continue
        about = images_and_patients(patient[rows]) | {"threshold": threshold, "worst": float(values.min())}
        entries.setdefault("dice", {})[name] = asdict(mean_interval(values, patient[rows])) | about
        # Images without the finding count too, so the best threshold is higher than that of single outlines.
        threshold = record.aggregate_thresholds[c]
        rows, part, whole = outputs.dice_parts(c, threshold)
        about = images_and_patients(patient[rows]) | {"threshold": threshold}
        entries.setdefault("dice_aggregated", {})[name] = asdict(ratio_interval(part, whole, patient[rows])) | about
    return entries


def _localisation(outputs: Outputs, findings: Sequence[str], patient: np.ndarray) -> Metrics:
    """Share of images located correctly: by the map's highest point, or by an overlap of at least T.

    Source: Rozenberg et al. 2020, section 4.
    """
    measures: Metrics = {}
    for c, name in enumerate(findings):
        overlaps = outputs.overlaps(c, REGION_THRESHOLD)
        if not len(overlaps.rows):
            continue
        owner = patient[overlaps.rows]
        measures.setdefault("hit_rate", {})[name] = _share(overlaps.hit, owner)
        for measure, values in zip(LOCALISED, (overlaps.iou, overlaps.ior), strict=True):
            for least in CORRECT_FROM:
                share = _share(is_correct(values, least), owner) | {"threshold": REGION_THRESHOLD}
                measures.setdefault(measure, {}).setdefault(f"T {least}", {})[name] = share
    return measures


def _share(is_right: np.ndarray, patient: np.ndarray) -> Metrics:
    return asdict(share_interval(is_right, np.ones(len(is_right), dtype=bool), patient)) | images_and_patients(patient)


def _groups(visited: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Attributes that divide the cases into a few groups, each (N,) names; ages go by bands."""
    groups = {name: group_names([sample[name] for sample in visited]) for name in ("view", "source")}
    for name in sorted({name for sample in visited for name in sample["attributes"]}):
        values = [_text(sample["attributes"].get(name)) for sample in visited]
        groups[name] = age_bands(values) if name == "age" else group_names(values)
    return {name: group for name, group in groups.items() if 1 < len(set(group.tolist())) <= MAX_GROUPS}


def _treatment_checks(
    outputs: Outputs, findings: Sequence[str], patient: np.ndarray, visited: Sequence[Mapping[str, Any]]
) -> tuple[TreatmentCheck, ...]:
    """Whether each finding is recognised by each treatment, corrected together."""
    checks = []
    for attribute, words in TREATMENTS.items():
        is_visible = [_is_visible(sample["attributes"].get(attribute)) for sample in visited]
        if {0.0, 1.0} <= set(is_visible):
            for c, name in enumerate(findings):
                score, label = outputs.logit[:, c], outputs.label[:, c]
                checks.append(check_treatment(score, label, is_visible, (name, words), patient))
    return corrected(checks)


def _is_visible(value: object) -> float:
    """Whether a treatment is visible: 1, 0, or -1 if unknown."""
    return {"1": 1.0, "true": 1.0, "yes": 1.0, "0": 0.0, "false": 0.0, "no": 0.0}.get(_text(value).lower(), -1.0)


def _text(value: object) -> str:
    """An attribute as text, the same for 1 and 1.0; empty if unknown."""
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)
