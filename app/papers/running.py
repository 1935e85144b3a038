"""Running what a paper's tables need, one step after the other, and writing the page after each."""

from __future__ import annotations

import itertools
import logging
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from app.files.atomic import write_figure, write_whole
from app.papers.declaration import Paper, PrintedTable
from app.papers.gathered import PaperResults, gather
from app.papers.page import page
from app.papers.pictures import draw_table, picture_name, short_names
from app.papers.results import Results
from app.papers.steps import Step, missing_needs, read_to_make

logger = logging.getLogger(__name__)
RunStudy = Callable[[str, Path], None]
"""Runs a study (by its name) into a folder; raises ValueError if a cell failed."""


def run_steps(
    paper: Paper, todo: Sequence[Step], folder: Path, run_study: RunStudy, after_each: Callable[[], object]
) -> list[str]:
    """Run steps in turn. A step that fails, or lacks a file that a person has to get, does not end the others.

    Returns:
        What failed or could not run, a line each.
    """
    problems = []
    for number, step in enumerate(todo, start=1):
        logger.info(f"\nstep {number} of {len(todo)}: {step.name}")
        try:
            for file in missing_needs(step):
                make(paper, file)
            if step.study:
                run_study(step.study, folder / step.file)
            elif not (folder / step.file).is_file():
                for command in step.commands:
                    run_command(command, folder)
        except (ValueError, OSError) as error:
            logger.error(f"{step.name}: {error}")
            problems.append(f"{step.name}: {error}")
        after_each()
    return problems


def make(paper: Paper, file: str) -> None:
    """Make a file that is missing, and first those that its commands read, by the paper's ``needs``.

    Raises:
        ValueError: A person has to get it, or its commands did not write it.
    """
    need = paper.needs[file]
    if isinstance(need, str):
        raise ValueError(f"needs {file}: {need}")
    for other in read_to_make(paper, file):
        if not Path(other).exists():
            make(paper, other)
    for command in need:
        run_command(command, Path())
    if not Path(file).exists():
        raise ValueError(f"{file}: its commands under 'needs' ran, but did not write it.")


def run_command(command: str, folder: Path) -> None:
    """Run a command of ours in a process of its own, with ``{out}`` as the folder of results.

    Raises:
        ValueError: It failed.
    """
    words = [word.replace("{out}", str(folder)) for word in shlex.split(command)]
    logger.info(shlex.join(words))
    done = subprocess.run([sys.executable, "-m", "app", *words[1:]], check=False)
    if done.returncode:
        raise ValueError(f"{shlex.join(words)}: ended with status {done.returncode}; its message is above.")


def write_page(paper: Paper, folder: Path, file: Path) -> PaperResults:
    """Write the page of a paper, from a folder of results, with its pictures beside it."""
    gathered = gather(paper, Results(folder))
    file.parent.mkdir(parents=True, exist_ok=True)
    pictures: dict[str, list[tuple[str, str]]] = {}
    for table, size in itertools.product(paper.tables.values(), paper.sizes):
        names = [*_drawn(gathered, table, size, file), *_copied(table, size, folder, file)]
        pictures.setdefault(table.name, []).extend(names)
    write_whole(file, page(gathered, pictures))
    return gathered


def _drawn(gathered: PaperResults, table: PrintedTable, size: str, file: Path) -> Iterator[tuple[str, str]]:
    """Draw a table, if that is asked and it has numbers; gives the picture's name and caption."""
    cells = gathered.numbers[size][table.name]
    if table.is_drawn and cells:
        name = picture_name(file, table.name, size)
        write_figure(file.parent / name, draw_table(table, size, cells), dpi=100)
        yield name, f"{table.name}, {size}"


def _copied(table: PrintedTable, size: str, folder: Path, file: Path) -> Iterator[tuple[str, str]]:
    """Copy the pictures that runs left; gives their names beside the page, and captions."""
    pictures = table.sources[size].pictures
    for picture, short in zip(pictures, short_names(pictures), strict=True):
        if (folder / picture).is_file():
            name = picture_name(file, table.name, f"{size} {short}")
            write_whole(file.parent / name, (folder / picture).read_bytes())
            yield name, f"{table.name}, {size}: {short}"
