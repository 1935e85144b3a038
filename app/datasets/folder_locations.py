"""Locations in a user's own images: from a COCO file, or from mask files named by a pattern."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

from app.datalist.item import Datalist, Item
from app.datalist.stored_images import bare_name, stem
from app.datasets.coco import Coco, CocoImage
from app.files.folders import Listing, composed, list_files
from app.files.image_names import relative_image
from app.files.limited import limited
from app.files.tables import TableError
from app.findings import ABSENT, NOT_SAID, PRESENT
from transforms.masks import read_mask


def with_coco(datalist: Datalist, coco: Coco) -> tuple[Datalist, dict[str, tuple[int, int]]]:
    """A datalist with the locations of a COCO file, and the size of each image that the file gives.

    Every finding of the file was asked for in each of its images: without a location it is nowhere, unless the label is
    present (then its location counts as not asked for). A label that nobody gave becomes present with a location and
    absent without one; a label of absent stays beside a location, and is counted.

    Images are matched by as many last parts of their paths as both names have; the image suffix does not matter.

    Raises:
        TableError: An image of the table may be any of several of the file's, or none of the file's images is in the
            datalist.
    """
    by_name: dict[str, list[str]] = defaultdict(list)
    for name in coco.images:
        by_name[composed(bare_name(name))].append(name)
    counts: Counter[str] = Counter()
    frames: dict[str, tuple[int, int]] = {}

    def located(item: Item) -> Item:
        named = [name for name in by_name[composed(bare_name(item.image))] if _is_same(name, item.image)]
        if len(named) > 1:
            raise TableError(f"{item.image}: the COCO file has several such images: {', '.join(named)}.")
        if not named:
            return item
        image = coco.images[named[0]]
        frames[item.image] = image.size
        counts["COCO: images located"] += 1
        return _located(item, datalist.findings, coco.findings, image, counts)

    result = datalist.mapped(located)
    if not coco.findings:
        raise TableError(
            f"none of the COCO file's categories ({', '.join(coco.unmapped) or 'without annotations'}) is one of the "
            f"findings {', '.join(datalist.findings)}."
        )
    if not frames:
        raise TableError(
            f"none of the COCO file's {len(coco.images)} images (such as {next(iter(coco.images), '')!r}) is a row's."
        )
    counts["COCO: left out: images that are not in the table"] = len(coco.images) - counts["COCO: images located"]
    result = result.with_counts(counts)
    if coco.unmapped:
        result.provenance["unmapped"] = coco.unmapped
    return result, frames


def with_masks(datalist: Datalist, pattern: str, root: Path, out: Path) -> Datalist:
    """A datalist with the mask files that exist, each named by the image's stem and the finding.

    A finding with a mask file was annotated; without one nothing is known about its location. A label that nobody gave
    becomes present or, if the mask is empty, absent; a label of absent stays beside a mask that is not empty, and is
    counted.

    Raises:
        ValueError: The pattern has no ``{stem}``, or no ``{finding}`` for several findings; no file fits it; or one
            fits two images.
    """
    if "{stem}" not in pattern or ("{finding}" not in pattern and len(datalist.findings) > 1):
        raise ValueError(f"--masks {pattern!r}: must hold {{stem}} and, for more than one finding, {{finding}}.")
    masks = _MaskFiles(pattern, root)
    image_of: dict[Path, str] = {}
    beside_absent = 0
    for item in datalist.items():
        for index, finding in enumerate(datalist.findings):
            path = masks.file_of(item, finding)
            if path is None:
                continue
            if image_of.setdefault(path, item.image) != item.image:
                raise ValueError(f"{path}: may be the mask of {image_of[path]} or of {item.image}, which share a name.")
            item.mask = {**item.mask, finding: relative_image(path, out)}
            item.boxes = tuple(box for box in item.boxes if box.finding != finding)
            item.annotated = tuple(dict.fromkeys((*item.annotated, finding)))
            is_drawn = bool(limited(read_mask, path).any())  # read whatever the label, as it may be ambiguous
            if item.label[index] == NOT_SAID:
                state = PRESENT if is_drawn else ABSENT
                item.label = (*item.label[:index], state, *item.label[index + 1 :])
            elif item.label[index] == ABSENT:
                beside_absent += is_drawn
    if not image_of:
        raise ValueError(f"{root}: no mask file fits {pattern!r} for any of the images.")
    counts = {
        "mask files": len(image_of),
        "left out: mask files of no image or finding": masks.fitting - len(image_of),
        **{f"left out of the masks' folder: {reason}": count for reason, count in masks.listing.left_out.items()},
    }
    if beside_absent:
        counts["labelled absent, but masked (both kept)"] = beside_absent
    return datalist.with_counts(counts)


class _MaskFiles:
    """The files in the folder that a pattern begins with, by their names below it.

    Attributes:
        listing: Of that folder; empty if it does not exist.
        fitting: How many of its files fit the pattern, whatever image or finding they name.
    """

    def __init__(self, pattern: str, root: Path) -> None:
        parts = Path(pattern).parts
        fixed = next(index for index, part in enumerate(parts) if "{" in part)
        folder, self._pattern = root.joinpath(*parts[:fixed]), "/".join(parts[fixed:])
        self.listing = list_files(folder) if folder.is_dir() else Listing(folder, ())
        self._files = {composed(path.relative_to(self.listing.folder).as_posix()): path for path in self.listing.files}
        fits = re.compile(re.sub(r"\\\{(stem|finding)\\\}", "[^/]*", re.escape(self._pattern)))
        self.fitting = sum(fits.fullmatch(name) is not None for name in self._files)

    def file_of(self, item: Item, finding: str) -> Path | None:
        """The mask of a finding in an item's image, or None."""
        for spelling in (finding, finding.casefold().replace(" ", "_"), finding.replace(" ", "_")):
            name = composed(self._pattern.replace("{stem}", bare_name(item.image)).replace("{finding}", spelling))
            if name in self._files:
                return self._files[name]
        return None


def _located(
    item: Item, findings: tuple[str, ...], asked: tuple[str, ...], image: CocoImage, counts: Counter[str]
) -> Item:
    drawn = {*(box.finding for box in image.boxes), *image.mask}
    label = dict(zip(findings, item.label, strict=True))
    annotated = list(item.annotated)
    for finding in asked:
        if finding in drawn or label[finding] != PRESENT:
            annotated.append(finding)
        else:
            counts["COCO: labelled present, but not located (location not asked for)"] += 1
        if label[finding] == NOT_SAID:
            label[finding] = PRESENT if finding in drawn else ABSENT
        elif label[finding] == ABSENT and finding in drawn:
            counts["COCO: labelled absent, but located (both kept)"] += 1
    annotated_once = tuple(dict.fromkeys(annotated))
    return replace(item, label=tuple(label.values()), boxes=image.boxes, mask=image.mask, annotated=annotated_once)


def _is_same(one: str, other: str) -> bool:
    """Whether one of two paths, without image suffixes, ends with the other."""
    first, second = composed(stem(one)).split("/"), composed(stem(other)).split("/")
    count = min(len(first), len(second))
    return first[-count:] == second[-count:]
