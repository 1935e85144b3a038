"""Read boxes, polygons and run lengths from a COCO JSON file."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.datalist.item import Box, RunLengths
from app.datalist.run_lengths import from_compressed, polygon, rectangles, runs_of, union
from app.datasets.rows import read_json
from app.files.tables import TableError


@dataclass(slots=True)
class CocoImage:
    """The locations that a COCO file gives in one image.

    Attributes:
        size: (height, width) in whose pixels the locations are.
        boxes: Of findings that have only boxes.
        mask: By finding, if any of its annotations is an outline; its boxes without one are filled in.
    """

    size: tuple[int, int]
    boxes: tuple[Box, ...] = ()
    mask: Mapping[str, RunLengths] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Coco:
    """A COCO file.

    Attributes:
        findings: Names of its categories that are findings; all of them were asked for in every image.
        images: By the file name that it gives, with forward slashes.
        unmapped: Categories that are no findings, with the number of their annotations.
    """

    findings: tuple[str, ...]
    images: dict[str, CocoImage]
    unmapped: dict[str, int]


def read_coco(path: Path, finding_of: Callable[[str], str | None]) -> Coco:
    """Read a COCO file of object annotations.

    Args:
        path: JSON with ``images`` (id, file_name, width, height), ``categories`` (id, name), ``annotations`` (image_id,
            category_id, ``bbox`` as x, y, width, height, and optionally ``segmentation``: polygons, run lengths, or
            compressed run lengths).
        finding_of: Gives the finding that a category's name means, or None.

    Raises:
        TableError: There is no such file or it is not COCO; an image is named twice; a box has no area or is outside
            its image; an outline does not fit its image or covers no pixel of it; or an id is unknown.
    """
    content = _content(path)
    names = _category_names(content["categories"], path)
    images = _images(content["images"], path)
    unmapped: Counter[str] = Counter()
    drawn: dict[object, list[tuple[str, Box | RunLengths]]] = defaultdict(list)
    for index, annotation in enumerate(content["annotations"]):
        where = f"{path}, annotations[{index}]"
        image, category = annotation.get("image_id"), annotation.get("category_id")
        if image not in images or category not in names:
            raise TableError(f"{where}: no image of id {image!r} or no category of id {category!r}.")
        finding = finding_of(names[category])
        if finding is None:
            unmapped[names[category]] += 1
        else:
            drawn[image].append((finding, _location(annotation, finding, images[image][1].size, where)))
    for image, locations in drawn.items():
        _add(images[image][1], locations)
    findings = dict.fromkeys(finding for name in names.values() if (finding := finding_of(name)) is not None)
    return Coco(tuple(findings), dict(images.values()), dict(unmapped.most_common()))


def _content(path: Path) -> dict[str, list[dict[str, Any]]]:
    content = read_json(path)
    keys = ("images", "categories", "annotations")
    missing = [key for key in keys if not isinstance(content, dict) or not isinstance(content.get(key), list)]
    if missing:
        found = ", ".join(content) if isinstance(content, dict) else type(content).__name__
        raise TableError(f"{path}: COCO has lists {', '.join(keys)}; {', '.join(missing)} missing. Found: {found}.")
    for key in keys:
        for index, entry in enumerate(content[key]):
            _require_object(entry, f"{path}, {key}[{index}]")
    return content


def _require_object(entry: object, where: str) -> None:
    if not isinstance(entry, dict):
        raise TableError(f"{where}: must be an object, not {entry!r}.")
    for key in ("id", "image_id", "category_id"):
        if not isinstance(entry.get(key), int | str | None):
            raise TableError(f"{where}: {key!r} must be a number or text, not {entry[key]!r}.")


def _category_names(entries: list[dict[str, Any]], path: Path) -> dict[object, str]:
    names: dict[object, str] = {}
    for entry in entries:
        identifier, name = entry.get("id"), unicodedata.normalize("NFC", str(entry.get("name", "")))
        if identifier in names:
            raise TableError(
                f"{path}: categories {names[identifier]!r} and {name!r} have one id, {identifier!r}, so an annotation "
                "may mean either. Give each category an id of its own."
            )
        names[identifier] = name
    return names


def _images(entries: list[dict[str, Any]], path: Path) -> dict[object, tuple[str, CocoImage]]:
    """File name and locations, still empty, by id."""
    images: dict[object, tuple[str, CocoImage]] = {}
    for entry in entries:
        name, height, width = str(entry.get("file_name", "")), entry.get("height"), entry.get("width")
        if not name or not (isinstance(height, int) and isinstance(width, int) and min(height, width) > 0):
            raise TableError(
                f"{path}: image {name!r} must have a file_name and whole height and width, not {height!r}, {width!r}."
            )
        images[entry.get("id")] = (name.replace("\\", "/"), CocoImage((height, width)))
    if len({name for name, _ in images.values()}) < len(entries):
        repeated = Counter(str(entry.get("file_name")) for entry in entries).most_common(1)[0][0]
        raise TableError(f"{path}: image {repeated!r} is named twice, or two images have one id.")
    return images


def _location(annotation: dict[str, Any], finding: str, size: tuple[int, int], where: str) -> Box | RunLengths:
    outline = annotation.get("segmentation")
    if outline:
        try:
            mask = _outline(outline, size)
        except (ValueError, TypeError) as error:
            raise TableError(f"{where}: its segmentation does not fit its image ({error}).") from error
        if not runs_of(mask):
            raise TableError(f"{where}: its segmentation covers no pixel of its image of {size[1]} x {size[0]} pixels.")
        return mask
    corners = annotation.get("bbox")
    if not isinstance(corners, list) or len(corners) != 4 or not all(_is_number(value) for value in corners):
        raise TableError(f"{where}: needs 'bbox' as [x, y, width, height] or 'segmentation', not {corners!r}.")
    x, y, width, height = map(float, corners)
    if not (width > 0 and height > 0):
        raise TableError(f"{where}: the box {corners} has no area.")
    if x < -0.01 or y < -0.01 or x + width > size[1] + 0.01 or y + height > size[0] + 0.01:
        raise TableError(f"{where}: the box {corners} reaches outside the image of {size[1]} x {size[0]} pixels.")
    return Box(finding, x, y, width, height)


def _outline(outline: object, size: tuple[int, int]) -> RunLengths:
    if isinstance(outline, dict):
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
    if not isinstance(outline, list) or not all(isinstance(points, list) for points in outline):
        raise ValueError("a segmentation must be a list of polygons, or run lengths with size and counts")
    return union([polygon(points, size) for points in outline])


def _add(image: CocoImage, locations: list[tuple[str, Box | RunLengths]]) -> None:
    outlined = {finding for finding, location in locations if isinstance(location, RunLengths)}
    image.boxes = tuple(box for finding, box in locations if isinstance(box, Box) and finding not in outlined)
    image.mask = {
        finding: union(
            [
                location if isinstance(location, RunLengths) else rectangles([location], image.size)
                for name, location in locations
                if name == finding
            ]
        )
        for finding in sorted(outlined)
    }


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
