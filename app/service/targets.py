"""Where results go: a folder, a DICOMweb server (STOW-RS), or a C-STORE provider.

Each target stores the results of one image, or raises: `NotNowError` if it may work later, `RefusedError` if these
results are not accepted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import pydicom
import requests
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.presentation import build_context

from app.files.atomic import write_whole
from app.service.http import client_of
from app.service.settings import FolderTarget, StoreTarget, StowTarget, Target
from app.service.tls import client_context
from app.service.waiting import NotNowError

TIMEOUT = 30.0
"""Seconds that a server may take to answer."""
NOT_ACCEPTED = (400, 409, 411, 413, 415, 422)
"""Answers of an HTTP server that concern these results. Others concern its address, our account, or its state."""


class RefusedError(Exception):
    """Results that a target does not accept; the message quotes no value of them."""


class Sending(Protocol):
    """A target, ready to take results."""

    def send(self, name: str, files: Sequence[Path]) -> None:
        """Store the results of one image.

        Args:
            name: Of the image in the spool.
            files: Of its results.

        Raises:
            NotNowError: It may work later.
            RefusedError: These results are not accepted.
            OSError: A file cannot be read or written.
        """


def open_target(target: Target) -> Sending:
    """The target of the settings."""
    if target.store is not None:
        return StoreSending(target.store)
    if target.stow is not None:
        return StowSending(target.stow)
    assert target.folder is not None
    return FolderSending(target.folder)


class FolderSending:
    """A folder, in which results are named after their image's pseudonym and their kind."""

    def __init__(self, target: FolderTarget) -> None:
        self.path = target.path

    def send(self, name: str, files: Sequence[Path]) -> None:
        """See `Sending`."""
        self.path.mkdir(parents=True, exist_ok=True)
        for file in files:
            write_whole(self.path / f"{name}.{file.name}", file.read_bytes())


class StowSending:
    """A DICOMweb server; all results of an image are one request."""

    def __init__(self, target: StowTarget) -> None:
        self.target = target
        self._client = client_of(target)

    def send(self, name: str, files: Sequence[Path]) -> None:
        """See `Sending`."""
        datasets = [pydicom.dcmread(file) for file in files]
        try:
            answer = self._client.store_instances(datasets)
        except requests.HTTPError as error:
            status = error.response.status_code if error.response is not None else 0
            if status in NOT_ACCEPTED:
                raise RefusedError(f"the server answers {status}") from None
            raise NotNowError(f"the server answers {status}") from None
        except requests.RequestException as error:
            raise NotNowError(f"the server cannot be reached ({type(error).__name__})") from None
        _require_stored([int(each.get("FailureReason") or 0) for each in answer.get("FailedSOPSequence") or []])


class StoreSending:
    """A C-STORE provider; each image's results are one association, with exactly the contexts that they need."""

    def __init__(self, target: StoreTarget) -> None:
        self.target = target

    def send(self, name: str, files: Sequence[Path]) -> None:
        """See `Sending`."""
        datasets = [pydicom.dcmread(file) for file in files]
        entity = AE(self.target.own_title)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = entity.connection_timeout = TIMEOUT
        pairs = {(each.SOPClassUID, each.file_meta.TransferSyntaxUID) for each in datasets}
        tls = (client_context(self.target.tls), self.target.host) if self.target.tls else None
        association = entity.associate(
            self.target.host,
            self.target.port,
            contexts=[build_context(*pair) for pair in sorted(pairs)],
            ae_title=self.target.title,
            tls_args=tls,
        )
        if not association.is_established:
            how = "rejects our association" if association.is_rejected else "cannot be reached"
            raise NotNowError(f"{self.target.title} {how}")
        try:
            _require_stored([_status(association.send_c_store, each, self.target.title) for each in datasets])
        finally:
            association.release()


def _status(send: object, dataset: Dataset, title: str) -> int:
    """The status with which a provider answers an object.

    Raises:
        RefusedError: It does not take this kind of object.
        NotNowError: It does not answer.
    """
    assert callable(send)
    try:
        answer = send(dataset)
    except ValueError:  # no accepted presentation context
        raise RefusedError(f"{title} does not take {dataset.SOPClassUID.name}") from None
    except RuntimeError:
        raise NotNowError(f"{title} ended the association") from None
    if "Status" not in answer:
        raise NotNowError(f"{title} does not answer")
    return int(answer.Status)


def _require_stored(statuses: Sequence[int]) -> None:
    """Raise unless all are successes or warnings (PS3.4, table B.2-1)."""
    for status in statuses:
        if 0xA700 <= status <= 0xA7FF:
            raise NotNowError(f"out of resources (0x{status:04X})")
        if status and not 0xB000 <= status <= 0xBFFF and status != 0x0001:
            raise RefusedError(f"not stored (0x{status:04X})")
