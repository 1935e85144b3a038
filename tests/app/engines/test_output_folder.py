"""The folder of results: refused early where it cannot be written, and one row an image and finding."""

import csv
from pathlib import Path

import numpy as np
import pytest

from app.engines.output_folder import require_writable, write_predictions
from app.engines.outputs import Outputs


def test_a_missing_folder_is_made_and_nothing_left_in_it(tmp_path):
    require_writable(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_file_in_the_place_of_the_folder(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(PermissionError, match=rf"{name}: results cannot be written there \(.+\)\. .*--output_dir DIR"):
        require_writable(tmp_path / name)


def rows_of(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_rows_by_hand(tmp_path):
    samples = [
        {"name": "a.png", "patient": "1", "study": "s", "view": "PA", "source": "nlp", "attributes": {"sex": "F"}},
        {"name": 'b, "c".png', "patient": "2", "study": "", "view": "", "source": "", "attributes": {"age": 90}},
    ]
    nothing = np.zeros((0, 1000), dtype=np.int32)
    outputs = Outputs(
        index=np.array([1, 0]),
        score=np.array([[0.25, 1 / 3], [1.0, 1e-9]], dtype=np.float32),
        label=np.array([[1, -2], [0.7, -1]], dtype=np.float32),
        located_row=np.zeros(0, dtype=np.int64),
        located_finding=np.zeros(0, dtype=np.int64),
        inside=nothing,
        outside=nothing,
    )
    write_predictions(outputs, samples, ["Nodule", "Mass"], tmp_path / "predictions.csv")
    assert rows_of(tmp_path / "predictions.csv") == [
        ["image", "patient", "finding", "label", "score", "study", "view", "source", "age", "sex"],
        ['b, "c".png', "2", "Nodule", "1", "0.25", "", "", "", "90", ""],
        ['b, "c".png', "2", "Mass", "", "0.3333333", "", "", "", "90", ""],
        ["a.png", "1", "Nodule", "0.7", "1", "s", "PA", "nlp", "", "F"],
        ["a.png", "1", "Mass", "-1", "1e-09", "s", "PA", "nlp", "", "F"],
    ]
