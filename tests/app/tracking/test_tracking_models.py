"""Models in MLflow: logged once, registered on request, promoted if they are no worse, kept in an outage."""

import json
import threading
from pathlib import Path

import mlflow
import pytest

from app.cli import main
from app.tracking import Run, TrackingError, stored_run, weights_of
from app.tracking.deadline import _limit
from app.tracking.operations import Model, from_line, to_line
from app.tracking.promoting import COMPARISON, promote


@pytest.fixture
def client(place: Path) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(tracking_uri=f"sqlite:///{place}/mlflow.db")


def trained(place: Path, name: str, register: str = "") -> Run:
    """A finished run with a model, whose weights are its name."""
    folder = place / name
    with Run("study", name, folder=folder) as run:
        (folder / "mlflow_model").mkdir()
        (folder / "mlflow_model" / "MLmodel").write_text("flavors: {}\n")
        files = {"model.pt": folder / "model.pt", "model.json": folder / "model.json"}
        files["model.pt"].write_text(name)
        files["model.json"].write_text("{}")
        run.model(folder / "mlflow_model", files, digest=name, register=register)
    return run


def aliases(client: mlflow.MlflowClient) -> dict[str, int]:
    return {name: int(version) for name, version in client.get_registered_model("nodules").aliases.items()}


def compared(first: str, second: str, worse: list[str]) -> None:
    """Tag a run as ``frugal compare`` does."""
    stored_run(first).add({f"{COMPARISON}{stored_run(second).id}": json.dumps({"worse": worse})})


def test_model_is_logged_once_and_its_weights_are_found(place, client):
    run = trained(place, "one", register="nodules")
    (model,) = client.search_logged_models([client.get_run(run.id).info.experiment_id])
    assert (model.name, str(model.status), model.source_run_id) == ("study", "READY", run.id)
    (version,) = client.search_model_versions("name = 'nodules'")
    assert (version.run_id, version.source) == (run.id, model.artifact_location)
    assert json.loads(client.get_logged_model(model.model_id).tags["mlflow.modelVersions"])[0]["name"] == "nodules"
    folder = Path(model.artifact_location.removeprefix("file://"))
    assert {path.name for path in folder.iterdir()} == {"MLmodel", "model.pt", "model.json"}
    for wanted in ("one", run.id, "models:/nodules/1"):
        assert weights_of(wanted) == folder / "model.pt"
    assert (folder / "model.pt").read_text() == "one"
    # Writing the entry again changes nothing, as after an outage.
    operation = from_line(to_line(Model("study", str(place / "one/mlflow_model"), {}, "one", "nodules")))
    operation.write(client, run.id)
    assert len(client.search_logged_models([client.get_run(run.id).info.experiment_id])) == 1
    assert len(client.search_model_versions("name = 'nodules'")) == 1
    assert len(client.get_run(run.id).outputs.model_outputs) == 1


def test_upload_that_was_cut_short_goes_on(place, client, monkeypatch):
    log_model_artifact, calls = mlflow.MlflowClient.log_model_artifact, []

    def failing(self, *arguments):
        calls.append(arguments)
        if len(calls) == 1:
            raise ConnectionError
        return log_model_artifact(self, *arguments)

    monkeypatch.setattr("app.tracking.writer.RETRY_SECONDS", 0.05)
    monkeypatch.setattr(mlflow.MlflowClient, "log_model_artifact", failing)
    run = trained(place, "one")
    assert len(calls) == 3
    (model,) = client.search_logged_models([client.get_run(run.id).info.experiment_id])
    assert str(model.status) == "READY"
    assert weights_of("one").read_text() == "one"


def test_a_model_that_the_store_cannot_take_does_not_fail_the_run(place, client, monkeypatch, caplog):
    def away(*_, **__):
        raise ConnectionError("away")

    monkeypatch.setattr("app.tracking.writer.RETRY_SECONDS", 0.05)
    monkeypatch.setattr("app.tracking.writer.CLOSING_SECONDS", 0.1)
    monkeypatch.setattr("app.tracking.writer.JOURNAL_SECONDS", 0.1)
    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "create_logged_model", away)
        run = trained(place, "one", register="nodules")
        for thread in threading.enumerate():  # it may be about to try for the last time
            if thread.name == "tracking":
                thread.join()
    (journal,) = (place / "one").glob("tracking-*.jsonl")
    assert f"frugal sync {journal}" in caplog.text
    assert main(["sync", str(journal)]) == 0
    assert client.get_run(run.id).info.status == "FINISHED"
    assert weights_of("models:/nodules/1").read_text() == "one"


def test_first_version_becomes_champion_and_others_must_be_compared(place, client, capsys):
    for name in ("one", "two", "three"):
        trained(place, name)
    assert main(["promote", "one", "--name", "nodules"]) == 0
    assert "version 1 (one) is now the champion of nodules: models:/nodules@champion" in capsys.readouterr().out
    assert "already" in promote("1", "nodules")

    assert main(["promote", "two", "--name", "nodules"]) == 1
    error = capsys.readouterr().err
    assert "version 2 of nodules (two) was not compared with the champion (one)" in error
    assert "frugal compare models:/nodules@champion models:/nodules@challenger, then frugal promote 2" in error
    assert aliases(client) == {"champion": 1, "challenger": 2}

    compared("two", "one", ["auc Nodule -0.10 (-0.15 to -0.05)"])
    with pytest.raises(TrackingError, match=r"two\) is worse than the champion \(one\): auc Nodule -0\.10.*challenger"):
        promote("2", "nodules")
    compared("three", "one", [])
    assert promote(str(place / "three"), "nodules").startswith(
        "version 3 (three) is now the champion of nodules, in place of version 1"
    )
    assert aliases(client) == {"champion": 3}
    assert weights_of("models:/nodules@champion").read_text() == "three"


@pytest.mark.parametrize(
    ("wanted", "name", "message"),
    [
        ("nobody", "nodules", "there is no run 'nobody'"),
        ("7", "nodules", "there is no models:/nodules/7"),
        ("plain", "nodules", "run plain has no model: promote a run that trained"),
        ("broken", "nodules", "run broken is FAILED: only a FINISHED run can be promoted"),
        ("plain", "a/b", "a registered model cannot be named 'a/b'"),
        ("plain", "it's", "a registered model cannot be named"),
    ],
)
def test_what_cannot_be_promoted(place, wanted, name, message):
    with Run("study", "plain", folder=place / "plain"):
        pass
    with pytest.raises(KeyError), Run("study", "broken", folder=place / "broken"):
        raise KeyError
    with pytest.raises(ValueError, match=message):
        promote(wanted, name)


def test_uploads_of_models_get_time_by_their_size(tmp_path):
    (tmp_path / "model.pt").write_bytes(bytes(3_000_000))
    # 20 seconds and one for each MB, as for any other artifact.
    assert _limit("log_model_artifacts", ("m-1", str(tmp_path))) == pytest.approx(23)
