"""Reading of label maps: files in which several findings are told apart by the value of a pixel, or lie in layers."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transforms.errors import RadiographError
from transforms.files import open_beside
from transforms.formats import format_of
from transforms.masks import picture_mask
from transforms.nrrd import nrrd_pairs
from transforms.pictures import picture_pixels
from transforms.raw_volumes import HEADER
from transforms.read import content_of, naming_file, raw_volume, stored_pixels
from transforms.turning import AS_STORED, Turn

Array = NDArray[Any]

_MOST_LAYERS = 64
_MOST_VALUES = 255


class LabelMap(NamedTuple):
    """A label map as it is shown.

    Attributes:
        layers: (L, H, W) whole numbers; 0 is nothing.
        turn: From stored to shown.
        is_anatomical: Whether the file says how its axes lie in the patient, by which it is shown.
        pairs: Key/value pairs of an NRRD header.
    """

    layers: Array
    turn: Turn = AS_STORED
    is_anatomical: bool = False
    pairs: dict[str, str] = {}  # noqa: RUF012 - never changed


def read_label_map(path: Path) -> LabelMap:
    """Read a label map in any format of `transforms.read_radiograph` but DICOM.

    A picture with a palette holds the palette's numbers; a picture with colours is a mask as `transforms.read_mask`
    reads it, 0 and 1.

    Raises:
        RadiographError: The file is missing or cannot be read; holds values that are negative or no whole numbers, or
            more than 255 different ones; or is a JPEG or a coloured picture with more than two values.
    """
    with naming_file(path):
        kind, content = content_of(path)
        if kind == "dicom":
            raise RadiographError("is DICOM but no segmentation object, and so no mask")
        if kind == "picture":
            return LabelMap(_whole(picture_labels(content))[None])
        if kind != "nrrd":
            return LabelMap(_whole(stored_pixels(path, kind, content)[0])[None], is_anatomical=True)
        volume = raw_volume(kind, content, _MOST_LAYERS)
        head = content[:HEADER]
        if volume.file:
            with open_beside(path, volume.file) as stream:
                content = stream.read()
        values = volume.pixels(content)
        layers = values[None] if values.ndim == 2 else np.moveaxis(values, -1, 0)
        return LabelMap(_whole(layers), volume.plane.turn, True, nrrd_pairs(head))


def picture_labels(content: bytes) -> Array:
    """The labels (H, W) in the bytes of a picture, as shown; see `read_label_map`."""
    from PIL import Image

    if format_of(content) != "picture":
        raise RadiographError("is no picture")
    pixels, header = picture_pixels(content)
    with Image.open(BytesIO(content)) as picture:
        mode, name = picture.mode, picture.format
        indices = np.asarray(picture) if mode == "P" else None
    if indices is not None and len(np.unique(indices)) > 2:
        return header.turn.apply(indices)
    if pixels.ndim == 2 and indices is None and header.plain_bits > 1 and name != "JPEG" and not header.white_is_zero:
        return pixels
    return picture_mask(content).astype(np.uint8)


def _whole(values: Array) -> Array:
    """Values as whole numbers from 0."""
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and (values == np.rint(values)).all()):
        raise RadiographError("holds values that are no whole numbers, and so no labels")
    if values.size and values.min() < 0:
        raise RadiographError(f"holds the negative value {values.min():g}, which is no label")
    count = len(np.unique(values))
    if count > _MOST_VALUES + 1:
        raise RadiographError(f"holds {count} different values, more than the {_MOST_VALUES} labels of any label map")
    return values.astype(np.int64) if values.dtype.kind == "f" else values
