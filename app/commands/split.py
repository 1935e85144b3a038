"""``frugal split``: split a datalist into sections or folds, whole patients at a time."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app.datalist.arguments import shares

if TYPE_CHECKING:
    from app.datalist.item import Datalist


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "split",
        help="split a datalist by patient, or into folds",
        description="Split a datalist by patient, stratified over all findings, locations and views at once. "
        "With --folds, OUT must contain {fold}, as one file per fold is written.",
    )
    parser.add_argument("file", type=Path, metavar="IN", help="datalist")
    parser.add_argument("out", type=Path, metavar="OUT", help="datalist to write; images keep their place")
    parser.add_argument(
        "--shares", type=shares, metavar="A,B,C", help="training, validation, test (default: 0.7,0.1,0.2)"
    )
    parser.add_argument(
        "--folds", type=int, metavar="K", help="folds instead of shares; each file has one as its test section"
    )
    parser.add_argument("--located", action="store_true", help="with --folds: of only the items with a box or a mask")
    parser.add_argument(
        "--extra",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="with --located: share of the other items to train on as well",
    )
    parser.add_argument(
        "--validation",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="with --folds: share of each fold's training section to use for validation (default: none)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Split and write."""
    from app.datalist.duplicates import kept_together
    from app.datalist.file import moved, parse_datalist, write_datalist
    from app.datalist.showing import section_lines
    from app.datalist.validate import crossing_patients, report

    _require_fitting(arguments)
    datalist, problems = parse_datalist(arguments.file)
    # Splitting solves patients in two sections; any other problem is refused.
    crossing = crossing_patients(datalist)
    problems = [problem for problem in problems if problem not in crossing]
    if problems:
        raise report(str(arguments.file), problems)
    datalist = moved(datalist, arguments.file, arguments.out)
    parts = kept_together(datalist, arguments.out.parent, lambda whole: _parts(whole, arguments))
    for fold, part in enumerate(parts):
        name = arguments.out.name if arguments.folds is None else arguments.out.name.replace("{fold}", str(fold))
        path = arguments.out.with_name(name)
        write_datalist(part, path)
        sys.stdout.write(f"{section_lines(part)}\nwritten to {path}\n")
    if arguments.folds is not None and not arguments.validation:
        sys.stdout.write("To train on a fold, it needs a validation section, for example by --validation 0.1.\n")


def _parts(datalist: Datalist, arguments: argparse.Namespace) -> list[Datalist]:
    """One split, or one datalist per fold."""
    from app.datalist.splitting import DEFAULT_SHARES, folds, split, with_validation

    if arguments.folds is None:
        return [split(datalist, arguments.shares or DEFAULT_SHARES, arguments.seed)]
    parts = folds(datalist, arguments.folds, arguments.located, arguments.extra, arguments.seed)
    if not arguments.validation:
        return parts
    return [with_validation(part, arguments.validation, arguments.seed) for part in parts]


def _require_fitting(arguments: argparse.Namespace) -> None:
    """Refuse options that would have no effect beside the others."""
    if arguments.folds is None:
        unused = [f"--{name}" for name in ("located", "extra", "validation") if getattr(arguments, name)]
        if unused:
            raise ValueError(f"{' and '.join(unused)}: only with --folds.")
        return
    if arguments.shares is not None:
        raise ValueError("--shares and --folds: one or the other.")
    if arguments.extra and not arguments.located:
        raise ValueError(f"--extra {arguments.extra:g}: only with --located, as it is a share of the other items.")
    if "{fold}" not in arguments.out.name:
        raise ValueError(f"{arguments.out}: with --folds the name must hold {{fold}}, as in fold_{{fold}}.json.")
