"""The tables that scoring radiographs writes, by name and column; see ``docs/evaluation.md``."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from app.files.atomic import opened_whole
from evaluation.cells import safe_row

PREDICTIONS, EXCLUDED, PARQUET = "predictions.csv", "excluded.csv", "predictions.parquet"
DOUBTFUL = "doubtful.csv"
TABLES = (PREDICTIONS, EXCLUDED, PARQUET, DOUBTFUL)
"""All of them; the third only of an archive, the last only if some radiographs are in doubt."""
COLUMNS = ("image", "finding", "score", "logit", "threshold", "called")
"""Of ``predictions.csv``."""
EXCLUDED_COLUMNS = ("image", "error")


def write_excluded(path: Path, excluded: Iterable[Sequence[str]]) -> None:
    """Write which images could not be read, and why."""
    with opened_whole(path) as file:
        writer = csv.writer(file)
        writer.writerow(EXCLUDED_COLUMNS)
        writer.writerows(map(safe_row, excluded))


def write_doubtful(folder: Path, names: Sequence[str]) -> None:
    """Write which radiographs were scored though they hardly look like what is wanted; no file if there are none."""
    if names:
        with opened_whole(folder / DOUBTFUL) as file:
            csv.writer(file).writerows([("image",), *(safe_row([name]) for name in names)])
