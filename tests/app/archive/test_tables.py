"""The tables of an archive: the rows of its chunks in order, the same in CSV and Parquet."""

import csv
import io
import struct
from pathlib import Path

import pyarrow.parquet
import pytest

from app.archive import tables
from app.archive.chunks import ChunkResult, result_text
from app.archive.tables import write_tables
from app.files.score_tables import COLUMNS

ROWS = [
    ["b.png", "Nodule", 0.1 + 0.2, -1e-300, 0.5, 1],
    ['quote".png', "Nodule", 1 / 3, float("inf"), 0.5, 0],
    ["two\nlines.png", "NA", 5e-324, float("-inf"), "", ""],
    ["'=1+1", "null", 0.5, 0.0, "", ""],
    ["r\\xf6ntgen, ö.png", "Nodule", 0.9999999999999999, 36.7, 0.5, 1],
]


def text(rows: list[list[object]]) -> str:
    file = io.StringIO(newline="")
    csv.writer(file).writerows(rows)
    return file.getvalue()


def results(folder: Path, *parts: ChunkResult) -> list[Path]:
    files = []
    for number, part in enumerate(parts):
        files.append(folder / f"{number}.json")
        files[-1].write_text(result_text(part))
    return files


@pytest.mark.parametrize("rows_of_a_group", [1, 250_000])
def test_both_tables_hold_every_row_once_and_in_order(tmp_path: Path, monkeypatch, caplog, rows_of_a_group: int):
    monkeypatch.setattr(tables, "ROWS_OF_A_GROUP", rows_of_a_group)
    empty = ChunkResult("", 0, [["zz\udcf6.png", "=cut short"]], [], [0], 0)
    first, last = (
        ChunkResult(text(ROWS[:2]), 2, [["a.png", "empty"]], ["=b.png"], [1], 1, "torch 2"),
        ChunkResult(text(ROWS[2:]), 3, [], ["r\udcf6.png"], [1], 0, "openvino 1"),
    )
    totals = write_tables(results(tmp_path, first, empty, last), tmp_path)
    # By hand: every chunk writes its rows itself.
    assert (tmp_path / "predictions.csv").read_bytes() == text([list(COLUMNS), *ROWS]).encode()
    assert (tmp_path / "excluded.csv").read_text().splitlines() == [
        "image,error",
        "a.png,empty",
        "zz\\udcf6.png,'=cut short",
    ]
    assert (tmp_path / "doubtful.csv").read_text().splitlines() == ["image", "'=b.png", "r\\udcf6.png"]
    assert (totals.images, totals.excluded, totals.whole, list(totals.called)) == (5, 2, 1, [2])
    totals.tell(["Nodule"], tmp_path)
    assert ("WARNING", "the network was computed by openvino 1, and by torch 2") in [
        (record.levelname, record.getMessage()) for record in caplog.records
    ]
    table = pyarrow.parquet.read_table(tmp_path / "predictions.parquet")
    assert tuple(table.column_names) == COLUMNS
    for row, expected in zip(table.to_pylist(), ROWS, strict=True):
        values = [None if value == "" else value for value in expected]
        assert list(row.values()) == values
        assert struct.pack("2d", row["score"], row["logit"]) == struct.pack("2d", *values[2:4])


def test_an_archive_without_a_readable_radiograph_has_no_predictions(tmp_path: Path):
    files = results(tmp_path, ChunkResult("", 0, [["a.png", "a.png is empty"]], [], None, 0))
    with pytest.raises(
        ValueError, match=r"none of 1 files is a radiograph to be scored; .* the first: a\.png is empty"
    ):
        write_tables(files, tmp_path)
    assert (tmp_path / "excluded.csv").exists()
    assert not list(tmp_path.glob("predictions*"))
    assert not (tmp_path / "doubtful.csv").exists()
