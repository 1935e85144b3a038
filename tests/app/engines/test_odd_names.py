"""Findings and files of any name are trained, reported, drawn and logged, or refused before training."""

from dataclasses import replace
from pathlib import Path

import cv2
import mlflow
import numpy as np
import pytest

from app.comparing.run_files import open_run_files
from app.datalist.file import read_datalist, write_datalist
from app.datalist.item import Datalist
from app.engines.inference_samples import folder_samples
from app.engines.launch import Launch
from app.engines.reports import FindingGroups
from app.engines.results import flat
from app.files.folders import AGAIN, BROKEN, OUTPUT
from app.findings import file_names
from app.phantoms.opened import open_data
from app.reporting.report_page import report_page
from app.tracking.names import clean

ODD = ("Opacity #1", "Nodule/Mass", "nodule/mass", "A/../B", "x" * 300, "$\\frac$ _")


def test_findings_of_any_name_are_trained_drawn_logged_and_reported(tmp_path: Path, launch, store: str, world_of):
    world = world_of(ODD)
    out = tmp_path / "out"
    launch("training", world.overrides(out, max_epochs=1, save_maps=True, pictures=True))
    files = {f"cases_{name}.png" for name in file_names(ODD).values()}
    drawn = {path.name for path in (out / "pictures").iterdir()}
    assert files < drawn
    assert len({name.casefold() for name in drawn}) == len(files) + 5  # ROC, scores, reliability, net benefit, history
    # One map per image and finding.
    assert sum(path.is_file() for path in (out / "maps").rglob("*")) == 7 * len(ODD)
    client = mlflow.MlflowClient(store)
    (run,) = client.search_runs([each.experiment_id for each in client.search_experiments()])
    fetched = Path(client.download_artifacts(run.info.run_id, "pictures", str(tmp_path)))
    assert {path.name for path in fetched.iterdir()} == drawn
    areas = [name for name in run.data.metrics if name.startswith("test/auc.")]
    assert len(areas) == len(ODD) + 1
    assert {"test/auc.Opacity_1", "test/auc.Nodule_Mass_294bc881", "test/auc.nodule_mass_dd96e5bc"} < set(areas)
    page = report_page(open_run_files(str(out)))
    assert page.count("<img") >= len(ODD) + 4


@pytest.mark.parametrize("name", ["Mass\0", "", "macro", "Mass\n"])
def test_impossible_names_are_refused_before_anything_is_written(tmp_path: Path, launch, world, name: str):
    datalist = read_datalist(world.datalist)
    items = [replace(item, boxes=(), annotated=()) for item in datalist.sections["training"]]
    write_datalist(Datalist("odd", (name,), {"training": items}), world.folder / "odd.json")
    with pytest.raises(RuntimeError, match="Failed to evaluate") as caught:
        launch("training", world.overrides(tmp_path / "out", datalist=str(world.folder / "odd.json")))
    assert f"finding {name!r}" in str(caught.value.__cause__)
    assert not (tmp_path / "out").exists()


def test_groups_of_findings_are_checked_before_training(tmp_path: Path, world):
    data = open_data(world.datalist)
    Launch("x", data, tmp_path, reports=[FindingGroups({"all": ["Nodule"]})])
    with pytest.raises(ValueError, match=r"findings of group 'other': unknown finding 'Noduel'. Did you mean 'Nodule'"):
        Launch("x", data, tmp_path, reports=[FindingGroups({"other": ["Noduel"]})])
    with pytest.raises(ValueError, match="group 'none' names no finding"):
        Launch("x", data, tmp_path, reports=[FindingGroups({"none": []})])


def test_group_names_are_made_safe_in_logged_metrics():
    entry = {"value": 0.5}
    result = {
        "auc": {"Mass?": entry, "macro": entry},
        "auc_by_view": {"A?P": {"Mass?": entry}, "A:P": {"Mass?": entry}},
    }
    result["iou_accuracy"] = {"T 0.1": {"Mass?": entry}}
    names = set(flat(result, ["Mass?"]))
    assert {"auc.Mass", "auc.macro", "iou_accuracy.T 0.1.Mass"} < names
    assert len(names) == 5
    assert all(clean(name) == name for name in names)


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", np.eye(40, 60, dtype=np.uint8) * 200)[1].tobytes())


def test_links_keep_their_names_and_the_output_folder_is_not_scored(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    picture(tmp_path / "store/0f3a")
    picture(tmp_path / "in/2.png")
    picture(tmp_path / "in/out/overlays/2.png.png")
    (tmp_path / "in/1.png").symlink_to("../store/0f3a")
    (tmp_path / "in/up").symlink_to("..")
    (tmp_path / "in/lost.png").symlink_to("nothing")
    (samples,) = folder_samples(tmp_path / "in", ["Nodule"], tmp_path / "in/out").portions(9)
    assert [sample["name"] for sample in samples] == ["1.png", "2.png"]
    assert samples[0]["image"] == str(tmp_path / "in/1.png")
    for reason in (BROKEN, AGAIN, OUTPUT):
        assert f"{reason} 1" in caplog.text
