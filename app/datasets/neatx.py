"""NEATX: tubes on 1,011 radiographs of PadChest, by two annotators without medical training, raw and combined.

Source: Cheplygina et al., "Augmenting Chest X-ray Datasets with Non-Expert Annotations";
https://zenodo.org/records/14944064, CC BY 4.0; the radiographs are PadChest's. Known faults: all images were chosen
because PadChest's labels name a tube, so prevalences mean nothing; some are upside down or show little of the chest
(the annotators' notes); nasogastric and endotracheal tubes are uncertain on 202 and 158 of the images.

Tables: ``neatx_padchest_raw.csv`` (or ``raw.csv``, ``Annotations_raw.csv``,
``PadChest_TubeAnnotations_NonExperts_raw.csv``): one certainty of 0, 0.25, 0.5, 0.75, 1 or INVALID for each tube and
annotator. The published combination, ``neatx_padchest_aggregated.csv``, is not needed, as it follows from the raw table
(:func:`app.annotations.voting.by_certainty`). Only PadChest's own table, in the same folder, gives the patient
of each image.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from app.datalist.item import Datalist, Item
from app.datalist.stored_images import with_images
from app.datasets.arguments import add_patient_argument
from app.datasets.neatx_tables import TABLES, read_neatx
from app.datasets.padchest import TABLES as PADCHEST_TABLES
from app.datasets.padchest import padchest
from app.files.tables import TableError, find_table, optional_table
from app.findings import TUBES

ANNOTATORS = ("combined", "1", "2")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this data set."""
    parser.add_argument(
        "--annotator", choices=ANNOTATORS, default="combined", help="certainties of one, or both combined (%(default)s)"
    )
    add_patient_argument(parser)


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist that the command line asks for; see :func:`add_arguments`."""
    datalist = neatx(arguments.tables, arguments.annotator, arguments.each_image_a_patient)
    return with_images(datalist, arguments.images, arguments.out)


def neatx(tables: Path, annotator: str = "combined", each_image_a_patient: bool = False) -> Datalist:
    """All 1,011 images with four tubes, all in ``training``.

    Args:
        tables: Folder of the tables.
        annotator: ``combined``, or ``1`` or ``2`` for the certainties of one, 0 to 1.
        each_image_a_patient: What to do without PadChest's table, which gives the patients.

    Raises:
        TableError: A table is missing or wrong, or no patient is known.
    """
    people = _people(tables, each_image_a_patient)
    source = "NEATX" if annotator == "combined" else f"NEATX annotator {annotator}"
    items = []
    for annotation in read_neatx(find_table(tables, *TABLES)):
        image = annotation.image
        label = {"combined": annotation.combined, "1": annotation.first, "2": annotation.second}[annotator]
        if people is None:
            items.append(Item(image, image, label, image, source=source))
        elif image in people:
            known = people[image]
            items.append(
                Item(image, known.patient, label, known.study, known.view, source=source, attributes=known.attributes)
            )
        else:
            raise TableError(f"{tables}: image {image!r} of NEATX is not in PadChest's table.")
    counts = {"rows of the raw table": len(items)}
    if people is None:
        counts["images whose patient is not known (each counts as its own)"] = len(items)
    who = annotator if annotator == "combined" else f"annotator {annotator}"
    return Datalist.unsplit("NEATX on PadChest", TUBES, items, f"Four tubes by non-experts: {who}.", counts)


def _people(tables: Path, each_image_a_patient: bool) -> dict[str, Item] | None:
    if optional_table(tables, *PADCHEST_TABLES) is not None:
        return {item.image: item for item in padchest(tables).items()}
    if each_image_a_patient:
        return None
    raise TableError(
        f"{tables}: holds no {PADCHEST_TABLES[0]}[.gz], the only table with the patients of NEATX's images. Put it "
        "there or, to count each image as a patient of its own, add --each-image-a-patient."
    )
