"""Inference on a folder: every file is scored and drawn in its own pixels, or listed as excluded."""

import csv
import json
import multiprocessing
import os
import shutil
import time
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
import torch
from scipy.special import expit

from app.engines.inference import Inference
from app.engines.inference_samples import folder_samples
from app.engines.overlay import Region, overlay
from app.phantoms.write import write_phantoms


def rows_of(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def image_file(path: Path, height: int = 40, width: int = 60, disc: bool = True) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((height, width), 90, np.uint8)
    cv2.circle(image, (width // 4, height // 4), 6, 230, -1)
    cv2.imwrite(str(path), image)


def test_samples_are_files_at_any_depth_except_hidden_ones(tmp_path):
    for name in ("b.png", "a/c.dcm", "notes.txt", ".hidden.png", ".git/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (samples,) = folder_samples(tmp_path, ["Nodule", "Mass"]).portions(3)
    assert [sample["name"] for sample in samples] == ["a/c.dcm", "b.png", "notes.txt"]
    assert samples[0]["image"] == str(tmp_path / "a/c.dcm")
    assert samples[0]["label"].tolist() == [-2, -2]
    assert samples[0]["annotated"].tolist() == [False, False]


def test_names_that_look_like_record_numbers_are_mentioned(tmp_path, caplog):
    for name in ("MRN1234567/1.dcm", "3.dcm"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with caplog.at_level("INFO"):
        folder_samples(tmp_path, ["Nodule"])
    assert "1 of 2 names look like record numbers and will stand in predictions.csv" in caplog.text


def test_a_hidden_parent_folder_hides_nothing(tmp_path):
    (tmp_path / ".data").mkdir()
    (tmp_path / ".data" / "a.png").touch()
    assert len(folder_samples(tmp_path / ".data", ["Nodule"])) == 1


def test_a_missing_or_empty_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no: no such folder of radiographs"):
        folder_samples(tmp_path / "no", ["Nodule"])
    (tmp_path / ".hidden").touch()
    with pytest.raises(FileNotFoundError, match=r"no file in this folder"):
        folder_samples(tmp_path, ["Nodule"])


@pytest.fixture
def settings(trained, world, tmp_path):
    """Overrides of inference.yaml with the weights of the toy training."""
    chosen = world.overrides(tmp_path / "out")
    network = {key: chosen[key] for key in ("blocks", "growth", "stem", "image_size", "precision", "batch_size")}
    return {
        **network,
        "dataset_dir": str(tmp_path / "in"),
        "output_dir": str(tmp_path / "out"),
        "checkpoint": str(trained.output_dir / "model.pt"),
        "lung_weights": chosen["lung_weights"],
        "prepared_dir": str(tmp_path / "prepared"),
        "dataset#workers": 0,
        "any_view": True,  # toy pictures are no chests
    }


def test_a_folder_of_good_bad_and_hidden_files(settings, launch, tmp_path):
    image_file(tmp_path / "in/good.png")
    # Two names that differ only in their folder.
    image_file(tmp_path / "in/a/b.png", 50, 30)
    image_file(tmp_path / "in/a_b.png", 30, 50)
    image_file(tmp_path / "in/.hidden.png")
    (tmp_path / "in/notes.txt").write_text("not a radiograph\n")
    (tmp_path / "in/broken.png").write_bytes((tmp_path / "in/good.png").read_bytes()[:50])
    launch("run", settings, "inference.yaml")
    rows = rows_of(tmp_path / "out/predictions.csv")
    assert rows[0] == ["image", "finding", "score", "logit", "threshold", "called"]
    assert [(image, finding) for image, finding, *_ in rows[1:]] == [
        ("a/b.png", "Nodule"),
        ("a_b.png", "Nodule"),
        ("good.png", "Nodule"),
    ]
    # Both are written in full.
    assert all(float(row[2]) == pytest.approx(expit(float(row[3])), abs=1e-15) for row in rows[1:])
    excluded = rows_of(tmp_path / "out/excluded.csv")
    assert excluded[0] == ["image", "error"]
    assert [name for name, _ in excluded[1:]] == ["broken.png", "notes.txt"]
    assert all(name in error for name, error in excluded[1:])
    overlays = {path.relative_to(tmp_path / "out/overlays").as_posix() for path in (tmp_path / "out").rglob("*.png")}
    assert overlays == {"good.png", "a/b.png", "a_b.png"}
    for name, shape in (("good", (40, 60)), ("a/b", (50, 30)), ("a_b", (30, 50))):
        assert cv2.imread(str(tmp_path / f"out/overlays/{name}.png")).shape[:2] == shape


def test_a_lateral_view_is_left_out_with_the_reason(settings, launch, tmp_path):
    settings["any_view"] = False
    write_phantoms(tmp_path / "made", 1, 5, 64, ["Nodule"], workers=1, progress=False)
    radiograph = pydicom.dcmread(next((tmp_path / "made/images").glob("*.dcm")))
    (tmp_path / "in").mkdir()
    radiograph.save_as(tmp_path / "in/frontal.dcm")
    radiograph.ViewPosition = "LL"
    radiograph.save_as(tmp_path / "in/lateral.dcm")
    launch("run", settings, "inference.yaml")
    assert [row[0] for row in rows_of(tmp_path / "out/predictions.csv")[1:]] == ["frontal.dcm"]
    name, reason = rows_of(tmp_path / "out/excluded.csv")[1]
    assert (name, reason.split(";")[0]) == ("lateral.dcm", "is a lateral view")
    assert reason.endswith("--any_view True")  # "true" would be text on the command line
    launch("run", settings | {"any_view": True}, "inference.yaml")
    assert [row[0] for row in rows_of(tmp_path / "out/predictions.csv")[1:]] == ["frontal.dcm", "lateral.dcm"]


def test_what_looks_otherwise_is_left_out_and_what_is_doubtful_is_marked(settings, launch, tmp_path, monkeypatch):
    settings["any_view"] = False
    write_phantoms(tmp_path / "made", 2, 5, 64, ["Nodule"], workers=1, progress=False)
    first, second = sorted((tmp_path / "made/images").glob("*.dcm"))
    (tmp_path / "in").mkdir()
    shutil.copy(first, tmp_path / "in/frontal.dcm")
    radiograph = pydicom.dcmread(second)
    radiograph.PhotometricInterpretation = {"MONOCHROME1": "MONOCHROME2"}.get(
        radiograph.PhotometricInterpretation, "MONOCHROME1"
    )
    radiograph.PresentationLUTShape = ""
    radiograph.save_as(tmp_path / "in/inverted.dcm")
    image_file(tmp_path / "in/disc.png")
    monkeypatch.setattr("app.views.check.SURE", 1000.0)
    launch("run", settings, "inference.yaml")
    assert [row[0] for row in rows_of(tmp_path / "out/predictions.csv")[1:]] == ["frontal.dcm"]
    assert rows_of(tmp_path / "out/doubtful.csv") == [["image"], ["frontal.dcm"]]
    excluded = dict(rows_of(tmp_path / "out/excluded.csv")[1:])
    assert {name: error.split(";")[0] for name, error in excluded.items()} == {
        # Nothing is sure enough here to be called inverted.
        "disc.png": "does not look like a frontal radiograph of the chest",
        "inverted.dcm": "does not look like a frontal radiograph of the chest",
    }
    assert all(error.endswith("--any_view True") for error in excluded.values())


def test_a_file_that_vanishes_after_it_was_prepared_is_scored_and_its_missing_overlay_reported(
    settings, launch, tmp_path, monkeypatch, caplog
):
    for name in ("gone", "good"):
        image_file(tmp_path / f"in/{name}.png")
    score = Inference.score

    def remove_first(self, *prepared):
        (tmp_path / "in/gone.png").unlink()
        return score(self, *prepared)

    monkeypatch.setattr(Inference, "score", remove_first)
    launch("run", settings, "inference.yaml")
    assert [row[0] for row in rows_of(tmp_path / "out/predictions.csv")[1:]] == ["gone.png", "good.png"]
    assert [path.name for path in (tmp_path / "out/overlays").iterdir()] == ["good.png"]
    assert "1 scored radiographs have no overlay" in caplog.text
    assert "gone.png: cannot be opened" in caplog.text


def test_scores_are_those_of_evaluating(settings, launch, trained, world, tmp_path):
    (tmp_path / "in").mkdir()
    for path in world.folder.glob("test-*.png"):
        shutil.copy(path, tmp_path / "in")
    launch("run", settings, "inference.yaml")
    scores = {image: float(score) for image, _, score, *_ in rows_of(tmp_path / "out/predictions.csv")[1:]}
    header, *reported = rows_of(trained.output_dir / "predictions.csv")
    expected = {row[header.index("image")]: float(row[header.index("score")]) for row in reported}
    assert scores == pytest.approx(expected, abs=1e-5)


def overlaid(monkeypatch: pytest.MonkeyPatch) -> list[list[Region]]:
    """The regions of each overlay that is drawn from now on."""
    seen = []

    def spy(image: np.ndarray, regions: list[Region], note: str) -> np.ndarray:
        seen.append(regions)
        assert (note == "nothing called") == (not regions)
        return overlay(image, regions, note)

    monkeypatch.setattr("app.engines.scored_radiograph.overlay", spy)
    return seen


def weights_calling(trained, folder: Path, score: float) -> tuple[str, dict]:
    """A copy of the weights that call a finding from a score, and what stands beside them."""
    shutil.copy(trained.output_dir / "model.pt", folder)
    content = json.loads((trained.output_dir / "model.json").read_text()) | {"score_thresholds": [score]}
    del content["logit_thresholds"]
    (folder / "model.json").write_text(json.dumps(content))
    return str(folder / "model.pt"), content


@pytest.mark.parametrize("threshold", [None, 0.125], ids=["saved", "given"])
def test_outlines_are_at_the_saved_thresholds_unless_one_is_given(
    settings, launch, trained, tmp_path, monkeypatch, threshold
):
    seen = overlaid(monkeypatch)
    image_file(tmp_path / "in/good.png")
    checkpoint, content = weights_calling(trained, tmp_path, 0.0)
    launch("run", settings | {"threshold": threshold, "checkpoint": checkpoint}, "inference.yaml")
    ((region,),) = seen
    assert region.threshold == (content["map_thresholds"][0] if threshold is None else threshold)
    (row,) = rows_of(tmp_path / "out/predictions.csv")[1:]
    assert row[4:] == ["0.0", "1"]
    assert region.caption == f"Nodule {float(row[2]):.2f}"


def test_what_is_not_called_is_not_drawn(settings, launch, trained, tmp_path, monkeypatch, caplog):
    seen = overlaid(monkeypatch)
    image_file(tmp_path / "in/good.png")
    checkpoint, _ = weights_calling(trained, tmp_path, 1.0)
    with caplog.at_level("INFO"):
        launch("run", settings | {"checkpoint": checkpoint}, "inference.yaml")
    assert seen == [[]]
    assert rows_of(tmp_path / "out/predictions.csv")[1][4:] == ["1.0", "0"]
    assert "called at the thresholds that validation chose: Nodule 0" in caplog.text


def test_without_kept_thresholds_nothing_is_called_and_all_is_drawn(
    settings, launch, trained, tmp_path, monkeypatch, caplog
):
    seen = overlaid(monkeypatch)
    image_file(tmp_path / "in/good.png")
    checkpoint, _ = weights_calling(trained, tmp_path, 1.0)
    (tmp_path / "model.json").unlink()
    launch("run", settings | {"checkpoint": checkpoint}, "inference.yaml")
    assert [len(regions) for regions in seen] == [1]
    assert rows_of(tmp_path / "out/predictions.csv")[1][4:] == ["", ""]
    assert "no thresholds are kept beside the weights: nothing is called" in caplog.text


def test_weights_trained_with_other_settings_are_refused(settings, launch, tmp_path):
    # They would fit by name and shape, but their scores would mean nothing.
    image_file(tmp_path / "in/good.png")
    with pytest.raises(RuntimeError) as caught:
        launch("run", settings | {"pixel_level": False}, "inference.yaml")
    assert "pixel_level: False, but" in str(caught.value.__cause__)
    assert "model.pt was trained with True (" in str(caught.value.__cause__)
    assert not (tmp_path / "out/predictions.csv").exists()


def test_a_folder_without_a_readable_radiograph_is_refused(settings, launch, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/notes.txt").write_text("not a radiograph\n")
    with pytest.raises(RuntimeError) as caught:
        launch("run", settings, "inference.yaml")
    assert "none of 1 files is a radiograph to be scored" in str(caught.value.__cause__)
    assert "notes.txt" in str(caught.value.__cause__)
    assert [name for name, _ in rows_of(tmp_path / "out/excluded.csv")] == ["image", "notes.txt"]


def test_names_that_are_not_utf8_or_too_long_are_scored_and_drawn(settings, launch, tmp_path):
    folder = os.fsencode(tmp_path / "in")
    image_file(tmp_path / "in/1.png")
    content = (tmp_path / "in/1.png").read_bytes()
    for name in (b"r\xf6ntgen.png", b"x" * 251 + b".png"):
        Path(os.fsdecode(folder + b"/" + name)).write_bytes(content)
    Path(os.fsdecode(folder + b"/n\xf6tes.txt")).write_text("no image")
    settings["output_dir"] = str(tmp_path / "in" / "out")
    for _ in range(2):  # the second time, the first one's results lie in the folder
        launch("run", settings, "inference.yaml")
        rows = rows_of(tmp_path / "in/out/predictions.csv")
        assert [row[0] for row in rows] == ["image", "1.png", "r\\xf6ntgen.png", "x" * 251 + ".png"]
        assert [row[0] for row in rows_of(tmp_path / "in/out/excluded.csv")] == ["image", "n\\xf6tes.txt"]
        drawn = sorted(path.name for path in (tmp_path / "in/out/overlays").iterdir())
        assert drawn[:2] == ["1.png", "r\\xf6ntgen.png"]
        assert (len(drawn), len(drawn[2])) == (3, 255)


def test_what_stops_it_leaves_no_table_and_no_process(settings, launch, tmp_path, monkeypatch):
    for number in range(6):
        image_file(tmp_path / f"in/{number}.png")
    monkeypatch.setattr("app.engines.inference.PORTION", 2)

    def interrupted(self, *prepared):
        raise KeyboardInterrupt

    monkeypatch.setattr(Inference, "score", interrupted)
    before = multiprocessing.active_children()
    with pytest.raises(KeyboardInterrupt):
        launch("run", settings | {"dataset#workers": 2, "batch_size": 2}, "inference.yaml")
    assert [path.name for path in (tmp_path / "out").iterdir()] == []
    assert set(multiprocessing.active_children()) <= set(before)


def test_what_stops_it_waits_for_one_picture_alone(monkeypatch):
    drawn = []

    class Arrived:
        def arrived(self):
            return torch.zeros(3, 1), torch.zeros(3, dtype=torch.bool), torch.zeros(3, 1, 1, 1)

    def answers(self, dataset):
        yield {"index": torch.arange(3), "region": torch.zeros(3, 4)}, Arrived()
        raise KeyboardInterrupt

    def draw(self, dataset, index, *answer):
        time.sleep(0.05)
        drawn.append(index)

    monkeypatch.setattr(Inference, "_answers", answers)
    monkeypatch.setattr(Inference, "_write_rows", lambda *batch: 0)
    monkeypatch.setattr(Inference, "_write_results", draw)
    inference = Inference.__new__(Inference)
    inference.findings = ["Nodule"]
    with pytest.raises(KeyboardInterrupt):
        inference.score([])
    assert len(drawn) <= 1
