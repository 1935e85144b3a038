"""``frugal prepared``: list prepared radiographs, and remove those that nobody uses any more."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.prepared.folders import PreparedFolder


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "prepared",
        help="list prepared radiographs, and remove those no longer used",
        description="Radiographs are prepared once for each set of transforms, and kept. List what is kept, or with "
        "--prune remove what nobody has used for some days and nobody uses now; it is prepared again when needed.",
    )
    parser.add_argument(
        "folder", type=Path, nargs="?", default=Path("data/prepared"), metavar="FOLDER", help="default: %(default)s"
    )
    parser.add_argument("--prune", type=_days, metavar="DAYS", help="remove what nobody has used for so many days")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """List, or remove."""
    from app.prepared.folders import prepared_folders, remove_unused

    if arguments.prune is None:
        folders = prepared_folders(arguments.folder)
        sys.stdout.writelines(map(_line, folders))
        sys.stdout.write(f"{len(folders)} in {arguments.folder}, {_gigabytes(folders)}\n")
        return
    removed, used = remove_unused(arguments.folder, arguments.prune)
    sys.stdout.writelines(map(_line, removed))
    sys.stdout.write(f"{len(removed)} removed from {arguments.folder}, {_gigabytes(removed)}\n")
    if used:
        names = ", ".join(str(folder.path) for folder in used)
        sys.stdout.write(f"{len(used)} kept, since a process uses them: {names}\n")


def _line(folder: PreparedFolder) -> str:
    when = "in use" if folder.is_used else f"{folder.days:.0f} days ago"
    return f"{folder.path.name}  {_gigabytes([folder]):>12}  {when:>14}  {folder.transforms}\n"


def _gigabytes(folders: list[PreparedFolder]) -> str:
    return f"{sum(folder.size for folder in folders) / 1e9:.3f} GB"


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = math.nan
    if not days >= 0:
        raise argparse.ArgumentTypeError(f"{text!r}: a number of days, 0 or more")
    return days
