"""What ``frugal reproduce`` lists: papers, their tables, what has run, and what the rest needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.pages import numbers
from app.papers.declaration import Paper
from app.papers.steps import Step, finished_runs, missing_needs, need_words, steps

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
            missing = dict.fromkeys(file for step in todo for file in missing_needs(step))
            needs = f"; needs {', '.join(missing)}" if missing else ""
            lines.append(f"  {size}: {studies}, {finished} of {numbers.counted(runs, 'run')} finished{needs}")
        lines.append("")
    return "\n".join([*lines, "frugal reproduce PAPER --list says more of one.", ""])


def tables_text(paper: Paper, tables: Sequence[str], folder: Path) -> str:
    """Each table with what gives its numbers in each size, what has run, and how to get what is missing."""
    lines = [f"{paper.title} ({paper.reference})", ""]
    lines += [f"{size}: {meaning}" for size, meaning in paper.sizes.items()]
    missing: dict[str, None] = {}
    for name in tables:
        table = paper.tables[name]
        lines += ["", f"{name}: {table.title}"]
        for size in paper.sizes:
            todo = steps(paper, size, [name])
            absent = table.sources[size].absent
            lines += [f"  {size}: {absent}"] if absent else [f"  {size}: {_step_text(step, folder)}" for step in todo]
            missing |= dict.fromkeys(file for step in todo for file in missing_needs(step))
    if missing:
        lines += ["", "Not there yet:", *(f"  {file}: {need_words(paper.needs[file])}" for file in missing)]
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


def _step_text(step: Step, folder: Path) -> str:
    missing = missing_needs(step)
    needs = f"; needs {', '.join(missing)}" if missing else ""
    if step.commands:
        return f"{step.name}: {'ran' if (folder / step.file).is_file() else 'to run'}{needs}"
    seconds = finished_runs(step, folder)
    text = f"{step.study}, {len(seconds)} of {numbers.counted(step.runs, 'run')} finished"
    left = step.runs - len(seconds)
    if seconds and left > 0:
        from app.sweeps.cost import duration

        text += f", the others in about {duration(sum(seconds) / len(seconds) * left)} at the same pace"
    return f"{text}{needs}"
