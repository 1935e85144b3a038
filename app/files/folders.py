"""The files of a folder: one rule for every command that looks into one, with a count of whatever it leaves out."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

HIDDEN = "hidden files and folders"
BROKEN = "links to what is not there"
SPECIAL = "pipes, sockets and devices"
CLOSED = "folders that cannot be opened"
AGAIN = "linked folders that are listed already, or that hold this one"
OUTPUT = "results of a run"
UNREADABLE_NAME = "files whose names are no UTF-8 (rename them)"
_RESULTS = (
    frozenset({"predictions.csv", "excluded.csv"}),
    frozenset({"predictions.csv", "metrics.json"}),
    frozenset({"last.pt", "run.json"}),
)
"""Files that no folder but one of results holds together."""
_WRITTEN = frozenset(
    {
        *("overlays", "pictures", "maps", "earlier", "comparisons"),
        *("predictions.csv", "excluded.csv", "cases.csv", "metrics.json", "model.json", "run.json", "parameters.json"),
        *("config.yaml", "model.pt", "last.pt", "previous.pt", "last.damaged.pt", "previous.damaged.pt"),
        "stage_one.pt",
    }
)
"""What such a folder holds by our own hand; anything else in it was put there by somebody."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a folder holds.

    Attributes:
        folder: that was listed.
        files: in order, each under the folder and under the names that its path has there: a link keeps its own name.
        left_out: how many files (or whole folders) were left out, by reason.
    """

    folder: Path
    files: tuple[Path, ...]
    left_out: dict[str, int] = field(default_factory=dict)

    def told(self) -> str:
        """What was left out, in words; empty where nothing was."""
        return ", ".join(f"{reason} {count}" for reason, count in self.left_out.items() if count)


def list_files(folder: Path, output: Path | None = None) -> Listing:
    """Every file in a folder and in all folders below it.

    Links are followed and keep their names. A linked folder is listed once, and not where it is listed already under
    another name or holds the folder itself. Hidden files and folders (a name that begins with a dot) are left out, so
    are links to what is not there, whatever is no plain file, and results that a run left.

    Args:
        folder: that is listed; it may itself be a link, or hidden.
        output: where results are about to be written; left out where it lies below ``folder``.

    Raises:
        ValueError: there is no such folder, or it cannot be opened.
    """
    # Behind a link, ".." is another folder than its name says.
    root = folder.resolve() if ".." in folder.parts else folder
    walk = _Walk(root, output)
    return Listing(root, tuple(walk.files()), dict(walk.left_out))


class _Walk:
    def __init__(self, root: Path, output: Path | None) -> None:
        try:
            key = _key(root)
            os.scandir(root).close()
        except NotADirectoryError as error:
            raise ValueError(f"{root}: is a file, not a folder.") from error
        except OSError as error:
            reason = (
                "no such folder" if isinstance(error, FileNotFoundError) else f"cannot be opened ({error.strerror})"
            )
            raise ValueError(f"{root}: {reason}.") from error
        self.root = root
        self.left_out: Counter[str] = Counter()
        self._seen = {key}
        self._above = {_key(parent) for parent in root.resolve().parents}
        self._output = _key(output) if output is not None and output.is_dir() else None

    def files(self) -> list[Path]:
        """Folders that lie here first, then those that are linked, so that the name of a folder is its own."""
        found: list[Path] = []
        linked = self._below(self.root, found)
        while linked:
            further: list[Path] = []
            for folder in sorted(linked):
                key = _key(folder)
                if key in self._seen or key in self._above:
                    self.left_out[AGAIN] += 1
                    continue
                self._seen.add(key)
                further += self._below(folder, found)
            linked = further
        return sorted(found)

    def _below(self, start: Path, found: list[Path]) -> list[Path]:
        """Add the files below a folder to those that were found; gives the linked folders."""
        linked: list[Path] = []
        pending = [start]
        while pending:
            for entry in self._entries(pending.pop()):
                path = Path(entry.path)
                kind = _kind(entry)
                if kind is None:
                    found.append(path)
                elif kind:
                    self.left_out[kind] += 1
                elif _key(path) == self._output:
                    self.left_out[OUTPUT] += 1
                elif entry.is_symlink():
                    linked.append(path)
                elif _key(path) in self._seen:
                    self.left_out[AGAIN] += 1
                else:
                    self._seen.add(_key(path))
                    pending.append(path)
        return linked

    def _entries(self, folder: Path) -> Iterator[os.DirEntry[str]]:
        """What a folder holds, without what is hidden and what is ours."""
        try:
            with os.scandir(folder) as entries:
                held = list(entries)
        except OSError:
            self.left_out[CLOSED] += 1
            return
        names = {entry.name for entry in held}
        is_ours = any(marks <= names for marks in _RESULTS)
        for entry in held:
            if entry.name.startswith("."):
                self.left_out[HIDDEN] += 1
            elif is_ours and entry.name in _WRITTEN:
                self.left_out[OUTPUT] += 1
            else:
                yield entry


def _kind(entry: os.DirEntry[str]) -> str | None:
    """None for a file, an empty text for a folder, else why it is left out; links are what they lead to."""
    try:
        if entry.is_file():
            return None
        if entry.is_dir():
            return "" if os.access(entry.path, os.X_OK) else CLOSED
        return BROKEN if entry.is_symlink() and not Path(entry.path).exists() else SPECIAL
    except OSError:  # a link that leads round in a circle
        return BROKEN


def composed(name: str) -> str:
    """A file's name as most systems write it (NFC): macOS takes letters and their accents apart."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def is_text(name: str) -> bool:
    """Whether a file's name is text in UTF-8, as datalists and tables are; old archives bring others."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _key(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
