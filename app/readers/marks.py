"""Free-response readings: a table of marks, and one of the cases with their lesions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from app.files.tables import number, read_table
from app.readers.readings import PATIENT, named, rows, some
from evaluation.figures_of_merit import Units
from evaluation.patients import patient_numbers

COLUMNS = ("reader", "modality", "case", "lesion", "score")
LESION_COLUMNS = ("case", "lesion")
WEIGHT = "weight"


@dataclass(frozen=True)
class Marked:
    """Cases that R readers marked in T modalities.

    Attributes:
        readers: R names, in the order of the table.
        modalities: T names.
        units: Lesions against cases without one; T * R sets of scores, modality by modality; each lesion's weight as
            the table gives it.
        case: (L,) number of each lesion's case.
        cases: Number of cases.
    """

    readers: tuple[str, ...]
    modalities: tuple[str, ...]
    units: Units
    case: np.ndarray
    cases: int

    def unweighted(self) -> Units:
        """Every lesion counts alike (AFROC)."""
        return replace(self.units, weight=np.ones(len(self.case)))

    def weighted(self) -> Units:
        """Every case counts alike, and its lesions by their weights (weighted AFROC)."""
        total = np.bincount(self.case, weights=self.units.weight, minlength=self.cases)
        return replace(self.units, weight=self.units.weight / total[self.case])


@dataclass(frozen=True)
class _Cases:
    """Numbers of cases by name, of their lesions by case and name, and their patients and weights."""

    number: dict[str, int]
    patient: list[str]
    lesion: dict[tuple[str, str], int]
    weight: list[float]


def read_marks(path: Path, lesions: Path) -> Marked:
    """Read marks and lesions.

    Args:
        path: One row for each mark: ``reader``, ``modality``, ``case``, ``score``, and the ``lesion`` that it hits,
            empty if it hits none. Of several marks on a lesion the highest counts.
        lesions: One row for each lesion: ``case``, ``lesion``, and if known its ``weight`` and the ``patient``. A case
            without a lesion has one row in which ``lesion`` is empty.

    Raises:
        ValueError: A column is missing, a value is not what it must be, a mark is on a case or lesion that the second
            table does not have, or a reader marked nothing in a modality; says where.
    """
    cases = _read_cases(lesions)
    table = read_table(path, COLUMNS)
    marks = rows(table, COLUMNS)
    keys = [named(cells, ("reader", "modality", "case"), table.where(row)) for row, cells in enumerate(marks)]
    readers, modalities = (tuple(dict.fromkeys(key[n] for key in keys)) for n in (0, 1))
    _require_all({key[:2] for key in keys}, readers, modalities, path)
    number_of = {pair: k for k, pair in enumerate((r, m) for m in modalities for r in readers)}
    hit = np.full((len(cases.lesion), len(number_of)), -np.inf)
    false = np.full((len(cases.number), len(number_of)), -np.inf)
    for row, ((reader, modality, case), cells) in enumerate(zip(keys, marks, strict=True)):
        where, column = table.where(row), number_of[reader, modality]
        score, lesion = number(cells["score"], "score", where), cells["lesion"]
        if case not in cases.number or (lesion and (case, lesion) not in cases.lesion):
            what = f"lesion {lesion!r} of case {case!r}" if case in cases.number else f"case {case!r}"
            raise ValueError(f"{where}: {what} is not in {lesions}; add it there, or correct the mark")
        highest = hit[cases.lesion[case, lesion]] if lesion else false[cases.number[case]]
        highest[column] = max(highest[column], score)
    return Marked(readers, modalities, *_units(cases, hit, false))


def _units(cases: _Cases, hit: np.ndarray, false: np.ndarray) -> tuple[Units, np.ndarray, int]:
    patients, patient = patient_numbers(cases.patient, len(cases.patient))
    case = np.array([cases.number[name] for name, _ in cases.lesion], dtype=np.int64)
    is_normal = np.ones(len(cases.number), dtype=bool)
    is_normal[case] = False
    units = Units(hit, patient[case], np.array(cases.weight), false[is_normal], patient[is_normal], patients)
    return units, case, len(cases.number)


def _read_cases(path: Path) -> _Cases:
    table = read_table(path, LESION_COLUMNS)
    cases, lesionless = _Cases({}, [], {}, []), set()
    for row, cells in enumerate(rows(table, (*LESION_COLUMNS, WEIGHT, PATIENT))):
        where, (case,), lesion = table.where(row), named(cells, ("case",), table.where(row)), cells["lesion"]
        patient = cells.get(PATIENT, "") or case
        is_known = case in cases.number
        if is_known and cases.patient[cases.number[case]] != patient:
            raise ValueError(f"{where}: case {case!r} has another patient than before")
        if (case, lesion) in cases.lesion or (is_known and (not lesion or case in lesionless)):
            raise ValueError(
                f"{where}: case {case!r} with lesion {lesion!r} contradicts an earlier row: give each lesion one row, "
                "and a case without lesions one row with none"
            )
        if not is_known:
            cases.number[case] = len(cases.number)
            cases.patient.append(patient)
        if not lesion:
            lesionless.add(case)
            continue
        cases.lesion[case, lesion] = len(cases.lesion)
        cases.weight.append(_weight(cells, where))
    return cases


def _weight(cells: Mapping[str, str], where: str) -> float:
    weight = number(cells[WEIGHT], WEIGHT, where) if cells.get(WEIGHT) else 1.0
    if not weight > 0:
        raise ValueError(f"{where}: {WEIGHT} is {weight:g}, but must be above 0")
    return weight


def _require_all(
    known: set[tuple[str, ...]], readers: tuple[str, ...], modalities: tuple[str, ...], path: Path
) -> None:
    missing = [f"reader {r!r} in modality {m!r}" for m in modalities for r in readers if (r, m) not in known]
    if missing or not known:
        raise ValueError(
            f"{path}: no mark by {some(missing) or 'anybody'}: every reader must read all cases in every modality. A "
            "reader who marked nothing at all cannot be told from one who did not read: leave the reader out"
        )
