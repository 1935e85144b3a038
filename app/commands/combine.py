"""``frugal combine``: combine several readers into one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.annotations.voting import OTHERWISE, Rule, any_of, by_certainty, majority
from app.commands.datalist import write_checked

if TYPE_CHECKING:
    from app.datalist.item import Datalist


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "combine",
        help="combine several readers into one",
        description="Make one reader's datalist from one with boxes by several readers, or from one per reader. "
        "With several IN, images are matched by file name and everything else is taken from the first.",
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="datalist to write")
    parser.add_argument("files", type=Path, nargs="+", metavar="IN", help="one datalist, or one per reader")
    parser.add_argument(
        "--labels",
        choices=("majority", "any", "certainty"),
        default="majority",
        help="majority; any: --at-least readers; certainty: all above 0.5, or all below (default: %(default)s)",
    )
    parser.add_argument("--at-least", type=int, metavar="N", help="readers needed for --labels any and for --iou")
    parser.add_argument("--iou", type=float, metavar="T", help="... at one place: boxes that overlap by T or more")
    parser.add_argument(
        "--otherwise",
        choices=tuple(OTHERWISE),
        default="uncertain",
        help="label of a finding that fewer saw (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Combine and write."""
    from app.annotations.several_readers import read_together, with_agreed_boxes, with_votes
    from app.datalist.file import moved, read_datalist

    if arguments.at_least is None and (arguments.iou is not None or arguments.labels == "any"):
        raise ValueError("--iou and --labels any need --at-least N: how many readers.")
    if arguments.at_least is not None and arguments.iou is None and arguments.labels != "any":
        raise ValueError(f"--at-least {arguments.at_least}: belongs to --labels any or --iou.")
    datalists = [read_datalist(path) for path in arguments.files]
    _require_readers(arguments.at_least, datalists)
    rule = _rule(arguments)
    datalist = read_together(datalists, rule) if len(datalists) > 1 else datalists[0]
    if arguments.iou is not None:
        otherwise = OTHERWISE[arguments.otherwise]
        datalist = with_agreed_boxes(datalist, arguments.at_least, arguments.iou, otherwise)
    elif len(datalists) == 1:
        datalist = with_votes(datalist, rule)
    how = _in_words(arguments)
    datalist.provenance["readers combined"] = how
    datalist.description = f"{datalist.description} Readers combined: {how}."
    write_checked(moved(datalist, arguments.files[0], arguments.out), arguments.out)


def _require_readers(at_least: int | None, datalists: Sequence[Datalist]) -> None:
    """Refuse to ask for more readers than there are, as nothing would ever be present."""
    if at_least is None:
        return
    readers = len(datalists)
    if readers == 1:
        named = [
            {*str(item.attributes.get("readers", "")).split(), *(box.reader for box in item.boxes)}
            for item in datalists[0].items()
        ]
        readers = max((len(names - {""}) for names in named), default=0)
    if not readers:
        raise ValueError(f"{datalists[0].name}: no item and no box names a reader ('readers', 'reader').")
    if not 1 <= at_least <= readers:
        raise ValueError(f"--at-least {at_least}: must be from 1 to {readers}, the number of readers.")


def _in_words(arguments: argparse.Namespace) -> str:
    # With one datalist and --iou, only the boxes decide.
    words = [f"labels by {arguments.labels}"] if arguments.iou is None or len(arguments.files) > 1 else []
    if arguments.at_least is not None:
        place = "" if arguments.iou is None else f" at IoU {arguments.iou:g}"
        words.append(f"at least {arguments.at_least}{place}, else {arguments.otherwise}")
    return ", ".join(words)


def _rule(arguments: argparse.Namespace) -> Rule:
    if arguments.labels == "any":
        return any_of(arguments.at_least, OTHERWISE[arguments.otherwise])
    return by_certainty if arguments.labels == "certainty" else majority
