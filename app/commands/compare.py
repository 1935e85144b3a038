"""``frugal compare``: two or more models on the same cases, with intervals and tests."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "compare",
        help="compare runs on the same cases, with intervals and tests",
        description="Compare each run with the first, finding by finding: AUC by DeLong's test, sensitivity and "
        "specificity by McNemar's, Dice and localisation by permutation, p corrected by Holm's method. A RUN is an "
        "output folder, a file of predictions, the id or name of a run in MLflow, or a cell of a study with its seeds. "
        "Runs on other cases are refused. The comparison is logged under the runs that MLflow knows.",
    )
    parser.add_argument("runs", metavar="RUN", nargs="*", help="the reference, then what is compared with it")
    parser.add_argument(
        "--group",
        action="append",
        nargs="+",
        default=[],
        metavar=("NAME", "RUN"),
        help="a method and its runs, which differ by their seed, in place of a RUN; once for each method. Patients and "
        "seeds then both count as chance",
    )
    parser.add_argument(
        "--margin",
        action="append",
        default=[],
        metavar="[MEASURE=]NUMBER",
        help="the largest difference that does not matter, such as 0.02, or dice=0.05 for one measure: say in addition "
        "for which findings a model is non-inferior or equivalent to the first",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write comparison.csv, comparison.json, comparison.html and forest plots to this folder",
    )
    parser.add_argument("--json", action="store_true", help="print comparison.json instead of tables")
    parser.add_argument("--no-log", action="store_true", help="log nothing to MLflow")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Compare, print, write and log."""
    from app.comparing.comparison import compare_methods
    from app.comparing.comparison_output import comparison_json, comparison_text, write_comparison
    from app.comparing.comparison_tracking import log_comparison
    from app.comparing.declared_margins import parse_margins
    from app.comparing.methods import open_methods

    margins = parse_margins(arguments.margin)
    methods = open_methods(arguments.runs, arguments.group, look_up=not arguments.no_log)
    comparison = compare_methods(methods, margins)
    lines = [comparison_json(comparison) if arguments.json else f"{comparison_text(comparison)}\n"]
    if arguments.out:
        lines.append(f"written: {', '.join(map(str, write_comparison(comparison, arguments.out)))}\n")
    if not arguments.no_log:
        lines += [f"{sentence}\n" for sentence in log_comparison(comparison)]
    sys.stdout.write("".join(lines[:1] if arguments.json else lines))
