"""``frugal phantom``: make radiographs of simple solids, with findings of known outline."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "phantom",
        help="make radiographs with findings of known outline, as DICOM, with a datalist",
        description="Make phantom radiographs with a datalist. One seed always gives the same bytes.",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write them to")
    parser.add_argument(
        "--count", type=int, default=100, metavar="N", help="number of radiographs (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default: %(default)s")
    parser.add_argument(
        "--size", type=int, default=512, metavar="PIXELS", help="height and width (default: %(default)s)"
    )
    parser.add_argument("--findings", metavar="A,B", help="only these findings (default: ten of them and four tubes)")
    parser.add_argument(
        "--prevalence",
        type=float,
        metavar="SHARE",
        help="of images with each finding (default: 0.45 for one finding, 0.35 for two, 0.2 for more)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Make the phantoms."""
    from app.phantoms import ALL, write_phantoms

    findings = tuple(arguments.findings.split(",")) if arguments.findings else ALL
    settings = arguments.count, arguments.seed, arguments.size, findings, arguments.prevalence
    datalist = write_phantoms(arguments.out, *settings)
    sys.stdout.write(f"{arguments.count} phantoms: {datalist}\n")
