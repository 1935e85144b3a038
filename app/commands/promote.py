"""``frugal promote``: make a version of a registered model its champion, if it is not worse than the present one."""

from __future__ import annotations

import argparse
import sys


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "promote",
        help="make a trained model the champion of a registered model in MLflow",
        description="Give a version of a registered model the alias champion. The first version gets it at once. Any "
        "other is first given the alias challenger, and refused unless frugal compare has compared its run with the "
        "champion's and it is not worse: no interval of a difference lies below zero, after Holm's correction.",
    )
    parser.add_argument(
        "model",
        metavar="RUN_OR_VERSION",
        help="output folder, id or name of a run, or how it begins; or the number of a version",
    )
    parser.add_argument("--name", required=True, help="of the registered model; made if it is new")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Promote, and say so."""
    from app.tracking.promoting import promote

    sys.stdout.write(f"{promote(arguments.model, arguments.name)}\n")
