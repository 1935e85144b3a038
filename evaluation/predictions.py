"""Tables of predictions, read from and written to CSV in long form: one row for every image and finding.

Columns: ``image``, ``patient``, ``finding``, ``label`` and ``score``, in any order, and ``logit`` if it is known. Every
further column (``study``, ``view``, ``sex``, ``age``, ``source``, ...) is an attribute of the image.

``label`` is 1 present, 0 absent, -1 uncertain or empty for not said. ``score`` is a probability, or any real number. If
there is a ``logit``, ``score`` is its probability, or a recalibrated one that rises with it; cases are ranked by the
logit, which still tells apart what a probability rounds to 1. Text that a spreadsheet would compute has an apostrophe
before it (``evaluation.cells``), which reading takes off.
"""

import csv
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from evaluation.cases import FloatArray, IntArray, TextArray
from evaluation.cells import number, opened_table, plain_cell, safe_row
from evaluation.logits import probability

REQUIRED = ("image", "patient", "finding", "label", "score")
LOGIT = "logit"
NUMBERS = ("label", "score", LOGIT)
ROUNDED = 1e-3  # largest difference of a rounded score from its logit's probability
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
        attributes: Name to (N,) values as text, empty if unknown.
        logit: (N, C) real, whose probability ``score`` is, perhaps recalibrated; None if it is not known.
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
        """(N, C) real, what cases are ranked by: the logit, or the score if there is none."""
        return self.score if self.logit is None else self.logit

    def rows(self, index: IntArray) -> "PredictionTable":
        """The table with only these images, in this order."""
        return replace(
            self,
            image=self.image[index],
            patient=self.patient[index],
            label=self.label[index],
            score=self.score[index],
            attributes={name: values[index] for name, values in self.attributes.items()},
            logit=None if self.logit is None else self.logit[index],
        )

    def columns(self, index: Sequence[int]) -> "PredictionTable":
        """The table with only these findings, in this order."""
        return replace(
            self,
            findings=tuple(self.findings[c] for c in index),
            label=self.label[:, index],
            score=self.score[:, index],
            logit=None if self.logit is None else self.logit[:, index],
        )


def write_predictions(path: Path, table: PredictionTable) -> None:
    """Write a table; reading it gives the same numbers to the last bit (a label of NaN becomes "not said").

    Example:
        >>> import tempfile
        >>> name, one = np.array(["a.png"]), np.ones((1, 1))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_predictions(Path(folder) / "a.csv", PredictionTable(("Nodule",), name, name, one, one / 2))
        ...     print((Path(folder) / "a.csv").read_text())
        image,patient,finding,label,score
        a.png,a.png,Nodule,1,0.5
        <BLANKLINE>

    Raises:
        ValueError: A score is NaN, a label is none of 1, 0, -1, -2 and NaN, or the name of an image, patient or finding
            is empty.
    """
    _check_writable(path, table)
    numbers = [table.score] if table.logit is None else [table.score, table.logit]
    findings = safe_row(table.findings)
    columns = [safe_row(values.tolist()) for values in table.attributes.values()]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(safe_row([*REQUIRED, *([] if table.logit is None else [LOGIT]), *table.attributes]))
        images = zip(
            safe_row(table.image.tolist()),
            safe_row(table.patient.tolist()),
            table.label.tolist(),
            np.stack(numbers, axis=2).tolist(),
            zip(*columns, strict=True) if columns else [()] * len(table.image),
            strict=True,
        )
        for image, patient, labels, scores, attributes in images:
            writer.writerows(
                (image, patient, finding, TEXT_OF_LABEL.get(label, ""), *score, *attributes)
                for finding, label, score in zip(findings, labels, scores, strict=True)
            )


def read_predictions(path: Path) -> PredictionTable:
    r"""Read a table; images and findings keep the order of their first appearance.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "predictions.csv"
        ...     _ = path.write_text("image,patient,finding,label,score\na,p,Nodule,1,0.9\nb,p,Nodule,,0.2\n")
        ...     table = read_predictions(path)
        >>> table.findings, table.label.tolist(), table.score.tolist()
        (('Nodule',), [[1.0], [-2.0]], [[0.9], [0.2]])

    Raises:
        ValueError: A column is missing; a row has too few cells, no image, patient or finding, a score or logit that is
            NaN or no number, or a label that is not allowed; a finding's scores are not the probabilities of its
            logits and do not rise with them either, as recalibrated ones do; an image and finding occur twice or not at
            all; an image has two patients or two values of an attribute. The message names the file, the line and the
            value (but no patient).
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
class _Columns:
    """All rows of a file: the distinct values of its text columns, their index in each row, and its numbers."""

    names: dict[str, dict[str, int]]
    codes: dict[str, IntArray]
    numbers: dict[str, FloatArray]


def _check_writable(path: Path, table: PredictionTable) -> None:
    for name, values in (("image", table.image), ("patient", table.patient), ("finding", np.array(table.findings))):
        if (values == "").any():
            raise ValueError(f"{path}: {int((values == '').sum())} {name} names are empty; nothing was written")
    for name, numbers in (("score", table.score), ("logit", table.rank)):
        if np.isnan(numbers).any():
            raise ValueError(f"{path}: {int(np.isnan(numbers).sum())} {name}s are NaN; nothing was written")
    odd = ~(np.isin(table.label, (1, 0, -1, -2)) | np.isnan(table.label))
    if odd.any():
        raise ValueError(f"{path}: label {table.label[odd].flat[0]} is none of 1, 0, -1 and -2; nothing was written")


def _read_columns(path: Path, header: list[str], reader: Iterator[list[str]]) -> _Columns:
    """Cells turned into numbers block by block, so that the text of a large file is never held at once."""
    names: dict[str, dict[str, int]] = {name: {} for name in header if name not in NUMBERS}
    codes: dict[str, list[IntArray]] = {name: [np.zeros(0, dtype=np.int64)] for name in names}
    numbers: dict[str, list[FloatArray]] = {name: [np.zeros(0)] for name in NUMBERS if name in header}
    line = 2
    while rows := list(itertools.islice(reader, ROWS_AT_ONCE)):
        if set(map(len, rows)) != {len(header)}:
            wrong = next(k for k, row in enumerate(rows) if len(row) != len(header))
            raise ValueError(f"{path}, line {line + wrong}: {len(rows[wrong])} cells under {len(header)} columns")
        cells = dict(zip(header, zip(*rows, strict=True), strict=True))
        for name in names:
            if name in REQUIRED and "" in cells[name]:
                raise ValueError(f"{path}, line {line + cells[name].index('')}: no {name} is named")
            codes[name].append(_encoded(cells[name], names[name]))
        for name, parts in numbers.items():
            is_label = name == "label"
            parts.append(_labels(path, cells[name], line) if is_label else _scores(path, name, cells[name], line))
        line += len(rows)
    joined = {name: np.concatenate(parts) for name, parts in codes.items()}
    return _Columns(names, joined, {name: np.concatenate(parts) for name, parts in numbers.items()})


def _require_rising(path: Path, columns: _Columns) -> None:
    """Raise if a score is not that of its logit: one of them was changed, and both would be used.

    The scores of a finding are the probabilities of their logits, or a function of these that does not fall.
    """
    for c in range(len(columns.names["finding"])):
        rows = np.flatnonzero(columns.codes["finding"] == c)
        score, logit = columns.numbers["score"][rows], columns.numbers[LOGIT][rows]
        is_other = ~(np.abs(probability(logit) - score) <= ROUNDED)
        if not is_other.any():
            continue
        order = np.lexsort((score, logit))
        step, is_tied = np.diff(score[order]), logit[order][1:] == logit[order][:-1]
        if (step < -ROUNDED).any() or (step[is_tied] > ROUNDED).any():
            at = int(np.argmax(is_other))
            raise ValueError(
                f"{path}, line {rows[at] + 2}: score {score[at]:g} is not the probability of logit {logit[at]:g}, and "
                "the finding's scores do not rise with their logits, as recalibrated ones do; leave the column logit "
                "out if scores were changed"
            )


def _encoded(cells: tuple[str, ...], names: dict[str, int]) -> IntArray:
    """The index of each cell's value; values that are new are added to ``names``."""
    index = {cell: names.setdefault(plain_cell(cell), len(names)) for cell in dict.fromkeys(cells)}
    return np.fromiter(map(index.__getitem__, cells), dtype=np.int64, count=len(cells))


def _labels(path: Path, cells: tuple[str, ...], line: int) -> FloatArray:
    try:
        return np.fromiter(map(LABELS.__getitem__, cells), dtype=np.float64, count=len(cells))
    except KeyError:
        return np.array([_label(path, cell, line + number) for number, cell in enumerate(cells)])


def _label(path: Path, cell: str, line: int) -> float:
    """One label, however it is written: 1.0 and " 1" are 1 as well."""
    value = number(cell)
    if not cell.strip() or value == -2 or cell.strip().lower() == "nan":
        return -2.0
    if value not in (-1.0, 0.0, 1.0):
        raise ValueError(f"{path}, line {line}: label {cell!r} is none of 1, 0, -1 (uncertain) and empty (not said)")
    return value


def _scores(path: Path, name: str, cells: tuple[str, ...], line: int) -> FloatArray:
    try:
        scores = np.fromiter(map(float, cells), dtype=np.float64, count=len(cells))
    except ValueError:
        scores = np.array([number(cell) for cell in cells])
    wrong = np.flatnonzero(np.isnan(scores))
    if wrong.size:
        raise ValueError(f"{path}, line {line + int(wrong[0])}: {name} {cells[wrong[0]]!r} is not a number")
    return scores


def _table(path: Path, columns: _Columns) -> PredictionTable:
    if LOGIT in columns.numbers:
        _require_rising(path, columns)
    image, finding = columns.codes["image"], columns.codes["finding"]
    images, findings = list(columns.names["image"]), tuple(columns.names["finding"])
    cell = image * len(findings) + finding
    times = np.bincount(cell, minlength=len(images) * len(findings))
    for wrong, words in ((times > 1, "occurs more than once"), (times == 0, "has no row")):
        if wrong.any():
            first = int(np.flatnonzero(wrong)[0])
            pair = f"image {images[first // len(findings)]!r} with finding {findings[first % len(findings)]!r}"
            raise ValueError(f"{path}: {pair} {words} ({int(wrong.sum())} such pairs)")
    of_image = {name: _of_image(path, name, columns) for name in columns.names if name not in ("image", "finding")}
    order = np.argsort(cell)
    numbers = {name: values[order].reshape(len(images), len(findings)) for name, values in columns.numbers.items()}
    return PredictionTable(
        findings=findings,
        image=np.array(images, dtype=np.str_),
        patient=of_image.pop("patient"),
        label=numbers["label"],
        score=numbers["score"],
        attributes=of_image,
        logit=numbers.get(LOGIT),
    )


def _of_image(path: Path, name: str, columns: _Columns) -> TextArray:
    """The values (N,) of a column that all rows of an image must agree on."""
    image, codes = columns.codes["image"], columns.codes[name]
    first_row = np.unique(image, return_index=True)[1]
    wrong = np.flatnonzero(codes != codes[first_row][image])
    if wrong.size:
        row, before = int(wrong[0]) + 2, int(first_row[image[wrong[0]]]) + 2
        raise ValueError(f"{path}, line {row}: {name} is another one than in line {before}, of the same image")
    return np.array(list(columns.names[name]), dtype=np.str_)[codes[first_row]]
