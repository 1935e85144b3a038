"""Finding runs by id, name and folder, their artifacts, and adding to a run that has ended."""

import json
from pathlib import Path

import pytest

from app.tracking import Run, TrackingError, run_of_folder, stored_run, weights_of
from app.tracking.clients import open_client
from app.tracking.store import Store


@pytest.fixture
def finished(place) -> Run:
    with Run("study", folder=place / "out") as run:
        run.text("weights", "model.pt")
        run.text("0.9", "plots/auc.txt")
    return run


def test_by_id_by_name_and_in_a_folder(finished):
    for wanted in (finished.id, finished.name):
        assert stored_run(wanted).artifact("model.pt").read_text() == "weights"
        assert stored_run(wanted).artifact("plots/auc.txt").read_text() == "0.9"


def test_weights_with_their_record_by_run_and_by_registered_model(place, finished):
    with pytest.raises(TrackingError, match=r"has no artifact 'model\.json'"):
        weights_of(finished.name)
    stored_run(finished.id).add_artifact(_file(place / "model.json"), "")
    client = open_client(Store(f"sqlite:///{place}/mlflow.db"))
    client.create_registered_model("nodules")
    client.create_model_version("nodules", f"runs:/{finished.id}/model", finished.id)
    client.set_registered_model_alias("nodules", "champion", "1")
    for wanted in (finished.id, finished.name, "models:/nodules@champion", "models:/nodules/1"):
        path = weights_of(wanted)
        assert (path.name, path.read_text()) == ("model.pt", "weights")
        assert path.with_suffix(".json").read_text() == "{}"


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("models:/nodules@champion", r"there is no models:/nodules@champion in sqlite:.*not found"),
        ("models:/nodules/7", r"there is no models:/nodules/7 in sqlite:.*not found"),
        ("models:/nodules", r"names no registered model: write models:/NAME@ALIAS or models:/NAME/VERSION"),
    ],
)
def test_registered_model_that_is_not_there(finished, wanted, message):
    with pytest.raises(TrackingError, match=message):
        weights_of(wanted)


def _file(path: Path) -> Path:
    path.write_text("{}")
    return path


@pytest.mark.parametrize("wanted", ["0" * 32, "nobody's run", "it's"])
def test_unknown_run_lists_those_that_finished(finished, wanted):
    with pytest.raises(TrackingError, match=f"there is no run .*Finished runs: {finished.name} \\({finished.id}\\)"):
        stored_run(wanted)


def test_unknown_artifact_lists_those_there_are(finished):
    with pytest.raises(TrackingError, match=r"has no artifact 'best\.pt'; it has: model\.pt, plots"):
        stored_run(finished.id).artifact("best.pt")


def test_run_that_failed(place, finished):
    with pytest.raises(RuntimeError), Run("study", name="broken", folder=place / "out") as run:
        raise RuntimeError
    with pytest.raises(TrackingError, match=rf"run broken \({run.id}\) is FAILED, and only a FINISHED run .*Finished"):
        weights_of("broken")
    with Run("study", name="broken", folder=place / "out") as again:
        again.text("better", "model.pt")
        again.text("{}", "model.json")
    assert weights_of("broken").read_text() == "better"


def test_name_of_several_runs(place, finished):
    for experiment in ("study", "other"):
        with Run(experiment, name="twice", folder=place / "out"):
            pass
    with pytest.raises(TrackingError, match=r"2 runs are named 'twice' in .*give one id of"):
        stored_run("twice")


def test_the_beginning_of_a_name_is_enough_if_no_other_begins_so(place, finished):
    for name in ("labels_alone: tiny", "labelsXboxes: tiny"):
        with Run("study", name=name, folder=place / "out"):
            pass
    assert stored_run("labels_").name == "labels_alone: tiny"  # in the query, _ would stand for any letter
    with pytest.raises(
        TrackingError, match=r"2 runs have names that begin with 'labels' in .*labels_alone: tiny, FINISHED"
    ):
        stored_run("labels")
    with pytest.raises(TrackingError, match="there is no run ''"):
        stored_run("")


def test_no_store_is_not_made_by_looking(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(TrackingError, match="there is no run 'a': no tracking database"):
        stored_run("a")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_names_the_run_that_finished_in_it_last(place: Path):
    folder = place / "out"
    assert run_of_folder(folder) is None
    with Run("study", "first", folder=folder) as run:
        run.parameters({"seed": 1})
        run.text("words", "notes/words.txt")
        assert run_of_folder(folder) is None
    found = run_of_folder(folder)
    assert (found.name, found.experiment, found.status, dict(found.parameters)) == (
        "first",
        "study",
        "FINISHED",
        {"seed": "1"},
    )
    assert found.seconds >= 0
    assert found.artifacts("notes") == ("notes/words.txt",)

    found.add({"about": "it"})
    found.add_artifact(folder / "notes/words.txt", "later")
    again = stored_run("first")
    assert again.status == "FINISHED"
    assert again.tags["about"] == "it"
    assert again.artifact("later/words.txt").read_text() == "words"

    with pytest.raises(KeyError), Run("study", "second", folder=folder):
        raise KeyError("broken")
    # What the failed run left there is not the first run's.
    assert run_of_folder(folder) is None


def test_a_folder_whose_run_has_gone_says_so(place: Path):
    (place / "run.json").write_text(json.dumps({"run": "0" * 32, "store": f"sqlite:///{place}/mlflow.db"}))
    with pytest.raises(TrackingError, match="there is no run '0000"):
        run_of_folder(place)
    (place / "run.json").write_text("[]")
    with pytest.raises(
        TrackingError, match=r"run\.json: not the name of a run and its store \(it holds a list.*Remove"
    ):
        run_of_folder(place)
    (place / "run.json").write_text("{}")
    with pytest.raises(TrackingError, match=r"run\.json does not name a run and its store\. Remove the file"):
        run_of_folder(place)
