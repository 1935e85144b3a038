"""Receiving by C-STORE: on the disk before success, from known peers alone, and never more than what is allowed."""

import socket
import ssl
from contextlib import suppress

import pytest
from pydicom.uid import JPEGLSLossless
from pynetdicom import AE
from pynetdicom.presentation import build_context

from app.service import receiving
from app.service.settings import DicomReceiver, Peer, StoreTarget
from app.service.spool import Shard
from app.service.targets import StoreSending
from tests.app.service.conftest import content, radiograph

ALL = Shard()


@pytest.fixture
def receiver(spool):
    """Start a receiver with settings; gives its port."""
    servers = []

    def start(**changes):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        servers.append(receiving.start(DicomReceiver(**{"port": port, "peers": "any", **changes}), spool))
        return port

    yield start
    for server in servers:
        server.shutdown()


def associate(port, title="FRUGAL", own="XRAY", syntax="1.2.840.10008.1.2.1", **arguments):
    contexts = [build_context(radiograph().SOPClassUID, syntax), build_context("1.2.840.10008.1.1")]
    return AE(own).associate("127.0.0.1", port, contexts=contexts, ae_title=title, **arguments)


def test_an_object_is_in_the_queue_when_the_sender_hears_of_success(receiver, spool):
    association = associate(receiver())
    assert association.send_c_echo().Status == 0
    given = radiograph()
    assert association.send_c_store(given).Status == 0
    (image,) = spool.waiting(ALL)
    association.release()
    assert content(given).endswith(image.path.read_bytes()[-100:])


def test_compressed_objects_come_as_they_are(receiver):
    association = associate(receiver(), syntax=JPEGLSLossless)
    assert next(each.transfer_syntax for each in association.accepted_contexts) == [JPEGLSLossless]
    association.release()


def test_a_full_disk_is_told_so_that_the_sender_tries_again(receiver, spool, monkeypatch):
    association = associate(receiver())

    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(spool, "add", full)
        assert association.send_c_store(radiograph()).Status == 0xA700
    assert association.send_c_store(radiograph()).Status == 0
    association.release()


@pytest.mark.parametrize(
    ("peer", "is_let_in"),
    [
        (("XRAY", "127.0.0.0/8"), True),
        (("XRAY", "127.0.0.1"), True),
        (("OTHER", "127.0.0.1"), False),
        (("XRAY", "10.0.0.0/8"), False),
    ],
)
def test_title_and_address_must_be_a_peers(receiver, peer, is_let_in):
    association = associate(receiver(peers=[Peer(title=peer[0], address=peer[1])]))
    assert (association.is_established, association.is_rejected) == (is_let_in, not is_let_in)
    association.release()


def test_who_calls_another_title_is_rejected(receiver):
    assert associate(receiver(), title="OTHER").is_rejected


def test_too_large_an_object_closes_the_connection_and_the_next_one_is_taken(receiver, spool):
    port = receiver(largest_mb=1)
    association = associate(port)
    large = radiograph(PixelData=bytes(2_000_000))
    with suppress(RuntimeError):  # it may be noticed while it is being sent
        assert "Status" not in association.send_c_store(large)
    association.abort()
    association = associate(port)
    assert association.send_c_store(radiograph()).Status == 0
    association.release()
    assert len(spool.waiting(ALL)) == 1


def test_a_unit_that_claims_to_be_huge_closes_the_connection(receiver):
    port = receiver()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"\x01\x00" + (2**32 - 1).to_bytes(4, "big") + bytes(100))
        assert connection.recv(10) == b""
    assert associate(port).is_established


def test_tls_with_the_clients_certificate(receiver, spool, tmp_path, tls):
    port = receiver(tls=tls)
    path = tmp_path / "a.dcm"
    path.write_bytes(content(radiograph()))
    StoreSending(StoreTarget(host="localhost", port=port, title="FRUGAL", tls=tls)).send("a", [path])
    assert len(spool.waiting(ALL)) == 1
    context = ssl.create_default_context(cafile=tls.authority)  # without a certificate of its own
    refused = associate(port, tls_args=(context, "localhost"))
    assert not refused.is_established or not refused.send_c_echo()
