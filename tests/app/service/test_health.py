"""The health page, and the numbers of a day."""

import contextlib
import datetime
import http.client
import json
import ssl
import threading
import time
import urllib.error
import urllib.request

import pytest

from app.service import health
from app.service.daily import days_to_record, distributions, summary
from app.service.settings import Health
from app.service.spool import Shard
from app.service.table import LEFT_OUT, SENT
from tests.app.service.conftest import content, radiograph

ALL = Shard()


@contextlib.contextmanager
def served(look, tls=None):
    """A page, as its port."""
    server = health.start(Health.model_construct(port=0, address="127.0.0.1", tls=tls), look)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def page(spool, table):
    """A page over a queue of one image and a table of two; yields (fetch, processes)."""
    spool.add(content(radiograph()))
    now = health.time.time()
    for number, outcome in enumerate((SENT, LEFT_OUT)):
        table.begin(f"s0-i{number}", now - 10, now - 9)
        table.scored(f"s0-i{number}", now - 7, "", {}, outcome == SENT)
        table.end(f"s0-i{number}", outcome, "is a lateral view" if outcome == LEFT_OUT else "", now - 6)
    processes = {"scorer": True}
    state = {"ready": True}
    with served(lambda: health.state_of(spool, table, ALL, state["ready"], processes)) as port:

        def fetch(path):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                return error.code, error.read().decode()

        yield fetch, processes, state


def test_ready_once_the_weights_are_loaded_and_live_while_all_processes_run(page):
    fetch, processes, state = page
    assert [fetch(path)[0] for path in ("/live", "/ready", "/nothing")] == [200, 200, 404]
    state["ready"] = False
    assert [fetch(path)[0] for path in ("/live", "/ready")] == [200, 503]
    processes["scorer"], state["ready"] = False, True
    assert [fetch(path)[0] for path in ("/live", "/ready")] == [503, 503]


def test_metrics_for_prometheus(page):
    lines = page[0]("/metrics")[1].splitlines()
    assert {"frugal_ready 1", "frugal_waiting_images 1", 'frugal_images{outcome="sent"} 1'} <= set(lines)
    assert "frugal_doubtful_images 1" in lines
    assert 'frugal_latency_seconds{quantile="0.5"} 4' in lines
    assert all(line.startswith("# TYPE frugal_") or line.count(" ") >= 1 for line in lines)


def test_the_page_and_the_state_tell_the_reasons(page):
    assert "<td>left out, last day: is a lateral view</td><td>1</td>" in page[0]("/")[1]
    state = json.loads(page[0]("/state")[1])
    assert (state["images"], state["counts"]["sent"], state["reasons"]["left out"]) == (1, 1, {"is a lateral view": 1})
    assert state["doubtful"] == 1


def test_by_tls_to_clients_with_a_certificate_alone(spool, table, tls, caplog, capfd):
    caplog.set_level("INFO")
    with served(lambda: health.state_of(spool, table, ALL, True, {}), tls) as port:
        stranger, known = (ssl.create_default_context(cafile=tls.authority) for _ in range(2))
        known.load_cert_chain(tls.certificate, tls.key)
        for address, context in (("http://127.0.0.1", None), ("https://localhost", stranger)):
            with pytest.raises((OSError, http.client.HTTPException)):
                urllib.request.urlopen(f"{address}:{port}/ready", timeout=10, context=context)
        with urllib.request.urlopen(f"https://localhost:{port}/ready", timeout=10, context=known) as answer:
            assert answer.read() == b"ready"
        deadline = time.monotonic() + 10
        while len(caplog.messages) < 2 and time.monotonic() < deadline:  # they are logged by threads
            time.sleep(0.01)
    assert caplog.messages == ["a request failed (SSLError)"] * 2
    assert "Traceback" not in capfd.readouterr().err


def test_days_are_recorded_once_they_are_over(table):
    start = datetime.datetime(2026, 11, 26, 12).timestamp()
    for number, day in enumerate((0, 0, 2)):
        table.begin(f"s0-i{number}", start + 86400 * day, start)
        table.end(f"s0-i{number}", SENT, "", start + 86400 * day + 5)
    first, third = datetime.date(2026, 11, 26), datetime.date(2026, 11, 28)
    assert list(days_to_record(table, third)) == [first]
    assert list(days_to_record(table, third + datetime.timedelta(1))) == [first, third]
    table.note("day recorded", "2026-11-26")
    assert list(days_to_record(table, third)) == []
    numbers = summary(table, start - 1, start + 1)
    assert (numbers["images.sent"], numbers["images.doubtful"], numbers["latency_seconds.0.5"]) == (2, 0, 5)


def test_distributions_are_shares_of_ten_bins():
    values = distributions({"Nodule": [(0.05, False), (0.05, False), (1.0, True), (0.5, False)]})
    assert [values[f"score.Nodule.bin{number}"] for number in range(10)] == [0.5, 0, 0, 0, 0, 0.25, 0, 0, 0, 0.25]
    assert (values["score.Nodule.mean"], values["score.Nodule.called"]) == (0.4, 0.25)
