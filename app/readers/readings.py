"""The table of a reader study: one row for each reading, with the reader, the modality, the case and the score."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.files.tables import Table, number, one_of, read_table
from evaluation.cells import plain_cell
from evaluation.patients import patient_numbers

COLUMNS = ("reader", "modality", "case", "score", "truth")
CORRECT = "correct"
PATIENT = "patient"
ONE_OR_ZERO = ("0", "1")
SHOWN = 3


@dataclass(frozen=True)
class Readings:
    """N cases that every one of R readers read in each of T modalities.

    Attributes:
        readers: R names, in the order of the table.
        modalities: T names.
        patient: (N,) number of each case's patient.
        patients: Number of patients.
        present: (N,) whether the finding is there.
        score: (N, T * R), modality by modality.
        correct: (N, T * R) whether the place was right; None if the table does not say.
    """

    readers: tuple[str, ...]
    modalities: tuple[str, ...]
    patient: np.ndarray
    patients: int
    present: np.ndarray
    score: np.ndarray
    correct: np.ndarray | None


@dataclass(frozen=True)
class _Reading:
    score: float
    truth: bool
    patient: str
    correct: float


def read_readings(path: Path) -> Readings:
    """Read a table with the columns ``reader``, ``modality``, ``case``, ``score`` and ``truth``, in any order.

    ``patient`` names the patient of a case with several, ``correct`` says whether the place was right (1 or 0), for
    LROC. Separators and encodings are recognised.

    Raises:
        ValueError: A column is missing, a value is not what it must be, a reading occurs twice, a case has two truths
            or patients, or not every reader read every case in every modality; says where.
    """
    table = read_table(path, COLUMNS)
    readings: dict[tuple[str, str, str], _Reading] = {}
    for row, cells in enumerate(rows(table, (*COLUMNS, PATIENT, CORRECT))):
        where, key = table.where(row), named(cells, ("reader", "modality", "case"), table.where(row))
        if key in readings:
            raise ValueError(
                f"{where}: reader {key[0]!r}, modality {key[1]!r} and case {key[2]!r} occur a second time; keep one "
                "reading"
            )
        readings[key[0], key[1], key[2]] = _Reading(
            score=number(cells["score"], "score", where),
            truth=one_of(cells["truth"], ONE_OR_ZERO, "truth", where) == "1",
            patient=cells.get(PATIENT, "") or key[2],
            correct=float(one_of(cells[CORRECT], ONE_OR_ZERO, CORRECT, where)) if cells.get(CORRECT) else math.nan,
        )
    if not readings:
        raise ValueError(f"{path}: holds no reading")
    return _crossed(readings, path, CORRECT in table.columns)


def _crossed(readings: Mapping[tuple[str, str, str], _Reading], path: Path, has_correct: bool) -> Readings:
    readers, modalities, cases = (list(dict.fromkeys(names)) for names in zip(*readings, strict=True))
    _require_crossed(readings, (readers, modalities, cases), path)
    first = {case: readings[readers[0], modalities[0], case] for case in cases}
    for (reader, modality, case), reading in readings.items():
        for name in ("truth", "patient"):
            if getattr(reading, name) != getattr(first[case], name):
                raise ValueError(
                    f"{path}: case {case!r} has another {name} for reader {reader!r} in modality {modality!r} than for "
                    f"reader {readers[0]!r} in modality {modalities[0]!r}; a case has one"
                )
    keys = [[(reader, modality, case) for modality in modalities for reader in readers] for case in cases]
    score = np.array([[readings[key].score for key in row] for row in keys])
    patients, patient = patient_numbers([first[case].patient for case in cases], len(cases))
    correct = np.array([[readings[key].correct for key in row] for row in keys]) if has_correct else None
    present = np.array([first[case].truth for case in cases])
    return Readings(tuple(readers), tuple(modalities), patient, patients, present, score, correct)


def _require_crossed(
    readings: Mapping[tuple[str, str, str], _Reading], names: tuple[list[str], list[str], list[str]], path: Path
) -> None:
    wanted = math.prod(map(len, names))
    if len(readings) == wanted:
        return
    lacking = [key for key in itertools.product(*names) if key not in readings]
    by_reader = Counter((reader, modality) for reader, modality, _ in lacking)
    listed = [f"reader {r!r} in modality {m!r} lacks {n:,} of {len(names[2]):,}" for (r, m), n in by_reader.items()]
    cases = list(dict.fromkeys(case for *_, case in lacking))
    raise ValueError(
        f"{path}: not every reader read every case in every modality: {len(lacking):,} of {wanted:,} readings are "
        f"missing ({some(listed)}; cases {some(list(map(repr, cases)))}). Add them, or take these cases, or the "
        "reader, out of the table"
    )


def rows(table: Table, names: Sequence[str]) -> list[dict[str, str]]:
    """The cells of those of the named columns that the table has, row by row."""
    known = [name for name in names if name in table.columns]
    return [
        dict(zip(known, (plain_cell(cell.strip()) for cell in cells), strict=True)) for cells in table.select(*known)
    ]


def named(cells: Mapping[str, str], columns: Sequence[str], where: str) -> tuple[str, ...]:
    """The names in some columns.

    Raises:
        ValueError: One is empty.
    """
    for column in columns:
        if not cells[column]:
            raise ValueError(f"{where}: {column} is empty")
    return tuple(cells[column] for column in columns)


def some(names: Sequence[str]) -> str:
    """The first few of some names, and how many more there are."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
