"""Keep of a data set's items those whose image is in a folder, with their boxes in the stored images' pixels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from app.datalist.item import Box, Datalist, Item, RunLengths
from app.files.folders import composed
from app.files.image_names import IMAGE_SUFFIXES, image_sizes, last_parts, relative_image
from app.files.images import image_files

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
        ValueError: no such folder, none of the images in it, an image that may be one or another of the files, or an
            unreadable image header.
    """
    if folder is None:
        return datalist
    return place_images(*keep_stored(datalist, folder, parts), out, frame)


def keep_stored(datalist: Datalist, folder: Path, parts: int = 1) -> tuple[Datalist, dict[str, Path]]:
    """The first half of :func:`with_images`: the items that have an image, still by bare name, and their files."""
    listing = image_files(folder)
    files = listing.files
    names = _FileNames(listing.folder, files)
    stored: dict[str, Path] = {}
    sections: dict[str, list[Item]] = {}
    for name, items in datalist.sections.items():
        sections[name] = []
        for item in items:
            path = names.file_of(item.image, 1 if parts == 1 else min(parts, item.image.count("/") + 1))
            if path is not None:
                stored[item.image] = path
                sections[name].append(item)
    rows = sum(map(len, datalist.sections.values()))
    if not stored:
        raise ValueError(
            f"{folder}: none of its {len(files)} images, such as {files[0].name!r}, is one of the {rows} of "
            f"{datalist.name}{_such_as(datalist)}."
        )
    counts = {
        "images included": len(stored),
        "left out: rows without an image in the folder": rows - len(stored),
        "left out: images in the folder without a row": len(set(files) - set(stored.values())),
        **{f"left out of the folder: {reason}": count for reason, count in listing.left_out.items()},
    }
    return with_counts(replace(datalist, sections=sections), counts), stored


class _FileNames:
    """Which file an item's image is, by as many last parts of its path as tell it apart."""

    def __init__(self, folder: Path, files: Sequence[Path]) -> None:
        self._folder, self._files = folder, files
        self._by_parts: dict[int, tuple[dict[str, list[Path]], dict[str, list[Path]]]] = {}

    def file_of(self, image: str, parts: int) -> Path | None:
        """The file whose last parts are the image's, else the one whose are but for another image suffix, else None.

        How Unicode writes a letter with an accent does not matter.

        Raises:
            ValueError: there are several such files, none of which lies at just this path below the folder.
        """
        if parts not in self._by_parts:
            self._by_parts[parts] = self._named(parts)
        same, but_for_suffix = self._by_parts[parts]
        name = composed(last_parts(image, parts))
        found = same.get(name) or but_for_suffix.get(stem(name), [])
        if len(found) > 1:
            found = [path for path in found if path == self._folder / image] or found
        if len(found) > 1:
            names = ", ".join(map(str if len({composed(str(path)) for path in found}) > 1 else ascii, found))
            raise ValueError(
                f"{self._folder}: image {image!r} may be one or another of {names}. Name it by "
                "more of its path, or leave one of the files out of the folder."
            )
        return found[0] if found else None

    def _named(self, parts: int) -> tuple[dict[str, list[Path]], dict[str, list[Path]]]:
        same: dict[str, list[Path]] = defaultdict(list)
        but_for_suffix: dict[str, list[Path]] = defaultdict(list)
        for path in self._files:
            # A row may name more of the path than lies below the folder.
            name = composed(path.name if parts == 1 else last_parts(path.absolute().as_posix(), parts))
            same[name].append(path)
            but_for_suffix[stem(name)].append(path)
        return same, but_for_suffix


def _such_as(datalist: Datalist) -> str:
    first = next((item.image for items in datalist.sections.values() for item in items), None)
    return "" if first is None else f", such as {first!r}"


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
    from app.datalist.run_lengths import resized

    if isinstance(size, ValueError):
        raise size
    if frame == size[::-1] != size:
        raise ValueError(
            f"{item.image}: its locations are in an image of {frame[0]} x {frame[1]} pixels (height x width), but the "
            f"file is shown as {size[0]} x {size[1]}, turned as its EXIF data or orientation say. Give locations in "
            "the image as it is shown, or save the image without such a turn."
        )
    boxes = tuple(scaled_box(box, frame, size) for box in item.boxes)
    masks = {
        finding: resized(mask, size) if isinstance(mask, RunLengths) else mask for finding, mask in item.mask.items()
    }
    return boxes, masks
