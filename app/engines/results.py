"""The results of a launch: its files, the metrics that its MLflow run logs, and the table on the terminal."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from app.checking.model_records import RECORD
from app.comparing.cases import MEASURES, REQUIRED, read_cases
from app.engines.measures import LOCALISED, REGION_THRESHOLD, Metrics
from app.engines.outputs import Outputs
from app.engines.record import ModelRecord
from app.files.atomic import whole_file, write_whole
from app.files.own_json import read_record, without_nan
from app.findings import safe_names
from app.networks.checkpoints import read_weights
from app.pages.numbers import counted
from app.tracking.names import clean
from evaluation.cells import safe_row
from evaluation.predictions import PredictionTable, read_predictions, write_predictions

SHOWN = ("auc", "average_precision", "sensitivity", "specificity", "dice", "auc_by_view")
LOGGED = (*SHOWN, "precision", "f1", "accuracy", "brier", "calibration_error", "dice_aggregated", "hit_rate")
"""What a run logs as metrics; the rest is in ``metrics.json`` alone, since many names slow down MLflow's pages."""
LOGGED_T = 0.1


def write_metrics(result: Metrics, path: Path) -> None:
    """Write ``metrics.json``; an undefined value is ``null``."""
    write_whole(path, json.dumps(without_nan(result), indent=2) + "\n")


def write_scores(outputs: Outputs, samples: Sequence[Mapping[str, Any]], findings: Sequence[str], path: Path) -> None:
    """Write ``predictions.csv``: image, patient, finding, label, score, logit and the attributes of the image."""
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


def write_cases(outputs: Outputs, samples: Sequence[Mapping[str, Any]], record: ModelRecord, path: Path) -> None:
    """Write ``cases.csv``: Dice, IoU, IoR and hit of every located case with all digits, to compare runs on them.

    Dice is taken at the threshold that validation chose for the finding, IoU and IoR at ``REGION_THRESHOLD``, as in
    ``metrics.json``.
    """
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*REQUIRED, *MEASURES])
        for c, name in enumerate(record.findings):
            overlaps = outputs.overlaps(c, REGION_THRESHOLD)
            dice = outputs.dice(c, record.map_thresholds[c])[1]
            values = (dice.tolist(), overlaps.iou.tolist(), overlaps.ior.tolist(), overlaps.hit.astype(int).tolist())
            for row, *measured in zip(overlaps.rows, *values, strict=True):
                sample = samples[outputs.index[row]]
                writer.writerow(safe_row([sample["name"], sample["patient"], name, *map(repr, measured)]))


def write_history(values: Mapping[str, Sequence[float]], path: Path) -> None:
    """Write ``history.csv``: a row an epoch, with its losses, learning rate, seconds and validation metrics."""
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", *values])
        for epoch, row in enumerate(zip(*values.values(), strict=True), start=1):
            writer.writerow([epoch, *("" if np.isnan(value) else repr(value) for value in row)])


def write_lesions(table: PredictionTable | None, path: Path) -> None:
    """Write ``lesions.csv``: lesions and normal images with their highest marks; nothing if there is no table."""
    if table is not None:
        with whole_file(path) as temporary:
            write_predictions(temporary, table)


def read_results(folder: Path, remedy: str) -> Metrics:
    """Read ``metrics.json`` of a finished training, and check that the files beside it can be read.

    Args:
        folder: Output folder of the training.
        remedy: What happens if a file is damaged, for the message.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged; names it.
    """
    try:
        read_cases(folder / "cases.csv")
        read_predictions(folder / "predictions.csv")
        read_weights(folder / "model.pt")
    except ValueError as error:
        raise ValueError(f"{error}. {remedy}") from error
    read_record(folder / "model.json", RECORD, remedy)
    return read_record(folder / "metrics.json", "the results of a run", remedy)


def logged(result: Metrics, findings: Sequence[str]) -> dict[str, float]:
    """The metrics that a run logs, by name: ``auc.Nodule``, ``auc_by_view.AP.macro``, ``iou_accuracy.T 0.1.Nodule``.

    Localisation accuracies are logged at T = 0.1, as in the papers; of further reports (``app.engines.reports``) areas
    and kappas. Means over a single finding are left out.
    """
    main = {name: result[name] for name in LOGGED if name in result}
    return flat(without_repeats(main | _accuracies(result) | _areas_of_reports(result)), findings)


def flat(result: Metrics, findings: Sequence[str] = ()) -> dict[str, float]:
    """Every defined ``value`` by its path, in names that MLflow accepts.

    Args:
        result: Metrics, as ``app.engines.measures`` gives them.
        findings: Names that are made safe, like those of groups between measure and finding.

    Example:
        >>> flat({"section": "test", "auc": {"Nodule/Mass": {"value": 0.8}}}, ["Nodule/Mass"])
        {'auc.Nodule_Mass': 0.8}
    """
    entries = dict(defined(result))
    groups = {part for path in entries for part in path[1:-1]}
    group_names = {name: safe for name, safe in safe_names(sorted(groups)).items() if clean(name) != name}
    finding_names = safe_names(findings)

    def name(path: tuple[str, ...]) -> str:
        measure, *groups, finding = path
        return ".".join(
            [measure, *(group_names.get(each, each) for each in groups), finding_names.get(finding, finding)]
        )

    return {name(path): entry["value"] for path, entry in entries.items()}


def table(result: Metrics) -> str:
    """The main values as a plain table for the terminal, one row per measure and finding.

    Warnings follow, and what was not tested.

    Example:
        >>> entry = {"value": 0.8, "lower": 0.7, "upper": 0.9, "present": 30, "absent": 40}
        >>> entry |= {"present_patients": 12, "absent_patients": 40}
        >>> print(table({"auc": {"Nodule": entry}, "warnings": ["Few cases."]}))
        auc Nodule  0.800  [0.700, 0.900]  n = 30 present (12 patients), 40 absent
        Few cases.
    """
    shown = {name: result[name] for name in SHOWN if name in result} | _areas_of_reports(result)
    rows = [(" ".join(path), _row(entry)) for path, entry in defined(without_repeats(shown))]
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(
        [
            *(f"{name:<{width}}  {text}" for name, text in rows),
            *result.get("warnings", []),
            *result.get("not_tested", []),
        ]
    )


def _row(entry: Metrics) -> str:
    text = f"{entry['value']:.3f}"
    if "lower" in entry and not np.isnan(entry["lower"]):
        text += f"  [{entry['lower']:.3f}, {entry['upper']:.3f}]"
    if "absent" in entry:
        return f"{text}  n = {_cases(entry, 'present')}, {_cases(entry, 'absent')}"
    return f"{text}  n = {entry['images']} images" if "images" in entry else text


def _cases(entry: Metrics, name: str) -> str:
    """Cases of a class, and their patients if these are fewer."""
    cases: int = entry[name]
    patients: int = entry.get(f"{name}_patients", cases)
    return f"{cases} {name}" + (f" ({counted(patients, 'patient')})" if patients != cases else "")


def _accuracies(result: Metrics) -> Metrics:
    level = f"T {LOGGED_T}"
    return {measure: {level: result[measure][level]} for measure in LOCALISED if level in result.get(measure, {})}


def _areas_of_reports(result: Metrics) -> Metrics:
    """Areas and kappas of the reports by study, group of findings and label set."""

    def main(entry: Metrics) -> Metrics:
        return {name: entry[name] for name in ("auc", "kappa") if name in entry}

    chosen: Metrics = {"by_study": main(result["by_study"])} if "by_study" in result else {}
    for name in ("by_finding_group", "label_sets"):
        if name in result:
            chosen[name] = {group: main(entry) for group, entry in result[name].items()}
    return chosen


def defined(result: Metrics, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Metrics]]:
    """Every entry with a defined value, and its path of names, which may hold dots themselves."""
    for name, entry in result.items():
        if isinstance(entry, dict) and "value" not in entry:
            yield from defined(entry, (*path, name))
        elif isinstance(entry, dict) and not np.isnan(entry["value"]):
            yield (*path, name), entry


def without_repeats(result: Metrics) -> Metrics:
    """Leave out each ``macro`` that repeats the only finding beside it."""
    repeats = len(result) == 2 and "macro" in result
    return {
        name: without_repeats(entry) if "value" not in entry else entry
        for name, entry in result.items()
        if not (repeats and name == "macro")
    }
