"""The columns of a user's own table: those of images, patients and so on, those of labels, and those left out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from app.datasets.finding_names import FindingNames
from app.datasets.folder_labels import MINUS, LabelColumn, LabelReader
from app.files.image_names import IMAGE_SUFFIXES
from app.files.tables import Table, TableError, looks_like, require_columns
from app.findings import NOT_SAID

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "image": (
        *("image", "file", "filename", "path", "imageid", "imageindex", "imagename", "imagefile", "imagefilename"),
        *("imagepath", "filepath", "img", "imgid", "imgname", "imgpath", "dicom", "dicomfile", "dicompath", "dcm"),
        *("radiograph", "xray", "bild", "bildname", "bilddatei", "bildid", "datei", "dateiname", "dateipfad"),
        *("fichier", "nomfichier", "nomdufichier", "archivo", "fichero", "imagen", "immagine", "sopinstanceuid"),
        *("afbeelding", "bestand", "bestandsnaam", "obraz", "plik", "nazwapliku", "imagem", "arquivo", "ficheiro"),
        *("画像", "画像ファイル", "ファイル", "ファイル名"),
    ),
    "patient": (
        *("patient", "patientid", "subject", "subjectid", "patid", "pid", "patientnumber", "patientno", "patientuid"),
        *("mrn", "medicalrecordnumber", "patientmrn", "patientcode", "participant", "participantid", "personid"),
        *("patientenid", "patientennummer", "patientennr", "patnr", "patientnr", "idpatient", "numpatient"),
        *("numéropatient", "npatient", "nopatient", "ipp", "paciente", "idpaciente", "paziente", "idpaziente"),
        *("patiënt", "patiëntid", "patiëntnummer", "patiëntnr", "patientnummer", "pacjent", "idpacjenta", "pesel"),
        *("numerpacjenta", "iddopaciente", "患者", "患者id", "患者番号", "patientname"),
    ),
    "study": (
        *("study", "studyid", "accession", "accessionnumber", "accessionno", "accno", "studyinstanceuid", "studyuid"),
        *("exam", "examid", "examination", "examinationid", "untersuchung", "untersuchungsnummer", "untersuchungsid"),
        *("auftragsnummer", "anforderungsnummer", "examen", "numexamen", "estudio", "esame", "onderzoek"),
        *("onderzoeksnummer", "accessienummer", "badanie", "idbadania", "numerbadania", "exame", "estudo"),
        *("検査", "検査id", "検査番号"),
    ),
    "view": ("view", "projection", "viewposition", "viewpos", "strahlengang", "incidence", "proyección", "proiezione"),
    "source": ("source", "reader", "annotator", "rater", "radiologist"),
    "sex": (
        *("sex", "gender", "patientsex", "patientgender", "geschlecht", "sexe", "sexo", "sesso", "geslacht", "płeć"),
        "性別",
    ),
    "age": (
        *("age", "patientage", "ageyears", "ageinyears", "ageatstudy", "ageatexam", "alter", "âge", "edad", "età"),
        *("leeftijd", "wiek", "idade", "年齢"),
    ),
}
"""The names that each column may have unless it is named: in any case, with any blanks or signs between."""
RECORDS: Mapping[str, frozenset[str]] = {
    "patients": frozenset(
        (
            *("mrn", "medicalrecordnumber", "patientmrn", "patientnumber", "patientno", "patientname", "ipp"),
            *("patientennummer", "patientennr", "patnr", "patientnr", "numpatient", "numéropatient", "npatient"),
            *("patiëntnummer", "patiëntnr", "patientnummer", "pesel", "numerpacjenta", "患者番号"),
        )
    ),
    "studies": frozenset(
        (
            *("accession", "accessionnumber", "accessionno", "accno", "studyinstanceuid", "studyuid"),
            *("auftragsnummer", "anforderungsnummer", "untersuchungsnummer", "numexamen"),
            *("onderzoeksnummer", "accessienummer", "numerbadania", "検査番号"),
        )
    ),
    "images": frozenset(("sopinstanceuid",)),
}
"""Columns among those that hold a hospital's record numbers, by what they number, however short these are."""
_SHOWN = 3
"""How many texts that are no labels an error names."""
_LONGEST = 30
"""Characters of such a text that an error shows."""


class Columns(NamedTuple):
    """The columns of a table."""

    roles: dict[str, str]
    """Names of the columns for the image, the patient and so on, of those that the table has."""
    labels: dict[str, LabelColumn]
    """By finding."""
    sources: dict[str, str]
    """Names of the columns of labels, by finding."""
    free_text: list[str]
    """Columns with the name of a finding that hold sentences."""
    unnamed: list[str]
    """Columns that hold nothing but labels, but have not the name of a finding."""

    def records(self) -> frozenset[str]:
        """Which of ``RECORDS`` the names of the columns say that they hold."""
        names = {_squeezed(name) for name in self.roles.values()}
        return frozenset(kind for kind, known in RECORDS.items() if names & known)

    def unused(self, table: Table) -> list[str]:
        """Columns that say nothing that is read."""
        used = {*self.roles.values(), *self.sources.values(), *self.free_text, *self.unnamed}
        return [name for name in table.columns if name and name not in used]


def columns_of(
    table: Table, given: Mapping[str, str], labels: Sequence[str], names: FindingNames, reader: LabelReader
) -> Columns:
    """Find the columns of a table.

    Args:
        table: The table.
        given: Names of the columns for some of ``COLUMNS``; the others are found by name.
        labels: Names of the columns of labels; if empty, every column that has the name of a finding.
        names: What names of columns mean.
        reader: Reads the labels.

    Raises:
        TableError: A column that is named is missing, a name that is needed occurs twice, two columns are one finding,
            or a cell of a label column is no label.
    """
    roles = {role: name for role in COLUMNS if (name := _role(table, role, given)) is not None}
    others = [name for name in table.columns if name and name not in roles.values()]
    chosen = [_named(table, name, "--labels") for name in labels] or [name for name in others if names.finding(name)]
    require_columns(table.path, table.columns, [*roles.values(), *chosen])
    read = {name: reader.column([cell for (cell,) in table.select(name)]) for name in chosen}
    free_text = [name for name, column in read.items() if column.is_free_text]
    if labels and free_text:
        raise TableError(f"{table.path}: column {free_text[0]!r} is free text, not labels: leave it out of --labels.")
    kept = {name: column for name, column in read.items() if name not in free_text}
    _require_labels(table, kept)
    findings = [names.finding(name) or name for name in kept]
    twice = [name for name, count in Counter(findings).items() if count > 1]
    if twice:
        both = ", ".join(repr(name) for name, finding in zip(kept, findings, strict=True) if finding == twice[0])
        raise TableError(
            f"{table.path}: columns {both} are both {twice[0]!r}: choose one by --labels, or give "
            "them different names by --map and join these by --merge."
        )
    rest = [name for name in others if name not in read and table.columns.count(name) == 1]
    unnamed = [] if labels else [name for name in rest if _holds_labels(table, name, reader)]
    by_finding = dict(zip(findings, kept.values(), strict=True))
    return Columns(roles, by_finding, dict(zip(findings, kept, strict=True)), free_text, unnamed)


def missing(table: Table, what: str, remedy: str) -> TableError:
    """The error that a table lacks a column, with the option that mends it."""
    other = looks_like(table.columns)
    hint = f" It looks like {other}." if other else ""
    if any(name.lower().endswith(IMAGE_SUFFIXES) for name in table.columns):
        hint = " Its first line seems to be an image's: write the names of the columns above it."
    names = ", ".join(map(repr, table.columns))
    return TableError(f"{table.path}: {what}; {remedy}. Columns found: {names}.{hint}")


def _role(table: Table, role: str, given: Mapping[str, str]) -> str | None:
    if role in given:
        return _named(table, given[role], f"--{role}-column")
    by_name: dict[str, str] = {}
    for name in table.columns:
        by_name.setdefault(_squeezed(name), name)
    return next((by_name[known] for known in COLUMNS[role] if known in by_name), None)


def _named(table: Table, name: str, option: str) -> str:
    """The column that an option names, in any case if there is only one."""
    if name in table.columns:
        return name
    alike = [each for each in table.columns if _squeezed(each) == _squeezed(name)]
    if len(alike) != 1:
        raise missing(table, f"no column {name!r}", f"{option} must name one")
    return alike[0]


def _squeezed(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def _holds_labels(table: Table, name: str, reader: LabelReader) -> bool:
    cells = [cell for (cell,) in table.select(name)]
    column = reader.column(cells)
    return not column.unknown and any(label != NOT_SAID for label in column.labels) and any(map(str.strip, cells))


def _require_labels(table: Table, columns: Mapping[str, LabelColumn]) -> None:
    """Refuse texts that are no labels, in one line that says where they are and what to do."""
    unknown = [(text, name, rows) for name, column in columns.items() for text, rows in column.unknown.items()]
    if not unknown:
        return
    named = [
        f"{_short(text)} in {_rows(len(rows))} of column {name!r} (first in line {table.line(rows[0])})"
        for text, name, rows in unknown[:_SHOWN]
    ]
    more = f", and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
    raise TableError(
        f"{table.path}: no label: {', '.join(named)}{more}. A label is 1, 0, -1, empty, a certainty from 0 to 1, or a "
        "word such as yes, no or uncertain; say what others mean by --present, --absent, --uncertain or --not-said, "
        f"such as {'--not-said' if unknown[0][0] in MINUS else '--uncertain'} {_short(unknown[0][0])}, or choose the "
        "columns by --labels."
    )


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _short(text: str) -> str:
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")
