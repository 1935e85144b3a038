import csv
import json

import numpy as np
import pydicom
import pytest

from app.dicom import DicomResults
from app.dicom.folder import algorithm_of
from app.engines.record import ModelRecord
from app.engines.scored_radiograph import ScoredRadiograph
from app.phantoms.opened import made_phantoms
from transforms.read import read_radiograph

RECORD = ModelRecord(("Nodule",), {"image_size": 64}, (0.5,), (0.25,), bundle="nodule_detection", version="0.1.0")


@pytest.fixture(scope="module")
def radiograph(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantoms")
    made_phantoms({"count": 1, "size": 64, "seed": 1}, folder)
    return next(folder.rglob("*.dcm"))


def scored(path, is_called=True):
    image, meta = read_radiograph(path)
    map = np.zeros(image.shape, dtype=np.float32)
    map[5:9, 7:20] = 0.3
    called = np.array([is_called])
    return ScoredRadiograph(path, f"ward/{path.stem}", image, meta, np.array([0.7]), called, {0: map}, (0.25,))


def written(tmp_path, radiographs, kinds=("sr", "seg")):
    weights = tmp_path / "model.pt"
    weights.write_bytes(b"weights")
    results = DicomResults(kinds, ["Nodule"])
    results.begin(tmp_path, weights, RECORD)
    for each in radiographs:
        results.write(each)
    results.end()
    return sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.dcm"))


def test_results_are_named_after_the_radiograph(radiograph, tmp_path):
    name = f"dicom/ward/{radiograph.stem}"
    assert written(tmp_path, [scored(radiograph)]) == [f"{name}.{each}.dcm" for each in ("seg-1", "sr-1", "sr-2")]


def test_the_mask_is_the_map_from_its_threshold(radiograph, tmp_path):
    written(tmp_path, [scored(radiograph)], ["seg"])
    dataset = pydicom.dcmread(next(tmp_path.rglob("*.dcm")))
    assert dataset.pixel_array.sum() == 4 * 13


def test_a_finding_that_is_not_called_is_absent(radiograph, tmp_path):
    names = written(tmp_path, [scored(radiograph, is_called=False)])
    assert [name.split(".")[-2] for name in names] == ["sr-1"]


def test_files_that_are_not_dicom_are_counted(radiograph, tmp_path, caplog):
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG" + bytes(600))
    other = ScoredRadiograph(**(vars(scored(radiograph)) | {"path": picture, "name": "picture"}))
    written(tmp_path, [scored(radiograph), other])
    rows = list(csv.reader((tmp_path / "dicom_left_out.csv").open()))
    assert rows == [["image", "reason"], ["picture", "not a DICOM file"]]
    assert "No DICOM results of 1 radiograph;" in caplog.text


def test_weights_without_thresholds_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no thresholds by which"):
        DicomResults(["sr"], ["Nodule"]).begin(tmp_path, tmp_path / "model.pt", None)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="unknown kind 'pdf'; allowed are sr, seg, gsps, sc, plain_seg"):
        DicomResults(["pdf"], ["Nodule"])


def test_no_kind_writes_nothing(radiograph, tmp_path):
    results = DicomResults([], ["Nodule"])
    results.begin(tmp_path, tmp_path / "model.pt", None)
    results.write(scored(radiograph))
    results.end()
    assert list(tmp_path.iterdir()) == []


def test_thresholds_are_part_of_the_algorithm(tmp_path):
    weights = tmp_path / "model.pt"
    weights.write_bytes(b"weights")
    other = ModelRecord(**(vars(RECORD) | {"map_thresholds": (0.3,)}))
    assert algorithm_of(weights, RECORD).key != algorithm_of(weights, other).key
    json.dumps(algorithm_of(weights, RECORD).settings)
