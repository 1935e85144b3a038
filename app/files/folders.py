"""Listing the files of a folder: one rule for every command, with a count of everything that is left out."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

HIDDEN = "hidden files and folders"
BROKEN = "broken links"
SPECIAL = "pipes, sockets and devices"
CLOSED = "folders that cannot be opened"
AGAIN = "linked folders that are listed already, or that hold this one"
OUTPUT = "results of a run"
PSEUDONYMS = "folders of links with pseudonyms"
PSEUDONYMS_MARK = ".pseudonyms"
"""A file that is in each folder of links with pseudonyms, whose images would otherwise be listed twice."""
UNREADABLE_NAME = "files whose names are no UTF-8 (rename them)"
_RESULTS = (
    frozenset({"predictions.csv", "excluded.csv"}),
    frozenset({"predictions.csv", "metrics.json"}),
    frozenset({"last.pt", "run.json"}),
)
"""Sets of files that are found together only in a folder of results."""
_WRITTEN = frozenset(
    {
        *("overlays", "pictures", "maps", "earlier", "comparisons", "mlflow_model"),
        *("predictions.csv", "excluded.csv", "cases.csv", "lesions.csv", "predictions.parquet", "chunks"),
        *("metrics.json", "model.json", "run.json", "data.json"),
        *("reliability.csv", "decision_curve.csv", "history.csv"),
        *("config.yaml", "model.pt", "last.pt", "previous.pt", "last.damaged.pt", "previous.damaged.pt"),
        "stage_one.pt",
    }
)
"""What we write into such a folder; anything else in it was put there by somebody."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a folder.

    Attributes:
        folder: That was listed.
        names: Of the files: paths below the folder, sorted by their parts; a link keeps its own name.
        left_out: Number of files, or of whole folders, that were left out, by reason.
    """

    folder: Path
    names: tuple[str, ...]
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def files(self) -> tuple[Path, ...]:
        """Paths of the files, which take several times the memory of their names."""
        return tuple(self.folder / name for name in self.names)

    def told(self) -> str:
        """What was left out, in words; empty if nothing was."""
        return ", ".join(f"{reason} {count}" for reason, count in self.left_out.items() if count)


def list_files(folder: Path, output: Path | None = None) -> Listing:
    """List all files in a folder and its subfolders.

    Links are followed and keep their names. A linked folder is listed once, and left out if it is listed already under
    another name or holds the folder itself. Also left out are hidden files and folders (names that begin with a dot),
    broken links, whatever is no regular file, the results of runs, and folders of links with pseudonyms.

    Args:
        folder: To be listed; it may itself be a link, or hidden.
        output: Where results are about to be written; left out if it lies below ``folder``.

    Raises:
        ValueError: There is no such folder, or it cannot be opened.
    """
    # Behind a link, ".." is another folder than the path says.
    root = folder.resolve() if ".." in folder.parts else folder
    walk = _Walk(root, output)
    return Listing(root, tuple(walk.names()), dict(walk.left_out))


def composed(name: str) -> str:
    r"""A file's name in Unicode's composed form (NFC), as most systems write it; macOS decomposes accented letters.

    Example:
        >>> len("Ro\u0308ntgen"), len(composed("Ro\u0308ntgen"))
        (8, 7)
    """
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def is_text(name: str) -> bool:
    """Whether a file's name can be written in UTF-8, as datalists and tables are; names in old archives may not."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Walk:
    def __init__(self, root: Path, output: Path | None) -> None:
        try:
            identifier = _identifier(root)
            os.scandir(root).close()
        except NotADirectoryError as error:
            raise ValueError(f"{root}: is a file, not a folder.") from error
        except FileNotFoundError as error:
            raise ValueError(f"{root}: no such folder.") from error
        except OSError as error:
            raise ValueError(f"{root}: cannot be opened ({error.strerror}).") from error
        self.root = root
        self.left_out: Counter[str] = Counter()
        self._seen = {identifier}
        self._above = {_identifier(parent) for parent in root.resolve().parents}
        self._output = _identifier(output) if output is not None and output.is_dir() else None

    def names(self) -> list[str]:
        """List real subfolders first, then linked ones, so that real ones go by their own names."""
        names: list[str] = []
        linked = self._list_below("", names)
        while linked:
            further: list[str] = []
            for folder in sorted(linked, key=_parts):
                identifier = _identifier(self.root / folder)
                if identifier in self._seen or identifier in self._above:
                    self.left_out[AGAIN] += 1
                else:
                    self._seen.add(identifier)
                    further += self._list_below(folder, names)
            linked = further
        return sorted(names, key=_parts)

    def _list_below(self, start: str, names: list[str]) -> list[str]:
        """Append the files below a folder to ``names``, and return the linked folders."""
        linked: list[str] = []
        pending = [start]
        while pending:
            folder = pending.pop()
            for entry in self._entries(self.root / folder):
                name, reason = f"{folder}/{entry.name}" if folder else entry.name, _reason_to_leave_out(entry)
                if reason:
                    self.left_out[reason] += 1
                elif entry.is_file():
                    names.append(name)
                elif (identifier := _identifier(Path(entry.path))) == self._output:
                    self.left_out[OUTPUT] += 1
                elif entry.is_symlink():
                    linked.append(name)
                elif identifier in self._seen:
                    self.left_out[AGAIN] += 1
                else:
                    self._seen.add(identifier)
                    pending.append(name)
        return linked

    def _entries(self, folder: Path) -> Iterator[os.DirEntry[str]]:
        """Files and folders in a folder, without hidden ones and our results."""
        try:
            with os.scandir(folder) as scanned:
                entries = list(scanned)
        except OSError:
            self.left_out[CLOSED] += 1
            return
        names = {entry.name for entry in entries}
        if PSEUDONYMS_MARK in names and folder != self.root:
            self.left_out[PSEUDONYMS] += 1
            return
        holds_results = any(marks <= names for marks in _RESULTS)
        for entry in entries:
            if entry.name.startswith("."):
                self.left_out[HIDDEN] += 1
            elif holds_results and entry.name in _WRITTEN:
                self.left_out[OUTPUT] += 1
            else:
                yield entry


def _parts(name: str) -> str:
    """A key that sorts as a path's parts do: a folder's files stay together."""
    return name.replace("/", "\0")


def _reason_to_leave_out(entry: os.DirEntry[str]) -> str:
    """Empty for a file or a folder; links are what they lead to."""
    try:
        if entry.is_file():
            return ""
        if entry.is_dir():
            return "" if os.access(entry.path, os.X_OK) else CLOSED
        return BROKEN if entry.is_symlink() and not Path(entry.path).exists() else SPECIAL
    except OSError:  # a link that leads round in a circle
        return BROKEN


def _identifier(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
