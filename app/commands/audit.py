"""``frugal audit``: which labels are probably wrong, what to read again, and what re-reading shows."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.auditing.out_of_fold import Source


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "audit",
        help="find labels that are probably wrong, estimate their number, and list what to read again",
        description="Rank the labels of a datalist by how suspicious they are, from predictions of networks that never "
        "saw the patient: a study with folds, or runs on disjoint folds. With --bundle, make the folds and train them "
        "first. With --apply, take labels that were read again back into the datalist.",
    )
    parser.add_argument(
        "runs", type=Path, nargs="*", metavar="RUN", help="folder of a study with folds, folders of runs, or files"
    )
    parser.add_argument("--datalist", type=Path, required=True, metavar="FILE", help="its labels are audited")
    parser.add_argument("--out", type=Path, required=True, metavar="PATH", help="folder; with --apply the new datalist")
    parser.add_argument(
        "--trained-with", type=Path, nargs="+", default=[], metavar="FILE", help="the datalist of each RUN, in order"
    )
    parser.add_argument(
        "--features", type=Path, metavar="FILE", help="by which images are similar: .npz, or weights by frugal weights"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    parser.set_defaults(run=run)
    folds = parser.add_argument_group("to train the folds")
    folds.add_argument("--bundle", metavar="BUNDLE", help="the bundle to train")
    folds.add_argument("--folds", type=int, default=5, metavar="K", help="default: %(default)s")
    folds.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the bundle; may be repeated"
    )
    again = parser.add_argument_group("to read again")
    again.add_argument("--minutes", type=float, metavar="M", help="budget of the list to read again (default: no list)")
    again.add_argument("--each", type=float, default=0.5, metavar="M", help="minutes a label (default: %(default)s)")
    again.add_argument(
        "--control", type=float, default=0.15, metavar="SHARE", help="drawn at random (default: %(default)s)"
    )
    again.add_argument("--apply", type=Path, metavar="FILE", help="the list with its labels filled in")
    again.add_argument("--key", type=Path, metavar="FILE", help="its key (default: reread_key.csv beside it)")
    again.add_argument("--reader", default="", metavar="NAME", help="who read, if the list does not say")


def run(arguments: argparse.Namespace) -> None:
    """Audit, or apply."""
    if arguments.apply is not None:
        _apply(arguments)
    else:
        _audit(arguments)


def _audit(arguments: argparse.Namespace) -> None:
    from app.auditing.audit import audit_labels
    from app.auditing.audit_output import audit_text, write_audit
    from app.auditing.image_features import features_of
    from app.auditing.out_of_fold import out_of_fold
    from app.auditing.rereading import choose, write_list
    from app.datalist.file import read_datalist

    path, folder = arguments.datalist, arguments.out
    datalist = read_datalist(path)
    given = out_of_fold(path, datalist, _sources(arguments))
    feature = None
    if arguments.features is not None:
        folder.mkdir(parents=True, exist_ok=True)
        feature = features_of(arguments.features, given.items, path.parent, folder / "features.npz")
    audit = audit_labels(given, feature, arguments.seed)
    readings = []
    if arguments.minutes is not None:
        readings = choose(audit.doubts, arguments.minutes, arguments.each, arguments.control, arguments.seed)
    files = write_audit(audit, path.parent, folder)
    sys.stdout.write(f"{audit_text(audit)}\nwritten: {', '.join(map(str, files))}\n")
    if readings:
        for_reader, key = write_list(readings, folder)
        sys.stdout.write(
            f"to read again: {len(readings)} labels in {for_reader}. Keep {key} from the reader: it says which are the "
            f"control sample. Then: frugal audit --apply {for_reader} --datalist {path} --out NEW.json\n"
        )


def _sources(arguments: argparse.Namespace) -> list[Source]:
    from app.auditing.fold_study import train_folds
    from app.auditing.out_of_fold import find_sources

    if (arguments.bundle is None) == (not arguments.runs):
        raise ValueError("frugal audit needs runs to take predictions from, or --bundle to train; not both.")
    if arguments.bundle is None:
        if arguments.set:
            raise ValueError("--set: only with --bundle.")
        return find_sources(arguments.runs, arguments.trained_with)
    if arguments.trained_with:
        raise ValueError("--trained-with: only with RUN.")
    import logging

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    fixed = dict(_setting(text) for text in arguments.set)
    study = arguments.out / "study"
    return train_folds(arguments.datalist, arguments.bundle, arguments.folds, fixed, arguments.seed, study)


def _setting(text: str) -> tuple[str, Any]:
    import yaml

    key, equals, value = text.partition("=")
    if not key or not equals:
        raise ValueError(f"--set {text}: must be KEY=VALUE, such as max_epochs=20.")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ValueError(f"--set {text}: the value cannot be read as YAML.") from error


def _apply(arguments: argparse.Namespace) -> None:
    from app.auditing.applying import apply, measure, measured_lines, read_rereading
    from app.auditing.rereading import KEY
    from app.datalist.file import moved, read_datalist, write_datalist

    unused = [f"--{name}" for name in ("bundle", "set", "features", "minutes") if getattr(arguments, name)]
    if arguments.runs or unused:
        raise ValueError(f"--apply takes no {', '.join(unused) or 'RUN'}: it only takes labels back.")
    if arguments.out.suffix != ".json":
        raise ValueError(f"--out {arguments.out}: with --apply, name the datalist to write, such as NEW.json.")
    key = arguments.key or arguments.apply.with_name(KEY)
    reread = read_rereading(arguments.apply, key, arguments.reader)
    datalist = apply(read_datalist(arguments.datalist), reread.read)
    write_datalist(moved(datalist, arguments.datalist, arguments.out), arguments.out)
    changed = sum(each.label != each.given for each in reread.read)
    lines = [*measured_lines(measure(reread), reread.unread), f"{changed} of {len(reread.read)} labels changed."]
    sys.stdout.write("\n".join([*lines, f"written to {arguments.out}", ""]))
