"""Finding runs by id, name and folder, their artifacts, and adding to a run that has ended."""

import json
from pathlib import Path

import pytest

from app.tracking import Run, TrackingError, artifact_of_run, run_of_folder, stored_run


@pytest.fixture
def finished(place) -> Run:
    with Run("study", folder=place / "out") as run:
        run.text("weights", "model.pt")
        run.text("0.9", "plots/auc.txt")
    return run


def test_by_id_by_name_and_in_a_folder(finished):
    assert artifact_of_run(finished.id).read_text() == "weights"
    assert artifact_of_run(finished.name).read_text() == "weights"
    assert artifact_of_run(finished.id, "plots/auc.txt").read_text() == "0.9"


@pytest.mark.parametrize("wanted", ["0" * 32, "nobody's run", "it's"])
def test_unknown_run_lists_those_that_finished(finished, wanted):
    with pytest.raises(TrackingError, match=f"there is no run .*Finished runs: {finished.name} \\({finished.id}\\)"):
        artifact_of_run(wanted)


def test_unknown_artifact_lists_those_there_are(finished):
    with pytest.raises(TrackingError, match=r"has no artifact 'best\.pt'; it has: model\.pt, plots"):
        artifact_of_run(finished.id, "best.pt")


def test_run_that_failed(place, finished):
    with pytest.raises(RuntimeError), Run("study", name="broken", folder=place / "out") as run:
        raise RuntimeError
    with pytest.raises(TrackingError, match=rf"run broken \({run.id}\) is FAILED, and only a FINISHED run .*Finished"):
        artifact_of_run("broken")
    with Run("study", name="broken", folder=place / "out") as again:
        again.text("better", "model.pt")
    assert artifact_of_run("broken").read_text() == "better"


def test_name_of_several_runs(place, finished):
    for _ in range(2):
        with Run("study", name="twice", folder=place / "out"):
            pass
    with pytest.raises(TrackingError, match=r"2 runs are named 'twice' in .*give one id of"):
        artifact_of_run("twice")


def test_no_store_is_not_made_by_looking(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(TrackingError, match="there is no run 'a': no tracking database"):
        artifact_of_run("a")
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

    found.add({"compared with/x": 0.25}, {"about": "it"})
    found.add_artifact(folder / "notes/words.txt", "later")
    again = stored_run("first")
    assert again.status == "FINISHED"
    assert again.tags["about"] == "it"
    assert again.metrics == {"compared with/x": 0.25}
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
