"""The command line of simulations: how many sets are drawn, and the document that gets the table."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

SETS = 2000


def simulate(description: str | None, markers: tuple[str, str], table: Callable[[int], Sequence[str]]) -> None:
    """Draw a table, and write it between two markers of a document.

    Args:
        description: The benchmark's own docstring.
        markers: Lines of the document before and after the table.
        table: From the number of sets to the lines of the table, which it also prints.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=SETS, help="default: %(default)s")
    parser.add_argument("--write", type=Path, metavar="FILE", help="document that gets the table")
    arguments = parser.parse_args()
    lines = table(arguments.sets)
    if arguments.write:
        write_between(markers, "\n".join(lines), arguments.write)


def write_between(markers: tuple[str, str], text: str, document: Path) -> None:
    """Replace what stands between two markers of a document."""
    content = document.read_text(encoding="utf-8")
    before, after = content.split(markers[0])[0], content.split(markers[1])[1]
    document.write_text(f"{before}{markers[0]}\n{text}\n{markers[1]}{after}", encoding="utf-8")
