"""Pascal VOC: one XML file for each image, with boxes in whole pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

from app.annotation_formats.documents import frame, number, read_xml
from app.annotation_formats.marks import (
    AnnotatedImage,
    AnnotationError,
    AnnotationFile,
    Mark,
    Rectangle,
    marked_names,
    names_beside,
)


def read_pascal_voc(path: Path, files: Sequence[Path]) -> AnnotationFile:
    """Read the XML files of a folder; every name that any of them has was asked for in all of them.

    Pixels are counted from 1, and the last one belongs to the box (VOC development kit, section 3): xmin 1 and xmax 10
    are ten columns. An object marked as difficult is taken, and counted.

    Raises:
        AnnotationError: A file cannot be read, is not Pascal VOC, names no image, or a coordinate is missing or not
            finite.
    """
    counts: Counter[str] = Counter()
    images = [_image(file, path, counts) for file in files]
    return AnnotationFile(path, "Pascal VOC", images, tuple(marked_names(images)), counts)


def _image(file: Path, folder: Path, counts: Counter[str]) -> AnnotatedImage:
    root, where = read_xml(file), str(file)
    name = (root.findtext("filename") or "").strip().replace("\\", "/")
    if root.tag != "annotation":
        raise AnnotationError(f"{where}: not Pascal VOC, whose root is <annotation>, not <{root.tag}>.")
    size = root.find("size")
    sides = [] if size is None else [(size.findtext(each) or "0").strip() for each in ("height", "width")]
    known = None
    if sides and sides != ["0", "0"]:  # tools write 0 if they do not know the size
        known = frame(sides[0], sides[1], where)
    image = AnnotatedImage(names_beside(file, folder, name), where, known)
    for index, element in enumerate(root.findall("object")):
        place = f"{where}, object[{index}]"
        box = element.find("bndbox")
        if box is None:
            counts["left out: objects without a box"] += 1
        else:
            image.marks.append(Mark((element.findtext("name") or "").strip(), _box(box, place), place))
            counts["objects marked as difficult (taken)"] += (element.findtext("difficult") or "").strip() == "1"
    return image


def _box(element: Element, where: str) -> Rectangle:
    names = ("xmin", "ymin", "xmax", "ymax")
    left, top, right, bottom = (number((element.findtext(name) or "").strip(), name, where) for name in names)
    return Rectangle(left - 1, top - 1, right - left + 1, bottom - top + 1)
