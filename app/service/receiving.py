"""Receive objects by C-STORE: each is on the disk before its sender hears of success, and nothing is scored here."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Iterable
from typing import Any

from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
from pynetdicom.transport import AssociationServer

from app.service.settings import DicomReceiver, Peer
from app.service.spool import Spool
from app.service.tls import server_context
from app.service.waiting import described

MAXIMUM_PDU = 131_072
"""Bytes; larger ones take less of our time."""
ALLOWANCE = 65_536
"""Bytes that a protocol data unit may have beyond what we have asked for, as that of an association may."""
SUCCESS, OUT_OF_RESOURCES = 0x0000, 0xA700
REJECTED, BY_USER, NOT_RECOGNISED = 0x01, 0x01, 0x03
"""Permanently; by the service's user; calling title not recognised (PS3.8, table 9-21)."""

logger = logging.getLogger(__name__)


def start(settings: DicomReceiver, spool: Spool) -> AssociationServer:
    """Start to receive, in threads.

    Returns:
        pynetdicom's server, with ``shutdown``.

    Raises:
        OSError: The port is taken, or a file of TLS cannot be read.
    """
    entity = AE(settings.title)
    entity.maximum_pdu_size = MAXIMUM_PDU
    entity.maximum_associations = settings.associations
    entity.require_called_aet = True
    entity.add_supported_context(Verification)
    for context in AllStoragePresentationContexts:
        entity.add_supported_context(str(context.abstract_syntax), ALL_TRANSFER_SYNTAXES)
    largest = settings.largest_mb * 1_000_000

    def store(event: evt.Event) -> int:
        try:
            spool.add(event.encoded_dataset())
        except Exception as error:
            # The sender keeps it and tries again.
            logger.warning(f"an object is refused for now: {described(error)}")
            return OUT_OF_RESOURCES
        return SUCCESS

    def open_(event: evt.Event) -> None:
        _bound(event.assoc, largest)

    def requested(event: evt.Event) -> None:
        if settings.peers != "any" and not _is_peer(event.assoc, settings.peers):
            logger.warning("an association is rejected: its title and address are not among the peers")
            event.assoc.acse.send_reject(REJECTED, BY_USER, NOT_RECOGNISED)
            event.assoc.kill()  # once the answer is sent

    server = entity.start_server(
        (settings.address, settings.port),
        block=False,
        ssl_context=server_context(settings.tls) if settings.tls else None,
        evt_handlers=[(evt.EVT_CONN_OPEN, open_), (evt.EVT_REQUESTED, requested), (evt.EVT_C_STORE, store)],
    )
    assert server is not None
    return server


def _is_peer(association: Any, peers: Iterable[Peer]) -> bool:  # noqa: ANN401 - an Association, partly typed
    requestor = association.requestor
    address = ipaddress.ip_address(requestor.address_info.address)
    title = requestor.primitive.calling_ae_title
    return any(title == peer.title and address in ipaddress.ip_network(peer.address) for peer in peers)


def _bound(association: Any, largest: int) -> None:  # noqa: ANN401 - an Association, partly typed
    """Close the connection once a sender's unit, or its object, is larger than allowed.

    pynetdicom keeps an object in memory until it is whole, and believes whatever length a unit states.
    """
    socket = association.dul.socket
    receive: Callable[[int], bytearray] = socket.recv

    def bounded(count: int) -> bytearray:
        message = association.dimse.message
        arrived = 0 if message is None or message.data_set is None else message.data_set.tell()
        if count > MAXIMUM_PDU + ALLOWANCE or arrived > largest:
            logger.warning(f"a connection is closed: what arrives is larger than {largest // 1_000_000} MB")
            raise OSError("larger than allowed")
        return receive(count)

    socket.recv = bounded
