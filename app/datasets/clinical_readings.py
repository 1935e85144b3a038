"""The two tuberculosis sets of the National Library of Medicine, whose tables are one text file an image.

Source: Jaeger et al., "Two public chest X-ray datasets for computer-aided screening of pulmonary diseases",
Quantitative Imaging in Medicine and Surgery 2014; the names and texts are those of the sets' README and of public code
that reads them. A file is named for its image, such as ``MCUCXR_0001_0``: a number, and 1 for tuberculosis, 0 for none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from app.datalist.item import Datalist, Item
from app.datalist.people import person
from app.files.folders import list_files
from app.files.tables import TableError
from app.findings import ABSENT, PRESENT

FINDING = "Tuberculosis"
FOLDER = "ClinicalReadings"
_SEXES = {"MAL": "M", "FEMAL": "F"}
"""As Shenzhen's readings are spelt, without the last letter."""


@dataclass(frozen=True, slots=True)
class ReadingForm:
    """How a set names and writes its readings.

    Attributes:
        name: Of the data set.
        prefix: Of the names of its files.
        person: Finds ``sex``, ``age`` and ``unit`` (Y, M, W or D; may be missing) in a text.
    """

    name: str
    prefix: str
    person: re.Pattern[str]


def read_readings(tables: Path, form: ReadingForm) -> Datalist:
    """All images of a set that have a reading, with whether they show tuberculosis, all in ``training``.

    Each image is of another patient. The text of a reading is not kept.

    Raises:
        TableError: There is no folder of readings, or none in it.
    """
    folder = subfolder(tables, FOLDER)
    if folder is None:
        raise TableError(f"{tables}: holds no folder {FOLDER}, with a text for each image of {form.name}.")
    name = re.compile(rf"({form.prefix}_\d+)_([01])\.txt", re.IGNORECASE)
    items, other = [], 0
    for path in list_files(folder).files:
        match = name.fullmatch(path.name)
        if match is None:
            other += 1
            continue
        label = (PRESENT if match[2] == "1" else ABSENT,)
        items.append(Item(f"{path.stem}.png", match[1], label, match[1], "PA", source=form.name))
        items[-1].attributes = _person(path, form)
    if not items:
        raise TableError(f"{folder}: holds no reading named such as {form.prefix}_0001_0.txt.")
    counts = {
        "readings": len(items),
        "readings without a readable sex and age": sum(not item.attributes for item in items),
        "left out: files that are no readings": other,
    }
    return Datalist.unsplit(form.name, (FINDING,), items, "Tuberculosis or none, by clinical diagnosis.", counts)


def subfolder(folder: Path, name: str) -> Path | None:
    """The folder of this name, in any case, within another one; None if there is none."""
    folders = sorted(folder.iterdir()) if folder.is_dir() else []
    return next((each for each in folders if each.name.casefold() == name.casefold() and each.is_dir()), None)


def _person(path: Path, form: ReadingForm) -> dict[str, str | int | float | bool]:
    match = form.person.search(path.read_text(encoding="utf-8", errors="replace"))
    if match is None:
        return {}
    sex = match["sex"].upper()
    return person(_SEXES.get(sex, sex), f"{match['age']}{match['unit'] or 'Y'}", str(path))
