"""TLS by the files that the settings name."""

from __future__ import annotations

import ssl

from app.service.settings import Tls


def client_context(tls: Tls) -> ssl.SSLContext:
    """TLS of a client: our certificate, and the authority by which the other side is known.

    Raises:
        OSError: A file cannot be read, or holds no certificate or key.
    """
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=tls.authority)
    context.load_cert_chain(tls.certificate, tls.key)
    return context


def server_context(tls: Tls) -> ssl.SSLContext:
    """TLS of a server; with an authority, clients must show a certificate that it has signed.

    Raises:
        OSError: A file cannot be read, or holds no certificate or key.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tls.authority)
    context.load_cert_chain(tls.certificate, tls.key)
    if tls.authority is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context
