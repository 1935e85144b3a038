"""Radiographs with drawn lung masks, and a table with the patient of each and what its mask covers.

``lungs.csv`` has the columns image (file name), patient, and left, top, width, height: the part of the image, in
fractions of its sides, that the mask shows. A mask that was cut square from a landscape radiograph whose image was
squeezed instead shows 0.82 of the width; such an image is cut in the same way and written beside the datalist.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from app.datalist.item import Datalist, Item
from app.datalist.people import patient_of
from app.datalist.splitting import folds
from app.datasets.rows import rows
from app.files.atomic import write_png
from app.files.folders import composed
from app.files.image_names import relative_image
from app.files.images import by_name, image_files
from app.files.limited import limited
from app.files.tables import TableError, read_table
from app.findings import LUNGS

if TYPE_CHECKING:
    import numpy as np

TABLE = "lungs.csv"
Extent = tuple[float, float, float, float]
"""Left, top, width, height, in fractions of the image's sides."""
WHOLE: Extent = (0.0, 0.0, 1.0, 1.0)
_SIDES = ("left", "top", "width", "height")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this data set."""
    parser.add_argument("--masks", type=Path, required=True, metavar="DIR", help="masks, named like the images")
    parser.add_argument(
        "--fold", type=int, metavar="K", help="make this fold, from 0, the test section (default: split by shares)"
    )
    parser.add_argument("--folds", type=int, default=5, metavar="N", help="how many folds (default: %(default)s)")


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """The radiographs in ``arguments.images``, all in training or, with ``--fold``, one fold of them in test.

    An image without a row in the table is a patient of its own, and its mask covers all of it.

    Raises:
        ValueError: There is no folder of images or no such fold, an image has no mask, or the table is wrong.
    """
    if arguments.images is None:
        raise ValueError("name the folder of radiographs: --images DIR")
    table = parts_and_patients(arguments.tables / TABLE)
    of_images, of_masks = image_files(arguments.images), image_files(arguments.masks)
    images, masks = by_name(of_images), by_name(of_masks)
    items = []
    for name, image in sorted(images.items()):
        if name not in masks:
            raise ValueError(f"{image}: no mask of this name in {arguments.masks}.")
        patient, part = table.get(name, (Path(name).stem, WHOLE))
        stored = image if part == WHOLE else cut_out(image, part, arguments.out.parent / "images" / name)
        items.append(_item(stored, masks[name], patient, arguments.out))
    description = "Radiographs with drawn outlines of both lungs, the parts behind the heart included."
    datalist = Datalist.unsplit("lungs", (LUNGS,), items, description)
    datalist.provenance["cut to what the mask covers"] = sum(part != WHOLE for _, part in table.values())
    counts = {"left out: masks without an image": len(masks) - len(items)}
    for listing, kind in ((of_images, "images"), (of_masks, "masks")):
        counts |= {f"left out of the folder of {kind}: {reason}": count for reason, count in listing.left_out.items()}
    datalist = datalist.with_counts({reason: count for reason, count in counts.items() if count})
    return datalist if arguments.fold is None else _fold(datalist, arguments)


def parts_and_patients(path: Path) -> dict[str, tuple[str, Extent]]:
    """By image name: its patient, and the part of the image that its mask covers.

    Raises:
        TableError: The table is missing or lacks a column, or a part is not inside the image.
    """
    table: dict[str, tuple[str, Extent]] = {}
    for where, (name, patient, *cells) in rows(read_table(path), "image", "patient", *_SIDES):
        try:
            left, top, width, height = (float(cell) for cell in cells)
        except ValueError as error:
            raise TableError(f"{where}: {','.join(cells)!r} are not four numbers.") from error
        if not (left >= 0 < width and top >= 0 < height and left + width <= 1.0005 and top + height <= 1.0005):
            raise TableError(f"{where}: part {','.join(cells)} does not lie inside the image (0 to 1).")
        table[composed(name)] = (patient_of(patient, where), (left, top, width, height))
    return table


def cut_out(image: Path, part: Extent, out: Path) -> Path:
    """Write a part of an image, stretched to the whole image's size, as 8-bit grey PNG.

    Raises:
        ValueError: The image cannot be read.
        OSError: Its part cannot be written.
    """
    import cv2
    import numpy as np

    from transforms.read import read_radiograph

    grey = np.rint(limited(read_radiograph, image)[0] * 255).astype(np.uint8)
    write_png(out, cv2.resize(cut(grey, part), grey.shape[::-1], interpolation=cv2.INTER_LINEAR))
    return out


def cut(grey: np.ndarray, part: Extent) -> np.ndarray:
    """The pixels (h, w) of a part of an image (H, W)."""
    left, top, width, height = part
    down, across = grey.shape
    return grey[round(top * down) : round((top + height) * down), round(left * across) : round((left + width) * across)]


def _item(image: Path, mask: Path, patient: str, out: Path) -> Item:
    return Item(
        image=relative_image(image, out),
        patient=patient,
        label=(1.0,),
        mask={LUNGS: relative_image(mask, out)},
        annotated=(LUNGS,),
        source="drawn by hand",
    )


def _fold(datalist: Datalist, arguments: argparse.Namespace) -> Datalist:
    parts = folds(datalist, arguments.folds, located_only=False, extra_share=0.0, seed=arguments.seed)
    if not 0 <= arguments.fold < len(parts):
        raise ValueError(f"fold {arguments.fold}: must be from 0 to {len(parts) - 1}.")
    return parts[arguments.fold]
