"""One run of a sweep and what it left in its folder: a record of its state, a result, an error."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.cluster.kinds import DIED, MEMORY, STORAGE
from app.files.atomic import write_whole
from app.files.own_json import read_record
from app.sweeps.sweep import Cell

RECORD = "cell.json"
BROKEN_OFF = (DIED, STORAGE, MEMORY)
"""Kinds of failure after which a cell goes on from its checkpoint."""
RESULT = "metrics.json"


@dataclass(frozen=True)
class CellRun:
    """One run of a sweep: a cell with a seed or fold.

    Attributes:
        cell: The cell.
        replicate: The seed, or the number of the fold.
        folder: The output folder.
        settings: Everything that determines the result; a result with other settings does not count.
        datalist: Its datalist, once it is made; None if its config names one.
        needs: The runs that have to finish before it, because its overrides name files of theirs.
    """

    cell: Cell
    replicate: int
    folder: Path
    settings: Mapping[str, Any]
    datalist: Path | None = None
    needs: tuple[CellRun, ...] = ()

    @property
    def title(self) -> str:
        """For example ``size=100, seed 0``."""
        return f"{self.cell.name}, {self.folder.name.replace('-', ' ')}"

    @property
    def key(self) -> bytes:
        """By which a process claims it, see ``app.files.claims``."""
        return hashlib.sha256(str(self.folder).encode()).digest()

    def record(self) -> dict[str, Any]:
        """The record of the last attempt, see `write`; empty if there is none."""
        try:
            return self.read(RECORD)
        except (FileNotFoundError, ValueError):
            return {}  # `damage` reports a damaged record

    def state(self, keep: bool = False) -> str:
        """``finished``, ``failed``, ``begun``, ``to run``, or ``changed`` if the result is of other settings."""
        if self.is_finished(keep):
            return "finished"
        return str(self.record().get("state", "to run")).replace("finished", "changed")

    def is_finished(self, keep: bool = False) -> bool:
        """Whether the result is complete and of these settings; ``keep`` accepts a changed config file."""
        try:
            record, _ = self.read(RECORD), self.read(RESULT)
        except (FileNotFoundError, ValueError):
            return False
        return record.get("state") == "finished" and self._has_these_settings(record, keep)

    def is_interrupted(self) -> bool:
        """Whether a run with these settings began and was broken off: stopped, killed, out of memory or storage."""
        record = self.record()
        is_broken_off = record.get("state") == "begun" or record.get("kind") in BROKEN_OFF
        return is_broken_off and self._has_these_settings(record, keep=False)

    def read(self, name: str) -> dict[str, Any]:
        """The content of a JSON file in the folder.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It is damaged.
        """
        return read_record(self.folder / name, "the record or result of a cell", "This cell has to run again.")

    def damage(self) -> str:
        """Why the record or the result cannot be read, so that the cell has to run again; empty if both can."""
        for name in (RECORD, RESULT):
            try:
                self.read(name)
            except FileNotFoundError:
                continue
            except ValueError as error:
                return str(error)
        return ""

    def write(self, state: str, seconds: float, about: Mapping[str, Any] | None = None) -> None:
        """Write the record: ``state``, ``seconds``, ``ended``, ``error``, what else is known, and ``settings``.

        Args:
            state: ``begun``, ``finished`` or ``failed``.
            seconds: How long the attempt took.
            about: The attempt: ``node``, ``devices`` and ``attempts``; ``error`` and its ``kind`` if it failed.
        """
        content = {"state": state, "seconds": seconds, "ended": time.time(), "error": "", **(about or {})}
        content["settings"] = self.settings
        write_whole(self.folder / RECORD, json.dumps(content, indent=1, default=str) + "\n")

    def _has_these_settings(self, record: Mapping[str, Any], keep: bool) -> bool:
        old, new = record.get("settings", {}), json.loads(json.dumps(dict(self.settings), default=str))
        return bool(old == new or (keep and {**old, "config": ""} == {**new, "config": ""}))
