"""RSNA Pneumonia Detection Challenge: opacity boxes by radiologists on 26,684 radiographs of ChestX-ray14.

Source: Shih et al., "Augmenting the National Institutes of Health Chest Radiograph Dataset with Expert Annotations of
Possible Pneumonia", Radiology: AI 2019; the challenge's stage 2 training set. Non-commercial research use. What was
drawn are opacities suspicious for pneumonia, on 1024x1024 copies; most of the images were read by one radiologist.
Known faults: 21 pairs of its images are one ChestX-ray14 image, 6 of them with different verdicts; the verdicts and
ChestX-ray14's label Pneumonia differ on most images that have either (see :func:`with_readings`).

Tables: ``rsna_stage_2_train_labels.csv`` (or ``stage_2_train_labels.csv``) and ``rsna_to_nih.csv``, which tells the
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

from app.datalist.boxes import checked_box
from app.datalist.garbage import without_garbage_collection
from app.datalist.item import Box, Datalist, Item
from app.datalist.stored_images import with_counts, with_images
from app.files.tables import TableError, find_table, number, one_of, read_table
from app.findings import ABSENT, PRESENT

FINDING = "Pneumonia"
FRAME = (1024, 1024)
CLASSES = ("Normal", "No Lung Opacity / Not Normal", "Lung Opacity")
READER = "RSNA"
_LABEL = ("patientId", "x", "y", "width", "height", "Target")
_MAP = ("patientId", "nih_image", "class_info")
_NIH_IMAGE = re.compile(r"\d+_\d+\.\w+")


class Reading(NamedTuple):
    """What the challenge says of one of its images."""

    name: str
    """The challenge's ``patientId``, which is one image."""
    nih_image: str
    verdict: str
    """One of ``CLASSES``."""
    boxes: tuple[Box, ...]
    """In pixels of the 1024x1024 image; empty unless the verdict is Lung Opacity."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """This data set has no arguments of its own."""


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist of the challenge's own images (``<patientId>.dcm``, or another suffix in ``--images``)."""
    return with_images(challenge(arguments.tables), arguments.images, arguments.out, FRAME)


@without_garbage_collection()
def challenge(tables: Path) -> Datalist:
    """All 26,684 images, named ``<patientId>.dcm``, with boxes in 1024x1024 pixels, all in ``training``.

    Patient and study are those of the ChestX-ray14 image; the class is the attribute ``rsna_class``, and that image
    ``nih_image``. All are annotated: without a box there is nothing anywhere.

    Raises:
        TableError: a table is missing or wrong.
    """
    from app.datasets.nih import known_people, patient_and_study

    readings = read_rsna(tables)
    people = known_people(tables)
    items = []
    for reading in readings:
        patient, study = patient_and_study(reading.nih_image, str(tables))
        view, attributes = people.get(reading.nih_image, ("", {}))
        item = Item(f"{reading.name}.dcm", patient, (PRESENT if reading.boxes else ABSENT,), study, view)
        item.boxes, item.annotated, item.source = reading.boxes, (FINDING,), READER
        item.attributes = attributes | {"rsna_class": reading.verdict, "nih_image": reading.nih_image}
        items.append(item)
    return Datalist(
        name="RSNA Pneumonia Detection Challenge",
        description="Opacities suspicious for pneumonia, boxes by radiologists (stage 2 training set).",
        findings=(FINDING,),
        sections={"training": items, "validation": [], "test": []},
        provenance={"counts": {"images of the label table": len(items)}},
    )


def read_rsna(tables: Path) -> list[Reading]:
    """What the challenge says of each of its images.

    Raises:
        TableError: a table is missing or lacks a column; a box that is incomplete, has no area or leaves the image; a
            Target that does not fit its boxes or its class; an image that the other table does not have.
    """
    targets, boxes = _read_boxes(find_table(tables, "rsna_stage_2_train_labels.csv", "stage_2_train_labels.csv"))
    table = read_table(find_table(tables, "rsna_to_nih.csv"), _MAP)
    readings = []
    seen = set()
    for index, (name, nih_image, verdict) in enumerate(table.select(*_MAP)):
        if verdict not in CLASSES:
            one_of(verdict, CLASSES, "class_info", table.where(index))
        if name in seen:
            raise TableError(f"{table.where(index)}: image {name!r} is named twice.")
        if name not in targets:
            raise TableError(f"{table.where(index)}: image {name!r} is not in the label table.")
        if targets[name] != (verdict == CLASSES[-1]):
            raise TableError(
                f"{table.where(index)}: class {verdict!r}, but Target is {int(targets[name])} in the label table."
            )
        if not _NIH_IMAGE.fullmatch(nih_image):
            raise TableError(
                f"{table.where(index)}: 'nih_image' must be such as '00000013_026.png', not {nih_image!r}."
            )
        seen.add(name)
        readings.append(Reading(name, nih_image, verdict, tuple(boxes.get(name, ()))))
    missing = targets.keys() - seen
    if missing:
        raise TableError(f"{table.path}: lacks {len(missing)} images of the label table, {min(missing)!r} for one.")
    return readings


def with_readings(datalist: Datalist, readings: Iterable[Reading], keep_labels: bool) -> Datalist:
    """ChestX-ray14 with the location knowledge of the challenge, for the finding Pneumonia.

    An image without an opacity, which is not labelled Pneumonia, is annotated: nowhere. The two sources often disagree,
    and no item may say both "present" and "nowhere", or "absent" and "here":

    - Labelled Pneumonia, but no opacity was seen: the label stays, the location stays unannotated.
    - Not labelled Pneumonia, but boxes were drawn: a radiologist's box is better evidence than silence in a report, so
      the label becomes present; with ``keep_labels`` the label stays and the boxes are left out.
    - Of two readings of one image, the one that saw an opacity counts, and boxes of both are kept.

    Args:
        datalist: items named by ChestX-ray14's file names, boxes in 1024x1024 pixels.
        readings: as :func:`read_rsna` gives them.
        keep_labels: see above.

    Returns:
        A new datalist; how often each of these happened is in the counts of its provenance.
    """
    by_image: dict[str, list[Reading]] = defaultdict(list)
    for reading in readings:
        by_image[reading.nih_image].append(reading)
    counts: Counter[str] = Counter()
    place = datalist.findings.index(FINDING)
    sections = {
        section: [
            _with_reading(item, by_image[item.image], place, keep_labels, counts) if item.image in by_image else item
            for item in items
        ]
        for section, items in datalist.sections.items()
    }
    description = f"{datalist.description} Opacity boxes and 'nowhere' of the RSNA challenge for {FINDING}."
    return with_counts(replace(datalist, sections=sections, description=description), counts)


def _with_reading(item: Item, readings: list[Reading], place: int, keep_labels: bool, counts: Counter[str]) -> Item:
    boxes = tuple(box for reading in readings for box in reading.boxes)
    counts["RSNA: images read"] += 1
    if len({bool(reading.boxes) for reading in readings}) > 1:
        counts["RSNA: images read twice with different verdicts (an opacity counts)"] += 1
    is_present = item.label[place] == PRESENT
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
        changed.label = (*item.label[:place], PRESENT, *item.label[place + 1 :])
    return changed


def _read_boxes(path: Path) -> tuple[dict[str, bool], dict[str, list[Box]]]:
    table = read_table(path, _LABEL)
    targets: dict[str, bool] = {}
    boxes: dict[str, list[Box]] = defaultdict(list)
    for index, (name, *cells, target) in enumerate(table.select(*_LABEL)):
        where = table.where(index)
        is_opacity = one_of(target, ("0", "1"), "Target", where) == "1"
        if targets.setdefault(name, is_opacity) != is_opacity:
            raise TableError(f"{where}: image {name!r} has Target 0 and 1.")
        if is_opacity:
            x, y, width, height = (number(cell, column, where) for cell, column in zip(cells, _LABEL[1:5], strict=True))
            box = checked_box(Box(FINDING, x, y, width, height, READER), FRAME, where)
            if box in boxes[name]:
                raise TableError(f"{where}: the box {','.join(cells)} on image {name!r} is named twice.")
            boxes[name].append(box)
        elif any(cells):
            raise TableError(f"{where}: Target 0 with a box, {','.join(cells)}.")
    return targets, boxes
