"""Tables of predictions, read from and written to CSV in long form: one row for every image and finding.

Columns: ``image``, ``patient``, ``finding``, ``label`` and ``score``, in any order, and ``logit`` where it is known;
every further column (``study``, ``view``, ``sex``, ``age``, ``source``, ...) is an attribute of the image. ``label`` is
1 present, 0 absent, -1 uncertain or empty for not said; ``score`` is a probability, or any real number. Where there is
a ``logit``, ``score`` is its probability, and cases are ranked by the logit, which still tells apart what a probability
rounds to 1. Text that a spreadsheet would compute has an apostrophe before it (``evaluation.cells``), which reading
takes off.
"""

import csv
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from evaluation.cases import FloatArray, IntArray, TextArray
from evaluation.cells import opened_table, plain_cell, safe_row
from evaluation.logits import probability

REQUIRED = ("image", "patient", "finding", "label", "score")
LOGIT = "logit"
NUMBERS = ("label", "score", LOGIT)
ROUNDED = 1e-3  # how far a rounded score may be from its logit's probability
LABELS = {"": -2.0, "-1": -1.0, "0": 0.0, "1": 1.0}
TEXT_OF_LABEL = {-1.0: "-1", 0.0: "0", 1.0: "1"}
ROWS_AT_ONCE = 1024  # few enough to stay in the cache and out of the way of the garbage collector


@dataclass(frozen=True)
class PredictionTable:
    """Scores and labels of N images and C findings.

    Attributes:
        findings: C names.
        image: (N,) names, each once.
        patient: (N,) names.
        label: (N, C) 1 present, 0 absent, -1 uncertain, -2 not said.
        score: (N, C) real.
        attributes: name to (N,) values as text, empty where unknown.
        logit: (N, C) real, what ``score`` is the probability of; None where it is not known.
    """

    findings: tuple[str, ...]
    image: TextArray
    patient: TextArray
    label: FloatArray
    score: FloatArray
    attributes: dict[str, TextArray] = field(default_factory=dict)
    logit: FloatArray | None = None

    def __post_init__(self) -> None:
        shape = (len(self.image), len(self.findings))
        if self.label.shape != shape or self.score.shape != shape:
            raise ValueError(f"labels {self.label.shape} and scores {self.score.shape} must both have shape {shape}")
        if self.logit is not None and self.logit.shape != shape:
            raise ValueError(f"logits {self.logit.shape} must have shape {shape}")
        for name, values in (("patient", self.patient), *self.attributes.items()):
            if values.shape != shape[:1]:
                raise ValueError(f"{name} has shape {values.shape}, but there are {shape[0]} images")

    @property
    def rank(self) -> FloatArray:
        """(N, C) real, what cases are ranked by: the logit, or the score where there is none."""
        return self.score if self.logit is None else self.logit

    def rows(self, order: IntArray) -> "PredictionTable":
        """The table with only these images, in this order."""
        return replace(
            self,
            image=self.image[order],
            patient=self.patient[order],
            label=self.label[order],
            score=self.score[order],
            attributes={name: values[order] for name, values in self.attributes.items()},
            logit=None if self.logit is None else self.logit[order],
        )


def write_predictions(path: Path, table: PredictionTable) -> None:
    """Write a table; reading it gives the same numbers to the last bit (a label of NaN becomes "not said").

    Raises:
        ValueError: a score is NaN, a label is none of 1, 0, -1, -2 and NaN, or the name of an image, patient or finding
            is empty.
    """
    for name, values in (("image", table.image), ("patient", table.patient), ("finding", np.array(table.findings))):
        if (values == "").any():
            raise ValueError(f"{path}: {int((values == '').sum())} {name} names are empty; nothing was written")
    for name, numbers in (("score", table.score), ("logit", table.rank)):
        if np.isnan(numbers).any():
            raise ValueError(f"{path}: {int(np.isnan(numbers).sum())} {name}s are NaN; nothing was written")
    odd = ~(np.isin(table.label, (1, 0, -1, -2)) | np.isnan(table.label))
    if odd.any():
        raise ValueError(f"{path}: label {table.label[odd].flat[0]} is none of 1, 0, -1 and -2; nothing was written")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(safe_row([*REQUIRED, *([] if table.logit is None else [LOGIT]), *table.attributes]))
        findings = safe_row(table.findings)
        columns = [safe_row(values.tolist()) for values in table.attributes.values()]
        attributes = zip(*columns, strict=True) if columns else [()] * len(table.image)
        images = zip(
            safe_row(table.image.tolist()),
            safe_row(table.patient.tolist()),
            table.label.tolist(),
            np.stack([table.score, *([] if table.logit is None else [table.logit])], axis=2).tolist(),
            attributes,
            strict=True,
        )
        for image, patient, labels, scores, rest in images:
            writer.writerows(
                (image, patient, finding, TEXT_OF_LABEL.get(label, ""), *score, *rest)
                for finding, label, score in zip(findings, labels, scores, strict=True)
            )


def read_predictions(path: Path) -> PredictionTable:
    """Read a table; images and findings keep the order of their first appearance.

    Raises:
        ValueError: a column is missing; a row has too few cells, no image, patient or finding, a score or logit that is
            NaN or no number, a score that is not its logit's probability, or a label that is not allowed; an image and
            finding occur twice or not at all; an image has two patients or two values of an attribute. The text names
            the file, the line and the value (but of no patient).
    """
    with opened_table(path) as file:
        reader = csv.reader(file)
        header = [plain_cell(name) for name in next(reader, [])]
        missing = [name for name in REQUIRED if name not in header]
        if missing:
            raise ValueError(f"{path}: no column {', '.join(missing)}; the columns are {', '.join(header) or 'none'}")
        if len(set(header)) < len(header):
            raise ValueError(f"{path}: a column occurs twice in {', '.join(header)}")
        columns = _read_columns(path, header, reader)
    return _table(path, columns)


@dataclass(frozen=True)
class _Column:
    """Text cells as numbers of their distinct values, in order of appearance."""

    names: dict[str, int]
    codes: IntArray


@dataclass(frozen=True)
class _Columns:
    text: dict[str, _Column]
    label: FloatArray
    score: FloatArray
    logit: FloatArray | None


def _read_columns(path: Path, header: list[str], reader: Iterator[list[str]]) -> _Columns:
    """Cells turned into numbers part by part, so that the text of a large file is never held at once."""
    text = [name for name in header if name not in NUMBERS]
    names: dict[str, dict[str, int]] = {name: {} for name in text}
    codes: dict[str, list[IntArray]] = {name: [np.zeros(0, dtype=np.int64)] for name in text}
    numbers: dict[str, list[FloatArray]] = {name: [np.zeros(0)] for name in NUMBERS if name in header}
    line = 2
    while rows := list(itertools.islice(reader, ROWS_AT_ONCE)):
        if set(map(len, rows)) != {len(header)}:
            wrong = next(k for k, row in enumerate(rows) if len(row) != len(header))
            raise ValueError(f"{path}, line {line + wrong}: {len(rows[wrong])} cells under {len(header)} columns")
        cells = dict(zip(header, zip(*rows, strict=True), strict=True))
        for name in text:
            if name in REQUIRED and "" in cells[name]:
                raise ValueError(f"{path}, line {line + cells[name].index('')}: no {name} is named")
            codes[name].append(_encoded(cells[name], names[name]))
        for name, parts in numbers.items():
            read = _labels(path, cells[name], line) if name == "label" else _scores(path, name, cells[name], line)
            parts.append(read)
        if LOGIT in numbers:
            _require_same(path, numbers["score"][-1], numbers[LOGIT][-1], line)
        line += len(rows)
    columns = {name: _Column(names[name], np.concatenate(codes[name])) for name in text}
    joined = {name: np.concatenate(parts) for name, parts in numbers.items()}
    return _Columns(columns, joined["label"], joined["score"], joined.get(LOGIT))


def _require_same(path: Path, score: FloatArray, logit: FloatArray, line: int) -> None:
    """Raise where a score is not that of its logit: one of them was changed, and both would be used."""
    wrong = np.flatnonzero(~(np.abs(probability(logit) - score) <= ROUNDED))
    if wrong.size:
        at = int(wrong[0])
        raise ValueError(
            f"{path}, line {line + at}: score {score[at]:g} is not the probability of logit {logit[at]:g}; "
            "leave the column logit out where scores were changed"
        )


def _encoded(cells: tuple[str, ...], names: dict[str, int]) -> IntArray:
    """Numbers of the cells' values; values not seen before are added to ``names``."""
    numbers = {cell: names.setdefault(plain_cell(cell), len(names)) for cell in dict.fromkeys(cells)}
    return np.fromiter(map(numbers.__getitem__, cells), dtype=np.int64, count=len(cells))


def _labels(path: Path, cells: tuple[str, ...], line: int) -> FloatArray:
    try:
        return np.fromiter(map(LABELS.__getitem__, cells), dtype=np.float64, count=len(cells))
    except KeyError:
        return np.array([_label(path, cell, line + number) for number, cell in enumerate(cells)])


def _label(path: Path, cell: str, line: int) -> float:
    """One label, however it is written: 1.0 and " 1" are 1 as well."""
    number = _number(cell)
    if not cell.strip() or number == -2 or cell.strip().lower() == "nan":
        return -2.0
    if number not in (-1.0, 0.0, 1.0):
        raise ValueError(f"{path}, line {line}: label {cell!r} is none of 1, 0, -1 (uncertain) and empty (not said)")
    return number


def _scores(path: Path, name: str, cells: tuple[str, ...], line: int) -> FloatArray:
    try:
        scores = np.fromiter(map(float, cells), dtype=np.float64, count=len(cells))
    except ValueError:
        scores = np.array([_number(cell) for cell in cells])
    wrong = np.flatnonzero(np.isnan(scores))
    if wrong.size:
        raise ValueError(f"{path}, line {line + int(wrong[0])}: {name} {cells[wrong[0]]!r} is not a number")
    return scores


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def _table(path: Path, columns: _Columns) -> PredictionTable:
    image, finding = columns.text["image"], columns.text["finding"]
    images, findings = list(image.names), tuple(finding.names)
    place = image.codes * len(findings) + finding.codes
    times = np.bincount(place, minlength=len(images) * len(findings))
    for wrong, words in ((times > 1, "occurs more than once"), (times == 0, "has no row")):
        if wrong.any():
            first = int(np.flatnonzero(wrong)[0])
            pair = f"image {images[first // len(findings)]!r} with finding {findings[first % len(findings)]!r}"
            raise ValueError(f"{path}: {pair} {words} ({int(wrong.sum())} such pairs)")
    first_row = np.zeros(len(images), dtype=np.int64)
    first_row[image.codes[::-1]] = np.arange(len(place))[::-1]
    of_image = {
        name: _of_image(path, name, column, image, first_row)
        for name, column in columns.text.items()
        if name not in ("image", "finding")
    }
    shape = (len(images), len(findings))

    def placed(values: FloatArray) -> FloatArray:
        table = np.empty(shape)
        table.flat[place] = values
        return table

    return PredictionTable(
        findings=findings,
        image=np.array(images, dtype=np.str_),
        patient=of_image.pop("patient"),
        label=placed(columns.label),
        score=placed(columns.score),
        attributes=of_image,
        logit=None if columns.logit is None else placed(columns.logit),
    )


def _of_image(path: Path, name: str, column: _Column, image: _Column, first_row: IntArray) -> TextArray:
    """Values of images, which all their rows must agree on."""
    codes = column.codes[first_row]
    wrong = np.flatnonzero(column.codes != codes[image.codes])
    values = np.array(list(column.names), dtype=np.str_)
    if wrong.size:
        row, before = int(wrong[0]) + 2, int(first_row[image.codes[wrong[0]]]) + 2
        raise ValueError(f"{path}, line {row}: {name} is another one than in line {before}, of the same image")
    return values[codes] if len(codes) else np.zeros(0, dtype=np.str_)
