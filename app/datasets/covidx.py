"""COVIDx: radiographs of several public collections with and without COVID-19, in the releases for COVID-Net.

Source: Wang et al., "COVID-Net", Scientific Reports 2020; lists and their description in
https://github.com/lindawangg/COVID-Net, images at https://www.kaggle.com/datasets/andyczhao/covidx-cxr2. Each
collection's own terms. Known faults: COVID-19 and its absence come from different collections, which a network can tell
apart by anything but the lungs, so that high scores prove little; "negative" includes other pneumonia; images are
ChestX-ray14's, RSNA's, BIMCV's and others', so do not test a model trained on those with it; patients are known by
collection alone.

Lists, without a header: ``train.txt``, ``val.txt`` (if there is one) and ``test.txt``, or the same as
``train_COVIDx9A.txt`` and so on: patient, file, label (``positive`` or ``negative``; in releases A ``normal``,
``pneumonia`` or ``COVID-19``), collection, separated by blanks.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from app.datalist.item import Datalist, Item
from app.datalist.stored_images import with_images
from app.datasets.rows import add_once
from app.files.tables import TableError, one_of
from app.findings import ABSENT, NO_FINDING, NOT_SAID, PRESENT

FINDINGS = ("COVID-19", "Pneumonia", NO_FINDING)
LABELS = {
    "positive": (PRESENT, NOT_SAID, NOT_SAID),
    "negative": (ABSENT, NOT_SAID, NOT_SAID),
    "COVID-19": (PRESENT, NOT_SAID, NOT_SAID),
    "pneumonia": (ABSENT, PRESENT, ABSENT),
    "normal": (ABSENT, ABSENT, PRESENT),
}
SECTIONS = {"training": "train", "validation": "val", "test": "test"}
CROSSING = "left out: images of patients who are in test or validation as well"


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist; images are named as the lists name them."""
    return with_images(covidx(arguments.tables), arguments.images, arguments.out)


def covidx(tables: Path) -> Datalist:
    """All images in the published sections; a patient is one of a collection.

    Findings of which no list says anything are left out. Of a patient in several sections, only the images in test
    stay, or else those in validation; the others are counted.

    Raises:
        TableError: A list is missing, or a line is wrong.
    """
    seen: set[str] = set()
    sections: dict[str, list[Item]] = {section: [] for section in SECTIONS}
    taken: set[str] = set()
    crossing = 0
    for section in ("test", "validation", "training"):
        path = _list(tables, SECTIONS[section])
        listed = [_item(words, where) for where, words in _lines(path)] if path else []
        for item in listed:
            add_once(item.image, seen, str(path))
        sections[section] = [item for item in listed if item.patient not in taken]
        crossing += len(listed) - len(sections[section])
        taken |= {item.patient for item in listed}
    items = [item for part in sections.values() for item in part]
    columns = [index for index in range(len(FINDINGS)) if any(item.label[index] != NOT_SAID for item in items)]
    for item in items:
        item.label = tuple(item.label[index] for index in columns)
    counts = {"images of the lists": len(seen), CROSSING: crossing}
    description = "COVID-19 of several collections, by test or by the collection."
    findings = tuple(FINDINGS[index] for index in columns)
    return Datalist("COVIDx", findings, sections, description, {"counts": counts})


def _list(tables: Path, name: str) -> Path | None:
    """The list of a section; None if there is none of validation."""
    wanted = re.compile(rf"{name}(_COVIDx.*)?\.txt")
    files = sorted(path for path in tables.iterdir() if wanted.fullmatch(path.name)) if tables.is_dir() else []
    if len(files) == 1 or (name == "val" and not files):
        return files[0] if files else None
    names = ", ".join(path.name for path in files) or "none"
    raise TableError(
        f"{tables}: must hold one list {name}.txt, or {name}_COVIDx....txt, of one release; there: {names}."
    )


def _lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TableError(f"{path}: not a readable list ({error}).") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield f"{path}, line {number}", line.split()


def _item(words: list[str], where: str) -> Item:
    if len(words) != 4:
        raise TableError(f"{where}: must be patient, file, label and collection, separated by blanks, not {words}.")
    patient, image, label, collection = words
    patient = f"{collection}-{patient}"
    return Item(image, patient, LABELS[one_of(label, tuple(LABELS), "label", where)], source=collection)
