"""NEATX: tubes on 1,011 radiographs of PadChest, by two annotators without medical training, raw and combined.

Source: Cheplygina et al., "Augmenting Chest X-ray Datasets with Non-Expert Annotations";
https://zenodo.org/records/14944064, CC BY 4.0; the radiographs are PadChest's. Known faults: all images were chosen
because PadChest's labels name a tube, so prevalences say nothing; some are upside down or show little of the chest (the
annotators' notes); nasogastric and endotracheal tubes are uncertain on 202 and 158 of the images.

Tables: ``neatx_padchest_raw.csv`` (or ``raw.csv``, ``Annotations_raw.csv``,
``PadChest_TubeAnnotations_NonExperts_raw.csv``): one certainty of 0, 0.25, 0.5, 0.75, 1 or INVALID for each tube and
annotator; ``neatx_padchest_aggregated.csv`` (``aggregated.csv``), the published combination, is not needed, since it
follows from the raw one (:func:`app.annotations.several_readers.by_certainty`). Which patient each image is of stands
in PadChest's own table alone, which is taken from the same folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

from app.annotations.several_readers import by_certainty
from app.datalist.item import Datalist, Item
from app.datalist.stored_images import with_counts, with_images
from app.datasets.padchest import TABLES as PADCHEST_TABLES
from app.datasets.padchest import padchest
from app.files.tables import TableError, find_table, one_of, optional_table, read_table
from app.findings import NOT_SAID, TUBES

TABLES = (
    "neatx_padchest_raw.csv",
    "raw.csv",
    "Annotations_raw.csv",
    "PadChest_TubeAnnotations_NonExperts_raw.csv",
)
ANNOTATORS = ("combined", "1", "2")
_TUBES = ("Chest_drain_tube", "NSG_tube", "Endotracheal_tube", "Tracheostomy_tube")
_INVALID = "INVALID"
_CERTAINTIES = ("0", "0.0", "0.25", "0.5", "0.75", "1", "1.0", _INVALID)


class Annotation(NamedTuple):
    """What both annotators said of one image, in the order of ``TUBES``; INVALID is not said."""

    image: str
    first: tuple[float, ...]
    second: tuple[float, ...]

    @property
    def combined(self) -> tuple[float, ...]:
        """The two as one: present, absent or uncertain."""
        return tuple(map(by_certainty, zip(self.first, self.second, strict=True)))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is particular to this data set to its command."""
    parser.add_argument(
        "--annotator", choices=ANNOTATORS, default="combined", help="certainties of one, or both as one (%(default)s)"
    )
    add_patient_argument(parser)


def add_patient_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--each-image-a-patient``, for data whose patients are unknown."""
    parser.add_argument(
        "--each-image-a-patient",
        action="store_true",
        help="where patients are not known, take each image for one: images of one person may then cross splits",
    )


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist that the command line asks for; see :func:`add_arguments`."""
    datalist = neatx(arguments.tables, arguments.annotator, arguments.each_image_a_patient)
    return with_images(datalist, arguments.images, arguments.out)


def neatx(tables: Path, annotator: str = "combined", each_image_a_patient: bool = False) -> Datalist:
    """All 1,011 images with four tubes, all in ``training``.

    Args:
        tables: folder of the tables.
        annotator: ``combined``, or ``1`` or ``2`` for the certainties of one, 0 to 1.
        each_image_a_patient: what to do where PadChest's table is not there to tell patients.

    Raises:
        TableError: a table is missing or wrong, or no patient is known.
    """
    people = _people(tables, each_image_a_patient)
    items = []
    for annotation in read_neatx(find_table(tables, *TABLES)):
        label = {"combined": annotation.combined, "1": annotation.first, "2": annotation.second}[annotator]
        if people is None:
            item = Item(annotation.image, annotation.image, label, annotation.image)
        elif annotation.image in people:
            known = people[annotation.image]
            item = Item(annotation.image, known.patient, label, known.study, known.view)
            item.attributes = known.attributes
        else:
            raise TableError(f"{tables}: image {annotation.image!r} of NEATX is not in PadChest's table.")
        item.source = "NEATX" if annotator == "combined" else f"NEATX annotator {annotator}"
        items.append(item)
    datalist = Datalist(
        name="NEATX on PadChest",
        description=f"Four tubes by non-experts: {annotator if annotator == 'combined' else f'annotator {annotator}'}.",
        findings=TUBES,
        sections={"training": items, "validation": [], "test": []},
        provenance={"counts": {"rows of the raw table": len(items)}},
    )
    if people is None:
        return with_counts(datalist, {"images whose patient is not known (each counts as its own)": len(items)})
    return datalist


def read_neatx(path: Path) -> list[Annotation]:
    """The raw annotations.

    Raises:
        TableError: a column is missing, a certainty that is none of those allowed, or an image named twice.
    """
    columns = [f"{tube}_a{annotator}" for annotator in (1, 2) for tube in _TUBES]
    table = read_table(path, ("ImageID", *columns))
    annotations = []
    seen = set()
    for index, (image, *cells) in enumerate(table.select("ImageID", *columns)):
        if image in seen:
            raise TableError(f"{table.where(index)}: image {image!r} is named twice.")
        seen.add(image)
        said = [certainty(cell, column, table.where(index)) for cell, column in zip(cells, columns, strict=True)]
        annotations.append(Annotation(image, tuple(said[: len(_TUBES)]), tuple(said[len(_TUBES) :])))
    return annotations


def certainty(cell: str, column: str, where: str) -> float:
    """What an annotator said, 0 to 1; INVALID is not said.

    Raises:
        TableError: another text.
    """
    if cell not in _CERTAINTIES:
        one_of(cell, _CERTAINTIES, column, where)
    return NOT_SAID if cell == _INVALID else float(cell)


def _people(tables: Path, each_image_a_patient: bool) -> dict[str, Item] | None:
    if optional_table(tables, *PADCHEST_TABLES) is not None:
        return {item.image: item for item in padchest(tables).sections["training"]}
    if each_image_a_patient:
        return None
    raise TableError(
        f"{tables}: holds no {PADCHEST_TABLES[0]}[.gz], which alone tells the patients of NEATX's images. Put it there "
        "or, to take each image for a patient of its own, add --each-image-a-patient."
    )
