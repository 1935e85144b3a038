"""Fetch objects from where they lie: a folder, a DICOMweb server, or an Orthanc."""

from __future__ import annotations

import datetime
import logging
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from threading import Event
from typing import Any

import requests

from app.service.http import client_of, session_of
from app.service.settings import DicomwebReceiver, FolderReceiver, OrthancReceiver
from app.service.spool import Spool
from app.service.table import Table
from app.service.waiting import Backoff, NotNowError, described, is_passing

MODALITIES = ("CR", "DX")
PAGE = 100
"""Instances or changes that a server is asked for at once."""
GONE = (404, 410)
"""Answers of a server for what was deleted meanwhile."""

logger = logging.getLogger(__name__)


def run(look: Callable[[], object], every: float, stop: Event) -> None:
    """Look for new objects until ``stop`` is set; a server that is away is asked again after a while.

    Args:
        look: Takes what is new.
        every: Seconds between two looks.
        stop: Set when the service is to stop.
    """
    backoff = Backoff()
    while not stop.is_set():
        try:
            look()
        except requests.RequestException as error:
            logger.warning(f"a server is asked again later ({type(error).__name__})")
            stop.wait(backoff.next())
            continue
        except Exception as error:
            if not is_passing(error):
                raise
            logger.warning(f"new objects are fetched later: {described(error)}")
            stop.wait(backoff.next())
            continue
        backoff.reset()
        stop.wait(every)


class Folder:
    """Takes the files of a folder, at any depth, once their size and time have not changed between two looks.

    Args:
        settings: Of the folder.
        spool: Takes the files.
        table: Remembers which were taken.
    """

    def __init__(self, settings: FolderReceiver, spool: Spool, table: Table) -> None:
        self.settings, self.spool, self.table = settings, spool, table
        self._last: dict[Path, tuple[int, int]] = {}

    def look(self) -> int:
        """Take what is new and complete.

        Returns:
            How many files were taken.

        Raises:
            OSError: The folder or a file cannot be read, or the spool cannot be written.
        """
        if not self.settings.path.is_dir():
            raise NotNowError("the folder that is followed is not there")
        states = dict(self._states())
        rested = [path for path, state in states.items() if self._last.get(path) == state]
        self._last = states
        return sum(self._take(path, states[path]) for path in rested)

    def _states(self) -> Iterator[tuple[Path, tuple[int, int]]]:
        for path in sorted(self.settings.path.rglob("*")):
            hidden = any(part.startswith(".") for part in path.relative_to(self.settings.path).parts)
            if path.is_file() and not hidden:
                status = path.stat()
                yield path, (status.st_size, status.st_mtime_ns)

    def _take(self, path: Path, state: tuple[int, int]) -> bool:
        source = self.spool.pseudonyms.of("file", f"{path.absolute()}\0{state}")
        if self.table.was_seen(source, time.time()):
            return False
        is_taken = state[0] <= self.settings.largest_mb * 1_000_000
        if is_taken:
            self.spool.add(path.read_bytes())
        else:
            logger.warning(
                f"a file of {state[0] // 1_000_000} MB is not taken: largest_mb is {self.settings.largest_mb}"
            )
        if is_taken and self.settings.remove:
            path.unlink()
        else:
            self.table.see(source, time.time())
        return is_taken


class Dicomweb:
    """Asks a DICOMweb server for the CR and DX images of the last days, by QIDO-RS, and fetches new ones by WADO-RS.

    Args:
        settings: Of the server.
        spool: Takes the images.
        table: Remembers which were taken.
    """

    def __init__(self, settings: DicomwebReceiver, spool: Spool, table: Table) -> None:
        self.settings, self.spool, self.table = settings, spool, table
        self.client = client_of(settings)

    def look(self) -> int:
        """Take what is new.

        Returns:
            How many images were taken.

        Raises:
            requests.RequestException: The server cannot be reached, or does not answer as it should.
        """
        return sum(self._take(*identifiers) for identifiers in self._instances())

    def _instances(self) -> Iterator[tuple[str, str, str]]:
        first = datetime.date.today() - datetime.timedelta(days=self.settings.days - 1)
        for modality in MODALITIES:
            filters = {"Modality": modality, "StudyDate": f"{first:%Y%m%d}-"}
            fields = ["NumberOfSeriesRelatedInstances"]
            offset = 0
            while True:
                answer = self.client.search_for_series(fields=fields, limit=PAGE, offset=offset, search_filters=filters)
                for series in answer:
                    yield from self._of_series(series)
                offset += len(answer)
                if not answer:
                    break

    def _of_series(self, series: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
        """The instances of a series, unless all were taken when it had as many."""
        study, number, count = (_value(series, tag) for tag in ("0020000D", "0020000E", "00201209"))
        source = self.spool.pseudonyms.of("series", f"{number}\0{count}")
        if count and self.table.was_seen(source, time.time()):
            return
        for each in self.client.search_for_instances(study, number):
            yield study, number, _value(each, "00080018")
        self.table.see(source, time.time())

    def _take(self, study: str, series: str, instance: str) -> bool:
        source = self.spool.pseudonyms.of("instance", instance)
        if self.table.was_seen(source, time.time()):
            return False
        try:
            dataset = self.client.retrieve_instance(study, series, instance)
        except requests.HTTPError as error:
            if error.response is not None and error.response.status_code in GONE:
                return False
            raise
        content = BytesIO()
        dataset.save_as(content, enforce_file_format=True)
        self.spool.add(content.getvalue())
        self.table.see(source, time.time())
        return True


class Orthanc:
    """Follows the changes of an Orthanc by its own interface, and fetches new CR and DX images.

    How far they were read is kept in the table, so that nothing is missed while the service is not running.

    Args:
        settings: Of the server.
        spool: Takes the images.
        table: Remembers how far the changes were read.
    """

    def __init__(self, settings: OrthancReceiver, spool: Spool, table: Table) -> None:
        self.settings, self.spool, self.table = settings, spool, table
        self._session = session_of(settings)
        self._modality = lru_cache(maxsize=1000)(self._modality_of)

    def look(self) -> int:
        """Take what is new.

        Returns:
            How many images were taken.

        Raises:
            requests.RequestException: The server cannot be reached, or does not answer as it should.
        """
        count, note = 0, f"changes of {self.settings.url}"
        since = self.table.noted(note)
        if since is None:
            since = "0" if self.settings.from_beginning else str(self._json("/changes?last")["Last"])
            self.table.note(note, since)
        while True:
            answer = self._json(f"/changes?since={int(since)}&limit={PAGE}")
            count += sum(
                self._take(str(change["ID"])) for change in answer["Changes"] if change["ChangeType"] == "NewInstance"
            )
            since = str(answer["Last"])
            self.table.note(note, since)
            if answer["Done"]:
                return count

    def _take(self, instance: str) -> bool:
        try:
            if self._modality(str(self._json(f"/instances/{instance}")["ParentSeries"])) not in MODALITIES:
                return False
            self.spool.add(self._get(f"/instances/{instance}/file").content)
        except requests.HTTPError as error:
            if error.response is not None and error.response.status_code in GONE:
                return False
            raise
        return True

    def _modality_of(self, series: str) -> str:
        return str(self._json(f"/series/{series}")["MainDicomTags"].get("Modality", ""))

    def _json(self, path: str) -> Any:  # noqa: ANN401 - JSON
        return self._get(path).json()

    def _get(self, path: str) -> requests.Response:
        answer = self._session.get(self.settings.url.rstrip("/") + path)
        answer.raise_for_status()
        return answer


def _value(dataset: dict[str, Any], tag: str) -> str:
    """The first value of an attribute in DICOM's JSON; empty if there is none."""
    return str((dataset.get(tag, {}).get("Value") or [""])[0])
