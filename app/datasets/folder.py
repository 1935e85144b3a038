"""A user's own folder of images, with a table of labels, with annotations of any known format, or with mask files."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.annotation_formats.arguments import add_annotation_arguments
from app.datalist.headers import identifiers_of, named_in_headers, with_header_facts, with_header_groups
from app.datalist.item import Datalist, Item
from app.datalist.pseudonymising import KINDS, known_pseudonyms, pseudonymised
from app.datalist.pseudonyms import Pseudonyms, default_key
from app.datalist.stored_images import keep_stored, place_images
from app.datasets.arguments import EMPTY, add_empty_argument, add_patient_argument
from app.datasets.finding_names import FindingNames, add_map_argument
from app.datasets.folder_columns import COLUMNS
from app.datasets.folder_labels import add_word_arguments, given_words
from app.datasets.folder_locations import require_masks_as_shown, with_masks
from app.datasets.folder_table import Choices, Labelled, from_csv
from app.files.folders import Listing, composed
from app.files.image_names import relative_image
from app.files.images import image_files
from app.files.tables import TableError
from app.findings import NOT_SAID, plain

if TYPE_CHECKING:
    from app.datasets.folder_annotations import Annotations

_PARTS = 64
"""Images are named by their whole path below the folder."""
_TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
_WORKBOOKS = (".xlsx", ".xls", ".ods")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a user's own folder."""
    parser.add_argument("--csv", type=Path, metavar="FILE", help="the labels (default: the only CSV in --tables)")
    for role, columns in COLUMNS.items():
        parser.add_argument(f"--{role}-column", metavar="NAME", help=f"default: {', '.join(columns[:3])} ...")
    parser.add_argument(
        "--labels",
        metavar="A,B",
        help="columns of labels (default: those named like a finding of the vocabulary); without a table, the findings",
    )
    add_map_argument(parser)
    add_word_arguments(parser)
    add_empty_argument(parser)
    add_patient_argument(parser)
    add_annotation_arguments(parser)
    parser.add_argument(
        "--masks",
        metavar="PATTERN",
        help="mask files, such as 'masks/{stem}_{finding}.png', below --tables; {finding} as in the vocabulary, or in "
        "small letters, with underscores",
    )
    _add_name_arguments(parser)


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist that the command line asks for; see :func:`add_arguments`."""
    names = FindingNames(arguments.map)
    listing = None if arguments.images is None else image_files(arguments.images)
    datalist, records = _labelled(arguments, listing, names)
    annotations = _annotations(arguments, listing, datalist.findings, names)
    names.require_used()
    pseudonyms = Pseudonyms(arguments.pseudonymise or default_key())
    below: dict[str, str] | None = None
    if listing is None:
        datalist = _with_patients_and_masks(datalist, arguments)
    else:
        datalist, below, named = _with_files(datalist, listing, annotations, pseudonyms, arguments)
        records |= named
    if not arguments.keep_names:
        always = KINDS if arguments.pseudonymise is not None else records
        datalist = pseudonymised(datalist, pseudonyms, arguments.out, below, always)
    if pseudonyms.fingerprint:
        datalist.provenance["fingerprint of the pseudonyms' key"] = pseudonyms.fingerprint
        sys.stdout.write(f"Pseudonyms were made with the key in {pseudonyms.path}: keep it, and give it to nobody.\n")
    return datalist


def _add_name_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pseudonymise",
        type=Path,
        metavar="KEYFILE",
        help="write pseudonyms instead of the names of all patients, studies, images and masks: hashes with the key in "
        "this file, which is made if it is missing (default: of those that look like record numbers, dates or people's "
        "names, with the key in ~/.config/frugal/pseudonyms.key)",
    )
    parser.add_argument("--keep-names", action="store_true", help="write all names as they are")


def _labelled(arguments: argparse.Namespace, listing: Listing | None, names: FindingNames) -> Labelled:
    """The items of the table or, without one, of the images."""
    if arguments.keep_names and arguments.pseudonymise:
        raise ValueError("--keep-names and --pseudonymise contradict each other: choose one.")
    labels = tuple(name.strip() for name in composed(arguments.labels or "").split(",") if name.strip())
    table = _table(arguments)
    if table is not None:
        given = {role: composed(getattr(arguments, f"{role}_column") or "") for role in COLUMNS}
        columns = {role: name for role, name in given.items() if name}
        choices = Choices(columns, labels, EMPTY[arguments.empty], given_words(arguments), not arguments.annotations)
        return from_csv(table, choices, listing, names)
    if listing is None:
        raise ValueError("neither a table (--tables DIR or --csv FILE) nor a folder of images (--images DIR) is given.")
    if not labels and not arguments.annotations:
        raise ValueError(
            "without a table (--tables DIR or --csv FILE) or --annotations PATH nothing says what is looked for in the "
            "images: name the findings with --labels A,B. Each of them is then not said."
        )
    return Labelled(_unlabelled(listing, tuple(dict.fromkeys(names.finding(name) or name for name in labels))))


def _unlabelled(listing: Listing, findings: tuple[str, ...]) -> Datalist:
    """All images of a folder, about which nobody said anything."""
    items = [Item(name, "", (NOT_SAID,) * len(findings)) for name in listing.names]
    return Datalist.unsplit(listing.folder.name, findings, items, f"{len(items)} images without a table.")


def _annotations(
    arguments: argparse.Namespace, listing: Listing | None, findings: tuple[str, ...], names: FindingNames
) -> Annotations | None:
    """What the files of ``--annotations`` say of the images."""
    if not arguments.annotations:
        unused = next((name for name in ("format", "ignore", "reader") if getattr(arguments, name)), "")
        if unused:
            raise ValueError(f"--{unused} says which annotations to take, and there are none: name --annotations.")
        return None
    if listing is None:
        raise ValueError("--annotations needs the radiographs that are annotated: name their folder by --images.")
    # Imported here, so that the help appears at once.
    from app.datasets.folder_annotations import Wanted, read_folder_annotations

    wanted = Wanted(names, arguments.format, frozenset(map(plain, arguments.ignore)), arguments.reader)
    known = known_pseudonyms(Pseudonyms(arguments.pseudonymise or default_key()), listing)
    return read_folder_annotations(arguments.annotations, listing, findings, wanted, known)


def _annotated(
    datalist: Datalist, stored: dict[str, Path], annotations: Annotations
) -> tuple[Datalist, dict[str, Path]]:
    """The images that are annotated, which without a table are all that is known."""
    kept = {image: path for image, path in stored.items() if path in annotations.images}
    reason = "images in the folder without an annotation"
    result = datalist.leaving_out(lambda item: "" if item.image in kept else reason, [reason])
    result = result.with_counts({"images included": len(kept)})
    result.description = f"{len(kept)} annotated images without a table."
    return result, kept


def _with_files(
    datalist: Datalist,
    listing: Listing,
    annotations: Annotations | None,
    pseudonyms: Pseudonyms,
    arguments: argparse.Namespace,
) -> tuple[Datalist, dict[str, str], frozenset[str]]:
    """The items that have a file, with what files, headers and annotations say, named as in the file ``out``.

    Returns:
        The datalist; each image's path below the folder of images; and which of patients, studies and images go by
        something that stands in DICOM headers.
    """
    listing = listing if annotations is None else annotations.listing
    remedy = "--image-column names the column of the images' names."
    datalist, stored = keep_stored(datalist, listing, _PARTS, remedy)
    if annotations is not None and _table(arguments) is None:
        datalist, stored = _annotated(datalist, stored, annotations)
    below = {image: path.relative_to(listing.folder).as_posix() for image, path in stored.items()}
    identifiers = identifiers_of(stored)
    named = named_in_headers(datalist, identifiers, below)
    datalist = with_header_groups(with_header_facts(datalist, stored), identifiers, pseudonyms)
    if annotations is not None:
        from app.datasets.folder_annotated import with_annotations

        datalist = with_annotations(datalist, stored, annotations)
    datalist = _with_patients_and_masks(datalist, arguments)
    require_masks_as_shown(datalist, stored)
    datalist = place_images(datalist, stored, arguments.out)
    return datalist, {relative_image(stored[image], arguments.out): name for image, name in below.items()}, named


def _with_patients_and_masks(datalist: Datalist, arguments: argparse.Namespace) -> Datalist:
    """Require patients, and add the mask files of ``--masks``."""
    datalist = _with_patients(datalist, arguments.each_image_a_patient)
    return with_masks(datalist, arguments.masks, _tables(arguments), arguments.out) if arguments.masks else datalist


def _with_patients(datalist: Datalist, each_image_a_patient: bool) -> Datalist:
    """Count each image without a patient as one, if that is wanted; else refuse it."""
    lacking = sum(not item.patient for item in datalist.items())
    if not lacking:
        return datalist
    if not each_image_a_patient:
        raise TableError(
            f"the patients of {lacking} of {len(datalist.items())} images are known neither from a column (name it "
            "with --patient-column) nor from DICOM headers (with --images), so nobody can keep a patient out of two "
            "sections. --each-image-a-patient counts each of these images as a patient."
        )
    counts = {"images whose patient is not known (each counts as its own)": lacking}
    return datalist.mapped(lambda item: replace(item, patient=item.patient or item.image)).with_counts(counts)


def _tables(arguments: argparse.Namespace) -> Path:
    """The folder that patterns of mask files begin in."""
    if arguments.tables is not None:
        return Path(arguments.tables)
    return Path(arguments.csv.parent if arguments.csv is not None else arguments.images)


def _table(arguments: argparse.Namespace) -> Path | None:
    """The table of labels; none if neither a file nor a folder is named."""
    if arguments.csv is not None:
        return Path(arguments.csv)
    return _only_table(arguments.tables) if arguments.tables is not None else None


def _only_table(tables: Path) -> Path:
    if not tables.is_dir():
        raise TableError(f"{tables}: no such folder of tables (--tables).")
    files = [path for path in sorted(tables.iterdir()) if path.name[0] != "."]
    there = [path for path in files if path.name.lower().endswith(_TABLES)]
    if len(there) == 1:
        return there[0]
    names = ", ".join(path.name for path in there) or "none"
    workbooks = [path.name for path in files if path.name.lower().endswith(_WORKBOOKS)]
    hint = f" {workbooks[0]} is a workbook: save its sheet as 'CSV UTF-8'." if workbooks and not there else ""
    raise TableError(f"{tables}: --csv must name the table unless there is only one CSV; found: {names}.{hint}")
