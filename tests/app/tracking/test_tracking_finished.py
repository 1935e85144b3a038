"""What a finished run has left, for another run to start from."""

import pytest

from app.tracking import Run, TrackingError, artifact_of_run


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
