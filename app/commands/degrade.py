"""``frugal degrade``: make cheaper annotations from better ones."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from app.commands.datalist import write_checked
from app.datalist.arguments import names

if TYPE_CHECKING:
    from app.annotations.labeller import Quality
    from app.annotations.levels import LevelCount
    from app.datalist.item import Datalist

_LEVELS = ("outline", "ellipse", "box", "image", "nlp")
_STEPS = ("images", "uncertain", "unannotated")


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "degrade",
        help="make cheaper annotations from better ones",
        description="Make a datalist with fewer patients, less exact or no locations, or a report labeller's labels. "
        "Validation and test sections stay as they are, so that measurements stay comparable, unless --sections names "
        "them. The datalist records what was done, and every run on it logs that.",
    )
    parser.add_argument("file", type=Path, metavar="IN", help="datalist")
    parser.add_argument("out", type=Path, metavar="OUT", help="datalist to write; images keep their place")
    few = parser.add_mutually_exclusive_group()
    few.add_argument("--patients", type=float, metavar="SHARE", help="first: only this share of the patients")
    few.add_argument("--images", type=int, metavar="N", help="or: only N training images, patient by patient")
    parser.add_argument(
        "--uncertain",
        type=float,
        metavar="SHARE",
        help="then: make this share of each finding's training labels uncertain",
    )
    parser.add_argument(
        "--present", type=float, metavar="P", help="share of these that was present (default: as drawn)"
    )
    parser.add_argument(
        "--unannotated",
        type=float,
        metavar="SHARE",
        help="then: remove the locations of this share of the training images",
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--level", choices=_LEVELS, help="then: annotations of this level")
    kind.add_argument(
        "--mix",
        type=level_counts,
        metavar="LEVEL=N,...",
        help="then: N (or the 'rest') training images at each level, and no others: outline=6000,image=24000",
    )
    parser.add_argument(
        "--f1",
        type=scores,
        metavar="F1",
        help="F1 of the labeller of level nlp: 0.8, or by finding Nodule=0.7,Effusion=0.9 (others keep their labels)",
    )
    parser.add_argument("--precision", type=float, metavar="P", help="of the labeller (default: equal to its recall)")
    parser.add_argument("--recall", type=float, metavar="R", help="of the labeller (default: equal to its precision)")
    parser.add_argument(
        "--sections", type=names, default="training", metavar="A,B", help="sections to change (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Degrade and write."""
    from app.annotations.reduction import share_of_patients
    from app.datalist.file import moved, read_datalist

    _require_sense(arguments)
    datalist = read_datalist(arguments.file)
    if arguments.patients is not None:
        datalist = share_of_patients(datalist, arguments.patients, arguments.seed, arguments.sections)
    datalist = _levelled(_reduced(datalist, arguments), arguments)
    write_checked(moved(datalist, arguments.file, arguments.out), arguments.out)


def _require_sense(arguments: argparse.Namespace) -> None:
    """Refuse options that contradict each other, or ask for nothing."""
    if arguments.present is not None and arguments.uncertain is None:
        raise ValueError("--present belongs to --uncertain: give both, or the latter alone.")
    asked = [f"--{name}" for name in (*_STEPS, "patients", "level", "mix") if getattr(arguments, name) is not None]
    if not asked:
        raise ValueError("nothing to do: give --patients, --level or --mix, or --images, --uncertain or --unannotated.")
    sections = arguments.sections
    of_training = [name for name in asked if name.removeprefix("--") in _STEPS]
    if of_training and tuple(sections) != ("training",):
        raise ValueError(f"{', '.join(of_training)} change the training section alone: leave out --sections.")
    if arguments.mix is not None and tuple(sections) != ("training",):
        raise ValueError("--mix makes a training section: leave out --sections.")
    if not sections or len(set(sections)) < len(sections):
        raise ValueError(f"--sections {','.join(sections)!r}: must name one section or more, each once.")
    if arguments.f1 is None and (arguments.precision is not None or arguments.recall is not None):
        raise ValueError("--precision and --recall are of the labeller: they need --f1.")


def _reduced(datalist: Datalist, arguments: argparse.Namespace) -> Datalist:
    """Fewer images, labels and locations, in the order of a sweep's steps, so that one seed gives the same result."""
    from app.annotations.reduction import first_images, with_uncertain, without_locations

    if arguments.images is not None:
        datalist = first_images(datalist, arguments.images, arguments.seed)
    if arguments.uncertain is not None:
        datalist = with_uncertain(datalist, arguments.uncertain, arguments.present, arguments.seed)
    if arguments.unannotated is not None:
        datalist = without_locations(datalist, arguments.unannotated, arguments.seed)
    return datalist


def _levelled(datalist: Datalist, arguments: argparse.Namespace) -> Datalist:
    from app.annotations.levels import at_level, by_labeller, mixture

    root, levels = arguments.file.parent, [arguments.level, *(part.level for part in arguments.mix or ())]
    if ("nlp" in levels) != (arguments.f1 is not None):
        raise ValueError("--f1 belongs to the level nlp: give both or neither.")
    quality = _quality(datalist, arguments) if arguments.f1 is not None else {}
    if arguments.mix is not None:
        return mixture(datalist, arguments.mix, root, arguments.seed, quality)
    if arguments.level == "nlp":
        return by_labeller(datalist, quality, arguments.seed, arguments.sections)
    return at_level(datalist, arguments.level, root, arguments.sections) if arguments.level else datalist


def _quality(datalist: Datalist, arguments: argparse.Namespace) -> Mapping[str, Quality]:
    from app.annotations.labeller import quality_at
    from app.findings import canonical

    asked = arguments.f1
    if None in asked:
        asked = dict.fromkeys(datalist.findings, asked[None])
    named = {name if name in datalist.findings else canonical(name) or name: value for name, value in asked.items()}
    return {name: quality_at(value, arguments.precision, arguments.recall) for name, value in named.items()}


def level_counts(text: str) -> list[LevelCount]:
    """Parse ``outline=6000,image=rest``."""
    from app.annotations.levels import LevelCount

    counts = []
    for word in names(text):
        level, _, count = word.partition("=")
        if level not in _LEVELS or not (count == "rest" or count.isdecimal()):
            raise argparse.ArgumentTypeError(f"{word!r}: LEVEL=N or LEVEL=rest, LEVEL one of {', '.join(_LEVELS)}")
        counts.append(LevelCount(level, None if count == "rest" else int(count)))
    return counts


def scores(text: str) -> dict[str | None, float]:
    """Parse ``0.8``, for every finding (under None), or ``Nodule=0.7,Effusion=0.9``."""
    try:
        pairs = [(word.rpartition("=")[0].strip() or None, float(word.rpartition("=")[2])) for word in names(text)]
    except ValueError:
        pairs = []
    if not pairs or (len(pairs) > 1 and None in dict(pairs)) or len(dict(pairs)) < len(pairs):
        raise argparse.ArgumentTypeError(f"{text!r}: one F1 score, or one by finding such as Nodule=0.7,Effusion=0.9")
    return dict(pairs)
