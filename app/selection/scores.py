"""What networks predict for the images of a pool, read from tables of predictions."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.datalist.stored_images import bare_name
from app.selection.strategies import Array, member_mean
from evaluation.cells import opened_table, plain_cell
from evaluation.logits import logit_of

REQUIRED = ("image", "finding", "score")
_CALLED = "called"


@dataclass(frozen=True)
class Scores:
    """Predictions for N images and C findings.

    Attributes:
        probability: (members, N, C), NaN where a member says nothing.
        called: (members, N, C) 1 if the finding is called at the threshold of validation, NaN if that is not known.
    """

    probability: Array
    called: Array

    @property
    def mean(self) -> Array:
        """(N, C) mean probability over the members; NaN if none says anything."""
        return member_mean(self.probability)

    @property
    def present(self) -> Array:
        """(N, C) whether most members call a finding or, where no threshold is known, its mean is above 0.5."""
        votes, mean = member_mean(self.called), np.nan_to_num(self.mean)
        return np.where(np.isnan(votes), mean > 0.5, np.nan_to_num(votes) > 0.5).astype(float)

    @property
    def vectors(self) -> Array:
        """(N, members * C) logits, 0 where nothing is said: what images are told apart by without features."""
        logits = np.clip(logit_of(np.nan_to_num(self.probability, nan=0.5)), -20, 20)
        return np.ascontiguousarray(np.moveaxis(logits, 0, 1).reshape(logits.shape[1], -1))

    @property
    def is_known(self) -> np.ndarray:
        """(N,) bool, whether anything is said of an image."""
        return np.asarray(~np.isnan(self.probability).all(axis=(0, 2)))

    def of(self, images: np.ndarray) -> Scores:
        """The predictions for some of the images."""
        return Scores(self.probability[:, images], self.called[:, images])


def read_scores(paths: Sequence[Path], images: Sequence[str], findings: Sequence[str]) -> Scores:
    """Read ``predictions.csv`` of ``frugal predict`` or ``frugal evaluate``, one for each member of a committee.

    Tables are read row by row. Images are matched by their whole name, or by their file name without suffix where only
    one image of the pool and one of the table has it.

    Args:
        paths: Tables with the columns ``image``, ``finding``, ``score`` (a probability) and perhaps ``called``.
        images: Names of the N images.
        findings: Names of the C findings; others are not read.

    Raises:
        ValueError: A column is missing, a score is no number from 0 to 1, a pair occurs twice, or a table has none of
            the images or findings.
    """
    members = [_read(path, images, findings) for path in paths]
    return Scores(np.stack([each[0] for each in members]), np.stack([each[1] for each in members]))


def _read(path: Path, images: Sequence[str], findings: Sequence[str]) -> tuple[Array, Array]:
    rows, bare = {name: row for row, name in enumerate(images)}, _by_bare_name(images)
    columns = {name: column for column, name in enumerate(findings)}
    probability = np.full((len(images), len(findings)), np.nan)
    called = probability.copy()
    named: dict[int, str] = {}
    others: set[str] = set()
    with opened_table(path) as file:
        reader = csv.DictReader(file)
        header = [plain_cell(name) for name in reader.fieldnames or ()]
        missing = [name for name in REQUIRED if name not in header]
        if missing:
            raise ValueError(f"{path}: no column {', '.join(missing)}; frugal predict writes such a table.")
        for cells in reader:
            where = f"{path}, line {reader.line_num}"
            image, finding = plain_cell(cells["image"] or ""), plain_cell(cells["finding"] or "")
            row, column = rows.get(image, bare.get(bare_name(image), -1)), columns.get(finding, -1)
            if column < 0:
                others.add(finding)
            if row < 0 or column < 0:
                continue
            before = named.get(row, image)
            if before == images[row] != image:
                continue  # the pool's very name is in the table as well
            if image == images[row] != before:
                probability[row], called[row] = np.nan, np.nan
            elif before != image:
                raise ValueError(f"{where}: {image!r} and {before!r} may both be the pool's image {images[row]!r}.")
            named[row] = image
            if not np.isnan(probability[row, column]):
                raise ValueError(f"{where}: image {image!r} with finding {finding!r} occurs a second time.")
            probability[row, column] = _probability(cells["score"], where)
            called[row, column] = {"1": 1.0, "0": 0.0}.get(cells.get(_CALLED) or "", np.nan)
    if not named:
        known = f"; its findings are {', '.join(sorted(others))}" if others else ""
        raise ValueError(
            f"{path}: has none of the pool's {len(images)} images, such as {images[0]!r}, with one of its findings "
            f"({', '.join(findings)}){known}."
        )
    return probability, called


def _by_bare_name(images: Sequence[str]) -> dict[str, int]:
    """Rows by bare name; -1 for a name of several images."""
    rows: dict[str, int] = {}
    for row, name in enumerate(images):
        bare = bare_name(name)
        rows[bare] = -1 if bare in rows else row
    return rows


def _probability(cell: str | None, where: str) -> float:
    try:
        value = float(cell or "")
    except ValueError:
        value = np.nan
    if not 0 <= value <= 1:
        raise ValueError(f"{where}: score {cell!r} is not a probability from 0 to 1.")
    return value
