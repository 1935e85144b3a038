"""A datalist as annotation files of other programs, with counts of what their formats cannot say."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.annotation_formats.to_coco import coco_files
from app.annotation_formats.to_cvat import cvat_files
from app.annotation_formats.to_label_studio import label_studio_files
from app.annotation_formats.to_yolo import yolo_files
from app.annotation_formats.written import WrittenImage
from app.datalist.item import Datalist, Item, RunLengths
from app.datalist.run_lengths import encode
from app.datalist.validate import absolute_path
from app.files.image_names import image_sizes
from app.files.limited import limited
from app.findings import ABSENT, NOT_SAID, PRESENT, UNCERTAIN
from transforms.masks import read_mask

Writer = Callable[[Sequence[WrittenImage], Sequence[str]], dict[str, str]]
"""From images and findings to texts by the names of files."""

WRITERS: Mapping[str, Writer] = {
    "coco": coco_files,
    "cvat": cvat_files,
    "label-studio": label_studio_files,
    "yolo": yolo_files,
}


@dataclass(frozen=True, slots=True)
class Export:
    """Files to write, and what they lack.

    Attributes:
        files: Texts by name.
        counts: What was written, and what the format cannot say, by reason.
    """

    files: Mapping[str, str]
    counts: Mapping[str, int]


SUGGESTED = ("cvat", "label-studio")
"""Formats that tell suggestions, which readers are to correct, from annotations."""


def export(datalist: Datalist, root: Path, kind: str, suggestions: bool = False) -> Export:
    """The annotations of all sections in the format of another program.

    Args:
        datalist: The datalist.
        root: The folder that its paths are relative to.
        kind: One of ``WRITERS``.
        suggestions: Whether they are suggestions that readers are to correct: tasks that nobody has done. Images
            without any are written, too.

    Raises:
        ValueError: The format cannot tell suggestions from annotations; an image's header or a mask cannot be read; or
            a mask has another size than its image.
    """
    if suggestions and kind not in SUGGESTED:
        raise ValueError(f"{kind} cannot tell suggestions from annotations; {' and '.join(SUGGESTED)} can.")
    base = root.resolve()
    items = datalist.items()
    paths = {item.image: absolute_path(base, item.image) for item in items}
    sizes = image_sizes(paths.values())
    images = [_written(item, datalist.findings, sizes[paths[item.image]], base) for item in items]
    images = [replace(image, is_suggestion=suggestions) for image in images]
    counts: Counter[str] = Counter({"images": 0, "boxes": 0, "masks": 0})
    written = []
    for item, image in zip(items, images, strict=True):
        if _is_told(image, kind):
            written.append(image)
            counts.update(_counts(item, image, datalist.findings, kind))
        else:
            counts["left out: images that nobody annotated, which would read like ones with nothing in them"] += 1
    files = WRITERS[kind](written, datalist.findings)
    return Export(files, {reason: count for reason, count in counts.items() if count})


def _is_told(image: WrittenImage, kind: str) -> bool:
    """Whether a format can say what is known of an image; Label Studio has tasks that nobody has done."""
    if kind == "label-studio" or image.is_suggestion:
        return True
    return image.is_annotated or (kind == "cvat" and bool(image.labels))


def _counts(item: Item, image: WrittenImage, findings: Sequence[str], kind: str) -> dict[str, int]:
    """What is written of an image, and what the format cannot say."""
    located = {*(box.finding for box in image.boxes), *image.masks}
    to_do = image.is_suggestion
    has_labels = kind in ("cvat", "label-studio")
    unasked = {*findings} - {*item.annotated}
    unplaced = [finding for finding, value in image.labels.items() if value == PRESENT and finding not in located]
    return {
        "images": 1,
        "boxes": len(image.boxes),
        "masks": len(image.masks),
        "lost: readers of boxes": sum(bool(box.reader) for box in image.boxes),
        "lost: certainties of labels": sum(value not in _STATES for value in item.label),
        "lost: uncertain labels": 0 if kind == "label-studio" else list(image.labels.values()).count(UNCERTAIN),
        "lost: present findings without a location (read back, they are absent)": 0 if has_labels else len(unplaced),
        "lost: which findings were not to be located (read back, they are nowhere)": 0 if to_do else len(unasked),
        "masks written as boxes around their regions": len(image.masks) if kind == "yolo" else 0,
        "DICOM files (the program may need PNG; names may keep any suffix)": int(image.is_dicom),
    }


_STATES = (PRESENT, ABSENT, UNCERTAIN, NOT_SAID)


def _written(item: Item, findings: Sequence[str], size: tuple[int, int] | ValueError, base: Path) -> WrittenImage:
    if isinstance(size, ValueError):
        raise size
    masks: dict[str, RunLengths] = {}
    for finding, mask in item.mask.items():
        if isinstance(mask, str):
            mask = encode(limited(read_mask, absolute_path(base, mask)))
        if mask.size != size:
            raise ValueError(
                f"{item.image}: mask of {finding!r} has {mask.size[1]} x {mask.size[0]} pixels (width x height), the "
                f"image {size[1]} x {size[0]}."
            )
        masks[finding] = mask
    labels = {finding: int(value) for finding, value in zip(findings, item.label, strict=True) if value in _STATES[:3]}
    boxes = tuple(box for box in item.boxes if box.finding not in masks)
    name = "/".join(part for part in posixpath.normpath(item.image).split("/") if part not in ("", ".", ".."))
    return WrittenImage(name, size, boxes, masks, labels, bool(item.annotated))
