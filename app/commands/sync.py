"""``frugal sync``: upload what a run could not write while its tracking server was away."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "sync",
        help="upload what a run kept while its tracking server was away",
        description="Upload the journal that a run left in its output folder. A warning of the run named the file.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the journal (.jsonl)")
    parser.add_argument("--tracking_uri", metavar="URI", help="where to (default: the store that the journal names)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Upload the journal."""
    from app.tracking import sync

    written = sync(arguments.file, arguments.tracking_uri)
    sys.stdout.write(f"{written} entries of {arguments.file} uploaded\n")
