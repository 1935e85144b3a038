"""``frugal split``: share a datalist's items out anew among sections, or into folds, whole patients at a time."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app.commands.datalist import shares

if TYPE_CHECKING:
    from app.datalist.item import Datalist


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "split",
        help="split a datalist by patient, or into folds",
        description="Split a datalist by patient, stratified over all findings, locations and views at once. "
        "With --folds, OUT must hold {fold}: one file a fold is written.",
    )
    parser.add_argument("file", type=Path, metavar="IN", help="datalist")
    parser.add_argument("out", type=Path, metavar="OUT", help="datalist to write; images keep their place")
    parser.add_argument(
        "--shares", type=shares, metavar="A,B,C", help="training, validation, test (default: 0.7,0.1,0.2)"
    )
    parser.add_argument("--folds", type=int, metavar="K", help="folds instead of shares: each file has one as its test")
    parser.add_argument("--located", action="store_true", help="with --folds: of the items with a box or a mask alone")
    parser.add_argument(
        "--extra", type=float, default=0.0, metavar="SHARE", help="with --located: share of the others to train on too"
    )
    parser.add_argument(
        "--validation",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="with --folds: share of each fold's training to validate on instead (default: none)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Split and write."""
    from app.datalist.duplicates import kept_together
    from app.datalist.file import moved, parse_datalist, write_datalist
    from app.datalist.showing import sections_in_words
    from app.datalist.validate import crossing_patients, report

    _require_fitting(arguments)
    datalist, found = parse_datalist(arguments.file)
    # Patients in two sections are what splitting mends; anything else is refused.
    crossing = crossing_patients(datalist)
    found = [problem for problem in found if problem not in crossing]
    if found:
        raise report(str(arguments.file), found)
    datalist = moved(datalist, arguments.file, arguments.out)
    parts = kept_together(datalist, arguments.out.parent, lambda whole: _shared_out(whole, arguments))
    for fold, part in enumerate(parts):
        name = arguments.out.name if arguments.folds is None else arguments.out.name.replace("{fold}", str(fold))
        path = arguments.out.with_name(name)
        write_datalist(part, path)
        sys.stdout.write(f"{sections_in_words(part)}\nwritten to {path}\n")
    if arguments.folds is not None and not arguments.validation:
        sys.stdout.write("To train on a fold, it needs a validation section: --validation 0.1, say.\n")


def _shared_out(datalist: Datalist, arguments: argparse.Namespace) -> list[Datalist]:
    """One split, or one datalist a fold."""
    from app.datalist.splitting import DEFAULT_SHARES, folds, split, with_validation

    if arguments.folds is None:
        return [split(datalist, arguments.shares or DEFAULT_SHARES, arguments.seed)]
    parts = folds(datalist, arguments.folds, arguments.located, arguments.extra, arguments.seed)
    if not arguments.validation:
        return parts
    return [with_validation(part, arguments.validation, arguments.seed) for part in parts]


def _require_fitting(arguments: argparse.Namespace) -> None:
    """Refuse options that the others would leave without effect."""
    if arguments.folds is None:
        of_folds = ("located", "extra", "validation")
        unused = [f"--{name}" for name in of_folds if getattr(arguments, name)]
        if unused:
            raise ValueError(f"{' and '.join(unused)}: only with --folds.")
        return
    if arguments.shares is not None:
        raise ValueError("--shares and --folds: one or the other.")
    if arguments.extra and not arguments.located:
        raise ValueError(f"--extra {arguments.extra:g}: only with --located, of whose others it is the share.")
    if "{fold}" not in arguments.out.name:
        raise ValueError(f"{arguments.out}: with --folds the name must hold {{fold}}, as in fold_{{fold}}.json.")
