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
        "by permutation, p corrected after Holm. A RUN is an output folder, a file of predictions, or the id or name "
        "of a run in MLflow. Runs on other cases are refused. The comparison is logged under the runs that MLflow "
        "knows.",
    )
    parser.add_argument("first", metavar="RUN", help="the reference")
    parser.add_argument("others", metavar="RUN", nargs="+", help="what is compared with it")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write comparison.csv, comparison.html and forest plots here"
    )
    parser.add_argument("--no-log", action="store_true", help="log nothing to MLflow")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Compare, tell, write and log."""
    from app.comparing.comparison import compare_results
    from app.comparing.comparison_forms import comparison_text, write_comparison
    from app.comparing.logging import log_comparison
    from app.comparing.results import open_result

    results = [open_result(word, look_up=not arguments.no_log) for word in (arguments.first, *arguments.others)]
    study = compare_results(results)
    sys.stdout.write(f"{comparison_text(study)}\n")
    if arguments.out:
        written = write_comparison(study, arguments.out)
        sys.stdout.write(f"written: {', '.join(str(path) for path in written)}\n")
    if not arguments.no_log:
        for sentence in log_comparison(study):
            sys.stdout.write(f"{sentence}\n")
