"""``frugal degrade``: make cheaper annotations from better ones."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from app.commands.datalist import names

if TYPE_CHECKING:
    from app.data.degrade import Part
    from app.data.item import Datalist
    from app.data.labeller import Quality

_LEVELS = ("outline", "ellipse", "box", "image", "nlp")


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "degrade",
        help="make cheaper annotations from better ones",
        description="Make a datalist with fewer patients, less exact locations, none, or a report labeller's labels. "
        "Validation and test sections stay as they are, so that what is measured stays the same, unless --sections "
        "names them. What was done is written into the datalist and logged with every run on it.",
    )
    parser.add_argument("file", type=Path, metavar="IN", help="datalist")
    parser.add_argument("out", type=Path, metavar="OUT", help="datalist to write; images keep their place")
    parser.add_argument("--patients", type=float, metavar="SHARE", help="first: only this share of the patients")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--level", choices=_LEVELS, help="then: annotations of this level")
    kind.add_argument(
        "--mix",
        type=parts,
        metavar="LEVEL=N,...",
        help="then: so many training images at each level, and no others: outline=6000,image=24000; N or 'rest'",
    )
    parser.add_argument(
        "--f1",
        type=scores,
        metavar="F1",
        help="of the labeller of level nlp: 0.8, or by finding Nodule=0.7,Effusion=0.9 (others keep their labels)",
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
    from app.data.datalist import read_datalist, write_datalist
    from app.data.degrade import share_of_patients
    from app.data.show import summary
    from app.data.stored import moved
    from app.data.validate import validate

    if arguments.patients is None and arguments.level is None and arguments.mix is None:
        raise ValueError("nothing to do: give --patients, --level or --mix.")
    sections = arguments.sections
    if arguments.mix is not None and tuple(sections) != ("training",):
        raise ValueError("--mix makes a training section: leave out --sections.")
    if not sections or len(set(sections)) < len(sections):
        raise ValueError(f"--sections {','.join(sections)!r}: must name one section or more, each once.")
    if arguments.f1 is None and (arguments.precision is not None or arguments.recall is not None):
        raise ValueError("--precision and --recall are of the labeller: they need --f1.")
    datalist = read_datalist(arguments.file)
    if arguments.patients is not None:
        datalist = share_of_patients(datalist, arguments.patients, arguments.seed, arguments.sections)
    datalist = _levelled(datalist, arguments)
    datalist = moved(datalist, arguments.file, arguments.out)
    validate(datalist, arguments.out.parent, files=False, where=str(arguments.out))
    write_datalist(datalist, arguments.out)
    sys.stdout.write(f"{summary(datalist)}\nwritten to {arguments.out}\n")


def _levelled(datalist: Datalist, arguments: argparse.Namespace) -> Datalist:
    from app.data.degrade import at_level, by_labeller, mixture

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
    from app.data.labeller import quality_at
    from app.findings import canonical

    asked = arguments.f1
    if None in asked:
        asked = dict.fromkeys(datalist.findings, asked[None])
    named = {name if name in datalist.findings else canonical(name) or name: value for name, value in asked.items()}
    return {name: quality_at(value, arguments.precision, arguments.recall) for name, value in named.items()}


def parts(text: str) -> list[Part]:
    """``outline=6000,image=rest`` as parts of a mixture."""
    from app.data.degrade import Part

    made = []
    for word in names(text):
        level, _, count = word.partition("=")
        if level not in _LEVELS or not (count == "rest" or count.isdecimal()):
            raise argparse.ArgumentTypeError(f"{word!r}: LEVEL=N or LEVEL=rest, LEVEL one of {', '.join(_LEVELS)}")
        made.append(Part(level, None if count == "rest" else int(count)))
    return made


def scores(text: str) -> dict[str | None, float]:
    """``0.8`` for every finding (under None), or ``Nodule=0.7,Effusion=0.9``."""
    try:
        pairs = [(word.rpartition("=")[0].strip() or None, float(word.rpartition("=")[2])) for word in names(text)]
    except ValueError:
        pairs = []
    if not pairs or (len(pairs) > 1 and None in dict(pairs)) or len(dict(pairs)) < len(pairs):
        raise argparse.ArgumentTypeError(f"{text!r}: one F1 score, or one by finding such as Nodule=0.7,Effusion=0.9")
    return dict(pairs)
