"""What benchmarks of speed and size print, and how it gets into a document: a table, and the machine it was seen on."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

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
    said = {None: "", True: "yes", False: "no"}
    lines = [HEAD, ["---"] * len(HEAD)]
    lines += [[row.what, row.ours, row.peer, row.ratio, row.aim, said[row.is_reached]] for row in rows]
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), "", machine()])


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
    marks = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    content = path.read_text(encoding="utf-8") if path.exists() else "# Speed and size\n"
    section = f"{marks[0]}\n{text}\n{marks[1]}"
    if marks[0] in content:
        before, rest = content.split(marks[0])
        content = before + section + rest.split(marks[1])[1]
    else:
        content = f"{content.rstrip()}\n\n## {heading}\n\n{section}\n"
    path.write_text(content, encoding="utf-8")


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
