"""Values of single located cases (``cases.csv``): the Dice of each image and finding, and other measures beside it."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation import DifferentCasesError
from evaluation.cases import FloatArray, TextArray
from evaluation.cells import number, opened_table, plain_cell
from evaluation.compare import only_in

MEASURES = {"dice": "Dice", "iou": "IoU", "ior": "IoR", "hit": "Pointing game"}
"""Columns that are compared, and their titles; other columns are ignored."""
REQUIRED = ("image", "patient", "finding")


@dataclass(frozen=True)
class Cases:
    """Values of located cases.

    Attributes:
        patient: The patient of each image.
        value: For each measure, the defined values by (image, finding).
    """

    patient: dict[str, str]
    value: dict[str, dict[tuple[str, str], float]]


def read_cases(path: Path) -> Cases:
    """Read a table with one row per located image and finding.

    Columns: ``image``, ``patient``, ``finding``, and at least one of ``dice``, ``iou``, ``ior`` and ``hit`` with values
    from 0 to 1, empty if undefined.

    Raises:
        ValueError: A column is missing, a pair occurs twice, an image has two patients, or a value is no number from 0
            to 1; names the file, the line and the value, but no patient.
    """
    with opened_table(path) as file:
        reader = csv.DictReader(file)
        header = reader.fieldnames or []
        missing = [name for name in REQUIRED if name not in header]
        measures = [name for name in MEASURES if name in header]
        if missing or not measures:
            raise ValueError(f"{path}: no column {', '.join(missing) or ' or '.join(MEASURES)}")
        cases = Cases({}, {name: {} for name in measures})
        seen: set[tuple[str, str]] = set()
        for cells in reader:
            row = {name: plain_cell(cell or "") for name, cell in cells.items() if isinstance(name, str)}
            where, case = f"{path}, line {reader.line_num}", (row["image"], row["finding"])
            if case in seen:
                raise ValueError(f"{where}: image {case[0]!r} with finding {case[1]!r} occurs a second time")
            if cases.patient.setdefault(row["image"], row["patient"]) != row["patient"]:
                raise ValueError(f"{where}: image {row['image']!r} has another patient than before")
            seen.add(case)
            for name in measures:
                value = _number(row[name], f"{where}: {name}")
                if not math.isnan(value):
                    cases.value[name][case] = value
    return cases


def aligned_values(
    tables: Sequence[Cases], names: Sequence[str], measure: str
) -> tuple[tuple[str, ...], TextArray, list[FloatArray]]:
    """One measure of several models on the same cases.

    Args:
        tables: Of two models or more, all with the measure.
        names: Names of the models for error messages.
        measure: A key of ``MEASURES``.

    Returns:
        C findings, patients (N,), and for each model values (N, C), NaN if the image is not located.

    Raises:
        DifferentCasesError: A model has other cases or other patients than the first.
    """
    first = tables[0].value[measure]
    for table, name in zip(tables[1:], names[1:], strict=True):
        _require_same(tables[0], table, (names[0], name), measure)
    rows = {image: row for row, image in enumerate(dict.fromkeys(image for image, _ in first))}
    columns = {finding: column for column, finding in enumerate(dict.fromkeys(finding for _, finding in first))}
    arrays = []
    for table in tables:
        values = np.full((len(rows), len(columns)), np.nan)
        for (image, finding), value in table.value[measure].items():
            values[rows[image], columns[finding]] = value
        arrays.append(values)
    patient = np.array([tables[0].patient[image] for image in rows], dtype=np.str_)
    return tuple(columns), patient, arrays


def _require_same(first: Cases, second: Cases, names: tuple[str, str], measure: str) -> None:
    one, two = first.value[measure], second.value[measure]
    problems = only_in(map(", ".join, one), map(", ".join, two), names, "located cases")
    changed = sum(first.patient[image] != second.patient[image] for image in {image for image, _ in one.keys() & two})
    if changed:
        problems.append(f"{changed} images with another patient")
    if problems:
        title = MEASURES[measure]
        raise DifferentCasesError(
            f"{title} of {names[0]} and {names[1]} is not about the same cases: " + "; ".join(problems)
        )


def _number(cell: str, where: str) -> float:
    if cell.strip().lower() in ("", "nan"):
        return math.nan
    value = number(cell)
    if not 0 <= value <= 1:
        raise ValueError(f"{where} is {cell!r}, but must be a number from 0 to 1")
    return value
