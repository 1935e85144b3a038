"""Saved maps: one picture per image and finding, in the pixels of the stored radiograph, inside their folder."""

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.utils.enums import CommonKeys

from app.contract import Prediction
from app.engines.located import MapReading
from app.engines.maps import SaveMaps, below


def saved(folder: Path, logits: torch.Tensor, names: list[str], **reading: bool) -> None:
    """A pass over radiographs of 40 x 60 pixels, whose right half (x from 30) was given to the network."""

    def step(engine: Engine, rows: list[int]) -> dict:
        engine.state.batch = {
            "index": torch.tensor(rows),
            "region": torch.tensor([[30.0, 0, 30, 40]] * len(rows)),
            "original_size": torch.tensor([[40, 60]] * len(rows)),
        }
        return {CommonKeys.PRED: Prediction(logits[rows].amax(dim=(2, 3)), logits[rows])}

    engine = Engine(step)
    engine.dataset = SimpleNamespace(samples=[{"name": name} for name in names])
    engine.collected = SimpleNamespace(reading=MapReading(**reading))
    SaveMaps(folder, ["Nodule", "Pleural Effusion"]).attach(engine)
    engine.run([[0, 1], [2]])


def read(path: Path) -> np.ndarray:
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def test_maps_are_saved_in_the_pixels_of_the_radiograph(tmp_path):
    logits = torch.zeros(3, 2, 4, 4)
    logits[2, 1] = 100
    saved(tmp_path / "maps", logits, ["a.png", "b/a.png", "c.dcm"])
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")} == {
        f"maps/{name}.{finding}.png"
        for name in ("a.png", "b/a.png", "c.dcm")
        for finding in ("nodule", "pleural_effusion")
    }
    nodule = read(tmp_path / "maps/a.png.nodule.png")
    assert nodule.shape == (40, 60)
    assert nodule.dtype == np.uint8
    # A logit of 0 is a probability of 1/2: 127.5, rounded to even. Nothing outside the crop.
    assert np.unique(nodule[:, 30:]).tolist() == [128]
    assert np.unique(nodule[:, :30]).tolist() == [0]
    assert np.unique(read(tmp_path / "maps/c.dcm.pleural_effusion.png")[:, 30:]).tolist() == [255]


def test_activation_maps_are_scaled_in_each_image(tmp_path):
    logits = torch.zeros(3, 2, 1, 2)
    logits[..., 1] = 7
    saved(tmp_path, logits, ["a.png", "b.png", "c.png"], activation_maps=True)
    row = read(tmp_path / "a.png.nodule.png")[20]
    assert (row[30], row[59]) == (0, 255)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("a.png", "a.png"),
        ("b/a.png", "b/a.png"),
        ("../images/a.png", "up/images/a.png"),
        ("b/../../a.png", "b/up/up/a.png"),
        ("/data/a.png", "root/data/a.png"),
    ],
)
def test_names_that_lead_elsewhere_stay_in_the_folder(tmp_path, name, place):
    assert below(tmp_path, name) == tmp_path / place


def test_no_map_is_written_beside_the_radiographs(tmp_path):
    (tmp_path / "out").mkdir()
    saved(tmp_path / "out" / "maps", torch.zeros(3, 2, 4, 4), ["../a.png", f"{tmp_path}/b.png", "c.png"])
    assert {path.relative_to(tmp_path).parts[:2] for path in tmp_path.rglob("*.png")} == {("out", "maps")}
