"""The CSV of a user's own folder: one row per image or, without an image column, one row per study.

The labels of a study go to every image in a folder of the study's name. Labels are 1 present, 0 absent, -1 uncertain,
empty not said (or absent), a number between 0 and 1 a certainty; ``WORDS`` are allowed as well.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from app.datalist.item import Datalist, Item
from app.datalist.people import is_implausible, is_missing, patient_of, person
from app.datasets.finding_names import FindingNames
from app.datasets.rows import add_once
from app.files.folders import composed
from app.files.images import image_files
from app.files.tables import Table, TableError, looks_like, read_table, require_columns, separator_hint
from app.findings import ABSENT, NOT_SAID, PRESENT, UNCERTAIN

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "image": ("image", "file", "filename", "file_name", "path", "imageid", "image_id", "image index"),
    "patient": ("patient", "patientid", "patient_id", "patient id", "subject", "subject_id"),
    "study": ("study", "studyid", "study_id", "study id"),
    "view": ("view", "projection", "view position", "viewposition"),
    "source": ("source", "reader", "annotator"),
    "sex": ("sex", "gender"),
    "age": ("age",),
}
"""The names that each column may have, in any case, unless its name is given."""
WORDS: Mapping[str, int] = {
    **dict.fromkeys(("yes", "true", "present", "positive"), PRESENT),
    **dict.fromkeys(("no", "false", "absent", "negative"), ABSENT),
    "uncertain": UNCERTAIN,
}
"""Labels in words, in any case."""
VIEWS = ("PA", "AP", "LATERAL")
"""Views that are written in capitals whatever the table's case, so that they form one subgroup each."""


@dataclass(frozen=True, slots=True)
class Choices:
    """How to read the CSV.

    Attributes:
        columns: Names of the columns for image, patient and study, if they are not among ``COLUMNS``.
        labels: Columns of labels; if empty, every column that has the name of a finding.
        empty: Meaning of an empty label.
        each_image_a_patient: Whether to count each image as a patient if there is no patient column.
    """

    columns: Mapping[str, str]
    labels: tuple[str, ...] = ()
    empty: int = NOT_SAID
    each_image_a_patient: bool = False


def from_csv(path: Path, choices: Choices, images: Path | None, names: FindingNames) -> Datalist:
    """The items of a CSV, all in ``training``, named as the CSV names them.

    Args:
        path: The CSV.
        choices: How to read it.
        images: The folder of images; needed for rows of studies.
        names: What names of columns mean.

    Raises:
        TableError: There is no column of images or studies, of patients, or of labels; a label is wrong; or an image is
            named twice.
    """
    table = read_table(path)
    named = {role: _column(table, role, choices) for role in COLUMNS}
    if named["image"] is None and (named["study"] is None or images is None):
        _missing(table, "image", "or, with --images, a study column")
    if named["patient"] is None and not choices.each_image_a_patient:
        _missing(table, "patient", "or --each-image-a-patient")
    columns = choices.labels or tuple(
        name for name in table.columns if names.finding(name) and name not in named.values()
    )
    findings = _findings(table, columns, names)
    of_study = _images_by_folder(images) if named["image"] is None and images is not None else None
    items = []
    seen: set[str] = set()
    for where, about, label in _rows(table, named, columns, choices.empty):
        for item in _items(about, label, where, of_study):
            add_once(item.image, seen, where)
            items.append(item)
    used = {*named.values(), *columns}
    require_columns(path, table.columns, [name for name in used if name is not None])
    counts = {"rows of the table": len(table.rows)}
    ages = table.select(named["age"]) if named["age"] else ()
    implausible = sum(is_implausible(age, str(path)) for (age,) in ages)
    if implausible:
        counts["ages left out as implausible"] = implausible
    if named["patient"] is None:
        counts["images whose patient is not known (each counts as its own)"] = len(items)
    description = f"{path.name}: {len(findings)} findings."
    datalist = Datalist.unsplit(path.name.partition(".")[0], findings, items, description, counts)
    ignored = [name for name in table.columns if name not in used]
    if ignored:
        datalist.provenance["columns not used"] = ignored
    return datalist


def _findings(table: Table, columns: tuple[str, ...], names: FindingNames) -> tuple[str, ...]:
    """The findings that columns of labels mean."""
    if not columns:
        raise TableError(
            f"{table.path}: no column has the name of a finding; name the columns of labels with --labels. "
            f"Columns found: {', '.join(map(repr, table.columns))}.{_resembles(table)}"
        )
    findings = tuple(names.finding(name) or name for name in columns)
    twice = [name for name, count in Counter(findings).items() if count > 1]
    if twice:
        raise TableError(f"{table.path}: two columns are {twice[0]!r}: {', '.join(map(repr, columns))}.")
    for name in columns:
        if name not in table.columns:
            _missing(table, name, "among the labels")
    return findings


def _rows(
    table: Table, named: Mapping[str, str | None], columns: tuple[str, ...], empty: int
) -> Iterator[tuple[str, dict[str, str], tuple[float, ...]]]:
    """Place, cells by role, and label of each row."""
    index_of = {role: table.columns.index(name) for role, name in named.items() if name is not None}
    labelled = [(name, table.columns.index(name)) for name in columns]
    for number, row in enumerate(table.rows):
        where = table.where(number)
        about = {role: row[index].strip() for role, index in index_of.items()}
        yield where, about, tuple(_label(row[index], name, empty, where) for name, index in labelled)


def _items(
    about: Mapping[str, str], label: tuple[float, ...], where: str, of_study: Mapping[str, list[str]] | None
) -> Iterator[Item]:
    """The items of a row: one or, by the study's name, one for each of its images."""
    if of_study is None:
        images = [about["image"].replace("\\", "/").removeprefix("./")]
    else:
        images = of_study.get(composed(about["study"]), [])
        if not images:
            raise TableError(f"{where}: no image is in a folder named {about['study']!r}, like the study.")
    patient = about.get("patient")
    if patient == "" or "" in images:
        raise TableError(f"{where}: the image's or the patient's cell is empty.")
    patient = patient and patient_of(patient, where)
    attributes = person(about.get("sex", ""), about.get("age", ""), where)
    texts = (about.get(role, "") for role in ("study", "view", "source"))
    study, view, source = ("" if is_missing(text) else text for text in texts)
    view = view.upper() if view.upper() in VIEWS else view
    for image in images:
        yield Item(image, patient or image, label, study, view, source=source, attributes=attributes)


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


def _column(table: Table, role: str, choices: Choices) -> str | None:
    wanted = choices.columns.get(role)
    if wanted is None:
        return next((name for known in COLUMNS[role] for name in table.columns if name.casefold() == known), None)
    if wanted not in table.columns:
        _missing(table, wanted, f"for --{role}-column")
    return wanted


def _missing(table: Table, what: str, why: str) -> None:
    raise TableError(
        f"{table.path}: no column {what!r} ({why}). Columns found: {', '.join(map(repr, table.columns))}."
        f"{_resembles(table)}"
    )


def _resembles(table: Table) -> str:
    other = looks_like(table.columns)
    return f" It looks like {other}." if other else separator_hint(table.columns)


def _images_by_folder(images: Path) -> dict[str, list[str]]:
    """Image files, by path below the folder, for the name of every folder that they are in."""
    listing = image_files(images)
    by_folder: dict[str, list[str]] = {}
    for path in (file.relative_to(listing.folder).as_posix() for file in listing.files):
        for folder in PurePosixPath(path).parts[:-1]:
            by_folder.setdefault(composed(folder), []).append(path)
    return by_folder
