"""The health page: whether the service lives and is ready, and how far it is behind. No word identifies a patient."""

from __future__ import annotations

import html
import json
import logging
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from app.service.settings import Health
from app.service.spool import Shard, Spool
from app.service.table import LEFT_OUT, OUTCOMES, QUARANTINED, REFUSED, Table
from app.service.tls import server_context

HOUR = 3600.0
_METRICS = {
    "frugal_ready": "gauge",
    "frugal_waiting_images": "gauge",
    "frugal_oldest_image_seconds": "gauge",
    "frugal_waiting_results": "gauge",
    "frugal_oldest_results_seconds": "gauge",
    "frugal_images": "gauge",
    "frugal_images_last_hour": "gauge",
    "frugal_doubtful_images": "gauge",
    "frugal_latency_seconds": "gauge",
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class State:
    """How a service is.

    Attributes:
        is_ready: Whether the weights are loaded and all processes run.
        processes: By name, whether they run.
        images: Waiting to be scored.
        oldest_image: Seconds that the oldest of them has waited.
        results: Of how many images wait to be sent.
        oldest_results: Seconds that the oldest of them have waited.
        counts: Images by outcome, as long as the table remembers.
        last_hour: Likewise, of those that came within an hour.
        doubtful: Images that were scored, but hardly look like frontal radiographs of the chest.
        latency: Seconds from arrival to stored results in the last hour: median and 99th percentile.
        reasons: By outcome, why images have no stored results, and how many; of the last day.
    """

    is_ready: bool
    processes: Mapping[str, bool]
    images: int
    oldest_image: float
    results: int
    oldest_results: float
    counts: Mapping[str, int]
    last_hour: Mapping[str, int]
    doubtful: int
    latency: Mapping[str, float]
    reasons: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def state_of(spool: Spool, table: Table, shard: Shard, is_ready: bool, processes: Mapping[str, bool]) -> State:
    """Look at the queue and the table.

    Raises:
        sqlite3.Error: The table cannot be read.
        OSError: The spool cannot be read.
    """
    now = time.time()
    images, results = spool.waiting(shard), spool.to_send(shard)
    return State(
        is_ready=is_ready and all(processes.values()),
        processes=processes,
        images=len(images),
        oldest_image=now - images[0].since if images else 0.0,
        results=len(results),
        oldest_results=now - results[0].since if results else 0.0,
        counts=table.counts(),
        last_hour=table.counts(now - HOUR),
        doubtful=table.doubtful(),
        latency=quantiles(table.latencies(now - HOUR)),
        reasons={each: table.reasons(each, now - 24 * HOUR) for each in (LEFT_OUT, QUARANTINED, REFUSED)},
    )


def quantiles(ascending: list[float]) -> dict[str, float]:
    """The median and the 99th percentile of some numbers, the nearest of them; empty of none.

    Example:
        >>> quantiles([1.0, 2.0, 9.0])
        {'0.5': 2.0, '0.99': 9.0}
    """
    last = len(ascending) - 1
    return {str(each): ascending[round(each * last)] for each in (0.5, 0.99)} if ascending else {}


def as_prometheus(state: State) -> str:
    """A state in Prometheus's text format (version 0.0.4)."""
    values: dict[str, Mapping[str, float]] = {
        "frugal_ready": {"": state.is_ready},
        "frugal_waiting_images": {"": state.images},
        "frugal_oldest_image_seconds": {"": state.oldest_image},
        "frugal_waiting_results": {"": state.results},
        "frugal_oldest_results_seconds": {"": state.oldest_results},
        "frugal_images": {f'{{outcome="{each}"}}': state.counts[each] for each in OUTCOMES},
        "frugal_images_last_hour": {f'{{outcome="{each}"}}': state.last_hour[each] for each in OUTCOMES},
        "frugal_doubtful_images": {"": state.doubtful},
        "frugal_latency_seconds": {f'{{quantile="{each}"}}': value for each, value in state.latency.items()},
    }
    lines = []
    for name, kind in _METRICS.items():
        lines += [f"# TYPE {name} {kind}", *(f"{name}{label} {value:g}" for label, value in values[name].items())]
    return "\n".join(lines) + "\n"


def as_page(state: State) -> str:
    """A state as a page to look at."""
    rows = [
        ("ready", "yes" if state.is_ready else "no"),
        *((name, "runs" if runs else "does not run") for name, runs in state.processes.items()),
        ("images waiting", f"{state.images}, the oldest for {state.oldest_image:.0f} s"),
        ("results waiting", f"{state.results}, the oldest for {state.oldest_results:.0f} s"),
        *((f"images {each}", f"{state.counts[each]} ({state.last_hour[each]} in the last hour)") for each in OUTCOMES),
        ("images scored in doubt", str(state.doubtful)),
        *((f"latency, quantile {each}", f"{value:.1f} s") for each, value in state.latency.items()),
        *(
            (f"{outcome}, last day: {why}", str(n))
            for outcome, all_ in state.reasons.items()
            for why, n in all_.items()
        ),
    ]
    cells = "".join(f"<tr><td>{html.escape(name)}</td><td>{html.escape(text)}</td></tr>" for name, text in rows)
    return f"<!doctype html><title>FrugalCXR</title><h1>FrugalCXR: for research use only</h1><table>{cells}</table>"


def start(settings: Health, look: Callable[[], State]) -> ThreadingHTTPServer:
    """Start a server, which answers in threads; the caller runs ``serve_forever``.

    ``/live`` answers 200 while all processes run, ``/ready`` once the weights are loaded, too, else 503; ``/metrics``
    is for Prometheus, ``/state`` is JSON, and ``/`` a page.

    Args:
        settings: Of the page.
        look: The state now.

    Raises:
        OSError: The port is taken, or a file of TLS cannot be read.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = 10  # of a client that does not go on

        def do_GET(self) -> None:
            try:
                code, kind, text = _answer(self.path, look())
            except (OSError, sqlite3.Error) as error:
                code, kind, text = 503, "text/plain", type(error).__name__
            body = text.encode()
            self.send_response(code)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: probes come every few seconds."""

    server = _Server((settings.address, settings.port), Handler)
    if settings.tls is not None:
        context = server_context(settings.tls)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    return server


class _Server(ThreadingHTTPServer):
    """Ends a failed request, as of a client without TLS or its certificate, with a line in the log."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Log the class of the error."""
        logger.info(f"a request failed ({type(sys.exception()).__name__})")


def _answer(path: str, state: State) -> tuple[int, str, str]:
    """Code, type and text."""
    if path == "/live":
        is_live = all(state.processes.values())
        return (200, "text/plain", "live") if is_live else (503, "text/plain", "a process does not run")
    if path == "/ready":
        return (200, "text/plain", "ready") if state.is_ready else (503, "text/plain", "not ready")
    if path == "/metrics":
        return 200, "text/plain; version=0.0.4", as_prometheus(state)
    if path == "/state":
        return 200, "application/json", json.dumps(vars(state))
    if path == "/":
        return 200, "text/html", as_page(state)
    return 404, "text/plain", "one of /, /live, /ready, /state, /metrics"
