"""``frugal datalist``: make a datalist from a data set's tables, or show, compare or filter datalists.

A data set is a module with ``datalist_from(arguments) -> Datalist`` and, for options of its own,
``add_arguments(parser)``. Its arguments include ``tables`` (a folder; maybe None), ``images`` (a folder or None)
and ``out`` (the datalist's file, which images are named relative to). It leaves all items in ``training`` unless the
data set has a split of its own; choosing findings, splitting, checking and writing are done here.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.datalist.arguments import merging, names, normals, same, shares

if TYPE_CHECKING:
    from app.annotations.subset import Normals
    from app.datalist.item import Datalist

DATA_SETS = {
    "bimcv": "BIMCV-COVID19: COVID-19 and other labels of reports",
    "brax": "BRAX: CheXpert's labels from Portuguese reports",
    "candid": "CANDID-PTX: outlines of pneumothorax, rib fractures and chest drains",
    "chestxdet": "ChestX-Det: outlines of 13 findings",
    "chexpert": "CheXpert: labels with uncertain ones",
    "chexmask": "CheXmask: masks of lungs and heart for another data set's images",
    "covidx": "COVIDx: COVID-19 in several collections",
    "folder": "your own folder of images, with a table of labels, annotations or mask files",
    "jsrt": "JSRT: nodules with position, size and subtlety",
    "lungs": "radiographs with drawn lung masks",
    "mimic": "MIMIC-CXR-JPG: labels of two programs, with uncertain ones",
    "montgomery": "Montgomery County: tuberculosis, both lungs",
    "neatx": "NEATX: tubes on PadChest, two non-expert annotators",
    "nih": "ChestX-ray14: labels and boxes, with RSNA's boxes or experts' labels",
    "objectcxr": "Object-CXR: foreign objects",
    "openi": "Indiana University (Open-i): headings of reports",
    "padchest": "PadChest: labels with and without a physician",
    "pcxr": "VinDr-PCXR: children, boxes and diseases",
    "rsna": "RSNA pneumonia challenge: opacity boxes",
    "shenzhen": "Shenzhen: tuberculosis",
    "siim": "SIIM-ACR: pneumothorax masks",
    "tbx11k": "TBX11K: boxes of tuberculosis",
    "vindr": "VinDr-CXR: boxes of three readers",
}


class _LateParser(argparse.ArgumentParser):
    """A parser that imports a data set's module, for its options, only when that data set is named."""

    module = ""

    def parse_known_args(  # type: ignore[override]  # equivalent to the overloads of the base class
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Add the module's options, then parse like the base class."""
        name, self.module = self.module, ""
        module = importlib.import_module(name) if name else None
        if module is not None and hasattr(module, "add_arguments"):
            module.add_arguments(self)
        return super().parse_known_args(args, namespace)


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "datalist",
        help="make a datalist from a data set, or show one",
        description="Make a datalist from a data set's tables, or show what one holds. "
        "'frugal datalist NAME --help' lists the options of each.",
    )
    data_sets = parser.add_subparsers(title="data sets", required=True, metavar="NAME", parser_class=_LateParser)
    for name, help_text in DATA_SETS.items():
        module = f"app.datasets.{name}"
        if importlib.util.find_spec(module) is None:  # an installation may lack a data set
            continue
        data_set = data_sets.add_parser(name, help=help_text, description=help_text)
        data_set.module = module
        _add_common_arguments(data_set, needs_tables=name != "folder")
        data_set.set_defaults(run=run, module=module)
    _add_show(data_sets)
    _add_agree(data_sets)
    _add_export(data_sets)
    without = data_sets.add_parser("without", help="remove the patients of other datalists from one")
    without.add_argument("file", type=Path, metavar="IN", help="datalist; its sections stay")
    without.add_argument("others", type=Path, nargs="+", metavar="OTHER", help="datalists whose patients are removed")
    without.add_argument("--out", type=Path, required=True, metavar="FILE", help="datalist to write")
    without.set_defaults(run=run_without)


def _add_show(data_sets: argparse._SubParsersAction) -> None:
    show = data_sets.add_parser("show", help="a table and a picture of what a datalist holds, and its problems")
    show.add_argument("file", type=Path)
    show.add_argument(
        "--picture",
        type=Path,
        metavar="FILE.png",
        help="draw examples of what is annotated beside the counts, one picture a section: FILE-training.png and so on",
    )
    show.add_argument("--csv", type=Path, metavar="FILE", help="write the counts of each finding and section as CSV")
    show.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the examples (default: %(default)s)")
    show.add_argument(
        "--files", action="store_true", help="read the image and mask files as well, and compare all images' pixels"
    )
    show.set_defaults(run=run_show)


def _add_agree(data_sets: argparse._SubParsersAction) -> None:
    agree = data_sets.add_parser("agree", help="Cohen's kappa of two or more datalists that label the same images")
    agree.add_argument("files", type=Path, nargs="+", metavar="FILE", help="two or more datalists")
    agree.add_argument(
        "--against-first", action="store_true", help="only the first with each other (default: all pairs)"
    )
    agree.add_argument(
        "--picture", type=Path, metavar="FILE.png", help="draw the kappas: a row per finding, a column per pair"
    )
    agree.add_argument("--csv", type=Path, metavar="FILE", help="write the kappas with their intervals as CSV")
    agree.add_argument(
        "--same",
        type=same,
        action="append",
        default=[],
        metavar="A=B",
        help="findings that count as the same, such as 'Nodule or Mass=Nodule+Mass'; may be repeated",
    )
    agree.set_defaults(run=run_agree)


def _add_export(data_sets: argparse._SubParsersAction) -> None:
    export = data_sets.add_parser("export", help="write the annotations of a datalist for another program")
    export.add_argument("file", type=Path, metavar="IN", help="datalist; all of its sections are written")
    export.add_argument(
        "--to", choices=("coco", "cvat", "label-studio", "yolo"), required=True, help="the program or format"
    )
    export.add_argument(
        "--suggestions", action="store_true", help="for readers to correct: Label Studio's predictions, CVAT's auto"
    )
    export.add_argument("--out", type=Path, required=True, metavar="DIR", help="new or empty folder to write to")
    export.set_defaults(run=run_export)


def _add_common_arguments(parser: argparse.ArgumentParser, needs_tables: bool) -> None:
    parser.add_argument(
        "--tables", type=Path, required=needs_tables, metavar="DIR", help="folder of the data set's tables"
    )
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
        help="with --only: how many images without any finding to draw with --seed: a number, 'equal' for as many as "
        "the others, or 'all' (default: equal)",
    )
    parser.add_argument(
        "--merge",
        type=merging,
        action="append",
        default=[],
        metavar="A=B+C",
        help="merge findings into one, such as 'Nodule or Mass=Nodule+Mass'; may be repeated",
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
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of draws and split (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Make a datalist: build it, choose items and findings, split, check and write it, and say what was left out."""
    from app.annotations.merging import merged
    from app.annotations.subset import only_with, without_patients
    from app.datalist.choosing import choose_findings
    from app.datalist.duplicates import kept_together
    from app.datalist.file import read_datalist
    from app.datalist.splitting import complete_split

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
    split = lambda whole: [complete_split(whole, arguments.split, arguments.seed)]  # noqa: E731
    datalist = kept_together(datalist, arguments.out.parent, split)[0]
    write_checked(datalist, arguments.out, files=arguments.images is not None)


def run_show(arguments: argparse.Namespace) -> None:
    """Show a datalist and its problems; problems make the command fail after everything is shown."""
    from app.datalist.file import parse_datalist
    from app.datalist.showing import holdings_csv, table
    from app.datalist.validate import file_problems, mask_problems, notes, report

    datalist, problems = parse_datalist(arguments.file)
    remarks = notes(datalist)
    if arguments.files:
        from app.datalist.duplicates import content

        root = arguments.file.parent
        pixels = content(datalist, root)
        problems += file_problems(datalist, root) + pixels.problems + mask_problems(datalist, root)
        remarks += pixels.notes
    sys.stdout.write("".join([f"{table(datalist)}\n", *(f"  Note: {note}\n" for note in remarks)]))
    if arguments.csv:
        _write_table(arguments.csv, holdings_csv(datalist))
    if arguments.picture:
        from app.datalist.contact_sheet import draw_sections

        written, unread = draw_sections(datalist, arguments.file.parent, arguments.picture, arguments.seed)
        problems += [] if arguments.files else unread  # which --files has found already
        sys.stdout.write("".join(f"picture written to {path}\n" for path in written))
    if problems:
        raise report(str(arguments.file), problems)
    sys.stdout.write("No problem found.\n" if arguments.files else "No problem found (files not looked at: --files).\n")


def run_agree(arguments: argparse.Namespace) -> None:
    """Show how far datalists agree, in pairs."""
    from app.annotations.agreement import agreement, agreement_csv, agreement_text, agreements
    from app.datalist.file import read_datalist

    files = arguments.files
    if len(files) < 2 or len(set(files)) < len(files):
        raise ValueError(f"agree takes two datalists or more, each once, not {', '.join(map(str, files))}.")
    datalists = [read_datalist(path) for path in files]
    # Two datalists of one data set have the same name, but not the same file.
    for path, datalist in zip(files, datalists, strict=True):
        datalist.name = f"{datalist.name} ({path})"
    sets = dict(zip(names_of(files), datalists, strict=True))
    pairs = agreements(sets, arguments.same, arguments.against_first)
    if len(pairs) == 1 and not pairs[0].findings:
        agreement(datalists[0], datalists[1])  # raises, and says what they lack
    for pair in pairs:
        sys.stdout.write(f"{agreement_text(sets[pair.first], sets[pair.second], pair.findings)}\n")
        if not pair.findings:
            lacks = "finding in common" if pair.shared else "image in common, by file name"
            sys.stdout.write(f"  {pair.shared} shared images: no {lacks}\n")
    if arguments.csv:
        _write_table(arguments.csv, agreement_csv(pairs))
    if arguments.picture:
        from app.annotations.agreement_picture import draw

        draw(pairs, arguments.picture)
        sys.stdout.write(f"picture written to {arguments.picture}\n")


def run_export(arguments: argparse.Namespace) -> None:
    """Write annotations for another program, and say what its format cannot hold."""
    from app.annotation_formats.exporting import export
    from app.datalist.file import read_datalist
    from app.files.atomic import write_files

    require_empty(arguments.out)
    written = export(read_datalist(arguments.file), arguments.file.parent, arguments.to, arguments.suggestions)
    write_files(arguments.out, written.files)
    lines = [*(f"  {what}: {count}" for what, count in written.counts.items()), f"written to {arguments.out}"]
    sys.stdout.write("\n".join([*lines, ""]))


def run_without(arguments: argparse.Namespace) -> None:
    """Remove patients and write."""
    from app.annotations.subset import without_patients
    from app.datalist.file import moved, read_datalist

    datalist = without_patients(read_datalist(arguments.file), [read_datalist(path) for path in arguments.others])
    write_checked(moved(datalist, arguments.file, arguments.out), arguments.out)


def names_of(files: Sequence[Path]) -> list[str]:
    """A name for each datalist: its file's, or its whole path if others are named alike."""
    stems = [file.stem for file in files]
    return stems if len(set(stems)) == len(stems) else list(map(str, files))


def _write_table(path: Path, text: str) -> None:
    from app.files.atomic import write_whole

    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text)
    sys.stdout.write(f"table written to {path}\n")


def require_empty(out: Path) -> None:
    """Refuse a folder that holds anything, or a file."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out}: is not empty; earlier files would mix with new ones. Name another --out.")


def write_checked(datalist: Datalist, out: Path, files: bool = False) -> None:
    """Check a datalist (with the headers of its files, if asked), write it, and print what it holds."""
    from app.datalist.file import write_datalist
    from app.datalist.showing import summary
    from app.datalist.validate import notes, validate

    validate(datalist, out.parent, files=files, where=str(out))
    write_datalist(datalist, out)
    lines = [summary(datalist), *(f"  Note: {note}" for note in notes(datalist)), f"written to {out}"]
    sys.stdout.write("\n".join([*lines, ""]))
