"""CVAT's XML for images from images: boxes, masks, and present findings as tags."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from app.annotation_formats.written import WrittenImage
from app.datalist.item import RunLengths
from app.datalist.run_lengths import decode, encode, extent, runs_of
from app.findings import NO_FINDING, PRESENT


def cvat_files(images: Sequence[WrittenImage], findings: Sequence[str]) -> dict[str, str]:
    """``annotations.xml``, which CVAT takes by "Upload annotations" into a task that has these images and labels.

    If they are suggestions, there is a tag "No Finding": without any tag, nobody could tell an image on which a reader
    found nothing from one that nobody looked at.
    """
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    labels = SubElement(SubElement(SubElement(root, "meta"), "task"), "labels")
    kinds = dict.fromkeys(findings, "any")
    if any(image.is_suggestion for image in images):
        kinds.setdefault(NO_FINDING, "tag")
    for finding, kind in kinds.items():
        label = SubElement(labels, "label")
        SubElement(label, "name").text = finding
        SubElement(label, "type").text = kind
    for index, image in enumerate(images):
        height, width = image.size
        element = SubElement(root, "image", id=str(index), name=image.name, width=str(width), height=str(height))
        for name, attributes in _shapes(image):
            SubElement(element, name, attributes | {"source": "auto" if image.is_suggestion else "manual"})
    indent(root)
    return {"annotations.xml": f'<?xml version="1.0" encoding="utf-8"?>\n{tostring(root, encoding="unicode")}\n'}


def _shapes(image: WrittenImage) -> Iterator[tuple[str, dict[str, str]]]:
    located = {*(box.finding for box in image.boxes), *(name for name, mask in image.masks.items() if runs_of(mask))}
    for finding, value in image.labels.items():
        if value == PRESENT and finding not in located:
            yield "tag", {"label": finding}
    if image.is_suggestion and image.labels and PRESENT not in image.labels.values():
        yield "tag", {"label": NO_FINDING}
    for box in image.boxes:
        corners = {"xtl": box.x, "ytl": box.y, "xbr": box.x + box.width, "ybr": box.y + box.height}
        places = {name: f"{value:.3f}" for name, value in corners.items()}
        yield "box", {"label": box.finding, "occluded": "0", **places, "z_order": "0"}
    for finding, mask in image.masks.items():
        if runs_of(mask):
            yield "mask", {"label": finding, "occluded": "0", **_mask(mask), "z_order": "0"}


def _mask(mask: RunLengths) -> dict[str, str]:
    """The box of a mask, and run lengths along its rows, beginning with those that are off."""
    pixels = decode(mask)
    rows, columns = extent(pixels)
    return {
        "rle": ", ".join(map(str, encode(pixels[rows, columns].T).counts)),
        "left": str(columns.start),
        "top": str(rows.start),
        "width": str(columns.stop - columns.start),
        "height": str(rows.stop - rows.start),
    }
