"""Montgomery County: 138 radiographs, 58 with tuberculosis, with sex, age and outlines of both lungs.

Source: see :mod:`app.datasets.clinical_readings`; National Library of Medicine, https://data.lhncbc.nlm.nih.gov (no
licence is stated; name the source). Known faults: the outlines leave out the lung behind the heart, so that they are
not the vocabulary's ``Lungs``; images are of 4020x4892 or 4892x4020 pixels.

Folders, in ``--tables``: ``ClinicalReadings`` (``Patient's Sex: F``, ``Patient's Age: 027Y``, then the reading) and,
for the outlines, ``ManualMask/leftMask`` and ``ManualMask/rightMask``, files named like the images.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from pathlib import Path

from app.datalist.item import Datalist, Item
from app.datalist.stored_images import stem, with_images
from app.datasets.clinical_readings import ReadingForm, read_readings, subfolder
from app.files.image_names import relative_image
from app.files.images import by_name, image_files
from app.findings import NOT_SAID, PRESENT

FORM = ReadingForm(
    "Montgomery", "MCUCXR", re.compile(r"Sex:\s*(?P<sex>[MF])\b.*?Age:\s*(?P<age>\d+)\s*(?P<unit>[YMWD])", re.DOTALL)
)
MASKS = {"Left Lung": "leftMask", "Right Lung": "rightMask"}


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist; images are ``MCUCXR_0001_0.png`` and so on, masks those files that exist."""
    datalist = montgomery(arguments.tables, arguments.out)
    return with_images(datalist, arguments.images, arguments.out)


def montgomery(tables: Path, out: Path) -> Datalist:
    """All images in ``training``; a lung's label is not said without a mask, and left out if there are none.

    Args:
        tables: Folder that holds ``ClinicalReadings`` and, possibly, ``ManualMask``.
        out: Where the datalist will be written; names of masks are relative to its folder.

    Raises:
        TableError: There is no reading.
    """
    datalist = read_readings(tables, FORM)
    masks = {organ: files for organ, folder in MASKS.items() if (files := _masks(tables, folder))}
    datalist = datalist.mapped(lambda item: _with_masks(item, masks, out))
    datalist.findings = (*datalist.findings, *masks)
    return datalist.with_counts({"masks": sum(len(item.mask) for item in datalist.items())})


def _masks(tables: Path, name: str) -> dict[str, Path]:
    """Mask files by the name of their image, without suffix."""
    manual = subfolder(tables, "ManualMask")
    folder = None if manual is None else subfolder(manual, name)
    return {} if folder is None else {stem(file): path for file, path in by_name(image_files(folder)).items()}


def _with_masks(item: Item, masks: dict[str, dict[str, Path]], out: Path) -> Item:
    drawn = {organ: files[stem(item.image)] for organ, files in masks.items() if stem(item.image) in files}
    label = (*item.label, *(PRESENT if organ in drawn else NOT_SAID for organ in masks))
    mask = {organ: relative_image(path, out) for organ, path in drawn.items()}
    return replace(item, label=label, mask=mask, annotated=tuple(drawn))
