"""The queue of a service: a folder, in which each object is a file that is there whole or not at all.

``incoming`` holds what waits to be scored, ``outbox`` results that wait to be sent, ``quarantine`` what cannot be
scored or is not accepted, with the reason beside each, and ``done`` what was scored, if that is to be kept. Whatever
ends the service, the next start goes on from these folders: an image is scored at least once, and its results have the
same identifiers each time.

Names are pseudonyms (`app.datalist.pseudonyms`) of examination and content under a key that lies beside the folders.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from app.datalist.pseudonyms import Pseudonyms
from app.files.atomic import remove_partial, sync_folder, whole_file, write_whole

SUFFIX = ".dcm"
REASON = ".txt"
HEAD = 4096
"""First bytes, in which a file names its transfer syntax."""
_HIDDEN = "."
_NAME = re.compile("s[0-9a-f]{16}-i[0-9a-f]{16}")
"""Pseudonyms of examination and content."""


@dataclass(frozen=True)
class Shard:
    """One of N services that share a spool, each for its own examinations.

    Attributes:
        number: From 1.
        count: N.
    """

    number: int = 1
    count: int = 1

    def has(self, name: str) -> bool:
        """Whether an image of this name is for this service."""
        return int(name[1:17], 16) % self.count == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}-of-{self.count}"


@dataclass(frozen=True)
class Waiting:
    """An image or its results, as it waits.

    Attributes:
        name: In the spool.
        path: Of the file, or of the folder of results.
        since: When it came, in seconds since 1970.
    """

    name: str
    path: Path
    since: float


class Spool:
    """The folders of a service.

    Args:
        folder: Made if it is missing, for its owner alone.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.incoming, self.outbox, self.done, self.quarantine = (
            folder / name for name in ("incoming", "outbox", "done", "quarantine")
        )
        for each in (self.incoming, self.outbox, self.done, self.quarantine):
            each.mkdir(exist_ok=True)
        self.pseudonyms = Pseudonyms(folder / "key")

    def clean(self, shard: Shard) -> None:
        """Remove what killed processes of a shard left unfinished; call it only while none of them works."""
        if shard.number == 1:  # which receives
            remove_partial(self.incoming)
        for path in self.outbox.glob(f"{_HIDDEN}*"):
            if _NAME.fullmatch(path.name[1:]) and shard.has(path.name[1:]):
                shutil.rmtree(path)

    def add(self, content: bytes) -> str:
        """Queue an object; it is on the disk when this returns. The same content is queued once.

        Args:
            content: A DICOM file.

        Returns:
            Its name in the spool.

        Raises:
            OSError: It cannot be written, as when the disk is full.
        """
        image = self.pseudonyms.of("image", hashlib.sha256(content).hexdigest())
        name = f"{self.pseudonyms.of('study', _study(content) or image)}-{image}"
        write_whole(self.incoming / f"{name}{SUFFIX}", content)
        return name

    def waiting(self, shard: Shard) -> list[Waiting]:
        """Images that wait to be scored, the oldest first."""
        return _listed(self.incoming, SUFFIX, shard)

    def finish(self, image: Waiting, keep: bool) -> None:
        """Take an image out of the queue.

        Args:
            image: Of `waiting`.
            keep: Whether to keep it, in ``done``.
        """
        if keep:
            image.path.replace(self.done / image.path.name)
        else:
            image.path.unlink(missing_ok=True)

    def set_aside(self, each: Waiting, reason: str) -> None:
        """Move an image, or results that are not accepted, to quarantine, with the reason beside it."""
        write_whole(self.quarantine / f"{each.name}{REASON}", f"{reason}\n")
        target = self.quarantine / each.path.name
        if target.is_dir():
            shutil.rmtree(target)
        each.path.replace(target)
        sync_folder(self.quarantine)

    def deliver(self, name: str, objects: Sequence[tuple[str, Dataset]]) -> None:
        """Queue the results of an image for sending; all of them or none. Older ones are replaced.

        Raises:
            OSError: They cannot be written.
        """
        target, unfinished = self.outbox / name, self.outbox / f"{_HIDDEN}{name}"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        try:
            for kind, dataset in objects:
                with whole_file(unfinished / f"{kind}{SUFFIX}") as temporary:
                    dataset.save_as(temporary, enforce_file_format=True)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        if target.exists():
            shutil.rmtree(target)
        unfinished.replace(target)
        sync_folder(self.outbox)

    def to_send(self, shard: Shard) -> list[Waiting]:
        """Results that wait to be sent, the oldest first."""
        return _listed(self.outbox, "", shard)

    def sent(self, results: Waiting) -> None:
        """Remove results that were stored elsewhere."""
        shutil.rmtree(results.path)

    def quarantined(self) -> int:
        """How many images and results are in quarantine."""
        return sum(path.suffix == REASON for path in self.quarantine.iterdir())


def _listed(folder: Path, suffix: str, shard: Shard) -> list[Waiting]:
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name.removesuffix(suffix)
            if not entry.name.endswith(suffix) or not _NAME.fullmatch(name) or not shard.has(name):
                continue
            try:
                found.append(Waiting(name, Path(entry.path), entry.stat().st_mtime))
            except FileNotFoundError:
                continue  # finished meanwhile
    return sorted(found, key=lambda each: (each.since, each.name))


def _study(content: bytes) -> str:
    """The unique identifier of the examination; empty if it cannot be read, or only after inflating everything."""
    if DeflatedExplicitVRLittleEndian.encode() + b"\0" in content[:HEAD]:
        return ""
    try:
        header = pydicom.dcmread(BytesIO(content), stop_before_pixels=True, specific_tags=["StudyInstanceUID"])
        return str(header.get("StudyInstanceUID") or "")
    except Exception:
        return ""
