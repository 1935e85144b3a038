"""Indiana University's radiographs (Open-i): 7,470 images of 3,955 reports, indexed with subject headings.

Source: Demner-Fushman et al., "Preparing a collection of radiology examinations for distribution and retrieval", JAMIA
2016; National Library of Medicine, https://openi.nlm.nih.gov/faq#collection; public code that reads the reports, and
the tables of a copy on Kaggle (raddar/chest-xrays-indiana-university), give the form. CC BY-NC-ND 4.0 as far as we
know. Known faults: headings are of a whole report, also on its lateral images; absent means not among the headings;
patients are not given, so each report counts as one.

Either the reports, ``*.xml`` in the tables' folder or in ``ecgen-radiology`` (``MeSH/major`` and ``parentImage``), or
``indiana_reports.csv`` (``uid``, ``MeSH``) with ``indiana_projections.csv`` (``uid``, ``filename``, ``projection``).
Only the latter give a view. Texts are not kept.
"""

from __future__ import annotations

import argparse
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from app.datalist.item import Datalist, Item
from app.datalist.stored_images import with_images
from app.datasets.report_labels import Names, label_by_names
from app.datasets.rows import add_once, rows
from app.files.folders import list_files
from app.files.tables import TableError, find_table, one_of, optional_table, read_table
from app.findings import NO_FINDING, canonical

REPORTS, PROJECTIONS = "indiana_reports.csv", "indiana_projections.csv"
FOLDER = "ecgen-radiology"
VIEWS = {"Frontal": "FRONTAL", "Lateral": "LATERAL"}
_SAYS_NOTHING = frozenset({"no indexing", "technical quality of image unsatisfactory"})
# Headings beside the spellings that every data set may use, in small letters.
_HEADINGS = {
    "airspace disease": "Lung Opacity",
    "calcified granuloma": "Granuloma",
    "calcinosis": "Calcification",
    "catheters, indwelling": "Support Devices",
    "fractures, bone": "Fracture",
    "granulomatous disease": "Granuloma",
    "hernia, hiatal": "Hernia",
    "implanted medical device": "Support Devices",
    "lung diseases, interstitial": "Interstitial Lung Disease",
    "medical device": "Support Devices",
    "pulmonary atelectasis": "Atelectasis",
    "pulmonary emphysema": "Emphysema",
    "thickening/pleura": "Pleural Thickening",
    "tube, inserted": "Support Devices",
}


class Report(NamedTuple):
    """A report: its identifier, its headings such as ``Opacity/lung/base/left``, and (name, view) of its images."""

    identifier: str
    headings: tuple[str, ...]
    images: tuple[tuple[str, str], ...]


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist; images are named as the reports or the table of projections name them."""
    return with_images(openi(arguments.tables), arguments.images, arguments.out)


def openi(tables: Path) -> Datalist:
    """All images in ``training``. The provenance lists headings outside the vocabulary as ``unmapped``.

    Raises:
        TableError: There are neither tables nor reports, or one is wrong.
    """
    reports = list(_from_tables(tables) if optional_table(tables, REPORTS) else _from_xml(tables))
    named: list[tuple[Item, Names]] = []
    seen: set[str] = set()
    for report in reports:
        names = frozenset(map(_heading, report.headings)) - {""} - _SAYS_NOTHING or None
        for image, view in report.images:
            add_once(image, seen, f"{tables}, report {report.identifier!r}")
            named.append((Item(image, report.identifier, (), report.identifier, view, source="Open-i"), names))
    findings, unmapped = label_by_names(named, lambda name: _HEADINGS.get(name) or canonical(name), (NO_FINDING,))
    counts = {
        "reports": len(reports),
        "reports without an image": sum(not report.images for report in reports),
        "images whose report says nothing of findings": sum(names is None for _, names in named),
        "reports whose patient the data set does not tell (each counts as one)": len(reports),
    }
    description = "Headings of reports: a finding is present if it is among them."
    datalist = Datalist.unsplit("Open-i", findings, [item for item, _ in named], description, counts)
    datalist.provenance["unmapped"] = unmapped
    return datalist


def _heading(text: str) -> str:
    """The part of a heading that names a finding, in small letters.

    Example:
        >>> _heading("Opacity/lung/base/left"), _heading("Thickening/pleura/apex")
        ('opacity', 'thickening/pleura')
    """
    parts = [part.strip().casefold() for part in text.split("/")]
    return "/".join(parts[:2]) if "/".join(parts[:2]) in _HEADINGS else parts[0]


def _from_tables(tables: Path) -> Iterator[Report]:
    images: dict[str, list[tuple[str, str]]] = {}
    for where, (uid, image, view) in rows(read_table(find_table(tables, PROJECTIONS)), "uid", "filename", "projection"):
        images.setdefault(uid, []).append((image, VIEWS[one_of(view, tuple(VIEWS), "projection", where)]))
    seen: set[str] = set()
    for where, (uid, headings) in rows(read_table(find_table(tables, REPORTS)), "uid", "MeSH"):
        if uid in seen:
            raise TableError(f"{where}: report {uid!r} is named twice.")
        seen.add(uid)
        yield Report(uid, tuple(headings.split(";")), tuple(images.get(uid, ())))
    if missing := images.keys() - seen:
        raise TableError(f"{tables}: {PROJECTIONS} has images of {len(missing)} reports that {REPORTS} lacks.")


def _from_xml(tables: Path) -> Iterator[Report]:
    folder = tables / FOLDER if (tables / FOLDER).is_dir() else tables
    files = [path for path in list_files(folder).files if path.suffix.casefold() == ".xml"] if folder.is_dir() else []
    if not files:
        raise TableError(f"{tables}: holds neither {REPORTS} nor reports, *.xml, here or in {FOLDER}.")
    for path in files:
        try:
            root = ElementTree.parse(path).getroot()
        except (OSError, ElementTree.ParseError) as error:
            raise TableError(f"{path}: not a readable XML file ({error}).") from error
        headings = tuple(major.text or "" for major in root.iterfind(".//MeSH/major"))
        images = tuple((f"{image.get('id')}.png", "") for image in root.iterfind(".//parentImage") if image.get("id"))
        if root.tag != "eCitation" and not (headings or images):
            raise TableError(f"{path}: not a report of Open-i (its root is {root.tag!r}, not 'eCitation').")
        yield Report(path.stem, headings, images)
