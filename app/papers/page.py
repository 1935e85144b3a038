"""The page that puts a paper's numbers beside ours, and says which of its claims our numbers show."""

from __future__ import annotations

from app.pages import numbers
from app.papers.declaration import Paper
from app.papers.gathered import PaperResults, printed_verdicts
from app.papers.steps import need_words, run_count, steps, with_sources
from app.papers.table_blocks import sentence, table_blocks
from app.sweeps.sweep import Sweep

READING = """\
Ours are means over seeds or folds, with 95% intervals by Student's t, unless a table says otherwise. The difference
of two cells of one study is paired by seed or fold; a cell that ran once, such as an ensemble, is compared with the
mean of the other. A claim *holds* if the interval of the difference lies on the claimed side. It *holds in the mean
only* if the mean lies there, but the interval reaches the other side or there is none. It *does not hold* if the mean
lies on the other side, and *is contradicted* if the whole interval does. If a claim says that two cells are alike, a
bound on their difference takes the place of the side. What is marked *as printed* is in the paper's numbers, but its
text does not claim it; what is marked *asked here* is our own question."""


def page(gathered: PaperResults, pictures: dict[str, list[tuple[str, str]]]) -> str:
    """The page in Markdown; the same results always give the same bytes.

    Args:
        gathered: The paper with its results.
        pictures: By table, file names beside the page with their captions.
    """
    paper = gathered.paper
    blocks = [
        f"# {paper.title}",
        f"{paper.reference}. What it prints beside what we measured, written by `frugal reproduce {paper.bundle}`.",
        READING,
        "## What holds",
        *_summary(gathered),
        "## What ran",
        *_what_ran(gathered),
    ]
    for table in paper.tables.values():
        blocks += [f"## {table.name}: {table.title}" if table.title else f"## {table.name}"]
        blocks += table_blocks(gathered, table, pictures.get(table.name, []))
    not_run = _not_run(gathered)
    blocks += ["## What did not run, and why", "\n".join(not_run)] if not_run else []
    return "\n\n".join(block for block in blocks if block) + "\n"


def _summary(gathered: PaperResults) -> list[str]:
    """A row for each claim: whether the paper's numbers say it, and whether ours do."""
    paper, sizes = gathered.paper, gathered.sizes
    rows = [
        [table.name, claim.says, printed_verdicts(paper, claim)] + [gathered.summary(claim, size) for size in sizes]
        for table in paper.tables.values()
        for claim in table.claims
    ]
    if not rows:
        return ["The paper claims no ordering of its numbers."]
    return ["\n".join(numbers.markdown_table(["", "the paper claims", "its own numbers", *sizes], rows, left=2))]


def _what_ran(gathered: PaperResults) -> list[str]:
    paper = gathered.paper
    lines = []
    for size, meaning in paper.sizes.items():
        ran = [
            f"`{study}` ({_finished(gathered, sweep)})"
            for study, sweep in paper.sweeps.items()
            if gathered.results.finished(sweep) and _is_of(paper, size, study)
        ]
        ran += [f"`{command}`" for command in _commands_with_results(gathered, size)]
        lines.append(f"- **{size}**: {meaning} {'Ran: ' + ', '.join(ran) + '.' if ran else 'Nothing ran.'}")
    return ["\n".join(lines)]


def _is_of(paper: Paper, size: str, study: str) -> bool:
    return any(study in table.sources[size].studies for table in paper.tables.values())


def _finished(gathered: PaperResults, sweep: Sweep) -> str:
    runs, finished = run_count(sweep), gathered.results.finished(sweep)
    kind = (
        f"{numbers.counted(len(sweep.cells), 'cell')} of {numbers.counted(len(sweep.replicates), sweep.replicate_word)}"
    )
    return kind if finished >= runs else f"{kind}, {finished} of {runs} runs finished"


def _commands_with_results(gathered: PaperResults, size: str) -> list[str]:
    sources = [table.sources[size] for table in gathered.paper.tables.values()]
    ran = [source for source in sources if source.commands and gathered.results.rows(source.file) is not None]
    return list(dict.fromkeys(command for source in ran for command in source.commands))


def _not_run(gathered: PaperResults) -> list[str]:
    """Lines on tables that a size lacks and steps without a result, and on how to get the files that those need."""
    paper, lines = gathered.paper, []
    needed: dict[str, None] = {}
    for size in paper.sizes:
        absent = [(table.name, table.sources[size].absent) for table in paper.tables.values()]
        lines += [f"- {name}, {size}: {sentence(reason)}" for name, reason in absent if reason]
        for step in steps(paper, size, tuple(paper.tables)):
            is_study = bool(step.study)
            ran = gathered.results.finished(paper.sweeps[step.study]) if is_study else gathered.results.rows(step.file)
            if not ran:
                runs = f" ({numbers.counted(step.runs, 'run')})" if is_study else ""
                needs = f"; it needs {', '.join(f'`{file}`' for file in step.needs)}" if step.needs else ""
                lines.append(f"- {', '.join(step.tables)}, {size}: `{step.name}`{runs} has not run{needs}.")
                needed |= dict.fromkeys(step.needs)
    if needed:
        lines += ["", "How to get the files:", ""]
        lines += [f"- `{file}`: {sentence(need_words(paper.needs[file]))}" for file in with_sources(paper, needed)]
    return lines
