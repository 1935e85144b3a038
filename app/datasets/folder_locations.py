"""Locations of a user's own images: from a COCO file, or from mask files named by a pattern."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

from app.datalist.item import Datalist, Item
from app.datalist.stored_images import stem, with_counts
from app.datasets.coco import Coco, Located
from app.files.folders import Listing, composed, list_files
from app.files.image_names import last_parts, relative_image
from app.files.limited import limited
from app.files.tables import TableError
from app.findings import ABSENT, NOT_SAID, PRESENT, canonical
from transforms.masks import read_mask


def with_coco(datalist: Datalist, coco: Coco) -> tuple[Datalist, dict[str, tuple[int, int]]]:
    """A datalist with the locations of a COCO file, and the size that the file gives of each image.

    Every finding of the file was asked for in each of its images: without a location it is nowhere, except where the
    label says present (then it counts as not asked for). A label that nobody gave becomes present by a location and
    absent by its lack; a label of absent stays beside a location, and is counted.

    Images are matched by as many last parts of their paths as both names have; another suffix does not matter.

    Raises:
        TableError: an image of the table may be one or another of the file's, or none of the file's images is in the
        datalist.
    """
    by_file: dict[str, list[str]] = defaultdict(list)
    for name in coco.images:
        by_file[composed(last_parts(stem(name), 1))].append(name)
    counts: Counter[str] = Counter()
    frames: dict[str, tuple[int, int]] = {}

    def located(item: Item) -> Item:
        names = by_file[composed(last_parts(stem(item.image), 1))]
        named = [name for name in names if _is_same(name, item.image)]
        if len(named) > 1:
            raise TableError(f"{item.image}: the COCO file has several such images: {', '.join(named)}.")
        if not named:
            return item
        found = coco.images[named[0]]
        frames[item.image] = found.size
        counts["COCO: images located"] += 1
        return _located_item(item, datalist.findings, coco.findings, found, counts)

    sections = {section: [located(item) for item in items] for section, items in datalist.sections.items()}
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
    made = with_counts(replace(datalist, sections=sections), counts)
    if coco.unmapped:
        made.provenance["unmapped"] = coco.unmapped
    return made, frames


def with_masks(datalist: Datalist, pattern: str, root: Path, out: Path) -> Datalist:
    """A datalist with the mask files that are there, each named by the image's stem and the finding.

    A finding with a mask file was annotated; without one nothing is known. Where nobody said anything it is present or,
    where the mask is empty, absent; a label of absent stays beside a mask that is not, and is counted.

    Raises:
        ValueError: a pattern without ``{stem}``, one without ``{finding}`` for several findings, no file that fits, or
            one that fits two images.
    """
    if "{stem}" not in pattern or ("{finding}" not in pattern and len(datalist.findings) > 1):
        raise ValueError(f"--masks {pattern!r}: must hold {{stem}} and, for more than one finding, {{finding}}.")
    masks = _Masks(pattern, root)
    image_of: dict[Path, str] = {}
    beside_absent = 0
    for item in (item for items in datalist.sections.values() for item in items):
        for place, finding in enumerate(datalist.findings):
            path = masks.file_of(item, finding)
            if path is None:
                continue
            if image_of.setdefault(path, item.image) != item.image:
                raise ValueError(
                    f"{path}: may be the mask of {image_of[path]} or of {item.image}, whose names are one."
                )
            item.mask = {**item.mask, finding: relative_image(path, out)}
            item.boxes = tuple(box for box in item.boxes if box.finding != finding)
            item.annotated = tuple(dict.fromkeys((*item.annotated, finding)))
            is_drawn = bool(limited(read_mask, path).any())  # read whatever the label, as it may be no clear mask
            if item.label[place] == NOT_SAID:
                state = PRESENT if is_drawn else ABSENT
                item.label = (*item.label[:place], state, *item.label[place + 1 :])
            elif item.label[place] == ABSENT:
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
    return with_counts(datalist, counts)


class _Masks:
    """The files of the folder that a pattern begins with, by their names below it.

    Attributes:
        listing: of that folder; empty where there is none.
        fitting: how many of its files fit the pattern, whatever image or finding they name.
    """

    def __init__(self, pattern: str, root: Path) -> None:
        parts = Path(pattern).parts
        fixed = next(place for place, part in enumerate(parts) if "{" in part)
        folder, self._pattern = root.joinpath(*parts[:fixed]), "/".join(parts[fixed:])
        self.listing = list_files(folder) if folder.is_dir() else Listing(folder, ())
        self._files = {composed(path.relative_to(self.listing.folder).as_posix()): path for path in self.listing.files}
        fits = re.compile(re.sub(r"\\\{(stem|finding)\\\}", "[^/]*", re.escape(self._pattern)))
        self.fitting = sum(fits.fullmatch(name) is not None for name in self._files)

    def file_of(self, item: Item, finding: str) -> Path | None:
        """The mask of a finding in an item's image, where there is one."""
        spellings = (finding, finding.casefold().replace(" ", "_"), finding.replace(" ", "_"))
        stems = last_parts(stem(item.image), 1)
        names = (composed(_filled(self._pattern, stems, spelling)) for spelling in spellings)
        return next((self._files[name] for name in names if name in self._files), None)


def _filled(pattern: str, name: str, finding: str) -> str:
    return pattern.replace("{stem}", name).replace("{finding}", finding)


def category_finding(name: str, findings: tuple[str, ...]) -> str | None:
    """The datalist's finding that the name of a COCO category means, or None."""
    return next((found for found in (unicodedata.normalize("NFC", name), canonical(name)) if found in findings), None)


def _located_item(
    item: Item, findings: tuple[str, ...], asked: tuple[str, ...], found: Located, counts: Counter[str]
) -> Item:
    drawn = {*(box.finding for box in found.boxes), *found.mask}
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
    made = replace(item, label=tuple(label.values()), boxes=found.boxes, mask=found.mask)
    made.annotated = tuple(dict.fromkeys(annotated))
    return made


def _is_same(one: str, other: str) -> bool:
    """Whether one of two paths, without suffixes, ends as the other is."""
    first, second = composed(stem(one)).split("/"), composed(stem(other)).split("/")
    count = min(len(first), len(second))
    return first[-count:] == second[-count:]
