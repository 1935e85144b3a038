"""``frugal reproduce``: run what a paper's tables and figures need, and put its numbers beside ours."""

from __future__ import annotations

import argparse
import itertools
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.commands import study as study_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.papers.declaration import Paper
    from app.papers.steps import Step

RESULTS = Path("runs/studies")
"""Where ``frugal study`` puts results, each study in a folder of its name."""
NOT_SHARED = ("file", "out", "list", "table", "run")
"""Options of ``frugal study`` that mean something else here; those of where and how cells run mean the same."""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "reproduce",
        help="run a paper's tables and figures, and put its numbers beside ours",
        description="Run the studies that a paper's tables need, one after the other as frugal study does, and write a "
        "page with the paper's numbers beside ours and which of its claims hold. What has run is not run again. "
        "Without PAPER, list the papers.",
    )
    parser.add_argument("paper", metavar="PAPER", nargs="?", help="the bundle, or the paper's short name")
    parser.add_argument("--size", default="small", metavar="SIZE", help="small or published (default: %(default)s)")
    parser.add_argument(
        "--table", action="append", default=[], metavar="N", help="only this table, such as 1 or 'Fig. 2'"
    )
    parser.add_argument(
        "--out", type=Path, default=RESULTS, metavar="DIR", help="folder for results (default: %(default)s)"
    )
    parser.add_argument("--page", type=Path, metavar="FILE", help="the page (default: PAPER.md in that folder)")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--list", action="store_true", help="list the tables and what they need, and run nothing")
    kind.add_argument("--report", action="store_true", help="write the page of what has run, and run nothing")
    study_command.add_running_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """List, or run and write the page; fail if something failed."""
    from app.papers.listing import papers_text, tables_text
    from app.papers.reading import find_paper, paper_files, read_paper
    from app.papers.steps import chosen_tables, steps

    if arguments.paper is None:
        sys.stdout.write(papers_text([read_paper(path) for path in paper_files()], arguments.out))
        return
    study_command.check_running_options(arguments)
    paper = read_paper(find_paper(arguments.paper))
    if arguments.size not in paper.sizes:
        raise ValueError(f"--size {arguments.size}: {paper.bundle} has {', '.join(paper.sizes)}.")
    tables = chosen_tables(paper, arguments.table)
    if arguments.list:
        sys.stdout.write(tables_text(paper, tables, arguments.out))
        return
    _run(paper, steps(paper, arguments.size, tables), arguments)


def _run(paper: Paper, todo: Sequence[Step], arguments: argparse.Namespace) -> None:
    """Run the steps, write the page after each, and print what holds.

    Raises:
        ValueError: Something failed, or a bundle from elsewhere would run commands without ``--trust``.
    """
    import logging

    from app.checking.trust import is_trusted
    from app.papers.listing import claims_text
    from app.papers.running import run_steps, write_page
    from app.papers.steps import has_old_table, steps

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if not (is_trusted(paper.path) or arguments.trust or arguments.report):
        raise ValueError(
            f"{paper.path}: names commands, and does not come with this installation. Read them, and give --trust to "
            "let them run."
        )
    file = arguments.page or arguments.out / f"{paper.bundle}.md"
    if arguments.report:
        every = itertools.chain.from_iterable(steps(paper, size, list(paper.tables)) for size in paper.sizes)
        todo = [replace(step, needs=()) for step in every if has_old_table(step, arguments.out)]
    problems = run_steps(
        paper,
        todo,
        arguments.out,
        lambda study, folder: _run_study(study, folder, arguments),
        lambda: write_page(paper, arguments.out, file),
    )
    gathered = write_page(paper, arguments.out, file)
    sys.stdout.write(f"\n{claims_text(gathered)}written to {file}\n")
    if problems:
        raise ValueError("\n".join(["not everything ran:", *(f"  {problem}" for problem in problems)]))


def _run_study(study: str, folder: Path, arguments: argparse.Namespace) -> None:
    """Run one study as ``frugal study`` does, with the options that both commands have, or only write its table."""
    parser = argparse.ArgumentParser()
    study_command.add_parser(parser.add_subparsers())
    own = parser.parse_args(["study", study, "--out", str(folder)])
    shared = {name: getattr(arguments, name) for name in vars(own) if name not in NOT_SHARED}
    study_command.run(argparse.Namespace(**vars(own) | shared | {"table": arguments.report}))
