"""LabelMe: one JSON file for each image, with rectangles, polygons, circles and masks."""

from __future__ import annotations

import base64
import binascii
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.annotation_formats.documents import frame, is_point, read_json
from app.annotation_formats.label_maps import mask_in_picture
from app.annotation_formats.marks import (
    AnnotatedImage,
    AnnotationError,
    AnnotationFile,
    Mark,
    Polygons,
    Raster,
    Rectangle,
    marked_names,
    names_beside,
)
from app.annotation_formats.rotation import ellipse_polygon
from transforms.errors import RadiographError

_SHAPES = {"rectangle": (2, 4), "polygon": (3,), "rotation": (4,), "circle": (2,), "mask": (2,)}
"""The shapes that have an area, and the numbers of their points; a polygon may have more. X-AnyLabeling writes the same
form, but gives a rectangle its four corners, and calls a turned one a rotation."""


def looks_like_labelme(content: object) -> bool:
    """Whether a value of JSON is an object with LabelMe's shapes."""
    return isinstance(content, dict) and {"shapes", "imagePath"} <= content.keys()


def read_labelme(path: Path, files: Sequence[Path]) -> AnnotationFile:
    """Read the JSON files of a folder; every label that any of them has was asked for in all of them.

    Flags of an image are its labels; the picture within a file (``imageData``) is not read.

    Raises:
        AnnotationError: A file cannot be read, is not LabelMe's, names no image, or has a shape without the points or
            the mask that it needs.
    """
    counts: Counter[str] = Counter()
    images = [_image(file, path, counts) for file in files]
    return AnnotationFile(path, "LabelMe", images, tuple(marked_names(images)), counts)


def _image(file: Path, folder: Path, counts: Counter[str]) -> AnnotatedImage:
    content, where = read_json(file), str(file)
    if not looks_like_labelme(content) or not isinstance(content["shapes"], list):
        raise AnnotationError(f"{where}: not LabelMe's JSON, which has 'imagePath' and 'shapes', a list.")
    parts = [part for part in str(content["imagePath"]).replace("\\", "/").split("/") if part not in ("", ".", "..")]
    sizes = [content.get(f"image{each}") for each in ("Height", "Width")]
    known = None if sizes == [None, None] else frame(sizes[0], sizes[1], where)
    image = AnnotatedImage(names_beside(file, folder, "/".join(parts)), where, known)
    flags = content.get("flags") or {}
    if not isinstance(flags, dict) or not all(isinstance(value, bool) for value in flags.values()):
        raise AnnotationError(f"{where}: its 'flags' must be an object of true and false.")
    image.labels = {name: int(value) for name, value in flags.items()}
    for index, shape in enumerate(content["shapes"]):
        place = f"{where}, shapes[{index}]"
        if not isinstance(shape, dict) or not isinstance(shape.get("label"), str):
            raise AnnotationError(f"{place}: must be an object with a 'label'.")
        kind = str(shape.get("shape_type") or "polygon")
        if kind in _SHAPES:
            image.marks.append(Mark(shape["label"], _shape(shape, kind, place), place))
        else:
            counts[f"left out: {kind}"] += 1
    return image


def _shape(shape: dict[str, Any], kind: str, where: str) -> Rectangle | Polygons | Raster:
    points = shape.get("points")
    if not isinstance(points, list) or not all(map(is_point, points)):
        raise AnnotationError(f"{where}: its 'points' must be a list of two numbers each.")
    allowed = _SHAPES[kind]
    if len(points) not in allowed and not (kind == "polygon" and len(points) > allowed[0]):
        numbers = " or ".join(map(str, allowed))
        raise AnnotationError(f"{where}: a {kind} must have {numbers} points, not {len(points)}.")
    if kind in ("polygon", "rotation"):
        return Polygons((tuple(float(each) for point in points for each in point),))
    (first_x, first_y), (second_x, second_y) = points[0], points[len(points) // 2]  # opposite corners
    if kind == "circle":  # its centre, and a point on it
        radius = math.hypot(second_x - first_x, second_y - first_y)
        return ellipse_polygon((first_x, first_y), (radius, radius))
    left, top = min(first_x, second_x), min(first_y, second_y)
    if kind == "mask":
        return _mask(shape.get("mask"), (round(top), round(left)), where)
    return Rectangle(left, top, abs(second_x - first_x), abs(second_y - first_y))


def _mask(text: object, offset: tuple[int, int], where: str) -> Raster:
    """A PNG as base64 text, of the part of the image that begins at ``offset``."""
    try:
        content = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
        return Raster(mask_in_picture(content), offset=offset)
    except (RadiographError, binascii.Error, ValueError) as error:
        raise AnnotationError(f"{where}: its 'mask' is no PNG as base64 text ({error}).") from error
