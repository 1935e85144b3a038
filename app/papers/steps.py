"""What has to run for a paper's tables: studies, then commands, and the files that they read."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.nearest import did_you_mean
from app.papers.declaration import Paper
from app.sweeps.cell_files import runs_once
from app.sweeps.sweep import Sweep


@dataclass(frozen=True)
class Step:
    """A study, or commands that write one file.

    Attributes:
        study: As ``frugal study`` names it; empty for commands.
        commands: The commands.
        file: What the commands write, or the study's folder; below the folder of results.
        runs: Number of the study's runs; 0 for commands.
        tables: Names of the tables that it gives numbers to.
        needs: Files that it reads and that the paper's declaration says how to get.
    """

    study: str
    commands: tuple[str, ...]
    file: str
    runs: int
    tables: tuple[str, ...]
    needs: tuple[str, ...]

    @property
    def name(self) -> str:
        """The study, or the commands in one line."""
        return self.study or " && ".join(self.commands)


def steps(paper: Paper, size: str, tables: Sequence[str]) -> list[Step]:
    """What has to run for some tables in one size: each once, studies before commands."""
    by_study: dict[str, list[str]] = {}
    by_commands: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for name in tables:
        source = paper.tables[name].sources[size]
        for study in source.studies:
            by_study.setdefault(study, []).append(name)
        if source.commands:
            by_commands.setdefault((source.commands, source.file), []).append(name)
    of_studies = [
        Step(
            study,
            (),
            paper.sweeps[study].name,
            run_count(paper.sweeps[study]),
            tuple(names),
            paper.sweep_needs[study],
        )
        for study, names in by_study.items()
    ]
    of_commands = [
        Step("", commands, file, 0, tuple(names), _needs(paper, commands))
        for (commands, file), names in by_commands.items()
    ]
    return of_studies + of_commands


def need_words(need: str | tuple[str, ...]) -> str:
    """How to get a file: what a person does, or the commands that make it."""
    return need if isinstance(need, str) else ", ".join(f"`{command}`" for command in need)


def run_count(sweep: Sweep) -> int:
    """How many runs a study has."""
    return sum(1 if runs_once(cell) else len(sweep.replicates) for cell in sweep.cells)


def chosen_tables(paper: Paper, asked: Sequence[str]) -> list[str]:
    """Names of the tables that are asked for; all if none is.

    Args:
        paper: The paper.
        asked: Beginnings of names, such as ``Fig. 3`` or ``Supplementary Table 1``; ``2`` also means ``Table 2``.

    Raises:
        ValueError: No table is called so.
    """
    chosen = []
    for text in asked:
        names = [name for name in paper.tables if _begins(name, text) or _begins(name, f"Table {text}")]
        if not names:
            hint = did_you_mean(text, paper.tables)
            raise ValueError(f"--table {text}: no such table.{hint} There are: {'; '.join(paper.tables)}.")
        chosen += names
    return [name for name in paper.tables if name in chosen] if asked else list(paper.tables)


def finished_runs(step: Step, folder: Path) -> list[float]:
    """Seconds of a study's runs whose records say finished, whatever their settings."""
    records = [_record(path) for path in (folder / step.file / "cells").glob("*/*/cell.json")]
    return [float(record.get("seconds", 0)) for record in records if record.get("state") == "finished"]


def has_old_table(step: Step, folder: Path) -> bool:
    """Whether runs of a study have finished since its table was written, as when the study was stopped."""
    if not step.study or not finished_runs(step, folder):
        return False
    table = folder / step.file / "table.csv"
    records = (folder / step.file / "cells").glob("*/*/cell.json")
    return not table.is_file() or max(path.stat().st_mtime for path in records) > table.stat().st_mtime


def missing_needs(step: Step) -> list[str]:
    """Files that a step reads and that are not there."""
    return [file for file in step.needs if not Path(file).exists()]


def with_sources(paper: Paper, files: Iterable[str], are_missing: bool = False) -> list[str]:
    """Needed files, each followed by those that the commands which make it read.

    Args:
        paper: The paper.
        files: Some of its ``needs``.
        are_missing: Whether to follow only those that are not there.
    """
    followed: dict[str, None] = {}
    for file in files:
        others = [name for name in read_to_make(paper, file) if not (are_missing and Path(name).exists())]
        followed |= dict.fromkeys([file, *with_sources(paper, others, are_missing)])
    return list(followed)


def read_to_make(paper: Paper, file: str) -> list[str]:
    """Needed files, of those declared before a file, that the commands which make it read: there are no circles."""
    need, order = paper.needs[file], list(paper.needs)
    read = () if isinstance(need, str) else _needs(paper, need)
    return [name for name in read if order.index(name) < order.index(file)]


def _begins(name: str, text: str) -> bool:
    rest = name.lower().removeprefix(text.strip().lower())
    return len(rest) < len(name) and not rest[:1].isalnum()


def _needs(paper: Paper, commands: Iterable[str]) -> tuple[str, ...]:
    words = {word for command in commands for word in shlex.split(command)}
    return tuple(file for file in paper.needs if file in words)


def _record(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return {}  # `frugal study` reports a damaged record, and runs the cell again
