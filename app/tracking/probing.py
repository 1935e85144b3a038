"""Whether a tracking server answers, asked once and quickly, before MLflow's own long retries."""

from __future__ import annotations

import http.client
import socket
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from app.tracking.deadline import within
from app.tracking.errors import without_credentials

PROBE_SECONDS = 3.0
"""How long a tracking server may take to answer before it counts as unreachable."""
_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}


def probe(uri: str) -> str | None:
    """Ask once, for at most `PROBE_SECONDS` in all, whether a server or a database server answers.

    Returns:
        None when it answers or cannot be asked (Databricks and other plugins), else what is wrong in a few words.
    """
    is_http = urlsplit(uri).scheme in ("http", "https")
    try:
        return within(PROBE_SECONDS, lambda: _probe_http(uri) if is_http else _probe_port(uri), "it")
    except TimeoutError as error:
        return str(error)


def _probe_port(uri: str) -> str | None:
    """`probe` for a database server."""
    parts = urlsplit(uri)
    port = parts.port or _PORTS.get(parts.scheme.split("+")[0])
    if parts.hostname is None or port is None:
        return None
    try:
        socket.create_connection((parts.hostname, port), timeout=PROBE_SECONDS).close()
    except OSError as error:
        return str(error)
    return None


def _probe_http(uri: str) -> str | None:
    """`probe` for a tracking server; whatever it answers short of a gateway's error shows that it is there."""
    address = without_credentials(uri).rstrip("/") + "/health"
    try:
        urllib.request.urlopen(address, timeout=PROBE_SECONDS).close()
    except urllib.error.HTTPError as error:
        # Anything but a server's own failure is left to MLflow, which holds the credentials.
        return f"HTTP {error.code} {error.reason}" if error.code >= 500 else None
    except urllib.error.URLError as error:
        return _unless_certificate(error)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return str(error)
    return None


def _unless_certificate(error: urllib.error.URLError) -> str | None:
    """A certificate that we do not trust still shows a server; MLflow's own TLS settings decide about it."""
    return None if "CERTIFICATE" in str(error.reason) else str(error.reason)
