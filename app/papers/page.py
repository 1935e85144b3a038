"""The page that puts a paper's numbers beside ours, and says which of its claims our numbers show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from app.pages import numbers
from app.papers.declaration import NO_CELL, CellKey, Claim, Paper, PrintedTable, Source
from app.papers.results import Measured, Results, numbers_of
from app.papers.steps import need_words, run_count, steps
from app.papers.verdicts import FAILS, HOLDS, NOT_MEASURED, VERDICTS, PairVerdict, judged
from app.sweeps.sweep import Sweep
from evaluation.cases import Interval

READING = """\
Ours are means over seeds or folds, with 95% intervals by Student's t, unless a table says otherwise. The difference
of two cells of one study is paired by seed or fold. A claim *holds* if the interval of the difference lies on the
claimed side. It *holds in the mean only* if the mean lies there, but the interval reaches the other side or there is
none. It *does not hold* if the mean lies on the other side, and *is contradicted* if the whole interval does. If a
claim says that two cells are alike, a bound on their difference takes the place of the side."""
Numbers = dict[str, dict[str, dict[tuple[str, str], Measured]]]
"""By size, table, and row and column."""


@dataclass(frozen=True)
class PaperResults:
    """A paper with what has run of it.

    Attributes:
        paper: The paper.
        results: The folder of results.
        numbers: What is there.
    """

    paper: Paper
    results: Results
    numbers: Numbers

    @property
    def sizes(self) -> list[str]:
        """The sizes that have any number."""
        return [size for size in self.paper.sizes if any(self.numbers[size].values())]

    def verdicts(self, claim: Claim, size: str) -> list[PairVerdict]:
        """What a size's numbers show of a claim."""
        return judged(claim, lambda key: self.numbers[size][key[0]].get(key[1:]))

    def summary(self, claim: Claim, size: str) -> str:
        """The verdicts, counted."""
        return summary_words([each.words for each in self.verdicts(claim, size)])


def gather(paper: Paper, results: Results) -> PaperResults:
    """Read every number that is there.

    Raises:
        ValueError: A table of results is damaged or lacks a column.
    """
    tables = paper.tables.values()
    found = {
        size: {table.name: numbers_of(table, table.sources[size], results) for table in tables} for size in paper.sizes
    }
    return PaperResults(paper, results, found)


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
        blocks += _table_blocks(gathered, table, pictures.get(table.name, []))
    not_run = _not_run(gathered)
    blocks += ["## What did not run, and why", "\n".join(not_run)] if not_run else []
    return "\n\n".join(block for block in blocks if block) + "\n"


def summary_words(verdicts: Sequence[str]) -> str:
    """Verdicts on a claim's pairs, counted.

    Example:
        >>> summary_words(["holds", "holds"]), summary_words(["holds", "holds in the mean only", "does not hold"])
        ('holds in 2 of 2', 'holds in 1 of 3, in the mean only in 1, does not hold in 1')
    """
    counts = [(words, verdicts.count(words)) for words in VERDICTS if words in verdicts]
    phrases = [f"{words} in {count}" for words, count in counts]
    phrases[0] += f" of {len(verdicts)}"
    return ", ".join([phrases[0], *(phrase.removeprefix(f"{HOLDS} ") for phrase in phrases[1:])])


def printed_verdicts(paper: Paper, claim: Claim) -> str:
    """In how many pairs the paper's own numbers are as it claims."""
    differences = [_printed(paper, first) - _printed(paper, second) for first, second in claim.pairs]
    known = [each for each in differences if not math.isnan(each)]
    if not known:
        return "no numbers"
    held = [each > 0 if claim.within is None else abs(each) <= claim.within + 1e-9 for each in known]
    return summary_words([HOLDS if each else FAILS for each in held])


def _printed(paper: Paper, key: CellKey) -> float:
    table, row, column = key
    return paper.tables[table].rows[row][column].value


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
    return [table_lines(["", "the paper claims", "its own numbers", *sizes], rows, 2)]


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


def _table_blocks(gathered: PaperResults, table: PrintedTable, pictures: Sequence[tuple[str, str]]) -> list[str]:
    sizes = [size for size in gathered.paper.sizes if gathered.numbers[size][table.name]]
    rows: list[list[str]] = []
    for name, cells in table.rows.items():
        rows.append([name, "paper", *(cell.text for cell in cells.values())])
        for size in sizes:
            rows.append(["", size, *(_ours(gathered, table, size, name, column) for column in table.columns)])
    missing = [
        f"- {size}: the picture `{picture}` is not there."
        for size in gathered.sizes
        for picture in table.sources[size].pictures
        if not (gathered.results.folder / picture).is_file()
    ]
    notes = "\n".join([*_notes(table, sizes), *missing])
    blocks = [table_lines(["", "", *table.columns], rows, 2), notes]
    blocks += [f"![{caption}]({file})\n\n*{caption}*" for file, caption in pictures]
    for claim in table.claims:
        blocks.append(_claim(gathered, table, claim, sizes))
    return blocks


def _ours(gathered: PaperResults, table: PrintedTable, size: str, row: str, column: str) -> str:
    measured = gathered.numbers[size][table.name].get((row, column))
    if measured is not None:
        return shown(measured.interval, table.decimals)
    return "" if table.rows[row][column].text == NO_CELL else "n/a"


def shown(interval: Interval, decimals: int) -> str:
    """A number with its limits.

    Example:
        >>> shown(Interval(0.25, 0.125, 0.375), 2), shown(Interval(3, float("nan"), float("nan")), 0)
        ('0.25 [0.12, 0.38]', '3')
    """
    if math.isnan(interval.value):
        return "undefined"
    texts = [f"{each:.{decimals}f}" for each in (interval.value, interval.lower, interval.upper)]
    return texts[0] if math.isnan(interval.lower) else f"{texts[0]} [{texts[1]}, {texts[2]}]"


def _notes(table: PrintedTable, sizes: Sequence[str]) -> list[str]:
    """What the printed spread means, what a size lacks, and its note."""
    notes = [f"In the paper's rows: {table.spread}."] if table.spread else []
    for size in sizes:
        source = table.sources[size]
        notes += [f"{size}: {_sentence(source.note)}"] if source.note else []
        reasons: dict[str, list[str]] = {}
        for name, reason in _lacking(table, source).items():
            reasons.setdefault(reason, []).append(name)
        notes += [f"{size} lacks {', '.join(names)}: {_sentence(reason)}" for reason, names in reasons.items()]
    return [f"- {note}" for note in notes]


def _lacking(table: PrintedTable, source: Source) -> dict[str, str]:
    """Reasons by the name of a whole column or row, or of a single cell."""
    reasons: dict[str, str] = {}
    for (row, column), reason in source.lacking.items():
        whole_column = all(source.lacking.get((each, column)) == reason for each in table.rows)
        whole_row = all(source.lacking.get((row, each)) == reason for each in table.columns)
        reasons[column if whole_column else row if whole_row else f"{row} / {column}"] = reason
    return reasons


def _claim(gathered: PaperResults, table: PrintedTable, claim: Claim, sizes: Sequence[str]) -> str:
    """A claim with what each size shows, and each pair that does not hold."""
    within = "" if claim.within is None else f" (alike: within {claim.within:g})"
    lines = [f"**{claim.says}**{within}", ""]
    lines.append(f"- paper: {printed_verdicts(gathered.paper, claim)}.")
    for size in sizes:
        verdicts = gathered.verdicts(claim, size)
        lines.append(f"- {size}: {gathered.summary(claim, size)}.")
        for each in verdicts:
            if each.words not in (HOLDS, NOT_MEASURED):
                difference = shown_difference(each.difference, table.decimals)
                sign = ">" if claim.within is None else "and"
                lines.append(f"  - {_pair_words(each, sign)}: {difference}, {each.words}")
    return "\n".join(lines)


def _pair_words(pair: PairVerdict, sign: str) -> str:
    """What differs first, then what both share: ``ours > ref. at Nodule``."""
    differing = [(a, b) for a, b in zip(pair.first, pair.second, strict=True) if a != b]
    shared = [a for a, b in zip(pair.first[1:], pair.second[1:], strict=True) if a == b]
    sides = [", ".join(side) for side in zip(*differing, strict=True)]
    return f" {sign} ".join(sides) + (f" at {', '.join(shared)}" if shared else "")


def shown_difference(difference: Interval, decimals: int) -> str:
    """A difference with signs.

    Example:
        >>> shown_difference(Interval(-0.012, -0.02, 0.004), 3)
        '-0.012 [-0.020, +0.004]'
    """
    texts = [f"{each:+.{decimals}f}" for each in (difference.value, difference.lower, difference.upper)]
    return texts[0] if math.isnan(difference.lower) else f"{texts[0]} [{texts[1]}, {texts[2]}]"


def _not_run(gathered: PaperResults) -> list[str]:
    """A line for each table that a size lacks, and for each step that has no result yet, with what it needs."""
    paper, lines = gathered.paper, []
    for size in paper.sizes:
        absent = [(table.name, table.sources[size].absent) for table in paper.tables.values()]
        lines += [f"- {name}, {size}: {_sentence(reason)}" for name, reason in absent if reason]
        for step in steps(paper, size, tuple(paper.tables)):
            is_study = bool(step.study)
            ran = gathered.results.finished(paper.sweeps[step.study]) if is_study else gathered.results.rows(step.file)
            if not ran:
                runs = f" ({numbers.counted(step.runs, 'run')})" if is_study else ""
                needs = [f"`{file}`: {need_words(paper.needs[file])}" for file in step.needs]
                needed = f" It needs {'; '.join(needs)}." if needs else ""
                lines.append(f"- {', '.join(step.tables)}, {size}: `{step.name}`{runs} has not run.{needed}")
    return lines


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", ")")) else f"{text}."


def table_lines(head: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> str:
    """A table in Markdown; the first ``left`` columns hold words.

    Example:
        >>> print(table_lines(["a", "b"], [["x", "1"]], 1))
        | a | b |
        | :--- | ---: |
        | x | 1 |
    """
    rule = [":---" if column < left else "---:" for column in range(len(head))]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in (head, rule, *rows))
