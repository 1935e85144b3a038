"""Finding the run of an output folder, and adding to a run that has ended."""

import json
from pathlib import Path

import pytest

from app.tracking import Run, TrackingError, run_of_folder, stored_run


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
