"""RSNA Pneumonia Detection Challenge: opacity boxes by radiologists on 26,684 radiographs of ChestX-ray14.

Source: Shih et al., "Augmenting the National Institutes of Health Chest Radiograph Dataset with Expert Annotations of
Possible Pneumonia", Radiology: AI 2019; the challenge's stage 2 training set. Non-commercial research use. The boxes
are around opacities suspicious for pneumonia, on 1024x1024 copies; most images were read by one radiologist. Known
faults: 21 pairs of its images are one ChestX-ray14 image, 6 of them with different verdicts; the verdicts and
ChestX-ray14's label Pneumonia differ on most images that have either (see :func:`with_readings`).

Tables: ``rsna_stage_2_train_labels.csv`` (or ``stage_2_train_labels.csv``) and ``rsna_to_nih.csv``, which gives the
ChestX-ray14 image and the class of each; for sex, age and view also ChestX-ray14's ``Data_Entry_2017``, if it is there.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from app.datalist.item import Box, Datalist, Item
from app.datalist.stored_images import with_images
from app.datasets.nih_tables import FRAME, known_people, patient_and_study
from app.datasets.rows import add_once, box_from, rows
from app.files.tables import TableError, find_table, one_of, read_table
from app.findings import ABSENT, PRESENT
from app.garbage import without_garbage_collection

FINDING = "Pneumonia"
CLASSES = ("Normal", "No Lung Opacity / Not Normal", "Lung Opacity")
READER = "RSNA"
_LABEL_COLUMNS = ("patientId", "x", "y", "width", "height", "Target")
_MAP_COLUMNS = ("patientId", "nih_image", "class_info")
_NIH_IMAGE = re.compile(r"\d+_\d+\.\w+")


class Reading(NamedTuple):
    """What the challenge says about one of its images."""

    name: str
    """The challenge's ``patientId``, which is one image."""
    nih_image: str
    verdict: str
    """One of ``CLASSES``."""
    boxes: tuple[Box, ...]
    """In pixels of the 1024x1024 image; empty unless the verdict is Lung Opacity."""


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist of the challenge's own images (``<patientId>.dcm``, or another suffix in ``--images``)."""
    return with_images(challenge(arguments.tables), arguments.images, arguments.out, FRAME)


@without_garbage_collection()
def challenge(tables: Path) -> Datalist:
    """All 26,684 images, named ``<patientId>.dcm``, with boxes in 1024x1024 pixels, all in ``training``.

    Patient and study are those of the ChestX-ray14 image; the class is the attribute ``rsna_class``, and that image
    ``nih_image``. All images are annotated: without a box, Pneumonia is nowhere.

    Raises:
        TableError: A table is missing or wrong.
    """
    people = known_people(tables)
    items = []
    for reading in read_rsna(tables):
        patient, study = patient_and_study(reading.nih_image, str(tables))
        view, attributes = people.get(reading.nih_image, ("", {}))
        item = Item(f"{reading.name}.dcm", patient, (PRESENT if reading.boxes else ABSENT,), study, view)
        item.boxes, item.annotated, item.source = reading.boxes, (FINDING,), READER
        item.attributes = attributes | {"rsna_class": reading.verdict, "nih_image": reading.nih_image}
        items.append(item)
    description = "Opacities suspicious for pneumonia, boxes by radiologists (stage 2 training set)."
    counts = {"images of the label table": len(items)}
    return Datalist.unsplit("RSNA Pneumonia Detection Challenge", (FINDING,), items, description, counts)


def read_rsna(tables: Path) -> list[Reading]:
    """What the challenge says about each of its images.

    Raises:
        TableError: A table is missing or lacks a column; a box is incomplete, has no area or leaves the image; a Target
            does not fit its boxes or its class; or the other table does not have an image.
    """
    targets, boxes = _read_boxes(find_table(tables, "rsna_stage_2_train_labels.csv", "stage_2_train_labels.csv"))
    table = read_table(find_table(tables, "rsna_to_nih.csv"), _MAP_COLUMNS)
    readings = []
    seen: set[str] = set()
    for where, (name, nih_image, verdict) in rows(table, *_MAP_COLUMNS):
        one_of(verdict, CLASSES, "class_info", where)
        add_once(name, seen, where)
        if name not in targets:
            raise TableError(f"{where}: image {name!r} is not in the label table.")
        if targets[name] != (verdict == CLASSES[-1]):
            raise TableError(f"{where}: class {verdict!r}, but Target is {int(targets[name])} in the label table.")
        if not _NIH_IMAGE.fullmatch(nih_image):
            raise TableError(f"{where}: 'nih_image' must be such as '00000013_026.png', not {nih_image!r}.")
        readings.append(Reading(name, nih_image, verdict, tuple(boxes.get(name, ()))))
    missing = targets.keys() - seen
    if missing:
        raise TableError(f"{table.path}: lacks {len(missing)} images of the label table, {min(missing)!r} for one.")
    return readings


def with_readings(datalist: Datalist, readings: Iterable[Reading], keep_labels: bool) -> Datalist:
    """ChestX-ray14 with what the challenge knows about the location of Pneumonia.

    An image without an opacity, and not labelled Pneumonia, is annotated: nowhere. The two sources often disagree, and
    no item may say both "present" and "nowhere", or "absent" and "here":

    - Labelled Pneumonia, but no opacity was seen: the label stays, the location stays unannotated.
    - Not labelled Pneumonia, but boxes were drawn: a radiologist's box is better evidence than silence in a report, so
      the label becomes present; with ``keep_labels`` the label stays and the boxes are left out.
    - If one of two readings of an image saw an opacity, that one counts, and boxes of both are kept.

    Args:
        datalist: Items named by ChestX-ray14's file names, boxes in 1024x1024 pixels.
        readings: The result of :func:`read_rsna`.
        keep_labels: See above.

    Returns:
        A new datalist, whose provenance counts how often each of these happened.
    """
    by_image: dict[str, list[Reading]] = defaultdict(list)
    for reading in readings:
        by_image[reading.nih_image].append(reading)
    counts: Counter[str] = Counter()
    index = datalist.findings.index(FINDING)
    changed = datalist.mapped(
        lambda item: (
            _with_reading(item, by_image[item.image], index, keep_labels, counts) if item.image in by_image else item
        )
    )
    changed.description += f" Opacity boxes and 'nowhere' of the RSNA challenge for {FINDING}."
    return changed.with_counts(counts)


def _with_reading(item: Item, readings: list[Reading], index: int, keep_labels: bool, counts: Counter[str]) -> Item:
    boxes = tuple(box for reading in readings for box in reading.boxes)
    counts["RSNA: images read"] += 1
    if len({bool(reading.boxes) for reading in readings}) > 1:
        counts["RSNA: images read twice with different verdicts (an opacity counts)"] += 1
    is_present = item.label[index] == PRESENT
    if not boxes and is_present:
        counts["RSNA: no opacity but labelled Pneumonia (label kept, location unannotated)"] += 1
        return item
    if boxes and not is_present and keep_labels:
        counts["RSNA: boxes but not labelled Pneumonia (label kept, boxes left out)"] += 1
        return item
    changed = replace(item, source=f"{item.source}+{READER}")
    changed.annotated = tuple(dict.fromkeys((*item.annotated, FINDING)))
    if not boxes:
        counts["RSNA: no opacity (annotated as nowhere)"] += 1
        return changed
    counts["RSNA: images with boxes"] += 1
    counts["RSNA: boxes"] += len(boxes)
    changed.boxes = (*(box._replace(reader=item.source) for box in item.boxes), *boxes)
    if not is_present:
        counts["RSNA: boxes but not labelled Pneumonia (label changed to present)"] += 1
        changed.label = (*item.label[:index], PRESENT, *item.label[index + 1 :])
    return changed


def _read_boxes(path: Path) -> tuple[dict[str, bool], dict[str, list[Box]]]:
    targets: dict[str, bool] = {}
    boxes: dict[str, list[Box]] = defaultdict(list)
    for where, (name, *cells, target) in rows(read_table(path, _LABEL_COLUMNS), *_LABEL_COLUMNS):
        is_opacity = one_of(target, ("0", "1"), "Target", where) == "1"
        if targets.setdefault(name, is_opacity) != is_opacity:
            raise TableError(f"{where}: image {name!r} has Target 0 and 1.")
        if is_opacity:
            box = box_from(FINDING, cells, _LABEL_COLUMNS[1:5], FRAME, where)._replace(reader=READER)
            if box in boxes[name]:
                raise TableError(f"{where}: the box {','.join(cells)} on image {name!r} is named twice.")
            boxes[name].append(box)
        elif any(cells):
            raise TableError(f"{where}: Target 0 with a box, {','.join(cells)}.")
    return targets, boxes
