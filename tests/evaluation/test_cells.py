"""Text that a spreadsheet would compute, written to our tables and read back."""

import csv

import numpy as np
import pytest

from app.comparing.cases import read_cases
from evaluation.cells import plain_cell, safe_cell
from evaluation.predictions import PredictionTable, read_predictions, write_predictions

# The beginnings that OWASP's page on CSV injection lists, and names that are no formulas.
FORMULAS = [
    "=1+1",
    "+A1",
    "-A1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "=cmd|'/C calc'!A0",
    "\uff1d1",
    "-1+1",
    "+",
    "-",
    "=",
    "- 1",
]
NAMES = ["Nodule", "images/-1.png", "a=b", "", "'quoted'", "'", "\u2212 5", "1-1", "p@q"]
NUMBERS = ["-1", "-0.5", "+3", "-1e-05", "-.5", "0", "-inf"]
ODD = ["'=1", "''=1", "'-1", "'''", "'\t"]


@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_begin_with_an_apostrophe(text):
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", NAMES + NUMBERS)
def test_names_and_numbers_stay(text):
    assert safe_cell(text) == text


@pytest.mark.parametrize("value", [-1, -0.5, None])
def test_other_values_stay(value):
    assert safe_cell(value) is value


@pytest.mark.parametrize("text", FORMULAS + NAMES + NUMBERS + ODD)
def test_reading_gives_the_text_back(text):
    assert plain_cell(str(safe_cell(text))) == text
    assert not str(safe_cell(text)).startswith(("=", "@", "\t", "\r", "\n"))


def test_different_texts_are_written_differently():
    texts = FORMULAS + NAMES + NUMBERS + ODD
    assert len({safe_cell(text) for text in texts}) == len(set(texts))


def test_predictions_come_back_with_their_names(tmp_path):
    images = np.array([text for text in FORMULAS + ODD + NAMES if text])
    count = len(images)
    score = np.linspace(-5, 5, 2 * count).reshape(count, 2)
    table = PredictionTable(
        ("=Nodule", "Mass"),
        images,
        images[::-1].copy(),
        np.ones((count, 2)),
        score,
        {"view": np.array(["-view"] * count)},
    )
    path = tmp_path / "predictions.csv"
    write_predictions(path, table)
    back = read_predictions(path)
    assert (back.findings, back.image.tolist(), back.patient.tolist()) == (
        table.findings,
        images.tolist(),
        images[::-1].tolist(),
    )
    np.testing.assert_array_equal(back.score, score)
    assert set(back.attributes["view"]) == {"-view"}
    with path.open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    for row in rows:
        assert not any(cell.startswith(("=", "@", "+", "\t", "\r", "\n")) for cell in row)
    # Numbers stay numbers, also negative ones.
    assert float(rows[0][4]) == score[0, 0] == -5


def test_tables_without_apostrophes_are_read(tmp_path):
    path = tmp_path / "predictions.csv"
    path.write_text("image,patient,finding,label,score\n=1.png,-p,Nodule,1,0.5\n")
    assert read_predictions(path).image.tolist() == ["=1.png"]
    path.write_text("image,patient,finding,dice\n'=1.png,'-p,Nodule,0.5\n")
    cases = read_cases(path)
    assert cases.patient == {"=1.png": "-p"}
    assert cases.value["dice"] == {("=1.png", "Nodule"): 0.5}


@pytest.mark.parametrize("content", [b"image,patient,finding,\xff", b'image,patient,"' + b"x" * 200_000])
@pytest.mark.parametrize("read", [read_cases, read_predictions])
def test_a_file_that_is_no_table_is_named(tmp_path, read, content):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{path}: cannot be read as a table \("):
        read(path)
