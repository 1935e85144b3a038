"""A user's own tree of images with a CSV of labels and, optionally, locations as COCO JSON or mask files.

One row an image or, where there is a study column alone, one row a study: its labels then go to every image in a folder
of the study's name. Labels are 1 present, 0 absent, -1 uncertain, empty not said (or absent), a number between 0 and 1
a certainty; ``WORDS`` serve as well. The file belongs to the user; no licence is implied. Leave out of it whatever
identifies a person.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from app.datalist.headers import with_header_facts
from app.datalist.item import Datalist, Item
from app.datalist.people import UNKNOWN, is_missing, patient_of, person
from app.datalist.stored_images import keep_stored, place_images, with_counts
from app.datasets.chexpert import EMPTY, add_empty_argument
from app.datasets.coco import read_coco
from app.datasets.folder_locations import category_finding, with_coco, with_masks
from app.datasets.neatx import add_patient_argument
from app.files.folders import composed
from app.files.images import image_files
from app.files.tables import Table, TableError, looks_like, read_table, require_columns, separator_hint
from app.findings import ABSENT, NOT_SAID, PRESENT, UNCERTAIN, canonical

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "image": ("image", "file", "filename", "file_name", "path", "imageid", "image_id", "image index"),
    "patient": ("patient", "patientid", "patient_id", "patient id", "subject", "subject_id"),
    "study": ("study", "studyid", "study_id", "study id"),
    "view": ("view", "projection", "view position", "viewposition"),
    "source": ("source", "reader", "annotator"),
    "sex": ("sex", "gender"),
    "age": ("age",),
}
"""What each column may be called, in any case, where its name is not given."""
WORDS: Mapping[str, int] = {
    **dict.fromkeys(("yes", "true", "present", "positive"), PRESENT),
    **dict.fromkeys(("no", "false", "absent", "negative"), ABSENT),
    "uncertain": UNCERTAIN,
}
"""Labels in words, in any case."""
VIEWS = ("PA", "AP", "LATERAL")
"""Views that are written in capitals whatever the table's case, so that subgroups hold together."""
_SAID = ("study", "view", "source")
_PARTS = 64
"""Images are named by their whole path below the folder of all."""


@dataclass(frozen=True, slots=True)
class Choices:
    """How to read the CSV.

    Attributes:
        columns: names of the columns for image, patient and study, where they are not any of ``COLUMNS``.
        labels: columns of labels; empty: every column whose name is a finding's.
        empty: state of an empty label.
        each_image_a_patient: what to do without a patient column.
    """

    columns: Mapping[str, str]
    labels: tuple[str, ...] = ()
    empty: int = NOT_SAID
    each_image_a_patient: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is particular to a folder of one's own to its command."""
    parser.add_argument("--csv", type=Path, metavar="FILE", help="the labels (default: the one CSV in --tables)")
    for role in ("image", "patient", "study"):
        parser.add_argument(f"--{role}-column", metavar="NAME", help=f"default: {', '.join(COLUMNS[role][:3])} ...")
    parser.add_argument(
        "--labels", metavar="A,B", help="columns of labels (default: those named as a finding of the vocabulary)"
    )
    add_empty_argument(parser)
    add_patient_argument(parser)
    parser.add_argument("--coco", type=Path, metavar="FILE", help="COCO JSON of boxes, polygons or run lengths")
    parser.add_argument(
        "--masks",
        metavar="PATTERN",
        help="mask files, such as 'masks/{stem}_{finding}.png', below --tables; {finding} as in the vocabulary, or in "
        "small letters, with underscores",
    )


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist that the command line asks for; see :func:`add_arguments`."""
    given = {role: composed(getattr(arguments, f"{role}_column") or "") for role in ("image", "patient", "study")}
    labels = tuple(name.strip() for name in composed(arguments.labels or "").split(",") if name.strip())
    choices = Choices(
        {role: name for role, name in given.items() if name},
        labels,
        EMPTY[arguments.empty],
        arguments.each_image_a_patient,
    )
    path = arguments.csv or _only_csv(arguments.tables)
    datalist = from_csv(path, choices, arguments.images)
    frames: dict[str, tuple[int, int]] = {}
    if arguments.coco:
        coco = read_coco(arguments.coco, lambda name: category_finding(name, datalist.findings))
        datalist, frames = with_coco(datalist, coco)
    stored = None
    if arguments.images is not None:
        datalist, stored = keep_stored(datalist, arguments.images, _PARTS)
        datalist = with_header_facts(datalist, stored)
    if arguments.masks:
        datalist = with_masks(datalist, arguments.masks, arguments.tables, arguments.out)
    if stored is None:
        return datalist
    located = {item.image for items in datalist.sections.values() for item in items if item.image in frames}
    return place_images(datalist, stored, arguments.out, {image: frames[image] for image in located} or None)


def from_csv(path: Path, choices: Choices, images: Path | None) -> Datalist:
    """Items of a CSV, all in ``training``, named as the CSV names them.

    Args:
        path: the CSV.
        choices: how to read it.
        images: the folder of images; needed for rows of studies.

    Raises:
        TableError: no column of images or studies, of patients, or of labels; a value that is no label; an image twice.
    """
    table = read_table(path)
    named = {role: _column(table, role, choices) for role in COLUMNS}
    by_study = named["image"] is None
    if by_study and (named["study"] is None or images is None):
        _missing(table, "image", "or, with --images, a study column")
    if named["patient"] is None and not choices.each_image_a_patient:
        _missing(table, "patient", "or --each-image-a-patient")
    spelt = choices.labels or tuple(name for name in table.columns if canonical(name) and name not in named.values())
    if not spelt:
        raise TableError(
            f"{path}: no column is named as a finding; name the columns of labels with --labels. "
            f"Columns found: {', '.join(map(repr, table.columns))}.{_resembles(table)}"
        )
    findings = tuple(canonical(name) or name for name in spelt)
    twice = [name for name, count in Counter(findings).items() if count > 1]
    if twice:
        raise TableError(f"{path}: two columns are {twice[0]!r}: {', '.join(map(repr, spelt))}.")
    files = _files_of_studies(images) if by_study and images is not None else {}
    items = list(_items(table, named, spelt, choices, files if by_study else None))
    seen: set[str] = set()
    for item, where in items:
        if item.image in seen:
            raise TableError(f"{where}: image {item.image!r} is named twice.")
        seen.add(item.image)
    used = {*named.values(), *spelt}
    require_columns(path, table.columns, [name for name in used if name is not None])
    ignored = [name for name in table.columns if name not in used]
    datalist = Datalist(
        name=path.name.partition(".")[0],
        description=f"{path.name}: {len(findings)} findings.",
        findings=findings,
        sections={"training": [item for item, _ in items], "validation": [], "test": []},
        provenance={"counts": {"rows of the table": len(table.rows)}},
    )
    if ignored:
        datalist.provenance["columns not used"] = ignored
    implausible = _implausible_ages(table, named["age"])
    if implausible:
        datalist = with_counts(datalist, {"ages left out as implausible": implausible})
    if named["patient"] is None:
        datalist = with_counts(datalist, {"images whose patient is not known (each counts as its own)": len(items)})
    return datalist


def _items(
    table: Table,
    named: Mapping[str, str | None],
    spelt: tuple[str, ...],
    choices: Choices,
    files: Mapping[str, list[str]] | None,
) -> Iterable[tuple[Item, str]]:
    places = {role: table.columns.index(name) for role, name in named.items() if name is not None}
    for name in spelt:
        if name not in table.columns:
            _missing(table, name, "among the labels")
    labelled = [(name, table.columns.index(name)) for name in spelt]
    for index, row in enumerate(table.rows):
        where = table.where(index)
        about = {role: row[place].strip() for role, place in places.items()}
        label = tuple(_label(row[place], name, choices.empty, where) for name, place in labelled)
        attributes = person(about.get("sex", ""), about.get("age", ""), where)
        if files is None:
            images = [about["image"].replace("\\", "/").removeprefix("./")]
        else:
            images = files.get(composed(about["study"]), [])
            if not images:
                raise TableError(f"{where}: no image lies in a folder named {about['study']!r}, as the study is.")
        patient = about.get("patient")
        patient = patient_of(patient, where) if patient else patient
        study, view, source = ("" if is_missing(cell) else cell for cell in map(about.get, _SAID, ("", "", "")))
        view = view.upper() if view.upper() in VIEWS else view
        for image in images:
            if not image or patient == "":
                raise TableError(f"{where}: the image's or the patient's cell is empty.")
            item = Item(image, image if patient is None else patient, label, study, view)
            item.source, item.attributes = source, attributes
            yield item, where


def _label(cell: str, column: str, empty: int, where: str) -> float:
    text = cell.strip()
    if not text:
        return empty
    try:
        value = float(WORDS.get(text.casefold(), text))
    except ValueError:
        value = math.nan
    if value != UNCERTAIN and not 0 <= value <= 1:
        raise TableError(
            f"{where}: label {column!r} must be 1, 0, -1, empty or a certainty in [0, 1], or one of "
            f"{', '.join(WORDS)}, not {text!r}."
        )
    return int(value) if value == int(value) else value


def _implausible_ages(table: Table, column: str | None) -> int:
    if column is None:
        return 0
    ages = (row[0].strip() for row in table.select(column))
    return sum(
        age not in UNKNOWN and not is_missing(age) and "age" not in person("", age, str(table.path)) for age in ages
    )


def _column(table: Table, role: str, choices: Choices) -> str | None:
    wanted = choices.columns.get(role)
    if wanted is not None:
        if wanted not in table.columns:
            _missing(table, wanted, f"for --{role}-column")
        return wanted
    return next((name for known in COLUMNS[role] for name in table.columns if name.casefold() == known), None)


def _missing(table: Table, what: str, why: str) -> None:
    raise TableError(
        f"{table.path}: no column {what!r} ({why}). Columns found: {', '.join(map(repr, table.columns))}."
        f"{_resembles(table)}"
    )


def _resembles(table: Table) -> str:
    other = looks_like(table.columns)
    return f" It looks like {other}." if other else separator_hint(table.columns)


def _files_of_studies(images: Path) -> dict[str, list[str]]:
    """Image files, named below the folder of all, by every folder that they lie in."""
    listing = image_files(images)
    paths = [path.relative_to(listing.folder).as_posix() for path in listing.files]
    found: dict[str, list[str]] = {}
    for path in paths:
        for folder in PurePosixPath(path).parts[:-1]:
            found.setdefault(composed(folder), []).append(path)
    return found


def _only_csv(tables: Path) -> Path:
    files = sorted(tables.iterdir()) if tables.is_dir() else []
    there = [path for path in files if path.name.lower().endswith((".csv", ".csv.gz")) and path.name[0] != "."]
    if len(there) != 1:
        names = ", ".join(path.name for path in there) or "none"
        raise TableError(f"{tables}: --csv must name the table unless there is one CSV alone; found: {names}.")
    return there[0]
