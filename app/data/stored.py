"""Keep of a data set's items those whose image is in a folder, with their boxes in the stored images' pixels."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from app.data.images import IMAGE_SUFFIXES, find_images, image_sizes, last_parts, relative_image
from app.data.item import Box, Datalist, Item, RunLengths

Frame = tuple[int, int] | Mapping[str, tuple[int, int]]
"""(height, width) in whose pixels boxes and run lengths are: one for all images, or one an image by its bare name."""


def with_images(
    datalist: Datalist, folder: Path | None, out: Path, frame: Frame | None = None, parts: int = 1
) -> Datalist:
    """A data set's items that have an image in a folder, named as a datalist at ``out`` names them.

    Args:
        datalist: items whose ``image`` is the bare file name; a file of the same name but another image suffix serves
            as well (``1.dcm`` may be stored as ``1.png``).
        folder: searched with all folders below it; None keeps every item and its bare name, for counting and planning.
        out: where the datalist will be written.
        frame: in whose pixels boxes and run lengths are; they are scaled to each stored image's size. None: they are
            in the stored image's pixels already.
        parts: how many of a path's last parts make an image's name, at most: 2 for ``study/image.png``.

    Returns:
        A new datalist; the counts in its provenance tell what was left out on either side.

    Raises:
        ValueError: no such folder, none of the images in it, two files of one name, or an unreadable image header.
    """
    if folder is None:
        return datalist
    return place_images(*keep_stored(datalist, folder, parts), out, frame)


def keep_stored(datalist: Datalist, folder: Path, parts: int = 1) -> tuple[Datalist, dict[str, Path]]:
    """The first half of :func:`with_images`: the items that have an image, still by bare name, and their files."""
    by_parts: dict[int, tuple[dict[str, Path], dict[str, Path]]] = {}
    stored: dict[str, Path] = {}
    sections: dict[str, list[Item]] = {}
    for name, items in datalist.sections.items():
        sections[name] = []
        for item in items:
            count = 1 if parts == 1 else min(parts, item.image.count("/") + 1)
            if count not in by_parts:
                found = find_images(folder, parts=count)
                by_parts[count] = found, {stem(file): path for file, path in found.items()}
            files, by_stem = by_parts[count]
            named = last_parts(item.image, count)
            path = files.get(named) or by_stem.get(stem(named))
            if path is not None:
                stored[item.image] = path
                sections[name].append(item)
    files = next(iter(by_parts.values()), ({}, {}))[0]
    if not stored:
        raise ValueError(f"{folder}: none of its {len(files)} images belongs to {datalist.name}.")
    counts = {
        "images included": len(stored),
        "left out: rows without an image in the folder": sum(map(len, datalist.sections.values())) - len(stored),
        "left out: images in the folder without a row": len(set(files.values()) - set(stored.values())),
    }
    return with_counts(replace(datalist, sections=sections), counts), stored


def place_images(datalist: Datalist, stored: Mapping[str, Path], out: Path, frame: Frame | None = None) -> Datalist:
    """The second half of :func:`with_images`: name images relative to ``out``, locations in the stored images' pixels.

    Raises:
        ValueError: an image header that cannot be read, or an image with locations that ``frame`` does not have.
    """
    located = [item for items in datalist.sections.values() for item in items if item.boxes or item.mask]
    sizes = image_sizes(stored[item.image] for item in located) if frame is not None else {}
    sections: dict[str, list[Item]] = {}
    for section, items in datalist.sections.items():
        sections[section] = placed = []
        for item in items:
            path = stored[item.image]
            one = replace(item, image=relative_image(path, out))
            if frame is not None and path in sizes:
                one.boxes, one.mask = _scaled(item, _frame_of(item, frame), sizes[path])
            placed.append(one)
    return replace(datalist, sections=sections)


def scaled_box(box: Box, frame: tuple[int, int], size: tuple[int, int]) -> Box:
    """A box given in the pixels of an image of one (height, width) in those of another, to a thousandth of a pixel."""
    down, across = size[0] / frame[0], size[1] / frame[1]
    return box._replace(
        x=round(box.x * across, 3),
        y=round(box.y * down, 3),
        width=round(box.width * across, 3),
        height=round(box.height * down, 3),
    )


def moved(datalist: Datalist, old: Path, new: Path) -> Datalist:
    """A datalist read from the file ``old``, with its files named relative to ``new``, where it will be written."""
    before, after = old.resolve().parent, new.resolve().parent
    if before == after:
        return datalist

    def path(name: str) -> str:
        return Path(os.path.relpath(before / name, after)).as_posix()

    sections = {
        section: [
            replace(
                item,
                image=path(item.image),
                mask={finding: path(mask) if isinstance(mask, str) else mask for finding, mask in item.mask.items()},
            )
            for item in items
        ]
        for section, items in datalist.sections.items()
    }
    return replace(datalist, sections=sections)


def with_counts(datalist: Datalist, counts: Mapping[str, int]) -> Datalist:
    """A datalist with more counts of what was included and left out, and why, in its provenance."""
    before = datalist.provenance.get("counts", {})
    merged = {**(before if isinstance(before, dict) else {}), **counts}
    return replace(datalist, provenance=datalist.provenance | {"counts": merged})


def stem(name: str) -> str:
    """A file name without its image suffix; other dots (as in a DICOM unique identifier) stay."""
    lower = name.lower()
    suffix: Sequence[str] = [suffix for suffix in IMAGE_SUFFIXES if lower.endswith(suffix)]
    return name[: -max(map(len, suffix))] if suffix else name


def _frame_of(item: Item, frame: Frame) -> tuple[int, int]:
    if not isinstance(frame, Mapping):
        return frame
    if item.image not in frame:
        raise ValueError(f"{item.image}: the table of the images' sizes does not have it.")
    return frame[item.image]


def _scaled(
    item: Item, frame: tuple[int, int], size: tuple[int, int] | ValueError
) -> tuple[tuple[Box, ...], Mapping[str, str | RunLengths]]:
    from app.data.run_lengths import resized

    if isinstance(size, ValueError):
        raise size
    boxes = tuple(scaled_box(box, frame, size) for box in item.boxes)
    masks = {
        finding: resized(mask, size) if isinstance(mask, RunLengths) else mask for finding, mask in item.mask.items()
    }
    return boxes, masks
