"""``frugal combine``: combine several readers into one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.annotations.voting import OTHERWISE, Rule, any_of, by_certainty, majority
from app.commands.datalist import names_of, write_checked

if TYPE_CHECKING:
    from app.datalist.item import Datalist

SKILL = "skill"


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
        choices=("majority", "any", "certainty", SKILL),
        default="majority",
        help="majority; any: --at-least readers; certainty: all above 0.5, or all below; skill: how probable a finding "
        "is, given how good each reader is (default: %(default)s)",
    )
    parser.add_argument("--report", type=Path, metavar="CSV", help="with --labels skill: write how good each reader is")
    parser.add_argument(
        "--decided", action="store_true", help="with --labels skill: present or absent in training too, no certainties"
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
    from app.datalist.file import moved, read_datalist

    _require_belonging(arguments)
    datalists = [read_datalist(path) for path in arguments.files]
    _require_readers(arguments.at_least, datalists)
    datalist = _by_skill(arguments, datalists) if arguments.labels == SKILL else _by_rule(arguments, datalists)
    how = _in_words(arguments)
    datalist.provenance["readers combined"] = how
    datalist.description = f"{datalist.description} Readers combined: {how}."
    write_checked(moved(datalist, arguments.files[0], arguments.out), arguments.out)


def _require_belonging(arguments: argparse.Namespace) -> None:
    """Refuse options that do not go together."""
    if arguments.labels == SKILL and (arguments.at_least is not None or arguments.iou is not None):
        raise ValueError("--labels skill: goes with neither --at-least nor --iou.")
    if arguments.labels != SKILL and (arguments.report is not None or arguments.decided):
        raise ValueError("--report and --decided belong to --labels skill.")
    if arguments.at_least is None and (arguments.iou is not None or arguments.labels == "any"):
        raise ValueError("--iou and --labels any need --at-least N: how many readers.")
    if arguments.at_least is not None and arguments.iou is None and arguments.labels != "any":
        raise ValueError(f"--at-least {arguments.at_least}: belongs to --labels any or --iou.")


def _by_rule(arguments: argparse.Namespace, datalists: Sequence[Datalist]) -> Datalist:
    from app.annotations.several_readers import read_together, with_agreed_boxes, with_votes

    rule = _rule(arguments)
    datalist = read_together(datalists, rule) if len(datalists) > 1 else datalists[0]
    if arguments.iou is not None:
        return with_agreed_boxes(datalist, arguments.at_least, arguments.iou, OTHERWISE[arguments.otherwise])
    return with_votes(datalist, rule) if len(datalists) == 1 else datalist


def _by_skill(arguments: argparse.Namespace, datalists: Sequence[Datalist]) -> Datalist:
    """Measure the readers, print and write how good they are, and label by it."""
    from app.annotations.reader_report import skill_csv, skill_text
    from app.annotations.reader_skill import measure_readers, readings_of_boxes, readings_of_datalists, with_skill
    from app.annotations.several_readers import read_together
    from app.files.atomic import write_whole

    if len(datalists) == 1:
        datalist, readings = datalists[0], readings_of_boxes(datalists[0])
    else:
        datalist = read_together(datalists, majority)
        readings = readings_of_datalists(datalists, names_of(arguments.files))
    skills = measure_readers(readings)
    sys.stdout.write(skill_text(readings, skills) + "\n")
    if arguments.report is not None:
        arguments.report.parent.mkdir(parents=True, exist_ok=True)
        write_whole(arguments.report, skill_csv(readings, skills))
    return with_skill(datalist, readings, skills, arguments.decided)


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
    if arguments.decided:
        words.append("decided")
    if arguments.at_least is not None:
        place = "" if arguments.iou is None else f" at IoU {arguments.iou:g}"
        words.append(f"at least {arguments.at_least}{place}, else {arguments.otherwise}")
    return ", ".join(words)


def _rule(arguments: argparse.Namespace) -> Rule:
    if arguments.labels == "any":
        return any_of(arguments.at_least, OTHERWISE[arguments.otherwise])
    return by_certainty if arguments.labels == "certainty" else majority
