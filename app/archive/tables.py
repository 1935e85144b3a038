"""The tables of an archive, put together from the results of its chunks in the order of its images."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from app.archive.chunks import read_result
from app.files.atomic import opened_whole, whole_file
from app.files.score_tables import (
    COLUMNS,
    EXCLUDED,
    PARQUET,
    PREDICTIONS,
    Totals,
    write_doubtful,
    write_excluded,
)

ROWS_OF_A_GROUP = 250_000
"""Rows that a row group of the Parquet file has at least; so many are in memory at a time."""


def write_tables(files: Sequence[Path], folder: Path) -> Totals:
    """Write ``excluded.csv``, ``doubtful.csv``, ``predictions.csv`` and ``predictions.parquet``, chunk by chunk.

    Args:
        files: Results of all chunks, in order.
        folder: For the tables.

    Raises:
        ValueError: No image could be read, or the result of a chunk is damaged.
    """
    totals = Totals()

    def excluded() -> Iterator[Sequence[str]]:
        for result in map(read_result, files):
            totals.add(result)
            yield from result.excluded

    write_excluded(folder / EXCLUDED, excluded())
    totals.require_images(folder)
    write_doubtful(folder, totals.doubtful)
    with opened_whole(folder / PREDICTIONS) as table, whole_file(folder / PARQUET) as parquet:
        csv.writer(table).writerow(COLUMNS)
        _write_parquet(parquet, _copied(files, table))
    return totals


def _copied(files: Sequence[Path], table: Any) -> Iterator[str]:  # noqa: ANN401 - an open file
    for file in files:
        rows = read_result(file).rows
        table.write(rows)
        yield rows


def _write_parquet(path: Path, parts: Iterable[str]) -> None:
    """Write rows of the CSV table as a Parquet file, with the same values in every cell."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv
    from pyarrow import parquet

    kinds = (pa.string(), pa.string(), pa.float64(), pa.float64(), pa.float64(), pa.int8())
    schema = pa.schema(list(zip(COLUMNS, kinds, strict=True)))
    reading = arrow_csv.ReadOptions(column_names=list(COLUMNS), use_threads=False)
    parsing = arrow_csv.ParseOptions(newlines_in_values=True)
    converting = arrow_csv.ConvertOptions(
        column_types=schema, null_values=[""], strings_can_be_null=False, check_utf8=False
    )
    with parquet.ParquetWriter(path, schema) as writer:
        for text in _joined(parts):
            content = io.BytesIO(text.encode("utf-8", "backslashreplace"))
            writer.write_table(arrow_csv.read_csv(content, reading, parsing, converting))


def _joined(parts: Iterable[str]) -> Iterator[str]:
    """Rows in larger portions."""
    held: list[str] = []
    count = 0
    for part in parts:
        held.append(part)
        count += part.count("\n")
        if count >= ROWS_OF_A_GROUP:
            yield "".join(held)
            held, count = [], 0
    if any(held):
        yield "".join(held)
