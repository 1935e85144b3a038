"""One run gathered for its report: what it reached, on which data, in which groups, and with which settings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.comparing.results import Result
from app.files.records import read_record
from app.reporting.groups import GroupRow, TreatmentRow, group_rows, not_grouped, treatment_rows
from evaluation import PredictionTable, area_covariance, auc_intervals, macro_auc_interval, read_predictions

DATA = "data."
"""Parameters that tell of the data begin with it."""


@dataclass(frozen=True)
class Value:
    """A value of ``metrics.json``.

    Attributes:
        path: names from the measure to the finding, such as ("auc_by_view", "PA", "Nodule").
        value: NaN where undefined.
        lower: limit of its interval; NaN where it has none.
        upper: limit of its interval.
        counts: what else stands with it (present, absent, unknown, images, threshold, ...).
    """

    path: tuple[str, ...]
    value: float
    lower: float
    upper: float
    counts: Mapping[str, float]


@dataclass(frozen=True)
class Report:
    """What a report says.

    Attributes:
        result: the run.
        section: which section of the data was measured; empty where nobody said.
        images: how many.
        patients: how many.
        values: what was reached.
        thresholds: on what they were chosen, and a warning where that flatters; empty where nobody said.
        regions: how detected regions were measured; empty where nobody said.
        groups: areas by subgroup.
        treatments: findings checked for being recognised by a treatment.
        warnings: in plain words: of the treatments, and those that ``metrics.json`` holds.
        ungrouped: attributes that make no groups.
        data: facts about the data by name, as the run recorded them; empty where no run is known.
        settings: all other parameters.
        pictures: file name to path.
    """

    result: Result
    section: str
    images: int
    patients: int
    values: tuple[Value, ...]
    thresholds: Mapping[str, str]
    regions: Mapping[str, str]
    groups: tuple[GroupRow, ...]
    treatments: tuple[TreatmentRow, ...]
    warnings: tuple[str, ...]
    ungrouped: tuple[str, ...]
    data: Mapping[str, str]
    settings: Mapping[str, str]
    pictures: Mapping[str, Path]


def gather(result: Result) -> Report:
    """Read what a run left.

    Values come from ``metrics.json``; without it, areas are measured from the predictions.

    Raises:
        ValueError: a file of the run cannot be read as what it should be.
    """
    table = read_predictions(result.predictions)
    path = result.file("metrics.json")
    reached = (
        measured(table) if path is None else read_record(path, "the results of a run", "Evaluate the model again.")
    )
    settings, checked = result.settings(), treatment_rows(table)
    warnings = [row.check.warning for row in checked if row.check.warning]
    warnings += [str(text) for text in reached.get("warnings", [])]
    return Report(
        result=result,
        section=str(reached.get("section", settings.get("section", ""))),
        images=len(table.image),
        patients=len(np.unique(table.patient)),
        values=tuple(values(reached)),
        thresholds=_texts(reached, "thresholds"),
        regions=_texts(reached, "regions"),
        groups=group_rows(table),
        treatments=checked,
        warnings=tuple(dict.fromkeys(warnings)),
        ungrouped=not_grouped(table),
        data={name.removeprefix(DATA): value for name, value in settings.items() if name.startswith(DATA)},
        settings={name: value for name, value in settings.items() if not name.startswith(DATA)},
        pictures=result.pictures(),
    )


def measured(table: PredictionTable) -> dict[str, Any]:
    """Areas of predictions in the form of ``metrics.json``."""
    areas = auc_intervals(table.rank, table.label, table.patient)
    entries = {name: asdict(area) for name, area in zip(table.findings, areas, strict=True)}
    macro = macro_auc_interval(area_covariance(table.rank, table.label, table.patient))
    return {"auc": entries | {"macro": asdict(macro)}}


def values(reached: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[Value]:
    """Every entry with a ``value``, under the names that lead to it."""
    for name, entry in reached.items():
        if not isinstance(entry, dict):
            continue
        if "value" not in entry:
            yield from values(entry, (*path, name))
            continue
        rest = {key: _number(x) for key, x in entry.items() if key not in ("value", "lower", "upper")}
        value, lower, upper = (_number(entry.get(key)) for key in ("value", "lower", "upper"))
        yield Value((*path, name), value, lower, upper, {key: x for key, x in rest.items() if not math.isnan(x)})


def _texts(reached: Mapping[str, Any], name: str) -> dict[str, str]:
    given = reached.get(name)
    return {str(key): str(text) for key, text in given.items()} if isinstance(given, dict) else {}


def _number(value: object) -> float:
    """A number of JSON; null, and what is no number, is NaN."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
