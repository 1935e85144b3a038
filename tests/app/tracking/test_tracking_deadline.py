"""Servers that accept a connection and then hang, at once or later, or send a byte now and then: nobody waits long."""

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from app.tracking import Run, TrackingError, stored_run, sync
from app.tracking.deadline import TimedClient, within

LIMIT = 0.4
"""Of a call, in place of 20 s."""


class Hanging:
    """Listens, and answers the first requests with empty JSON; then it accepts and says nothing, or very little.

    Args:
        answers: How many requests are answered.
        trickles: Whether it then sends a byte of an answer now and then, which no timeout of a socket notices.
    """

    def __init__(self, answers: int, trickles: bool = False) -> None:
        self.answers, self.trickles = answers, trickles
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._closed = threading.Event()
        self.uri = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._closed.set()
        for each in (self._socket, *self._open):
            each.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            while connection.recv(65536):
                if self.answers <= 0:
                    break
                self.answers -= 1
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
            while self.trickles and not self._closed.wait(0.05):
                connection.sendall(b"H")
        except OSError:
            pass


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.tracking.deadline.CALL_SECONDS", LIMIT)
    monkeypatch.setattr("app.tracking.deadline.PROBE_SECONDS", LIMIT)


@pytest.fixture(
    params=[(0, False), (0, True), (1, False), (1, True), (3, False)], ids=lambda each: f"{each[0]}-{each[1]}"
)
def hanging(request: pytest.FixtureRequest, limits: None) -> Iterator[Hanging]:
    """Hangs at once, after the health check, or while the run is opened."""
    server = Hanging(*request.param)
    yield server
    server.close()


def test_a_server_that_hangs_when_a_run_is_opened_costs_one_call(place, hanging, caplog):
    Run("study", folder=place / "first").__enter__().__exit__(None, None, None)  # what is imported late
    since = time.monotonic()
    with caplog.at_level(logging.WARNING), Run("study", tracking_uri=hanging.uri, folder=place / "out") as run:
        opened = time.monotonic() - since
    assert run.uri == f"sqlite:///{place}/mlflow.db"
    assert "does not answer" in caplog.text
    assert f"within {LIMIT} seconds" in caplog.text or "timed out" in caplog.text
    # The probe and one call, and time to open the local store on a busy machine; it was 104 s.
    assert opened < 2 * LIMIT + 8


def test_a_server_that_hangs_when_a_run_is_looked_up_or_uploaded(place, hanging):
    with pytest.raises(
        TrackingError, match=r"tracking server .* (does not answer|fails) .*: run 'a' cannot be looked up"
    ):
        stored_run("a", tracking_uri=hanging.uri)
    path = place / f"tracking-{'a' * 32}.jsonl"
    path.write_text(json.dumps({"run": "a" * 32, "store": hanging.uri}) + "\n")
    hanging.answers = 1
    with pytest.raises(TrackingError, match=rf"tracking server {hanging.uri} .*: {path} is kept"):
        sync(path)
    assert path.exists()


def test_the_end_of_a_run_waits_for_a_hanging_call_no_longer_than_is_said(place, monkeypatch, caplog):
    monkeypatch.setattr("app.tracking.deadline.CALL_SECONDS", LIMIT)
    monkeypatch.setattr("app.tracking.writer.CLOSING_SECONDS", LIMIT)
    monkeypatch.setattr("app.tracking.writer.RETRY_SECONDS", 0.05)
    released = threading.Event()

    class Client:
        def __getattr__(self, name):
            return lambda *arguments, **named: released.wait(30)

    with caplog.at_level(logging.WARNING), Run("study", folder=place / "out") as run:
        monkeypatch.setattr(run._writer, "_client", TimedClient(Client(), "http://server"))
        run.tags({"a": "b"})
        since = time.monotonic()
    took = time.monotonic() - since
    released.set()
    # At least until the call in flight has failed, then in steps of 0.2 s.
    assert took < 2 * LIMIT + 2
    assert "tracking server http://server did not answer within 0.4 seconds" in caplog.text
    assert "upload it later with: frugal sync" in caplog.text


def test_uploads_have_time_by_their_size(tmp_path, monkeypatch):
    monkeypatch.setattr("app.tracking.deadline.CALL_SECONDS", 0.01)
    (tmp_path / "model.pt").write_bytes(bytes(1_500_000))
    slow = TimedClient(
        type("Slow", (), {"__getattr__": lambda self, name: lambda *each: time.sleep(0.5) or "done"})(), "s"
    )
    # By hand: 1.5 MB at 1 MB a second.
    assert slow.log_artifact("run", str(tmp_path / "model.pt")) == "done"
    assert slow.log_artifacts("run", str(tmp_path)) == "done"
    with pytest.raises(TimeoutError, match=r"tracking server s did not answer within 0\.01 seconds"):
        slow.log_batch("run")


def test_errors_come_through():
    def fail() -> None:
        raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        within(1.0, fail, "it")
    assert within(1.0, lambda: 3, "it") == 3
