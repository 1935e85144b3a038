"""Annotation cost: the datalist alone decides the supervision, from `frugal degrade` to a training on a mixture."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, create_workflow

from app.cli import main
from app.datalist.file import read_datalist
from app.engines import RadiographWorkflow
from app.networks.checkpoints import read_weights
from app.phantoms import write_phantoms

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "bundles/annotation_cost/configs/train.yaml"
TINY = {"depth": 18, "width": 4, "image_size": 64, "batch_size": 8, "precision": "float32", "max_epochs": 1}
WITHOUT_WORKERS = {"prepare#workers": 0}


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A datalist of 40 small phantoms with exact outlines of two large findings."""
    folder = tmp_path_factory.mktemp("phantoms")
    return write_phantoms(folder, 40, 0, 64, ("Cardiomegaly", "Effusion"), workers=1, progress=False)


def prepared(phantoms: Path, *words: str) -> list[dict[str, Any]]:
    """Training items as the bundle's own config prepares them, after `frugal degrade` with these words."""
    datalist = phantoms
    if words:
        datalist = phantoms.parent / f"{'_'.join(words).replace('/', '_')}.json"
        assert main(["degrade", str(phantoms), str(datalist), *words]) == 0
    parser = ConfigParser()
    parser.read_config(CONFIG)
    changes = {"datalist": str(datalist), "prepared_dir": str(phantoms.parent / "prepared"), "image_size": 64}
    for key, value in (changes | WITHOUT_WORKERS).items():
        parser[key] = value
    dataset = parser.get_parsed_content("train#dataset")
    return [dataset[place] for place in range(len(dataset))]


def rectangles(mask: np.ndarray) -> np.ndarray:
    """The boxes around the connected parts of a mask, filled."""
    result = np.zeros_like(mask)
    for x, y, width, height, _ in cv2.connectedComponentsWithStats(mask, connectivity=8)[2][1:]:
        result[y : y + height, x : x + width] = 1
    return result


def test_outlines_are_located_everywhere_and_drawn_where_present(phantoms: Path) -> None:
    items = prepared(phantoms)
    assert all(bool(item["annotated"].all()) for item in items)
    for item in items:
        # Every phantom's finding has an outline, however small.
        assert item["mask"].flatten(1).any(dim=1).tolist() == (item["label"] > 0).tolist()


def test_boxes_are_drawn_whole_around_the_outlines(phantoms: Path) -> None:
    outlines, boxes = prepared(phantoms), prepared(phantoms, "--level", "box")
    different = 0
    for outline, box in zip(outlines, boxes, strict=True):
        assert torch.equal(outline["label"], box["label"])
        assert bool(box["annotated"].all())
        for drawn, given in zip(outline["mask"].numpy(), box["mask"].numpy(), strict=True):
            expected = rectangles(drawn)
            # Specks get no box of their own, so a box may be missing, but none is drawn anywhere else.
            assert bool((given <= expected).all())
            assert given.sum() >= 0.9 * expected.sum()
            different += int(given.sum() > drawn.sum())
    assert different > 5


@pytest.mark.parametrize("words", [("--level", "image"), ("--level", "nlp", "--f1", "0.75")], ids=["image", "nlp"])
def test_labels_alone_have_no_location(phantoms: Path, words: tuple[str, ...]) -> None:
    items = prepared(phantoms, *words)
    assert not any(bool(item["annotated"].any()) or bool(item["mask"].any()) for item in items)
    changed = sum(
        int((cheap["label"] != dear["label"]).sum()) for cheap, dear in zip(items, prepared(phantoms), strict=True)
    )
    assert (changed > 0) is (words[1] == "nlp")


def test_a_mixture_is_made_of_its_parts(phantoms: Path) -> None:
    items = prepared(phantoms, "--mix", "outline=8,image=rest")
    located = [item for item in items if bool(item["annotated"].any())]
    assert len(items) == len(prepared(phantoms))
    assert len(located) == 8
    few = prepared(phantoms, "--mix", "outline=8")
    assert [item["index"] for item in few] == list(range(8))
    for alone, mixed in zip(few, located, strict=True):
        assert torch.equal(alone["image"], mixed["image"])
        assert torch.equal(alone["mask"], mixed["mask"])


def test_a_mixture_is_trained_and_reported(phantoms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared(phantoms, "--mix", "outline=8,box=8,image=rest")
    datalist = phantoms.parent / "--mix_outline=8,box=8,image=rest.json"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.chdir(ROOT)
    overrides = {"datalist": str(datalist), "output_dir": str(tmp_path / "out"), **TINY, **WITHOUT_WORKERS}
    overrides |= {"prepared_dir": str(phantoms.parent / "prepared")}
    workflow = create_workflow(RadiographWorkflow, str(CONFIG), workflow_type="train", run_id="training", **overrides)
    metrics = workflow.run()[-1]
    workflow.finalize()
    test = read_datalist(datalist).sections["test"]
    for column, finding in enumerate(("Cardiomegaly", "Effusion")):
        # The mixture is that of the training section: all test images have outlines.
        present = sum(item.label[column] == 1 for item in test)
        assert (metrics["auc"][finding]["present"], metrics["auc"][finding]["absent"]) == (present, len(test) - present)
        assert metrics["dice"][finding]["images"] == present
    weights = [read_weights(tmp_path / "out" / name) for name in ("model.pt", "last.pt")]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items()), "one epoch is the best one"
