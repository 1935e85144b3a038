"""What ``frugal reproduce`` lists: papers, their tables, what has run, and what the rest needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.pages import numbers
from app.papers.declaration import Paper
from app.papers.steps import Step, finished_runs, missing_needs, need_words, steps, with_sources

if TYPE_CHECKING:
    from app.papers.gathered import PaperResults


def papers_text(papers: Sequence[Paper], folder: Path) -> str:
    """A block for each paper: its title, tables, and what has run in each size."""
    lines = []
    for paper in papers:
        lines += [f"{paper.bundle} ({paper.name}): {paper.title}", f"  {', '.join(paper.tables)}"]
        for size in paper.sizes:
            todo = steps(paper, size, tuple(paper.tables))
            runs = sum(step.runs for step in todo)
            finished = sum(len(finished_runs(step, folder)) for step in todo if step.study)
            studies = numbers.counted(sum(bool(step.study) for step in todo), "study").replace("studys", "studies")
            needs = _needs_text(paper, [file for step in todo for file in missing_needs(step)])
            lines.append(f"  {size}: {studies}, {finished} of {numbers.counted(runs, 'run')} finished{needs}")
        lines.append("")
    return "\n".join([*lines, "frugal reproduce PAPER --list says more of one.", ""])


def tables_text(paper: Paper, tables: Sequence[str], folder: Path) -> str:
    """Each table with what gives its numbers in each size, what has run, and how to get what is missing."""
    lines = [f"{paper.title} ({paper.reference})", ""]
    lines += [f"{size}: {meaning}" for size, meaning in paper.sizes.items()]
    missing: list[str] = []
    for name in tables:
        table = paper.tables[name]
        lines += ["", f"{name}: {table.title}"]
        for size in paper.sizes:
            todo = steps(paper, size, [name])
            absent = table.sources[size].absent
            lines += (
                [f"  {size}: {absent}"] if absent else [f"  {size}: {_step_text(paper, step, folder)}" for step in todo]
            )
            missing += [file for step in todo for file in missing_needs(step)]
    needed = with_sources(paper, missing, are_missing=True)
    people = _to_get(paper, needed)
    made = [file for file in needed if file not in people]
    for title, files in (("You have to get:", people), ("Made when they are needed:", made)):
        lines += ["", title, *(f"  {file}: {need_words(paper.needs[file])}" for file in files)] if files else []
    return "\n".join([*lines, ""])


def claims_text(gathered: PaperResults) -> str:
    """Each claim with what each size shows of it; empty if nothing has run."""
    lines = []
    for table in gathered.paper.tables.values():
        sizes = [size for size in gathered.sizes if gathered.numbers[size][table.name]]
        for claim in table.claims if sizes else ():
            lines.append(f"{table.name}: {claim.says}")
            lines += [f"  {size}: {gathered.summary(claim, size)}" for size in sizes]
    return "\n".join([*lines, ""]) if lines else ""


def _to_get(paper: Paper, files: Sequence[str]) -> list[str]:
    return [file for file in files if isinstance(paper.needs[file], str)]


def _needs_text(paper: Paper, missing: Sequence[str]) -> str:
    """The files that a person has to get first; those that a command of ours makes by itself are not named."""
    needed = _to_get(paper, with_sources(paper, missing, are_missing=True))
    if needed:
        return f"; needs {', '.join(needed)}"
    return "; makes its data first" if missing else ""


def _step_text(paper: Paper, step: Step, folder: Path) -> str:
    needs = _needs_text(paper, missing_needs(step))
    if step.commands:
        return f"{step.name}: {'ran' if (folder / step.file).is_file() else 'to run'}{needs}"
    seconds = finished_runs(step, folder)
    text = f"{step.study}, {len(seconds)} of {numbers.counted(step.runs, 'run')} finished"
    left = step.runs - len(seconds)
    if seconds and left > 0:
        from app.sweeps.cost import duration

        text += f", the others in about {duration(sum(seconds) / len(seconds) * left)} at the same pace"
    return f"{text}{needs}"
