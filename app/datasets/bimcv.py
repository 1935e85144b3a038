"""BIMCV-COVID19+ and -: radiographs of patients with and without a positive test, labels from Spanish reports.

Source: de la Iglesia Vayá et al., "BIMCV COVID-19+: a large annotated dataset of RX and CT images from COVID-19
patients", 2020; https://bimcv.cipf.es/bimcv-projects/bimcv-covid19, public code that reads its tables and images gives
the form. Its own research use agreement. Known faults: labels are what a program read in reports, as PadChest's, one
set for all images of a session; COVID-19 absent from a report does not mean that the test was negative; some images are
upside down or show no chest; a patient's age is the first of those given.

Tables, in ``--tables`` or its ``derivatives/labels``: one or both of ``labels_covid19_posi.tsv``
(``labels_covid_posi.tsv``) and ``labels_SARS-cov-2_nega.tsv`` (``Labels_covid_NEG_JAN21.tsv``), with ``PatientID``,
``ReportID`` (the session) and ``Labels``; and, if it is there, ``participants.tsv`` (``participant``, ``age``,
``gender``). Images are named such as ``sub-S03542_ses-E07201_run-1_bp-chest_vp-pa_dx.png``. Reports are not kept.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from app.datalist.item import Datalist, Item
from app.datalist.people import Attributes, person
from app.datalist.stored_images import place_images
from app.datasets.padchest import finding_of, meaningful
from app.datasets.report_labels import Names, label_by_names
from app.datasets.rows import rows
from app.files.folders import Listing
from app.files.images import by_name, image_files
from app.files.tables import TableError, find_table, optional_table, optional_tables, read_table
from app.findings import ABSENT, NO_FINDING, UNCERTAIN

TABLES = {
    "labels_covid19_posi.tsv": "BIMCV-COVID19+",
    "labels_covid_posi.tsv": "BIMCV-COVID19+",
    "labels_SARS-cov-2_nega.tsv": "BIMCV-COVID19-",
    "Labels_covid_NEG_JAN21.tsv": "BIMCV-COVID19-",
}
FINDING = "COVID-19"
_IMAGE = re.compile(r"(sub-S\d+)_(ses-E\d+)_(?:.*_)?(?:cr|dx)\.\w+", re.IGNORECASE)
_VIEW = re.compile(r"_vp-([a-z]+)")
_VIEWS = {"lat": "LATERAL", "lateral": "LATERAL", "ll": "LATERAL", "rl": "LATERAL"}
"""Views that are renamed; others are written in capitals."""
_UNSURE = "covid 19 uncertain"
Session = tuple[str, str]
"""Patient and session, as names of images have them."""


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist of the radiographs in ``arguments.images``, which alone tell what images there are.

    Raises:
        ValueError: There is no folder of images.
    """
    if arguments.images is None:
        raise ValueError("name the folder of radiographs, as the tables do not list them: --images DIR")
    listing = image_files(arguments.images)
    files = by_name(listing)
    datalist = bimcv(arguments.tables, listing)
    return place_images(datalist, {item.image: files[item.image] for item in datalist.items()}, arguments.out)


def bimcv(tables: Path, listing: Listing) -> Datalist:
    """All radiographs of a listing whose session has labels, named by their files' names, all in ``training``.

    Raises:
        TableError: A table is missing or wrong, or no image is of one of its sessions.
    """
    sessions = _sessions(tables)
    people = _people(tables)
    named: list[tuple[Item, Names]] = []
    radiographs = 0
    for path in listing.files:
        match = _IMAGE.fullmatch(path.name)
        radiographs += match is not None
        if match is None or (match[1], match[2]) not in sessions:
            continue
        source, names = sessions[match[1], match[2]]
        view = _VIEW.search(path.name)
        item = Item(path.name, match[1], (), match[2], _VIEWS.get(view[1], view[1].upper()) if view else "")
        item.source, item.attributes = source, people.get(match[1], {})
        named.append((item, names))
    if not named:
        raise TableError(f"{listing.folder}: none of its images is a radiograph of the {len(sessions)} sessions.")
    findings, unmapped = label_by_names(named, finding_of, (FINDING, NO_FINDING))
    _make_uncertain(named, findings.index(FINDING))
    counts = {
        "radiographs": len(named),
        "radiographs whose report says nothing of findings": sum(names is None for _, names in named),
        "left out: radiographs of sessions without labels": radiographs - len(named),
        "left out: images of other kinds (CT, other names)": len(listing.names) - radiographs,
        "sessions without a radiograph": len(sessions.keys() - {(item.patient, item.study) for item, _ in named}),
        **{f"left out of the folder: {reason}": count for reason, count in listing.left_out.items()},
    }
    description = "Labels from reports; COVID-19 as the report says, not as the test did."
    datalist = Datalist.unsplit("BIMCV-COVID19", findings, [item for item, _ in named], description, counts)
    datalist.provenance["unmapped"] = {name: count for name, count in unmapped.items() if name != _UNSURE}
    return datalist


def _sessions(tables: Path) -> dict[Session, tuple[str, Names]]:
    """Source and names of labels by session."""
    folders = (tables / "derivatives" / "labels", tables)
    paths = next((there for folder in folders if (there := optional_tables(folder, *TABLES))), [])
    sources = {name.casefold(): source for name, source in TABLES.items()}
    sessions: dict[Session, tuple[str, Names]] = {}
    for path in paths or [find_table(tables, *TABLES)]:
        source = sources[path.name.casefold().removesuffix(".gz")]
        for where, (patient, report, cell) in rows(read_table(path), "PatientID", "ReportID", "Labels"):
            if (patient, report) in sessions:
                raise TableError(f"{where}: session {report!r} of {patient!r} is named twice.")
            sessions[patient, report] = (source, _names(cell.strip(), where))
    return sessions


def _names(cell: str, where: str) -> Names:
    """The labels in a cell such as ``['normal'<tab>'COVID 19']``; None if they mean nothing."""
    if cell.casefold() in ("", "nan"):
        return None
    if not (cell.startswith("[") and cell.endswith("]")):
        raise TableError(f"{where}: 'Labels' must be a list such as ['normal'], not {cell[:60]!r}.")
    return meaningful(label.strip().strip("'\"") for label in re.split(r"[\t,]", cell[1:-1]))


def _make_uncertain(named: list[tuple[Item, Names]], index: int) -> None:
    for item, names in named:
        if _UNSURE in (names or ()) and item.label[index] == ABSENT:
            item.label = (*item.label[:index], UNCERTAIN, *item.label[index + 1 :])


def _people(tables: Path) -> dict[str, Attributes]:
    path = optional_table(tables, "participants.tsv")
    people: dict[str, Attributes] = {}
    for where, (patient, ages, sex) in () if path is None else rows(read_table(path), "participant", "age", "gender"):
        age = re.search(r"\d+", ages)
        people[patient] = person("" if sex.strip().upper() == "U" else sex, age[0] if age else "", where)
    return people
