"""From the outputs of a pass to the numbers that are reported, at thresholds that validation chose."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from app.comparing.cases import read_cases
from app.engines.outputs import Outputs
from app.engines.record import RECORD, ModelRecord
from app.files.atomic import whole_file, write_whole
from app.files.records import read_record
from app.findings import safe_names
from app.networks.checkpoints import read_weights
from app.tracking.names import clean
from evaluation.average_precision import average_precision_interval
from evaluation.calibration import expected_calibration_error
from evaluation.cases import FindingResult, checked_labels
from evaluation.cells import safe_row
from evaluation.delong import area_covariance, auc_intervals, macro_auc_interval
from evaluation.localisation import CORRECT_FROM, is_correct
from evaluation.logits import probability
from evaluation.means import mean_interval, ratio_interval
from evaluation.operating import operating_point
from evaluation.patients import patient_numbers
from evaluation.predictions import PredictionTable, read_predictions, write_predictions
from evaluation.shares import share_interval
from evaluation.subgroups import age_bands, by_subgroup, check_treatment, group_names

Metrics = dict[str, Any]
"""By measure, by finding (and ``macro``): a mapping with at least ``value``."""

IN_TERMINAL = ("auc", "average_precision", "sensitivity", "specificity", "dice", "auc_by_view")
LOGGED = (*IN_TERMINAL, "precision", "f1", "accuracy", "brier", "calibration_error", "dice_aggregated", "hit_rate")
"""What a run logs as metrics; the rest is in its metrics.json, as MLflow's pages slow down with many names."""
REGION_THRESHOLD = 0.5
LOCALISED = ("iou_accuracy", "ior_accuracy")
LEAST_LOGGED = (0.1, 0.2, 0.3, 0.4, 0.5)
SHARES = ("sensitivity", "specificity", "precision", "f1", "accuracy")
TREATMENTS = {"drain": "a chest drain", "tube": "a tube"}


def metrics(outputs: Outputs, samples: Sequence[Mapping[str, Any]], record: ModelRecord) -> Metrics:
    """All that is reported of one section.

    Args:
        outputs: of the pass.
        samples: what was evaluated; ``outputs.index`` points into it.
        record: findings and thresholds.

    Returns:
        By measure and finding the value, its interval (the images of a patient are taken together; the calibration
        error has none) and counts; ``macro`` is the mean over the ``findings`` (a number) that have a value, with an
        interval for areas alone, where a finding with a single present or absent case has no variance and is left out;
        ``auc_by_view`` and ``auc_by`` other attributes; ``warnings`` in plain words.
    """
    visited = [samples[i] for i in outputs.index]
    # Numbers, as names would be sorted anew for every measure.
    patient = patient_numbers([sample["patient"] for sample in visited], len(visited))[1]
    result = _scores(outputs.logit, outputs.label, patient, record) | _overlap(outputs, record, patient)
    result = _with_macros(result | _localisation(outputs, record.findings, patient))
    groups = _groups(visited)
    areas = {name: _areas_by(outputs, record.findings, patient, group) for name, group in groups.items()}
    if "view" in areas:
        result["auc_by_view"] = areas.pop("view")
    return result | {"auc_by": areas, "warnings": _warnings(outputs, record.findings, patient, visited)}


def score_metrics(logit: np.ndarray, label: np.ndarray, patient: np.ndarray, record: ModelRecord) -> Metrics:
    """The measures of scores alone, of any cases: images, or studies.

    Args:
        logit: (N, C).
        label: (N, C); 1 present, 0 absent, negative or NaN unknown.
        patient: (N,) numbers.
        record: C findings and thresholds.

    Returns:
        As ``metrics``: by measure and finding, with ``macro``.
    """
    return _with_macros(_scores(logit, label, patient, record))


def areas_of_reports(result: Metrics) -> Metrics:
    """Areas and kappas of what was reported by study, group of findings and label set (``app.engines.reports``)."""
    kept: Metrics = {"by_study": _main(result["by_study"])} if "by_study" in result else {}
    for name in ("by_finding_group", "label_sets"):
        if name in result:
            kept[name] = {each: _main(entry) for each, entry in result[name].items()}
    return kept


def accuracies_to_log(result: Metrics) -> Metrics:
    """IoU and IoR accuracy at T of 0.1 to 0.5: by finding at 0.1, as the papers have it; macros alone at the others."""
    kept: Metrics = {}
    for measure in LOCALISED:
        for least in LEAST_LOGGED:
            entry = result.get(measure, {}).get(f"T {least}", {})
            shown = entry if least == LEAST_LOGGED[0] else {name: entry[name] for name in ("macro",) if name in entry}
            if shown:
                kept.setdefault(measure, {})[f"T {least}"] = shown
    return kept


def _main(entry: Metrics) -> Metrics:
    return {name: entry[name] for name in ("auc", "kappa") if name in entry}


def write_metrics(result: Metrics, path: Path) -> None:
    """Write as JSON; a value that is undefined is ``null``."""
    write_whole(path, json.dumps(_without_nan(result), indent=2) + "\n")


def write_scores(outputs: Outputs, samples: Sequence[Mapping[str, Any]], findings: Sequence[str], path: Path) -> None:
    """Write ``predictions.csv``: image, patient, finding, label, score and logit, with what is known of the image."""
    visited = [samples[i] for i in outputs.index]
    attributes = {name: np.array([str(sample[name]) for sample in visited]) for name in ("study", "view", "source")}
    for name in sorted({name for sample in visited for name in sample["attributes"]} - attributes.keys()):
        attributes[name] = np.array([str(sample["attributes"].get(name, "")) for sample in visited])
    table = PredictionTable(
        findings=tuple(findings),
        image=np.array([sample["name"] for sample in visited]),
        patient=np.array([sample["patient"] for sample in visited]),
        label=outputs.label.astype(np.float64),
        score=outputs.score,
        attributes=attributes,
        logit=outputs.logit,
    )
    with whole_file(path) as temporary:
        write_predictions(temporary, table)


def whole_results(folder: Path, remedy: str) -> Metrics:
    """What ``metrics.json`` of a finished training holds, where all that was written beside it can be read.

    Args:
        folder: of the training.
        remedy: what is done where it cannot.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is damaged; names it.
    """
    try:
        read_cases(folder / "cases.csv")
        read_predictions(folder / "predictions.csv")
        read_weights(folder / "model.pt")
    except ValueError as error:
        raise ValueError(f"{error}. {remedy}") from error
    read_record(folder / "model.json", RECORD, remedy)
    return read_record(folder / "metrics.json", "the results of a run", remedy)


def write_cases(outputs: Outputs, samples: Sequence[Mapping[str, Any]], record: ModelRecord, path: Path) -> None:
    """Write ``cases.csv``: the Dice of every located case, for paired comparison of runs."""
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "patient", "finding", "dice"])
        for c, name in enumerate(record.findings):
            for row, value in zip(*outputs.dice(c, record.map_thresholds[c]), strict=True):
                sample = samples[outputs.index[row]]
                writer.writerow(safe_row([sample["name"], sample["patient"], name, f"{value:.6g}"]))


def flat(result: Metrics, findings: Sequence[str] = ()) -> dict[str, float]:
    """Every ``value`` under its path, as MLflow's metrics want it: ``auc.Nodule``, ``auc_by_view.AP.macro``.

    Args:
        result: as :func:`metrics` gives it.
        findings: names that are made safe, as are those of groups between measure and finding.
    """
    found = dict(_defined(result))
    groups = {part for path in found for part in path[1:-1]}
    between = {name: each for name, each in safe_names(sorted(groups)).items() if clean(name) != name}
    last = safe_names(findings)

    def name(path: tuple[str, ...]) -> str:
        measure, *groups, finding = path
        return ".".join([measure, *(between.get(group, group) for group in groups), last.get(finding, finding)])

    return {name(path): entry["value"] for path, entry in found.items()}


def table(result: Metrics) -> str:
    """A plain table of the main values for a terminal, one row a measure and finding, then the warnings."""
    rows: list[tuple[str, str]] = []
    shown = {name: result[name] for name in IN_TERMINAL if name in result} | areas_of_reports(result)
    for path, entry in _defined(_without_repeats(shown)):
        limits = f"  [{entry['lower']:.3f}, {entry['upper']:.3f}]" if _has_limits(entry) else ""
        cases = f"  n = {entry['present']} present, {entry['absent']} absent" if "absent" in entry else ""
        cases = cases or (f"  n = {entry['images']} images" if "images" in entry else "")
        rows.append((" ".join(path), f"{entry['value']:.3f}{limits}{cases}"))
    width = max((len(name) for name, _ in rows), default=0)
    lines = [f"{name:<{width}}  {text}" for name, text in rows]
    return "\n".join([*lines, *result.get("warnings", [])])


def _scores(logit: np.ndarray, label: np.ndarray, patient: np.ndarray, record: ModelRecord) -> Metrics:
    result: Metrics = {"auc": _areas(logit, label, record.findings, patient)}
    for c, name in enumerate(record.findings):
        threshold = {"threshold": record.score_thresholds[c], "logit_threshold": record.logit_thresholds[c]}
        for measure, entry in _called(logit[:, c], label[:, c], patient, threshold).items():
            result.setdefault(measure, {})[name] = entry
    return result


def _areas(score: np.ndarray, label: np.ndarray, findings: Sequence[str], patient: np.ndarray) -> Metrics:
    results: list[FindingResult] = list(auc_intervals(score, label, patient))
    entries: Metrics = {name: asdict(each) for name, each in zip(findings, results, strict=True)}
    defined = [each for each in results if not np.isnan(each.value)]
    # Over a single finding the macro average is that finding, with the interval that is exact for few cases.
    if len(defined) == 1:
        return entries | {"macro": asdict(defined[0].interval) | {"findings": 1}}
    together = area_covariance(score, label, patient)
    counted = int((~np.isnan(np.diag(together.covariance))).sum())
    return entries | {"macro": asdict(macro_auc_interval(together)) | {"findings": counted}}


def _areas_by(outputs: Outputs, findings: Sequence[str], patient: np.ndarray, group: np.ndarray) -> Metrics:
    def areas(rows: np.ndarray, label: np.ndarray) -> Metrics:
        chosen = rows.astype(np.int64)[:, 0]
        return _areas(outputs.logit[chosen], label, findings, patient[chosen])

    # Row numbers in place of scores: the measure needs the patients of the group as well.
    rows = np.repeat(np.arange(len(group), dtype=np.float64)[:, None], len(findings), axis=1)
    return by_subgroup(areas, rows, outputs.label, group)


def _called(logit: np.ndarray, label: np.ndarray, patient: np.ndarray, threshold: dict[str, float]) -> Metrics:
    point = operating_point(logit, label, threshold["logit_threshold"], patient)
    counts = asdict(point.counts)
    entries: Metrics = {"average_precision": asdict(average_precision_interval(logit, label, patient))}
    for name in SHARES:
        entries[name] = asdict(getattr(point, name)) | counts | dict(threshold)
    known, score = checked_labels(label).known, probability(logit)
    squared = np.square(score[known] - label[known])
    entries["brier"] = asdict(mean_interval(squared, patient[known])) | counts
    entries["calibration_error"] = {"value": expected_calibration_error(score, label)} | counts
    return entries


def _overlap(outputs: Outputs, record: ModelRecord, patient: np.ndarray) -> Metrics:
    entries: Metrics = {}
    for c, name in enumerate(record.findings):
        threshold = record.map_thresholds[c]
        rows, values = outputs.dice(c, threshold)
        if not len(rows):
            continue
        about = {"images": len(rows), "threshold": threshold, "worst": float(values.min())}
        entries.setdefault("dice", {})[name] = asdict(mean_interval(values, patient[rows])) | about
        # Counts images without the finding too, which wants a higher threshold than outlines where it is.
        threshold = record.aggregate_thresholds[c]
        rows, part, whole = outputs.dice_parts(c, threshold)
        about = {"images": len(rows), "threshold": threshold}
        entries.setdefault("dice_aggregated", {})[name] = asdict(ratio_interval(part, whole, patient[rows])) | about
    return entries


def _localisation(outputs: Outputs, findings: Sequence[str], patient: np.ndarray) -> Metrics:
    """Share of images located rightly: by the map's highest point, by overlap of at least T (Rozenberg et al. 2020)."""
    measures: Metrics = {}
    for c, name in enumerate(findings):
        found = outputs.overlaps(c, REGION_THRESHOLD)
        if not len(found.rows):
            continue
        owner = patient[found.rows]
        measures.setdefault("hit_rate", {})[name] = _share(found.hit, owner)
        for measure, values in zip(LOCALISED, (found.iou, found.ior), strict=True):
            for least in CORRECT_FROM:
                share = _share(is_correct(values, least), owner) | {"threshold": REGION_THRESHOLD}
                measures.setdefault(measure, {}).setdefault(f"T {least}", {})[name] = share
    return measures


def _share(is_right: np.ndarray, patient: np.ndarray) -> Metrics:
    return asdict(share_interval(is_right, np.ones(len(is_right), dtype=bool), patient)) | {"images": len(is_right)}


def _with_macros(entries: Metrics) -> Metrics:
    """The entries, at any depth, with the mean over findings beside them where it is not there yet."""
    if any("value" not in entry for entry in entries.values()):
        return {name: _with_macros(entry) for name, entry in entries.items()}
    if "macro" in entries or not entries:
        return entries
    return entries | {"macro": _mean([entry["value"] for entry in entries.values()])}


def _groups(visited: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Attributes that share the cases out among a few groups; ages go by bands."""
    groups = {"view": group_names([sample["view"] for sample in visited])}
    groups["source"] = group_names([sample["source"] for sample in visited])
    names = sorted({name for sample in visited for name in sample["attributes"]})
    for name in names:
        values = [_text(sample["attributes"].get(name)) for sample in visited]
        groups[name] = age_bands(values) if name == "age" else group_names(values)
    return {name: group for name, group in groups.items() if 1 < len(set(group.tolist())) <= 12}


def _warnings(
    outputs: Outputs, findings: Sequence[str], patient: np.ndarray, visited: Sequence[Mapping[str, Any]]
) -> list[str]:
    found = []
    for attribute, words in TREATMENTS.items():
        values = [_shown(sample["attributes"].get(attribute)) for sample in visited]
        if not {0.0, 1.0} <= set(values):
            continue
        for c, name in enumerate(findings):
            check = check_treatment(outputs.logit[:, c], outputs.label[:, c], values, (name, words), patient)
            found += [check.warning] if check.warning else []
    return found


def _shown(value: object) -> float:
    """Whether a treatment is visible: 1, 0, or -1 where the item does not say."""
    return {"1": 1.0, "true": 1.0, "yes": 1.0, "0": 0.0, "false": 0.0, "no": 0.0}.get(_text(value).lower(), -1.0)


def _text(value: object) -> str:
    """An attribute as text, alike for 1 and 1.0; empty where the item does not say."""
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def _defined(result: Metrics, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Metrics]]:
    """Every entry with a value that is defined, under its path of names (which may hold dots themselves)."""
    for name, entry in result.items():
        if isinstance(entry, dict) and "value" not in entry:
            yield from _defined(entry, (*path, name))
        elif isinstance(entry, dict) and not np.isnan(entry["value"]):
            yield (*path, name), entry


def _without_repeats(result: Metrics) -> Metrics:
    """The same without each ``macro`` that repeats the only finding beside it."""
    repeats = len(result) == 2 and "macro" in result
    return {
        name: _without_repeats(entry) if "value" not in entry else entry
        for name, entry in result.items()
        if not (repeats and name == "macro")
    }


def _mean(values: Sequence[float]) -> Metrics:
    defined = [value for value in values if not np.isnan(value)]
    return {"value": float(np.mean(defined)) if defined else float("nan"), "findings": len(defined)}


def _has_limits(entry: Metrics) -> bool:
    return "lower" in entry and not np.isnan(entry["lower"])


def _without_nan(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
