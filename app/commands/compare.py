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
        description="Compare each run with the first, finding by finding: AUC by DeLong's test, Dice and localisation "
        "by permutation, p corrected by Holm's method. A RUN is an output folder, a file of predictions, or the id or "
        "name of a run in MLflow. Runs on other cases are refused. The comparison is logged under the runs that MLflow "
        "knows.",
    )
    parser.add_argument("first", metavar="RUN", help="the reference")
    parser.add_argument("others", metavar="RUN", nargs="+", help="what is compared with it")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write comparison.csv, comparison.html and forest plots to this folder"
    )
    parser.add_argument("--no-log", action="store_true", help="log nothing to MLflow")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Compare, print, write and log."""
    from app.comparing.comparison import compare_runs
    from app.comparing.comparison_output import comparison_text, write_comparison
    from app.comparing.comparison_tracking import log_comparison
    from app.comparing.run_files import open_run_files

    words = (arguments.first, *arguments.others)
    comparison = compare_runs([open_run_files(word, look_up=not arguments.no_log) for word in words])
    sys.stdout.write(f"{comparison_text(comparison)}\n")
    if arguments.out:
        written = write_comparison(comparison, arguments.out)
        sys.stdout.write(f"written: {', '.join(map(str, written))}\n")
    if not arguments.no_log:
        sys.stdout.write("".join(f"{sentence}\n" for sentence in log_comparison(comparison)))
