"""ChestX-ray14: 112,120 frontal radiographs of 30,805 patients, labels mined from reports, 984 boxes by a radiologist.

Source: Wang et al., "ChestX-ray8", CVPR 2017; https://nihcc.app.box.com/v/ChestXray-NIHCC. No restriction on use if the
source is named. Known faults: the labels were mined by an NLP tool from reports that are not public, and about one in
ten is wrong; "absent" means not mentioned; many pneumothoraces already have a drain; the boxes cover eight of the
fourteen findings, on images labelled with them; the view (AP or PA) reveals much about how ill the patient is.

Tables: ``Data_Entry_2017_v2020.csv`` or ``Data_Entry_2017.csv``; ``BBox_List_2017.csv``, whose boxes are in pixels of
the published 1024x1024 image, whose header is malformed and which writes ``Infiltrate``; for the official split
``train_val_list.txt`` and ``test_list.txt``. Each CSV may be gzipped.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from app.datalist.item import Datalist, Item
from app.datalist.stored_images import keep_stored, place_images, with_images
from app.datasets.nih_drains import drains
from app.datasets.nih_experts import expert_labels
from app.datasets.nih_tables import BOX_TABLE, BOXED, FINDINGS, FRAME, LABEL_TABLES, read_boxes, read_labels
from app.datasets.rsna import read_rsna, with_readings
from app.files.images import image_files
from app.files.tables import TableError, find_table
from app.findings import ABSENT, PRESENT
from app.garbage import without_garbage_collection


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this data set."""
    parser.add_argument("--rsna", action="store_true", help="add the boxes and the 'nowhere' of the RSNA challenge")
    parser.add_argument(
        "--keep-labels",
        action="store_true",
        help="with --rsna: if RSNA drew boxes on an image labelled absent, keep the label and leave the boxes out "
        "(default: the image is then labelled present)",
    )
    parser.add_argument("--official-split", action="store_true", help="test section as in test_list.txt")
    others = parser.add_mutually_exclusive_group()
    others.add_argument(
        "--experts",
        nargs="?",
        const="any",
        choices=("4", "16", "any"),
        help="only experts' labels: of 4 findings on 4,376 images, or of 16 on 810 (default: whose table is there)",
    )
    others.add_argument(
        "--boxes", action="store_true", help="only the radiologist's boxes, as labels of eight findings on 880 images"
    )
    others.add_argument(
        "--drains",
        choices=("combined", "1", "2", "expert"),
        help="only chest drains: by NEATX's two annotators combined, by one of them, or by a radiologist",
    )


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist that the command line asks for; see :func:`add_arguments`."""
    if arguments.experts or arguments.boxes or arguments.drains:
        if arguments.rsna or arguments.official_split:
            raise ValueError(
                "--experts, --boxes and --drains are label sets of their own: leave out --rsna and --official-split."
            )
        return with_images(_label_set(arguments), arguments.images, arguments.out, FRAME)
    datalist, stored = chestxray14(arguments.tables), None
    if arguments.images is not None:
        datalist, stored = keep_stored(datalist, image_files(arguments.images))
    if arguments.rsna:
        datalist = with_readings(datalist, read_rsna(arguments.tables), arguments.keep_labels)
    if arguments.official_split:
        datalist = officially_split(datalist, arguments.tables)
    return datalist if stored is None else place_images(datalist, stored, arguments.out, FRAME)


def _label_set(arguments: argparse.Namespace) -> Datalist:
    if arguments.boxes:
        return boxes_as_labels(chestxray14(arguments.tables))
    if arguments.drains:
        return drains(arguments.tables, arguments.drains)
    return expert_labels(arguments.tables, None if arguments.experts == "any" else arguments.experts)


@without_garbage_collection()
def chestxray14(tables: Path) -> Datalist:
    """ChestX-ray14 with its own labels and boxes, every row of the label table in ``training``.

    Returns:
        A datalist whose items have bare file names and boxes in pixels of the published 1024x1024 images.

    Raises:
        TableError: A table is missing or wrong.
    """
    rows, notes = read_labels(find_table(tables, *LABEL_TABLES))
    boxes = read_boxes(find_table(tables, BOX_TABLE), {row.image for row in rows})
    labels: dict[frozenset[str], tuple[float, ...]] = {}
    items = []
    for row in rows:
        if row.findings not in labels:
            labels[row.findings] = tuple(PRESENT if finding in row.findings else ABSENT for finding in FINDINGS)
        item = Item(row.image, row.patient, labels[row.findings], row.study, row.view, source="ChestX-ray14")
        item.attributes = row.attributes
        if row.image in boxes:
            item.boxes = tuple(boxes[row.image])
            item.annotated = tuple(dict.fromkeys(box.finding for box in item.boxes))
        items.append(item)
    return Datalist.unsplit(
        "ChestX-ray14",
        FINDINGS,
        items,
        "Labels mined from reports (Data_Entry_2017), boxes by a radiologist (BBox_List_2017).",
        {"rows of the label table": len(rows), "boxes of the box table": sum(map(len, boxes.values())), **notes},
    )


def boxes_as_labels(datalist: Datalist) -> Datalist:
    """The boxes of ChestX-ray14 as a label set of their own, on the 880 images that have any.

    Source: the set "BBox" of Cheplygina et al., "Augmenting Chest X-ray Datasets with Non-Expert Annotations". A
    finding is present if it has a box, else absent: no box was drawn, which does not say that anybody looked for it.

    Args:
        datalist: The result of :func:`chestxray14`.
    """

    def relabelled(item: Item) -> Item:
        label = tuple(PRESENT if finding in item.annotated else ABSENT for finding in BOXED)
        return replace(item, label=label, source="radiologist")

    reason = "images without a box"
    return replace(
        datalist.leaving_out(lambda item: "" if item.boxes else reason, [reason]).mapped(relabelled),
        name="ChestX-ray14 boxes",
        description="Eight findings, present where a radiologist drew a box (BBox_List_2017).",
        findings=BOXED,
    )


def officially_split(datalist: Datalist, tables: Path) -> Datalist:
    """The images of ``test_list.txt`` as test, those of ``train_val_list.txt`` as training.

    Raises:
        TableError: A list is missing, or an image is in both or in neither.
    """
    named = {}
    for list_name in ("train_val_list.txt", "test_list.txt"):
        path = tables / list_name
        if not path.is_file():
            raise TableError(f"{tables}: the official split needs {list_name}, which is not there.")
        named[list_name] = set(path.read_text(encoding="utf-8").split())
    training, test = named.values()
    items = datalist.items()
    for item in items:
        if (item.image in training) == (item.image in test):
            raise TableError(
                f"{tables}: image {item.image!r} must be in one of {' and '.join(named)}, not in both or none."
            )
    sections = {
        "training": [item for item in items if item.image in training],
        "validation": [],
        "test": [item for item in items if item.image in test],
    }
    return replace(datalist, sections=sections)
