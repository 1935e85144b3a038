"""Boundaries of detected regions against outlines: on stored pixels, in millimetres, at the record's threshold."""

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import SimpleITK
import torch
from ignite.engine import Engine
from monai.utils.enums import CommonKeys

from app.contract import Prediction
from app.datalist.item import RunLengths
from app.engines.boundaries import Boundaries
from app.engines.located import MapReading, StoredTruth
from app.engines.outputs import Outputs
from app.engines.record import ModelRecord
from evaluation.boundaries import boundary_distances

SIZE = (80, 60)
RECORD = ModelRecord(("Nodule", "Lungs"), {}, (0.5, 0.5), (0.5, 0.3))
CELL = 4
"""Pixels of the radiograph in each cell of a map of patches."""


def square(top: int, left: int, side: int) -> np.ndarray:
    region = np.zeros(SIZE, bool)
    region[top : top + side, left : left + side] = True
    return region


def run_lengths(region: np.ndarray) -> RunLengths:
    flat = np.concatenate([[False], region.ravel(order="F"), [not region[-1, -1]]])
    return RunLengths(SIZE, tuple(np.diff(np.flatnonzero(flat[1:] != flat[:-1]), prepend=0).tolist()))


def sample(folder: Path, name: str, spacing: tuple[float, float] | None, *masks: tuple[int, np.ndarray]) -> dict:
    """A radiograph whose header says its (row, column) spacing; a PNG says none."""
    path = folder / f"{name}.{'png' if spacing is None else 'mha'}"
    if spacing is not None:
        image = SimpleITK.GetImageFromArray(np.zeros(SIZE, np.uint8))
        image.SetSpacing(spacing[::-1])
        SimpleITK.WriteImage(image, str(path))
    else:
        cv2.imwrite(str(path), np.zeros(SIZE, np.uint8))
    outlines = [(finding, run_lengths(region)) for finding, region in masks]
    return {"image": str(path), "patient": name, "mask": outlines, "boxes": np.zeros((0, 4)), "box_finding": []}


def measured(samples: list[dict], regions: list[np.ndarray], finding: int = 1, probability: float = 0.4) -> dict:
    """A pass whose maps have that probability in a region and 0.1 elsewhere."""
    cells = np.array([region[::CELL, ::CELL] for region in regions])
    maps = torch.full((len(samples), 2, *cells.shape[1:]), float(np.log(0.1 / 0.9)))
    maps[:, finding][torch.from_numpy(cells)] = float(np.log(probability / (1 - probability)))

    def step(engine: Engine, rows: list[int]) -> dict:
        engine.state.batch = {
            "index": torch.tensor(rows),
            "region": torch.tensor([[0.0, 0, SIZE[1], SIZE[0]]] * len(rows)),
            "original_size": torch.tensor([SIZE] * len(rows)),
        }
        return {CommonKeys.PRED: Prediction(torch.zeros(len(rows), 2), maps[rows])}

    engine = Engine(step)
    engine.dataset = SimpleNamespace(samples=samples)
    engine.collected = SimpleNamespace(reading=MapReading(patches=True), truth=StoredTruth(samples))
    boundaries = Boundaries(RECORD)
    boundaries.attach(engine)
    engine.run([list(range(len(samples)))[at : at + 2] for at in range(0, len(samples), 2)])
    return boundaries(Outputs(np.arange(len(samples)), *[np.zeros((len(samples), 2))] * 2), samples, RECORD)


def test_distances_are_in_millimetres_at_the_threshold_of_the_finding(tmp_path):
    truths, regions = [square(20, 12, 20), square(8, 8, 32)], [square(20, 20, 20), square(16, 8, 32)]
    spacings = [(0.5, 0.25), (1.0, 1.0)]
    samples = [
        sample(tmp_path, name, spacing, (1, truth)) for name, spacing, truth in zip("ab", spacings, truths, strict=True)
    ]
    result = measured(samples, regions)
    expected = [boundary_distances(*case) for case in zip(regions, truths, spacings, strict=True)]
    hausdorff, within = (result[name]["Lungs"] for name in ("hausdorff_95", "normalised_surface_distance"))
    assert hausdorff["value"] == pytest.approx(np.mean([each.hausdorff() for each in expected]), abs=1e-12)
    assert within["value"] == pytest.approx(np.mean([each.within(5.0) for each in expected]), abs=1e-12)
    assert (hausdorff["unit"], hausdorff["images"], hausdorff["missed"]) == ("mm", 2, 0)
    assert within["tolerance_mm"] == 5.0
    assert result["hausdorff_95"]["macro"] == {"value": hausdorff["value"], "findings": 1}


def test_without_any_spacing_distances_are_in_pixels(tmp_path):
    truth, region = square(20, 12, 20), square(20, 20, 20)
    result = measured([sample(tmp_path, "a", None, (1, truth))], [region])
    expected = boundary_distances(region, truth)
    assert result["hausdorff_95"]["Lungs"]["value"] == expected.hausdorff()
    assert result["hausdorff_95"]["Lungs"]["unit"] == "pixels"
    # One hundredth of the diagonal of 80 x 60 pixels is one pixel.
    assert result["normalised_surface_distance"]["Lungs"]["value"] == expected.within(1.0)


def test_radiographs_without_spacing_are_counted_if_others_have_one(tmp_path):
    truth, region = square(20, 12, 20), square(20, 20, 20)
    samples = [sample(tmp_path, "a", None, (1, truth)), sample(tmp_path, "b", (0.5, 0.5), (1, truth))]
    result = measured(samples, [square(0, 0, 8), region])
    hausdorff = result["hausdorff_95"]["Lungs"]
    assert (hausdorff["unit"], hausdorff["images"], hausdorff["without_spacing"]) == ("mm", 1, 1)
    assert hausdorff["value"] == boundary_distances(region, truth, (0.5, 0.5)).hausdorff()


def test_what_is_not_detected_at_all_is_missed(tmp_path):
    truth, spacing = square(20, 12, 20), (1.0, 1.0)
    samples = [sample(tmp_path, name, spacing, (1, truth)) for name in "ab"]
    result = measured(samples, [truth, np.zeros(SIZE, bool)])
    assert result["hausdorff_95"]["Lungs"]["value"] == 0
    assert (result["hausdorff_95"]["Lungs"]["images"], result["hausdorff_95"]["Lungs"]["missed"]) == (1, 1)
    assert result["normalised_surface_distance"]["Lungs"]["value"] == 0.5
    # The threshold of the other finding is 0.5, which nothing reaches.
    result = measured([sample(tmp_path, "c", spacing, (0, truth))], [truth], finding=0)
    assert np.isnan(result["hausdorff_95"]["Nodule"]["value"])


def test_nothing_outlined_is_nothing_measured(tmp_path):
    boxed = sample(tmp_path, "a", (1.0, 1.0)) | {"boxes": np.array([[8.0, 8, 8, 8]]), "box_finding": [1]}
    nowhere = sample(tmp_path, "b", (1.0, 1.0), (1, np.zeros(SIZE, bool)))
    assert measured([boxed, nowhere], [square(8, 8, 8)] * 2) == {}
