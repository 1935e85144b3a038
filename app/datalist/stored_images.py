"""Match the items of a data set with the image files of a folder, and scale their locations to the stored sizes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from app.datalist.item import Box, Datalist, Item, RunLengths
from app.datalist.run_lengths import resized
from app.files.folders import Listing, composed
from app.files.image_names import IMAGE_SUFFIXES, image_sizes, last_parts, relative_image
from app.files.images import image_files

Size = tuple[int, int]
"""(height, width)."""
Frame = Size | Mapping[str, Size]
"""The size of the images in whose pixels locations are given: one for all images, or one for each by its name."""


def with_images(
    datalist: Datalist, folder: Path | None, out: Path, frame: Frame | None = None, parts: int = 1
) -> Datalist:
    """The items that have an image in a folder, named as a datalist in the file ``out`` names them.

    Args:
        datalist: Items whose ``image`` is the bare file name. A file with another image suffix matches as well
            (``1.dcm`` may be stored as ``1.png``).
        folder: Searched with all folders below it. None keeps every item and its bare name, for counting and planning.
        out: Where the datalist will be written.
        frame: In whose pixels boxes and run lengths are; they are scaled to each stored image's size. None: they are
            already in the stored image's pixels.
        parts: How many of a path's last parts name an image, at most: 2 for ``study/image.png``.

    Returns:
        A new datalist, whose provenance counts what was left out on either side.

    Raises:
        ValueError: There is no such folder, or none of the images in it; an image may be one of several files; or an
            image's header cannot be read.
    """
    if folder is None:
        return datalist
    return place_images(*keep_stored(datalist, image_files(folder), parts), out, frame)


def keep_stored(
    datalist: Datalist, listing: Listing, parts: int = 1, remedy: str = ""
) -> tuple[Datalist, dict[str, Path]]:
    """The first half of :func:`with_images`: the items that have an image, under their old names, and their files.

    Args:
        datalist: See there.
        listing: The images of a folder.
        parts: See there.
        remedy: A sentence for the error that none of the items has an image.

    Raises:
        ValueError: None of the items has one, an image may be one of several files, or two images are one file.
    """
    folder, files = listing.folder, listing.files
    names = _FileNames(folder, files)
    rows = datalist.items()
    stored: dict[str, Path] = {}
    image_of: dict[Path, str] = {}
    for item in rows:
        path = names.file_of(item.image, 1 if parts == 1 else min(parts, item.image.count("/") + 1))
        if path is not None:
            stored[item.image] = path
            if image_of.setdefault(path, item.image) != item.image:
                both = f"{image_of[path]!r} and {item.image!r}"
                raise ValueError(f"{datalist.name}: {both} are one file, {path}. Name each image once.")
    if not stored:
        such_as = f", such as {rows[0].image!r}" if rows else ""
        raise ValueError(
            f"{folder}: none of its {len(files)} images, such as {files[0].name!r}, is one of the {len(rows)} of "
            f"{datalist.name}{such_as}.{remedy and f' {remedy}'}"
        )
    counts = {
        "images included": len(stored),
        "left out: images in the folder without a row": len(set(files) - set(stored.values())),
        **{f"left out of the folder: {reason}": count for reason, count in listing.left_out.items()},
    }
    reason = "rows without an image in the folder"
    kept = datalist.leaving_out(lambda item: "" if item.image in stored else reason, [reason])
    return kept.with_counts(counts), stored


def place_images(datalist: Datalist, stored: Mapping[str, Path], out: Path, frame: Frame | None = None) -> Datalist:
    """The second half of :func:`with_images`: name images relative to ``out`` and scale their locations.

    Raises:
        ValueError: An image's header cannot be read, or ``frame`` lacks an image that has locations.
    """
    located = [item for item in datalist.items() if item.boxes or item.mask]
    sizes = image_sizes(stored[item.image] for item in located) if frame is not None else {}

    def place(item: Item) -> Item:
        path = stored[item.image]
        placed = replace(item, image=relative_image(path, out))
        if frame is not None and path in sizes:
            placed.boxes, placed.mask = _scaled(item, _frame_of(item, frame), sizes[path])
        return placed

    return datalist.mapped(place)


def stem(name: str) -> str:
    """A file name without its image suffix; other dots (as in a DICOM unique identifier) stay.

    Example:
        >>> stem("1.2.840.dcm"), stem("lungs.nii.gz"), stem("1.2.840")
        ('1.2.840', 'lungs', '1.2.840')
    """
    lower = name.lower()
    return name[: len(name) - max((len(suffix) for suffix in IMAGE_SUFFIXES if lower.endswith(suffix)), default=0)]


def bare_name(path: str) -> str:
    """The name of an image file without its folder and image suffix, by which images of two datalists are matched."""
    return stem(last_parts(path, 1))


class _FileNames:
    """Finds the file of an image by as many last parts of its path as are given."""

    def __init__(self, folder: Path, files: Sequence[Path]) -> None:
        self._folder, self._files = folder, files
        self._by_parts: dict[int, tuple[dict[str, list[Path]], dict[str, list[Path]]]] = {}

    def file_of(self, image: str, parts: int) -> Path | None:
        """The file whose last parts are the image's, or are but for another image suffix; None if there is none.

        It does not matter how Unicode writes a letter with an accent.

        Raises:
            ValueError: There are several such files, none of which has exactly this path below the folder.
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
                f"{self._folder}: image {image!r} may be any of {names}. Name it by more of its path, or remove all "
                "but one of these files from the folder."
            )
        return found[0] if found else None

    def _named(self, parts: int) -> tuple[dict[str, list[Path]], dict[str, list[Path]]]:
        same: dict[str, list[Path]] = defaultdict(list)
        but_for_suffix: dict[str, list[Path]] = defaultdict(list)
        for path in self._files:
            # A row may name more of the path than is below the folder.
            name = composed(path.name if parts == 1 else last_parts(path.absolute().as_posix(), parts))
            same[name].append(path)
            but_for_suffix[stem(name)].append(path)
        return same, but_for_suffix


def _frame_of(item: Item, frame: Frame) -> Size:
    if not isinstance(frame, Mapping):
        return frame
    if item.image not in frame:
        raise ValueError(f"{item.image}: the table of the images' sizes does not have it.")
    return frame[item.image]


def _scaled(item: Item, frame: Size, size: Size | ValueError) -> tuple[tuple[Box, ...], Mapping[str, str | RunLengths]]:
    if isinstance(size, ValueError):
        raise size
    if frame == size[::-1] != size:
        raise ValueError(
            f"{item.image}: its locations are in an image of {frame[0]} x {frame[1]} pixels (height x width), but the "
            f"file is shown as {size[0]} x {size[1]}, turned as its EXIF data or orientation say. Give locations in "
            "the image as it is shown, or save the image without such a turn."
        )
    down, across = size[0] / frame[0], size[1] / frame[1]
    boxes = tuple(
        box._replace(
            x=round(box.x * across, 3),
            y=round(box.y * down, 3),
            width=round(box.width * across, 3),
            height=round(box.height * down, 3),
        )
        for box in item.boxes
    )
    masks = {
        finding: resized(mask, size) if isinstance(mask, RunLengths) else mask for finding, mask in item.mask.items()
    }
    return boxes, masks
