"""What became of each image: one row each, without anything that identifies a patient.

A table that an earlier version wrote gets the columns that it lacks when it is opened.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

MISFITS = ("SQLITE_ERROR", "SQLITE_NOTADB", "SQLITE_CORRUPT")
"""Errors that waiting does not mend: a statement that does not fit, another file, a damaged one."""
PATIENCE = 30.0
"""Seconds to wait for another process that writes."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS images (
    image TEXT PRIMARY KEY,  -- pseudonyms of examination and content
    received REAL NOT NULL,  -- seconds since 1970, as all times
    begun REAL,
    scored REAL,
    sent REAL,
    tries INTEGER NOT NULL DEFAULT 0,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    algorithm TEXT NOT NULL DEFAULT '',
    scores TEXT NOT NULL DEFAULT '{}',  -- by finding: probability, and whether it is called present
    is_doubtful INTEGER NOT NULL DEFAULT 0  -- scored, but hardly a frontal radiograph of the chest
);
CREATE INDEX IF NOT EXISTS by_time ON images (received);
CREATE TABLE IF NOT EXISTS seen (source TEXT PRIMARY KEY, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
WAITING, SCORED, SENT, LEFT_OUT, QUARANTINED, REFUSED = (
    "waiting",
    "scored",
    "sent",
    "left out",
    "quarantined",
    "refused",
)
"""Outcomes: to be scored; results to be sent; done; not for us; cannot be scored; results not accepted."""
OUTCOMES = (WAITING, SCORED, SENT, LEFT_OUT, QUARANTINED, REFUSED)


class Table:
    """The table of one service, which several processes open at once.

    Args:
        path: SQLite file; made if it is missing.

    Raises:
        ValueError: It is no such table, or one of another version whose columns do not fit.
        sqlite3.OperationalError: It cannot be opened now, as when the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            self._connection.executescript(
                f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; BEGIN IMMEDIATE; {_SCHEMA}"
            )
            self._add_columns()
            self._run("COMMIT", ())
        except (ValueError, sqlite3.Error) as error:
            self.close()
            if getattr(error, "sqlite_errorname", MISFITS[0]) not in MISFITS:
                raise
            raise ValueError(f"{path}: {error}; use the version that wrote it, or another spool") from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def begin(self, image: str, received: float, now: float) -> int:
        """Note that an image is being scored.

        Returns:
            How often that was begun and never ended, this time included.
        """
        self._run(
            "INSERT INTO images (image, received, begun, tries, outcome) VALUES (?1, ?2, ?3, 1, ?4) "
            "ON CONFLICT (image) DO UPDATE SET begun = ?3, tries = tries + 1, "
            # It came once more after it was done.
            "received = CASE outcome WHEN ?4 THEN received ELSE ?2 END, scored = NULL, sent = NULL, outcome = ?4",
            (image, received, now, WAITING),
        )
        return int(self._value("SELECT tries FROM images WHERE image = ?", (image,)) or 0)

    def put_off(self, image: str) -> None:
        """Note that an image is to be scored later, through no fault of its own."""
        self._run("UPDATE images SET tries = tries - 1 WHERE image = ?", (image,))

    def scored(
        self, image: str, now: float, algorithm: str, scores: Mapping[str, tuple[float, bool]], is_doubtful: bool
    ) -> None:
        """Note an image's scores: by finding the probability, and whether it is called present."""
        self._run(
            "UPDATE images SET scored = ?, outcome = ?, reason = '', algorithm = ?, scores = ?, is_doubtful = ?, "
            "tries = 0 WHERE image = ?",
            (now, SCORED, algorithm, json.dumps(scores), is_doubtful, image),
        )

    def end(self, image: str, outcome: str, reason: str, now: float) -> None:
        """Note that an image is done with: results were sent or refused, or there will be none."""
        column = "sent" if outcome == SENT else "scored"
        self._run(
            f"UPDATE images SET {column} = ?, outcome = ?, reason = ?, tries = 0 WHERE image = ?",
            (now, outcome, reason, image),
        )

    def counts(self, since: float = 0, until: float = 1e12) -> dict[str, int]:
        """How many images that came in a time have each outcome."""
        rows = self._rows(
            "SELECT outcome, COUNT(*) FROM images WHERE received >= ? AND received < ? GROUP BY outcome", (since, until)
        )
        return dict.fromkeys(OUTCOMES, 0) | dict(rows)

    def doubtful(self, since: float = 0, until: float = 1e12) -> int:
        """How many images that came in a time were scored although they hardly look like what is wanted."""
        query = "SELECT COUNT(*) FROM images WHERE is_doubtful AND received >= ? AND received < ?"
        return int(self._value(query, (since, until)))

    def reasons(self, outcome: str, since: float = 0, until: float = 1e12) -> dict[str, int]:
        """How many images have an outcome for each reason, the most frequent first."""
        rows = self._rows(
            "SELECT reason, COUNT(*) FROM images WHERE outcome = ? AND received >= ? AND received < ? "
            "GROUP BY reason ORDER BY COUNT(*) DESC, reason",
            (outcome, since, until),
        )
        return dict(rows)

    def latencies(self, since: float, until: float = 1e12) -> list[float]:
        """Seconds from arrival to stored results, in ascending order."""
        rows = self._rows(
            "SELECT sent - received FROM images WHERE sent IS NOT NULL AND received >= ? AND received < ? ORDER BY 1",
            (since, until),
        )
        return [seconds for (seconds,) in rows]

    def scores(self, since: float, until: float) -> dict[str, list[tuple[float, bool]]]:
        """By finding the probabilities of the images that came in a time, and what was called present."""
        result: dict[str, list[tuple[float, bool]]] = {}
        rows = self._rows(
            "SELECT scores FROM images WHERE received >= ? AND received < ? AND scores != '{}'", (since, until)
        )
        for (text,) in rows:
            for finding, (score, is_called) in json.loads(text).items():
                result.setdefault(finding, []).append((float(score), bool(is_called)))
        return result

    def first(self) -> float | None:
        """When the first image came; None if none did."""
        value = self._value("SELECT MIN(received) FROM images", ())
        return None if value is None else float(value)

    def forget(self, before: float) -> None:
        """Delete the rows of images that came before then."""
        self._run("DELETE FROM images WHERE received < ?", (before,))
        self._run("DELETE FROM seen WHERE at < ?", (before,))

    def was_seen(self, source: str, now: float) -> bool:
        """Whether an object of another server or folder was taken before; `see` notes that it was."""
        is_seen = self._value("SELECT 1 FROM seen WHERE source = ?", (source,)) is not None
        if is_seen:  # is still there, hence must not be forgotten
            self.see(source, now)
        return is_seen

    def see(self, source: str, now: float) -> None:
        """Note that an object was taken."""
        self._run("INSERT INTO seen VALUES (?1, ?2) ON CONFLICT (source) DO UPDATE SET at = ?2", (source, now))

    def note(self, name: str, value: str) -> None:
        """Keep a value, such as how far a server's changes were read."""
        self._run("INSERT INTO notes VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2", (name, value))

    def noted(self, name: str) -> str | None:
        """A value that was kept; None if none was."""
        value = self._value("SELECT value FROM notes WHERE name = ?", (name,))
        return None if value is None else str(value)

    def _add_columns(self) -> None:
        """Add columns that an earlier version did not have.

        Raises:
            ValueError: Rows would not be complete, or another version has columns that we do not know.
        """
        with closing(sqlite3.connect(":memory:")) as empty:
            empty.executescript(_SCHEMA)
            for (name,) in empty.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                wanted, present = _columns(empty, name), _columns(self._connection, name)
                if not present <= wanted:
                    unknown = ", ".join(sorted(column for column, _ in present - wanted))
                    raise ValueError(f"its table {name} is of another version of FrugalCXR (column {unknown})")
                for column, definition in wanted - present:
                    self._run(f"ALTER TABLE {name} ADD COLUMN {column} {definition}", ())

    def _run(self, statement: str, values: tuple[object, ...]) -> None:
        with closing(self._connection.cursor()) as cursor:
            cursor.execute(statement, values)

    def _rows(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with closing(self._connection.cursor()) as cursor:
            return cursor.execute(statement, values).fetchall()

    def _value(self, statement: str, values: tuple[object, ...]) -> Any:  # noqa: ANN401 - SQLite's types
        rows = self._rows(statement, values)
        return rows[0][0] if rows else None


def _columns(connection: sqlite3.Connection, table: str) -> set[tuple[str, str]]:
    """Names and definitions of a table's columns."""
    columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
    return {
        (
            name,
            kind
            + (" NOT NULL" if is_required else "")
            + (f" DEFAULT {default}" if default else "")
            + (" PRIMARY KEY" if is_key else ""),
        )
        for _, name, kind, is_required, default, is_key in columns
    }
