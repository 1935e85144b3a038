"""CVAT's XML for images, version 1.1: boxes, polygons, ellipses, masks and tags."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate
from pathlib import Path
from xml.etree.ElementTree import Element

from app.annotation_formats.documents import frame, number, read_xml
from app.annotation_formats.marks import (
    AnnotatedImage,
    AnnotationError,
    AnnotationFile,
    Frame,
    Mark,
    Polygons,
    Raster,
    Rectangle,
    marked_names,
)
from app.annotation_formats.rotation import ellipse_polygon, turned_rectangle
from app.datalist.run_lengths import from_row_runs

_SHAPES = ("box", "polygon", "ellipse", "mask")
_NOT_LOCATED = ("tag", "points", "polyline", "cuboid", "skeleton")
"""Types of a label that cannot say where a finding is."""


def read_cvat(path: Path) -> AnnotationFile:
    """Read "CVAT for images 1.1".

    Every label of the task that can be drawn was asked for in every image. A tag is a label of the whole image; a tag
    that other images have is absent from an image with any tag.

    Raises:
        AnnotationError: It cannot be read, is CVAT's format for videos, an image has no name or size, a coordinate is
            missing or not finite, or a mask's run lengths do not fill its box.
    """
    root = read_xml(path)
    if root.tag != "annotations":
        raise AnnotationError(f"{path}: not CVAT's XML, whose root is <annotations>, not <{root.tag}>.")
    if root.find("track") is not None:
        raise AnnotationError(f"{path}: is CVAT's format for videos; export it as 'CVAT for images 1.1'.")
    counts: Counter[str] = Counter()
    elements = root.findall("image")
    tags = dict.fromkeys(tag.get("label", "") for element in elements for tag in element.findall("tag"))
    images = [_image(element, tags, f"{path}, image {element.get('name', '')}", counts) for element in elements]
    asked = marked_names(images)
    for label in root.findall("meta//label"):
        name = label.findtext("name", "")
        if label.findtext("type", "any") not in _NOT_LOCATED and name not in tags and label.find("parent") is None:
            asked[name] = None
    return AnnotationFile(path, "CVAT", images, tuple(asked), counts)


def _image(element: Element, tags: dict[str, None], where: str, counts: Counter[str]) -> AnnotatedImage:
    name = element.get("name", "").replace("\\", "/")
    if not name:
        raise AnnotationError(f"{where}: every image must have a 'name'.")
    size = frame(element.get("height"), element.get("width"), where)
    image = AnnotatedImage((name,), where, size)
    for index, shape in enumerate(element):
        place, label = f"{where}, {shape.tag}[{index}]", shape.get("label", "")
        if shape.tag in _SHAPES and shape.get("outside") == "1":
            counts["left out: shapes marked as outside of the image"] += 1
        elif shape.tag in _SHAPES:
            image.marks.append(Mark(label, _shape(shape, size, place), place))
            counts["shapes marked as occluded (taken)"] += shape.get("occluded") == "1"
        elif shape.tag != "tag":
            counts[f"left out: {shape.tag}"] += 1
    labels = {tag.get("label", "") for tag in element.findall("tag")}
    if labels:
        image.labels = {tag: int(tag in labels) for tag in tags}
    return image


def _shape(shape: Element, size: Frame, where: str) -> Rectangle | Polygons | Raster:
    if shape.tag == "mask":
        return _mask(shape, size, where)
    if shape.tag == "polygon":
        return _polygon(shape.get("points", ""), where)
    names = ("xtl", "ytl", "xbr", "ybr") if shape.tag == "box" else ("cx", "cy", "rx", "ry")
    first, second, third, fourth = (number(shape.get(name), name, where) for name in names)
    rotation = number(shape.get("rotation", "0"), "rotation", where)
    if shape.tag == "ellipse":
        return ellipse_polygon((first, second), (third, fourth), rotation)
    # A box is turned around its centre.
    box = Rectangle(first, second, third - first, fourth - second)
    return turned_rectangle(box, rotation, (first + box.width / 2, second + box.height / 2))


def _polygon(text: str, where: str) -> Polygons:
    """The points of ``x,y;x,y;...``."""
    pairs = [pair.split(",") for pair in text.split(";") if pair.strip()]
    if len(pairs) < 3 or any(len(pair) != 2 for pair in pairs):
        raise AnnotationError(f"{where}: a polygon must have three points or more as x,y;x,y;...")
    return Polygons((tuple(number(each.strip(), "points", where) for pair in pairs for each in pair),))


def _mask(shape: Element, size: Frame, where: str) -> Raster:
    """Run lengths along the rows of the mask's box, beginning with those that are off."""
    names = ("left", "top", "width", "height")
    left, top, width, height = (number(shape.get(name), name, where) for name in names)
    try:
        lengths = [int(each) for each in shape.get("rle", "").split(",")]
    except ValueError as error:
        raise AnnotationError(f"{where}: its 'rle' must be whole numbers and commas.") from error
    if any(each != int(each) for each in (left, top, width, height)) or min(left, top, width - 1, height - 1) < 0:
        raise AnnotationError(f"{where}: its box must be of whole pixels of the image.")
    if left + width > size[1] or top + height > size[0]:
        raise AnnotationError(f"{where}: the mask reaches outside the image of {size[1]} x {size[0]} pixels.")
    if min(lengths) < 0 or sum(lengths) != width * height:
        raise AnnotationError(f"{where}: its run lengths add up to {sum(lengths)}, not to {width:g} x {height:g}.")
    ends = list(accumulate(lengths))
    runs = [(ends[index - 1], ends[index]) for index in range(1, len(ends), 2)]
    mask = from_row_runs(runs, (int(height), int(width)))
    return Raster(mask, offset=(int(top), int(left)))
