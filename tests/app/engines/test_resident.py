"""A model that stays loaded scores as ``frugal predict`` does, bit for bit."""

import csv

import cv2
import numpy as np
import pytest

from app.dicom.kinds import Kind
from app.service.model import ResidentModel
from transforms import read_radiograph
from transforms.errors import RadiographError


def test_scores_and_calls_are_those_of_the_folder_way(trained, world, launch, tmp_path, monkeypatch):
    chosen = world.overrides(tmp_path / "out")
    options = {key: chosen[key] for key in ("blocks", "growth", "stem", "image_size", "precision", "lung_weights")}
    options["any_view"] = True  # noise looks like no chest
    weights = trained.output_dir / "model.pt"
    (tmp_path / "in").mkdir()
    generator = np.random.default_rng(0)
    for number in range(3):
        picture = generator.normal(90, 40, (70 + number, 80)).clip(0, 255).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"in/{number}.png"), picture)
    folder = {"dataset_dir": str(tmp_path / "in"), "output_dir": str(tmp_path / "out"), "checkpoint": str(weights)}
    prepared = {"prepared_dir": str(tmp_path / "prepared"), "dataset#workers": 0}
    launch("run", {**options, **folder, **prepared}, "inference.yaml")
    with (tmp_path / "out/predictions.csv").open() as file:
        expected = {row["image"]: (float(row["score"]), bool(int(row["called"]))) for row in csv.DictReader(file)}
    monkeypatch.setattr("app.engines.inference.limited", None)  # nothing is read twice
    model = ResidentModel(str(weights), {**options, "bundle": "nodule_detection"}, [Kind.REPORT], tmp_path / "model")
    try:
        scored = {name: model.score(tmp_path / "in" / name) for name in expected}
        assert {name: (float(each.scores[0]), bool(each.is_called[0])) for name, each in scored.items()} == expected
        for name, each in scored.items():
            image, meta = read_radiograph(tmp_path / "in" / name)
            np.testing.assert_array_equal(each.image, image)
            assert each.meta == meta
        (tmp_path / "in/broken.png").write_bytes((tmp_path / "in/0.png").read_bytes()[:50])
        with pytest.raises(RadiographError, match="broken"):
            model.score(tmp_path / "in/broken.png")
    finally:
        model.close()
