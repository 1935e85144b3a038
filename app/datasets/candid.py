"""CANDID-PTX: 19,237 radiographs of a New Zealand hospital, outlines of pneumothoraces, rib fractures and chest drains.

Source: Feng et al., "Curation of the CANDID-PTX Dataset with Free-Text Reports", Radiology: AI 2021,
https://doi.org/10.1148/ryai.2021210136; public code that reads the tables gives their form. On request, after a course
on research ethics and with an agreement: research only, no redistribution. Known faults: a few images are given with
two patients (left out); a few have an empty cell instead of an outline (not said); only acute rib fractures are drawn,
so that an absent fracture may be an old one; rows occur twice.

Tables: ``Pneumothorax_reports.csv`` (``SOPInstanceUID``, ``EncodedPixels``, -1 for no pneumothorax, and ``filename``,
which begins with the patient, as in ``P0001_...``), ``chest_tube.csv`` and ``acute_rib_fracture.csv`` (or
``Rib_fracture_mask_rle.csv``; ``anon_SOPUID``, ``mask_rle``). Run lengths are SIIM's: relative, down the columns of a
1024x1024 image. Reports are not kept.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

from app.datalist.item import Datalist, Item, RunLengths
from app.datalist.people import patient_of
from app.datalist.run_lengths import union
from app.datalist.stored_images import with_images
from app.datasets.rows import rows
from app.datasets.siim import FRAME, NOTHING, outline
from app.files.tables import find_table, read_table
from app.findings import ABSENT, NOT_SAID, PRESENT

REPORTS = "Pneumothorax_reports.csv"
OTHER_TABLES = {
    "Chest Drain": ("chest_tube.csv",),
    "Fracture": ("acute_rib_fracture.csv", "Rib_fracture_mask_rle.csv"),
}
FINDINGS = ("Pneumothorax", *OTHER_TABLES)
Outlines = dict[str, list[RunLengths]]


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist; images are ``<SOPInstanceUID>``, without suffix or with any, of any size."""
    return with_images(candid(arguments.tables), arguments.images, arguments.out, FRAME)


def candid(tables: Path) -> Datalist:
    """All images of the table of reports, with the union of the outlines of each finding, all in ``training``.

    A finding without an outline is absent, and nowhere, except Pneumothorax with an empty cell, which is not said.

    Raises:
        TableError: A table is missing or wrong.
    """
    patients: dict[str, set[str]] = defaultdict(set)
    pneumothorax: Outlines = {}
    empty: set[str] = set()
    without: set[str] = set()
    table = read_table(find_table(tables, REPORTS))
    for where, cells in rows(table, "SOPInstanceUID", "filename", "EncodedPixels"):
        image, name, pixels = map(str.strip, cells)
        patients[image].add(patient_of(name.partition("_")[0], where))
        outlines = pneumothorax.setdefault(image, [])
        if pixels not in ("", NOTHING):
            outlines.append(outline(pixels, image, "EncodedPixels", where))
        else:
            (without if pixels else empty).add(image)
    others = {finding: _outlines(find_table(tables, *names)) for finding, names in OTHER_TABLES.items()}
    items = [
        _item(image, min(names), {"Pneumothorax": pneumothorax, **others}, image in empty)
        for image, names in patients.items()
        if len(names) == 1
    ]
    drawn = {image for outlines in others.values() for image in outlines}
    counts = {
        "images of the table of reports": len(patients),
        "left out: images of two patients": len(patients) - len(items),
        "left out: images with an outline, but without a report": len(drawn - patients.keys()),
        "images with -1 beside an outline (the outline counts)": sum(bool(pneumothorax[image]) for image in without),
        "images without a label of Pneumothorax": sum(item.label[0] == NOT_SAID for item in items),
        "outlines": sum(len(item.mask) for item in items),
    }
    return Datalist.unsplit("CANDID-PTX", FINDINGS, items, "Outlines by radiologists in training.", counts)


def _outlines(path: Path) -> Outlines:
    outlines: Outlines = defaultdict(list)
    for where, cells in rows(read_table(path), "anon_SOPUID", "mask_rle"):
        image, pixels = map(str.strip, cells)
        if pixels != NOTHING:
            outlines[image].append(outline(pixels, image, "mask_rle", where))
    return dict(outlines)


def _item(image: str, patient: str, outlines: dict[str, Outlines], is_empty: bool) -> Item:
    mask = {finding: union(by_image[image]) for finding, by_image in outlines.items() if by_image.get(image)}
    label = [PRESENT if finding in mask else ABSENT for finding in FINDINGS]
    if is_empty and not mask.get("Pneumothorax"):
        label[0] = NOT_SAID
    annotated = tuple(name for name, value in zip(FINDINGS, label, strict=True) if value != NOT_SAID)
    return Item(image, patient, tuple(label), mask=mask, annotated=annotated, source="CANDID-PTX")
