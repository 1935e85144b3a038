"""HTTP clients of servers that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter

from app.service.settings import DicomwebReceiver, OrthancReceiver, StowTarget

if TYPE_CHECKING:
    from dicomweb_client import DICOMwebClient

TIMEOUT = (5.0, 60.0)
"""Seconds to connect, and between two parts of an answer."""
Server = StowTarget | DicomwebReceiver | OrthancReceiver


class _Timed(HTTPAdapter):
    """Gives each request a time limit, which requests has none of."""

    def send(self, request: Any, *plain: Any, **arguments: Any) -> requests.Response:  # noqa: ANN401
        """Send a request."""
        arguments["timeout"] = arguments.get("timeout") or TIMEOUT
        return super().send(request, *plain, **arguments)


def session_of(server: Server) -> requests.Session:
    """A session with a server's account and authority.

    Raises:
        OSError: The file of the password cannot be read.
    """
    session = requests.Session()
    session.trust_env = False  # no proxy stands between us and the archive, and no .netrc holds another account
    session.mount("http://", _Timed())
    session.mount("https://", _Timed())
    if server.authority is not None:
        session.verify = str(server.authority)
    if server.user is not None:
        password = server.password_file.read_text(encoding="utf-8").strip() if server.password_file else ""
        session.auth = (server.user, password)
    return session


def client_of(server: Server) -> DICOMwebClient:
    """A DICOMweb client of a server.

    Raises:
        OSError: The file of the password cannot be read.
    """
    from dicomweb_client import DICOMwebClient

    client = DICOMwebClient(server.url.rstrip("/"), session=session_of(server))
    client.set_http_retry_params(retry=False)  # the service waits by itself
    return client
