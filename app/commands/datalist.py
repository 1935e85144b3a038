"""``frugal datalist``: make a datalist of a data set's tables, or show what one holds.

A data set is a module with ``add_arguments(parser)``, for what is particular to it, and
``datalist_from(arguments) -> Datalist``. It finds ``arguments.tables`` (folder), ``arguments.images`` (folder or None)
and ``arguments.out`` (the datalist's file, which images are named relative to). It leaves all items in ``training``
unless the data set has a split of its own; choosing findings, splitting, checking and writing are done here.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.annotations.subset import Normals

DATA_SETS = {
    "chexpert": ("app.datasets.chexpert", "CheXpert: labels with uncertain ones"),
    "folder": ("app.datasets.folder", "your own folder of images with a CSV, COCO boxes or mask files"),
    "jsrt": ("app.datasets.jsrt", "JSRT: nodules with position, size and subtlety"),
    "lungs": ("app.datasets.lungs", "radiographs with drawn lung masks"),
    "neatx": ("app.datasets.neatx", "NEATX: tubes on PadChest, two non-expert annotators"),
    "nih": ("app.datasets.nih", "ChestX-ray14: labels and boxes, with RSNA's boxes or experts' labels"),
    "padchest": ("app.datasets.padchest", "PadChest: labels with and without a physician"),
    "rsna": ("app.datasets.rsna", "RSNA pneumonia challenge: opacity boxes"),
    "siim": ("app.datasets.siim", "SIIM-ACR: pneumothorax masks"),
    "vindr": ("app.datasets.vindr", "VinDr-CXR: boxes of three readers"),
}


class _LateParser(argparse.ArgumentParser):
    """A parser that asks a data set's module for its arguments only when that data set is named."""

    module = ""

    def parse_known_args(  # type: ignore[override]  # the base class has overloads, which amount to this
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As the base class does, after adding the arguments."""
        module, self.module = self.module, ""
        if module:
            importlib.import_module(module).add_arguments(self)
        return super().parse_known_args(args, namespace)


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "datalist",
        help="make a datalist of a data set, or show one",
        description="Make a datalist of a data set's tables, or show what one holds. "
        "'frugal datalist NAME --help' tells what each takes.",
    )
    data_sets = parser.add_subparsers(title="data sets", required=True, metavar="NAME", parser_class=_LateParser)
    for name, (module, help_text) in DATA_SETS.items():
        # Offer what this installation has: a data set's module may be left out of it.
        if importlib.util.find_spec(module) is None:
            continue
        data_set = data_sets.add_parser(name, help=help_text, description=help_text)
        data_set.module = module
        _add_common_arguments(data_set)
        data_set.set_defaults(run=run, module=module)
    show = data_sets.add_parser("show", help="a table and a picture of what a datalist holds, and its problems")
    show.add_argument("file", type=Path)
    show.add_argument("--picture", type=Path, metavar="FILE.png", help="write the picture here")
    show.add_argument(
        "--files",
        action="store_true",
        help="look at the image and mask files as well, and compare the pixels of all images with each other",
    )
    show.set_defaults(run=run_show)
    agree = data_sets.add_parser(
        "agree", help="Cohen's kappa of two datalists or more that say something of the same images"
    )
    agree.add_argument("files", type=Path, nargs="+", metavar="FILE", help="datalists, two or more")
    agree.add_argument(
        "--against-first", action="store_true", help="only the first against each other one (default: every two)"
    )
    agree.add_argument(
        "--picture", type=Path, metavar="FILE.png", help="draw the kappas: a row a finding, a column two datalists"
    )
    agree.add_argument(
        "--same",
        type=same,
        action="append",
        default=[],
        metavar="A=B",
        help="findings to take for each other, such as 'Nodule or Mass=Nodule+Mass'; may be repeated",
    )
    agree.set_defaults(run=run_agree)
    without = data_sets.add_parser("without", help="take the patients of other datalists out of one")
    without.add_argument("file", type=Path, metavar="IN", help="datalist; its sections stay")
    without.add_argument("others", type=Path, nargs="+", metavar="OTHER", help="datalists whose patients go")
    without.add_argument("--out", type=Path, required=True, metavar="FILE", help="datalist to write")
    without.set_defaults(run=run_without)


def _add_common_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tables", type=Path, required=True, metavar="DIR", help="folder of the data set's tables")
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="only the images in this folder (default: every row of the tables)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="datalist to write")
    parser.add_argument(
        "--without",
        type=Path,
        action="append",
        default=[],
        metavar="OTHER",
        help="leave out the patients of this datalist, before the split; may be repeated",
    )
    parser.add_argument(
        "--only", type=names, metavar="A,B", help="only images on which one of these findings is present and no other"
    )
    parser.add_argument(
        "--normals",
        type=normals,
        metavar="N",
        help="with --only: so many images without any finding, drawn at random with --seed; 'equal' for as many as "
        "the others, or 'all' (default: equal)",
    )
    parser.add_argument(
        "--merge",
        type=merging,
        action="append",
        default=[],
        metavar="A=B+C",
        help="take findings as one, such as 'Nodule or Mass=Nodule+Mass'; may be repeated",
    )
    parser.add_argument(
        "--findings", type=names, metavar="A,B", help="only these findings, after --only and --merge (default: all)"
    )
    parser.add_argument(
        "--split",
        type=shares,
        metavar="0.7,0.1,0.2",
        help="shares of training, validation and test (default: the data set's own sections, else 0.7,0.1,0.2)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of draws and split (default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Make a datalist: build, choose items and findings, split, check, write, and tell what was left out."""
    from app.annotations.merging import merged
    from app.annotations.subset import choose_findings, only_with, without_patients
    from app.datalist.duplicates import kept_together
    from app.datalist.file import read_datalist, write_datalist
    from app.datalist.showing import summary
    from app.datalist.splitting import complete_split
    from app.datalist.validate import notes, validate

    if arguments.normals is not None and not arguments.only:
        raise ValueError("--normals belongs to --only: it says how many images without a finding go with them.")
    datalist = importlib.import_module(arguments.module).datalist_from(arguments)
    if arguments.without:
        datalist = without_patients(datalist, [read_datalist(path) for path in arguments.without])
    if arguments.only:
        count: Normals = "equal" if arguments.normals is None else arguments.normals
        datalist = only_with(datalist, arguments.only, count, arguments.seed)
    for (name,), parts in arguments.merge:
        datalist = merged(datalist, name, parts)
    if arguments.findings:
        datalist = choose_findings(datalist, arguments.findings)
    root = arguments.out.parent
    split = lambda whole: [complete_split(whole, arguments.split, arguments.seed)]  # noqa: E731
    datalist = kept_together(datalist, root, split)[0]
    validate(datalist, root, files=arguments.images is not None, where=str(arguments.out))
    write_datalist(datalist, arguments.out)
    said = "".join(f"  Note: {note}\n" for note in notes(datalist))
    sys.stdout.write(f"{summary(datalist)}\n{said}written to {arguments.out}\n")


def run_show(arguments: argparse.Namespace) -> None:
    """Show a datalist and its problems; problems make the command fail after all is shown."""
    from app.datalist.file import parse_datalist
    from app.datalist.showing import draw, table
    from app.datalist.validate import file_problems, mask_problems, notes, report

    datalist, found = parse_datalist(arguments.file)
    told = notes(datalist)
    if arguments.files:
        from app.datalist.duplicates import content

        pixels = content(datalist, arguments.file.parent)
        found += file_problems(datalist, arguments.file.parent) + pixels.problems
        found += mask_problems(datalist, arguments.file.parent)
        told += pixels.notes
    sys.stdout.write("".join([f"{table(datalist)}\n", *(f"  Note: {note}\n" for note in told)]))
    if arguments.picture:
        draw(datalist, arguments.picture)
        sys.stdout.write(f"picture written to {arguments.picture}\n")
    if found:
        raise report(str(arguments.file), found)
    sys.stdout.write("No problem found.\n" if arguments.files else "No problem found (files not looked at: --files).\n")


def run_agree(arguments: argparse.Namespace) -> None:
    """Show how far datalists agree, two by two."""
    from app.annotations.agreement import agreement, agreement_text, agreements
    from app.datalist.file import read_datalist

    files = arguments.files
    if len(files) < 2 or len(set(files)) < len(files):
        raise ValueError(f"agree takes two datalists or more, each once, not {', '.join(map(str, files))}.")
    read = [read_datalist(path) for path in files]
    # Two datalists of one data set have one name: the files tell them apart.
    for path, datalist in zip(files, read, strict=True):
        datalist.name = f"{datalist.name} ({path})"
    stems = [path.stem for path in files]
    sets = dict(zip(stems if len(set(stems)) == len(stems) else map(str, files), read, strict=True))
    found = agreements(sets, arguments.same, arguments.against_first)
    if len(found) == 1 and not found[0].findings:
        agreement(read[0], read[1])  # raises: of two alone, nothing in common is an error, and it says what
    for each in found:
        sys.stdout.write(f"{agreement_text(sets[each.first], sets[each.second], each.findings)}\n")
        if not each.findings:
            lacks = "finding in common" if each.shared else "image in common, by file name"
            sys.stdout.write(f"  {each.shared} shared images: no {lacks}\n")
    if arguments.picture:
        from app.annotations.agreement_picture import draw

        draw(found, arguments.picture)
        sys.stdout.write(f"picture written to {arguments.picture}\n")


def run_without(arguments: argparse.Namespace) -> None:
    """Take patients out and write."""
    from app.annotations.subset import without_patients
    from app.datalist.file import moved, read_datalist, write_datalist
    from app.datalist.showing import summary
    from app.datalist.validate import validate

    datalist = without_patients(read_datalist(arguments.file), [read_datalist(path) for path in arguments.others])
    datalist = moved(datalist, arguments.file, arguments.out)
    validate(datalist, arguments.out.parent, files=False, where=str(arguments.out))
    write_datalist(datalist, arguments.out)
    sys.stdout.write(f"{summary(datalist)}\nwritten to {arguments.out}\n")


def same(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """``Nodule or Mass=Nodule+Mass``: findings of one datalist and those of another that they stand for."""
    first, equals, second = text.partition("=")
    sides = tuple(tuple(name.strip() for name in side.split("+") if name.strip()) for side in (first, second))
    if not equals or not all(sides):
        raise argparse.ArgumentTypeError(
            f"{text!r}: findings on both sides of '=', such as 'Nodule or Mass=Nodule+Mass'"
        )
    return sides[0], sides[1]


def merging(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """``Nodule or Mass=Nodule+Mass``: one name, and the two findings or more that it stands for."""
    one, parts = same(text)
    if len(one) != 1 or len(parts) < 2:
        raise argparse.ArgumentTypeError(f"{text!r}: one name and two findings, such as 'Nodule or Mass=Nodule+Mass'")
    return one, parts


def normals(text: str) -> Normals:
    """A number from 0, ``equal`` or ``all``."""
    words: dict[str, Normals] = {"equal": "equal", "all": "all"}
    if text in words:
        return words[text]
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: a number from 0, 'equal' or 'all'")
    return int(text)


def names(text: str) -> tuple[str, ...]:
    """Names between commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def shares(text: str) -> tuple[float, float, float]:
    """Three shares between commas."""
    from app.datalist.splitting import require_shares

    try:
        training, validation, test = (float(share) for share in text.split(","))
        require_shares((training, validation, test))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r}: must be three shares from 0 to 1, for training, validation and test, together 1, such as "
            "0.7,0.1,0.2, or 0,0,1 for test alone"
        ) from None
    return training, validation, test
