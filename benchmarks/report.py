"""What benchmarks of speed and size print, and how it gets into a document: a table, and the machine it was seen on."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.pages.numbers import markdown_table

HEAD = ("what", "ours", "against", "ratio", "aim", "reached")


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        what: was measured.
        ours: with its unit.
        peer: what it is held against, named, with its unit.
        ratio: or difference, as text.
        aim: as text; empty where there is none.
        is_reached: None where there is no aim.
    """

    what: str
    ours: str
    peer: str
    ratio: str
    aim: str = ""
    is_reached: bool | None = None


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown, with the machine below them."""
    reached = {None: "", True: "yes", False: "no"}
    cells = [(row.what, row.ours, row.peer, row.ratio, row.aim, reached[row.is_reached]) for row in rows]
    return "\n".join([*markdown_table(HEAD, cells), "", machine()])


def machine() -> str:
    """Processor, cores, load and versions, in a sentence."""
    import torch

    names = [line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    processor = names[0] if names else platform.machine()
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", no GPU"
    load = os.getloadavg()[0]
    busy = " (busy with other work: ratios count, times less)" if load > 1.5 else ""
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    return (
        f"{processor}, {os.cpu_count()} cores{gpu}; Python {platform.python_version()}, torch {torch.__version__}; "
        f"load {load:.1f}{busy}; {day}."
    )


def publish(name: str, heading: str, about: str | None, text: str, path: Path | None) -> None:
    """Print a section, and put it into a document between marks of its name; it is appended where they are missing.

    Args:
        name: of the marks.
        heading: of the section.
        about: the benchmark's own docstring, whose last paragraph says how it measures.
        text: the table.
        path: of the document; None to print only.
    """
    text = f"{(about or '').strip().split(chr(10) + chr(10))[-1]}\n\n{text}"
    print(f"\n## {heading}\n\n{text}\n")
    if path is None:
        return
    content = path.read_text(encoding="utf-8") if path.exists() else "# Speed and size\n"
    if _marks(name)[0] not in content:
        path.write_text("\n".join([content.rstrip(), "", f"## {heading}", "", *_marks(name), ""]), encoding="utf-8")
    write_between(name, text, path)


def write_between(name: str, text: str, document: Path) -> None:
    """Replace what stands between the marks of a name in a document."""
    begin, end = _marks(name)
    content = document.read_text(encoding="utf-8")
    before, after = content.split(begin)[0], content.split(end)[1]
    document.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def simulate(name: str, description: str | None, table: Callable[[int], Sequence[str]]) -> None:
    """Draw a table, and with ``--write`` put it between the marks of a name.

    Args:
        name: Of the marks.
        description: The benchmark's own docstring.
        table: From the number of sets to the lines of the table, which it also prints.
    """
    arguments = options(description, sets=2000).parse_args()
    lines = table(arguments.sets)
    if arguments.write:
        write_between(name, "\n".join(lines), arguments.write)


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"


def options(description: str | None, **numbers: int) -> argparse.ArgumentParser:
    """A parser with ``--write FILE`` and some whole numbers with their defaults."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="document that gets the table, such as docs/speed.md"
    )
    for name, value in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=value, help="default: %(default)s")
    return parser


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
