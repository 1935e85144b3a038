"""COCO JSON of object detection or segmentation: boxes, polygons and run lengths, also compressed ones."""

from __future__ import annotations

import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

from app.annotation_formats.documents import frame, is_number, read_json
from app.annotation_formats.marks import (
    AnnotatedImage,
    AnnotationError,
    AnnotationFile,
    Frame,
    Mark,
    Polygons,
    Raster,
    Rectangle,
)
from app.datalist.item import RunLengths
from app.datalist.run_lengths import from_compressed, runs_of

_KEYS = ("images", "categories", "annotations")


def looks_like_coco(content: object) -> bool:
    """Whether a value of JSON is an object with the lists of a COCO file."""
    return isinstance(content, dict) and {"images", "annotations"} <= content.keys()


def read_coco(path: Path) -> AnnotationFile:
    """Read a COCO file; every category was asked for in every image.

    Args:
        path: JSON with ``images`` (id, file_name, width, height), ``categories`` (id, name), ``annotations`` (image_id,
            category_id, ``bbox`` as x, y, width, height, and optionally ``segmentation``: polygons, run lengths, or
            compressed run lengths). A crowd (``iscrowd``) is a region like another.

    Raises:
        AnnotationError: It cannot be read or is not COCO; an image is named twice; an id is given twice or unknown; or
            a segmentation does not fit its image.
    """
    content = _content(path)
    names = _category_names(content["categories"], path)
    images = _images(content["images"], path)
    result = AnnotationFile(path, "COCO", list(images.values()), tuple(names.values()))
    for index, annotation in enumerate(content["annotations"]):
        where = f"{path}, annotations[{index}]"
        image, category = annotation.get("image_id"), annotation.get("category_id")
        if image not in images or category not in names:
            raise AnnotationError(f"{where}: no image of id {image!r} or no category of id {category!r}.")
        images[image].marks.append(Mark(names[category], _shape(annotation, images[image].frame, where), where))
        result.counts["crowds (taken like other regions)"] += bool(annotation.get("iscrowd"))
    return result


def _content(path: Path) -> dict[str, list[dict[str, Any]]]:
    content = read_json(path)
    missing = [key for key in _KEYS if not isinstance(content, dict) or not isinstance(content.get(key), list)]
    if missing:
        keys = ", ".join(content) if isinstance(content, dict) else type(content).__name__
        raise AnnotationError(
            f"{path}: COCO has lists {', '.join(_KEYS)}; {', '.join(missing)} missing. Found: {keys}."
        )
    for key in _KEYS:
        for index, entry in enumerate(content[key]):
            _require_object(entry, f"{path}, {key}[{index}]")
    return content


def _require_object(entry: object, where: str) -> None:
    if not isinstance(entry, dict):
        raise AnnotationError(f"{where}: must be an object, not {entry!r}.")
    for key in ("id", "image_id", "category_id"):
        if not isinstance(entry.get(key), int | str | None):
            raise AnnotationError(f"{where}: {key!r} must be a number or text, not {entry[key]!r}.")


def _category_names(entries: list[dict[str, Any]], path: Path) -> dict[object, str]:
    names: dict[object, str] = {}
    for entry in entries:
        identifier, name = entry.get("id"), unicodedata.normalize("NFC", str(entry.get("name", "")))
        if identifier in names:
            raise AnnotationError(
                f"{path}: categories {names[identifier]!r} and {name!r} have one id, {identifier!r}, so an annotation "
                "may mean either. Give each category an id of its own."
            )
        names[identifier] = name
    return names


def _images(entries: list[dict[str, Any]], path: Path) -> dict[object, AnnotatedImage]:
    """Images, still without marks, by id."""
    images: dict[object, AnnotatedImage] = {}
    for entry in entries:
        where = f"{path}, {entry.get('file_name', '')}"
        name, height, width = str(entry.get("file_name", "")), entry.get("height"), entry.get("width")
        if not name or not (isinstance(height, int) and isinstance(width, int) and min(height, width) > 0):
            raise AnnotationError(
                f"{path}: image {name!r} must have a file_name and whole height and width, not {height!r}, {width!r}."
            )
        images[entry.get("id")] = AnnotatedImage((name.replace("\\", "/"),), where, frame(height, width, where))
    if len({image.names for image in images.values()}) < len(entries):
        repeated = Counter(str(entry.get("file_name")) for entry in entries).most_common(1)[0][0]
        raise AnnotationError(f"{path}: image {repeated!r} is named twice, or two images have one id.")
    return images


def _shape(annotation: dict[str, Any], size: Frame | None, where: str) -> Rectangle | Polygons | Raster:
    outline = annotation.get("segmentation")
    if outline and size is not None:
        try:
            return _outline(outline, size)
        except (ValueError, TypeError) as error:
            raise AnnotationError(f"{where}: its segmentation does not fit its image ({error}).") from error
    corners = annotation.get("bbox")
    if not isinstance(corners, list) or len(corners) != 4 or not all(map(is_number, corners)):
        raise AnnotationError(f"{where}: needs 'bbox' as [x, y, width, height] or 'segmentation', not {corners!r}.")
    return Rectangle(*map(float, corners))


def _outline(outline: object, size: Frame) -> Polygons | Raster:
    if isinstance(outline, dict):
        mask = _run_lengths(outline, size)
        if not runs_of(mask):
            raise ValueError(f"it covers no pixel of {size[1]} x {size[0]} pixels")
        return Raster(mask)
    if not isinstance(outline, list) or not all(isinstance(polygon, list) for polygon in outline):
        raise ValueError("a segmentation must be a list of polygons, or run lengths with size and counts")
    for points in outline:
        if len(points) < 6 or len(points) % 2 or not all(map(is_number, points)):
            raise ValueError(f"a polygon must have three points or more of two numbers each, not {len(points)} numbers")
    return Polygons(tuple(tuple(map(float, polygon)) for polygon in outline))


def _run_lengths(outline: dict[str, Any], size: Frame) -> RunLengths:
    if outline.get("size") != list(size):
        raise ValueError(f"size {outline.get('size')}, but the image has height and width {list(size)}")
    counts = outline.get("counts")
    if isinstance(counts, str):
        return from_compressed(counts, size)
    if not isinstance(counts, list) or not all(type(count) is int for count in counts):
        raise ValueError("its counts must be a list of whole numbers, or COCO's compressed text")
    if sum(counts) != size[0] * size[1] or min(counts) < 0:
        raise ValueError(f"run lengths add up to {sum(counts)}, not to {size[0]} x {size[1]}")
    return RunLengths(size, tuple(counts))
