"""The CSV of a user's own folder: one row per image or, without an image column, one row per study.

The labels of a study go to every image in a folder of the study's name or, if no folder has one, to every DICOM file
whose header has it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from app.datalist.fingerprint import shared_folder_length
from app.datalist.item import Datalist, Item
from app.datalist.people import Attributes, is_implausible, is_missing, patient_of, person
from app.datasets.finding_names import FindingNames
from app.datasets.folder_columns import Columns, columns_of, missing
from app.datasets.folder_labels import LabelReader, decimal_point
from app.datasets.folder_studies import images_of_instances, images_of_studies
from app.files.folders import Listing, composed
from app.files.tables import Table, TableError, read_table
from app.findings import NOT_SAID

VIEWS = {
    **dict.fromkeys(("pa", "p.a.", "p.a", "p-a", "p/a", "postero-anterior", "posteroanterior"), "PA"),
    **dict.fromkeys(("ap", "a.p.", "a.p", "a-p", "a/p", "antero-posterior", "anteroposterior"), "AP"),
    **dict.fromkeys(("lateral", "lat", "lat.", "ll", "rl", "seitlich", "latéral", "profil", "latérale"), "LATERAL"),
}
"""Spellings of the views that form one subgroup each, in any case."""


_ABSOLUTE = re.compile("/|[A-Za-z]:/")


@dataclass(frozen=True, slots=True)
class Choices:
    """How to read the CSV.

    Attributes:
        columns: Names of the columns for image, patient and so on, where they are not found by themselves.
        labels: Columns of labels; if empty, every column that has the name of a finding.
        empty: Meaning of an empty label.
        words: Meanings of words in columns of labels.
        needs_labels: Whether a table without any column of labels is refused.
    """

    columns: Mapping[str, str]
    labels: tuple[str, ...] = ()
    empty: int = NOT_SAID
    words: Mapping[str, int] = field(default_factory=dict)
    needs_labels: bool = True


class Labelled(NamedTuple):
    """Items about which a table, or nobody, said something."""

    datalist: Datalist
    """All in ``training``; the patient of an item may be empty."""
    records: frozenset[str] = frozenset()
    """Which of patients, studies and images go by record numbers, as the names of the columns say."""


def from_csv(path: Path, choices: Choices, images: Listing | None, names: FindingNames) -> Labelled:
    """The items of a CSV, named as the CSV names them; if all of these are paths of another machine, by their ends.

    The patient of an item is empty if there is no column of patients. A row that repeats another is left out.

    Args:
        path: The CSV.
        choices: How to read it.
        images: The folder of images; needed for rows of studies.
        names: What names of columns mean.

    Raises:
        TableError: There is no column of images or studies, or of labels; a label is wrong; the table has no row; or
            two rows of one image differ.
    """
    table = read_table(path)
    columns = columns_of(table, choices.columns, choices.labels, names, LabelReader(choices.empty, choices.words))
    if not table.rows:
        raise TableError(f"{path}: has the names of columns, but no row below them.")
    if "image" not in columns.roles and ("study" not in columns.roles or images is None):
        what = "no column of images" if images is not None else "no column of images, nor --images with one of studies"
        raise missing(table, what, "name it with --image-column, or with --study-column for rows of studies")
    if not columns.labels and choices.needs_labels:
        alike = f", such as {', '.join(map(repr, columns.unnamed))}" if columns.unnamed else ""
        raise missing(
            table, "no column has the name of a finding", f"name the columns of labels with --labels or --map{alike}"
        )
    counts: Counter[str] = Counter({"rows of the table": len(table.rows)})
    rows = _Rows(table, columns, counts)
    items = _without_foreign_folder(rows.items(None if "image" in columns.roles else _by_study(table, columns, images)))
    if "image" in columns.roles and images is not None:
        of_instance = images_of_instances(images, {item.image for item in items})
        items = [replace(item, image=of_instance.get(item.image, item.image)) for item in items]
    counts = +counts
    description = f"{path.name}: {len(columns.labels)} findings."
    datalist = Datalist.unsplit(path.name.partition(".")[0], tuple(columns.labels), items, description, counts)
    datalist.provenance |= {what: facts for what, facts in _facts(table, columns).items() if facts}
    return Labelled(datalist, columns.records())


class _Rows:
    """Turns the rows of a table into items, and counts what is left out."""

    def __init__(self, table: Table, columns: Columns, counts: Counter[str]) -> None:
        self._table, self._columns, self._counts = table, columns, counts
        self._index = {role: table.columns.index(name) for role, name in columns.roles.items()}
        self._sexes = _sexes(table, columns.roles["sex"]) if "sex" in columns.roles else {}

    def items(self, of_study: Mapping[str, list[str]] | None) -> list[Item]:
        """One item a row or, with the images of each study, one for each of its images."""
        by_image: dict[str, tuple[Item, int]] = {}
        columns = [column.labels for column in self._columns.labels.values()]
        labels = list(zip(*columns, strict=True)) if columns else [()] * len(self._table.rows)
        for row, label in enumerate(labels):
            for item in self._row_items(row, label, of_study):
                first, first_row = by_image.setdefault(item.image, (item, row))
                if first is item:
                    continue
                if first != item:
                    raise self._contradiction(first, item, first_row, row)
                self._counts["left out: rows that repeat another"] += 1
        return [item for item, _ in by_image.values()]

    def _row_items(
        self, row: int, label: tuple[float, ...], of_study: Mapping[str, list[str]] | None
    ) -> Iterator[Item]:
        where = self._table.where(row)
        about = {role: self._table.rows[row][index].strip() for role, index in self._index.items()}
        if of_study is None:
            images = [about["image"].replace("\\", "/").removeprefix("./")]
            if not images[0]:
                raise TableError(f"{where}: the image's cell is empty. Fill it in, or leave the row out.")
        else:
            images = of_study.get(composed(about["study"]), [])
            self._counts["left out: rows of studies without an image"] += not images
        patient = patient_of(about["patient"], where) if "patient" in about else ""
        study, view, source = ("" if is_missing(text) else text for text in map(about.get, _TEXTS, ("",) * 3))
        view = VIEWS.get(view.casefold(), view)
        attributes = self._attributes(about.get("sex", ""), about.get("age", ""), where)
        for image in images:
            yield Item(image, patient, label, study, view, source=source, attributes=attributes)

    def _attributes(self, sex: str, age: str, where: str) -> Attributes:
        """Sex and age, if they can be read."""
        attributes: Attributes = {}
        if not (sex or age):
            return attributes
        age, sex = decimal_point(age), self._sexes.get(sex.upper(), sex)
        for what, given in (("sexes left out as neither F nor M", (sex, "")), ("ages left out as no age", ("", age))):
            try:
                attributes |= person(*given, where)
            except TableError:
                self._counts[what] += 1
            else:
                self._counts["ages left out as implausible"] += is_implausible(given[1], where)
        return attributes

    def _contradiction(self, first: Item, second: Item, first_row: int, row: int) -> TableError:
        pairs = zip(self._columns.labels, first.label, second.label, strict=True)
        differing = [f"{finding} {_said(one)} and {_said(other)}" for finding, one, other in pairs if one != other]
        what = ", ".join(differing[:3]) or "other facts about it"
        return TableError(
            f"{self._table.where(row)}: image {first.image!r} is named twice, here and in line "
            f"{self._table.line(first_row)}, with {what}. Keep one row; of several readers, make a datalist of each "
            "and join them by frugal combine."
        )


_TEXTS = ("study", "view", "source")


def _without_foreign_folder(items: Sequence[Item]) -> list[Item]:
    """Items without the folder that all names begin with, if they are absolute paths of another machine."""
    names = [item.image for item in items]
    if not all(map(_ABSOLUTE.match, names)) or (names and Path(names[0]).exists()):
        return list(items)
    start = shared_folder_length(names)
    return [replace(item, image=item.image[start:]) for item in items]


def _sexes(table: Table, name: str) -> dict[str, str]:
    """What letters mean in a column of sexes if they are not F and M.

    H is homme in French; hombre in Spanish, where M beside it is mujer. V is vrouw in Dutch, whose name of the column
    tells; elsewhere it may be varón, and M beside it mujer or man, so that neither is read.
    """
    letters = {cell.strip().upper() for (cell,) in table.select(name)}
    if "F" in letters or not letters & {"H", "V"}:
        return {"H": "M"}
    if "V" in letters:
        return {"V": "F"} if name.casefold() == "geslacht" else {"M": "V"}
    return {"H": "M", "M": "F"} if "M" in letters else {"H": "M"}


def _said(label: float) -> str:
    return "not said" if label == NOT_SAID else f"{label:g}"


def _by_study(table: Table, columns: Columns, images: Listing | None) -> dict[str, list[str]]:
    name = columns.roles["study"]
    studies = {composed(cell.strip()) for (cell,) in table.select(name)}
    found = images_of_studies(images, studies) if images is not None else {}
    if not found:
        raise TableError(
            f"{table.path}: no folder has the name of a study in column {name!r}, such as {min(studies)!r}, and no "
            "DICOM header its number; --image-column names a column of images, --study-column another one of studies."
        )
    return found


def _facts(table: Table, columns: Columns) -> dict[str, list[str]]:
    """What the provenance says about the columns."""
    named = [*columns.roles.items(), *columns.sources.items()]
    return {
        "columns read": [f"{role} from {name!r}" for role, name in named if role != name],
        "columns of labels without a finding's name (--labels or --map takes them)": columns.unnamed,
        "columns left out as free text": columns.free_text,
        "columns not used": columns.unused(table),
        "encoding of the table": [] if table.encoding == "UTF-8" else [table.encoding],
    }
