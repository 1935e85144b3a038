"""A tracking server that is not there, goes away, comes back, or refuses: nothing is lost and nobody waits."""

import json
import logging
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import mlflow
import pytest

from app.tracking import Run, TrackingError, stored_run, sync
from app.tracking.journal import Journal
from app.tracking.operations import Batch, Status, from_line
from app.tracking.writer import Writer

MS = 1_700_000_000_000


class Server:
    """As much of MLflow's REST interface as a run uses; keeps its runs while it is away."""

    def __init__(self, artifacts: Path) -> None:
        self.runs: dict[str, dict] = {}
        # MLflow remembers by id where a run's artifacts are, so no two servers may give the same.
        self.id = uuid.uuid4().hex
        self.artifacts = artifacts
        self.answers_with: int | None = None
        self.port = 0
        self.start()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer()

            def do_POST(self) -> None:
                self.answer()

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                code, reply = server.reply(self.path.rpartition("/mlflow/")[2].partition("?")[0], body)
                content = json.dumps(reply).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self.http.server_port
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    def reply(self, endpoint: str, body: bytes) -> tuple[int, dict]:
        if self.answers_with:
            return self.answers_with, {"error_code": "INTERNAL_ERROR", "message": "no"}
        experiment = {"experiment_id": "1", "name": "study", "lifecycle_stage": "active"}
        if endpoint == "experiments/search":
            return 200, {"experiments": [experiment]}
        if endpoint == "experiments/get-by-name":
            return 200, {"experiment": experiment}
        if endpoint == "runs/create":
            self.runs[self.id] = {"status": "RUNNING", "metrics": set(), "params": {}, "tags": {}}
        given = json.loads(body or b"{}")
        run = self.runs.get(self.id)
        if endpoint == "runs/log-batch":
            for metric in given.get("metrics", []):
                run["metrics"].add((metric["key"], float(metric["value"]), int(metric["step"])))
            run["params"] |= {param["key"]: param["value"] for param in given.get("params", [])}
            run["tags"] |= {tag["key"]: tag["value"] for tag in given.get("tags", [])}
        if endpoint == "runs/update":
            run["status"] = given["status"]
        if endpoint in ("runs/create", "runs/update", "runs/get"):
            info = {"run_id": self.id, "status": run["status"], "artifact_uri": self.artifacts.as_uri()}
            return 200, {"run": {"info": {**info, "experiment_id": "1"}, "data": {}}}
        return 200, {}


@pytest.fixture
def server(place, monkeypatch):
    """A server at work, with the writer's waits cut short."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr("app.tracking.writer.RETRY_SECONDS", 0.05)
    monkeypatch.setattr("app.tracking.writer.CLOSING_SECONDS", 1.0)
    server = Server(place / "server")
    yield server
    server.stop()


def wait_for(condition) -> None:
    until = time.monotonic() + 20
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    assert condition()


def losses(server: Server) -> list[int]:
    return sorted(step for name, _, step in server.runs[server.id]["metrics"] if name == "loss")


def test_unreachable_at_start(place, server, monkeypatch, caplog):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    server.stop()
    with caplog.at_level(logging.WARNING), Run("study", folder=place / "out") as run:
        run.metrics({"loss": 1.0}, 0)
        run.text("weights", "model.pt")
    server.start()
    (record,) = caplog.records
    assert record.message.startswith(f"tracking server {server.uri} does not answer")
    found = mlflow.MlflowClient(f"sqlite:///{place}/mlflow.db").get_run(run.id)
    assert found.info.status == "FINISHED"
    assert found.data.metrics == {"loss": 1.0}
    assert found.data.tags["frugal.intended_store"] == server.uri
    assert (place / "mlartifacts" / "study" / run.id / "artifacts" / "model.pt").read_text() == "weights"


def test_answers_when_asked_but_fails_in_use(place, server, caplog):
    reply = server.reply
    server.reply = lambda endpoint, body: (500, {}) if endpoint == "runs/create" else reply(endpoint, body)
    with caplog.at_level(logging.WARNING), Run("study", tracking_uri=server.uri, folder=place / "out") as run:
        assert run.uri == f"sqlite:///{place}/mlflow.db"
    assert len(caplog.records) == 1


def test_a_server_that_refuses_is_an_error_not_an_outage(place, server):
    server.reply = lambda endpoint, body: (403, {"error_code": "PERMISSION_DENIED", "message": "who are you?"})
    with pytest.raises(mlflow.exceptions.MlflowException, match=r"who are you\?"):
        Run("study", tracking_uri=server.uri, folder=place / "out").__enter__()


def test_goes_away_and_comes_back(place, server, caplog):
    with caplog.at_level(logging.WARNING), Run("study", tracking_uri=server.uri, folder=place / "out") as run:
        assert run.open_hint == f"{server.uri}/#/experiments/1/runs/{run.id}?workflowType=machine_learning"
        journal = place / "out" / f"tracking-{run.id}.jsonl"
        run.metrics({"loss": 1.0}, 0)
        run.flush()
        wait_for(lambda: losses(server) == [0])
        server.stop()
        since = time.monotonic()
        for step in range(1, 1500):
            run.metrics({"loss": 1.0}, step)
        run.text("weights", "model.pt")
        assert time.monotonic() - since < 3
        wait_for(journal.exists)
        run.metrics({"loss": 1.0}, 1500)
        run.flush()
        # What comes during the outage is in the file too, so that not even kill -9 loses it.
        wait_for(lambda: '"loss", 1.0' in journal.read_text().splitlines()[-1])
        server.start()
        wait_for(lambda: not journal.exists())
    assert losses(server) == list(range(1501))
    assert server.runs[run.id]["status"] == "FINISHED"
    assert (place / "server" / "model.pt").read_text() == "weights"
    assert len([record for record in caplog.records if "fails" in record.message]) == 1


def test_stays_away_and_is_synced_later(place, server, caplog):
    with caplog.at_level(logging.WARNING), Run("study", tracking_uri=server.uri, folder=place / "out") as run:
        server.stop()
        run.parameters({"lr": 0.1})
        run.metrics({"loss": 1.0, "dice": float("nan")}, 0)
        run.text("weights", "model.pt")
    journal = place / "out" / f"tracking-{run.id}.jsonl"
    assert f"upload it later with: frugal sync {journal}" in caplog.text
    with pytest.raises(TrackingError, match=r"does not answer .* is kept"):
        sync(journal)
    assert server.runs[run.id]["status"] == "RUNNING"
    server.start()
    # By hand: parameters, metrics, artifact, status.
    assert sync(journal) == 4
    assert not journal.exists()
    assert server.runs[run.id]["status"] == "FINISHED"
    assert server.runs[run.id]["params"] == {"lr": "0.1"}
    assert losses(server) == [0]
    assert (place / "server" / "model.pt").read_text() == "weights"


def test_exception_while_the_server_is_away_is_the_one_seen(place, server):
    with pytest.raises(ZeroDivisionError), Run("study", tracking_uri=server.uri, folder=place / "out"):  # noqa: PT012
        server.stop()
        raise ZeroDivisionError
    server.start()
    assert sync(next((place / "out").glob("tracking-*.jsonl"))) == 2
    assert server.runs[server.id]["status"] == "FAILED"


def test_resuming_writes_first_what_was_kept(place, server):
    with pytest.raises(KeyboardInterrupt), Run("study", tracking_uri=server.uri, folder=place / "out") as run:  # noqa: PT012
        server.stop()
        run.metrics({"loss": 1.0}, 0)
        raise KeyboardInterrupt
    server.start()
    with Run("study", tracking_uri=server.uri, folder=place / "out", resume=run.id) as resumed:
        assert losses(server) == [0]
        assert server.runs[run.id]["status"] == "RUNNING"
        resumed.metrics({"loss": 1.0}, 1)
    assert losses(server) == [0, 1]
    assert not list((place / "out").glob("tracking-*"))


def test_a_run_that_is_kept_here_is_gone_on_with_while_the_server_stays_away(place, server):
    server.stop()
    with Run("study", tracking_uri=server.uri, folder=place / "out") as run:
        run.metrics({"loss": 1.0}, 0)
    with Run("study", tracking_uri=server.uri, folder=place / "out", resume=run.id) as resumed:
        assert resumed.steps("loss") == {0}
    server.start()
    assert resumed.id == run.id


def test_leftovers_are_named_at_the_next_start(place, caplog):
    (place / "out").mkdir()
    kept = place / "out" / f"tracking-{'e' * 32}.jsonl"
    kept.write_text("{}\n")
    with caplog.at_level(logging.WARNING), Run("study", folder=place / "out"):
        pass
    assert f"frugal sync {kept}" in caplog.text


def test_looking_up_a_run_on_a_server_that_is_away(place, server):
    server.stop()
    with pytest.raises(TrackingError, match=r"tracking server .* does not answer .*: run 'a' cannot be looked up"):
        stored_run("a", tracking_uri=server.uri)
    server.start()


def test_refused_operation_is_kept_aside_and_the_rest_goes_on(place, caplog):
    class Client:
        written: list = []  # noqa: RUF012

        def log_batch(self, run_id, metrics=(), params=(), tags=()):
            if params:
                raise mlflow.exceptions.MlflowException("changed", error_code=mlflow.exceptions.INVALID_PARAMETER_VALUE)
            self.written += [tag.key for tag in tags]

    writer = Writer(Client(), "f" * 32, Journal(place / "tracking-f.jsonl", {"run": "f" * 32, "store": "s"}))
    with caplog.at_level(logging.WARNING):
        writer.put(Batch(parameters={"lr": "2"}))
        writer.put(Batch(tags={"a": "b"}))
        writer.close()
    assert Client.written == ["a"]
    aside = (place / "tracking-f.refused.jsonl").read_text().splitlines()
    assert from_line(aside[1]) == Batch(parameters={"lr": "2"})
    assert "refused Batch: MlflowException: changed" in caplog.text
    assert not (place / "tracking-f.jsonl").exists()


def test_slow_end_is_kept_before_somebody_kills_us(place, monkeypatch):
    monkeypatch.setattr("app.tracking.writer.JOURNAL_SECONDS", 0.0)
    release = threading.Event()

    class Client:
        def set_terminated(self, run_id, status, time):
            release.wait(20)

    path = place / "tracking-f.jsonl"
    writer = Writer(Client(), "f" * 32, Journal(path, {"run": "f" * 32, "store": "s"}))
    writer.put(Status("KILLED", MS))
    closing = threading.Thread(target=writer.close)
    closing.start()
    wait_for(path.exists)
    release.set()
    closing.join()
    assert not path.exists()
