"""The images among the files of a folder: by suffix, and by content where the suffix says nothing."""

from __future__ import annotations

import zlib
from collections import Counter
from pathlib import Path

from app.files.folders import UNREADABLE_NAME, Listing, composed, is_text, list_files
from app.files.image_names import IMAGE_SUFFIXES

OTHER = "files that are no images"
_HEAD = 8192


def image_files(folder: Path) -> Listing:
    """Every image in a folder and all folders below it; see :func:`app.files.folders.list_files`.

    What has one of ``IMAGE_SUFFIXES`` counts as an image unopened. Of other files the first bytes are looked at, since
    DICOM files are called IM000001, 4.ima or by a number with dots.

    Raises:
        ValueError: no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder of images.")
    listing = list_files(folder)
    found: list[Path] = []
    left_out = Counter(listing.left_out)
    for path in listing.files:
        if not (path.name.lower().endswith(IMAGE_SUFFIXES) or is_image(path)):
            left_out[OTHER] += 1
        elif not is_text(path.relative_to(listing.folder).as_posix()):
            left_out[UNREADABLE_NAME] += 1
        else:
            found.append(path)
    images = Listing(listing.folder, tuple(found), dict(left_out))
    if not found:
        reasons = images.told()
        raise ValueError(f"{folder}: holds no image{f' (left out: {reasons})' if reasons else ''}.")
    return images


def find_images(folder: Path) -> dict[str, Path]:
    """Images in a folder and all folders below it, by file name; see :func:`by_name`."""
    return by_name(image_files(folder))


def by_name(listing: Listing) -> dict[str, Path]:
    """Files by their name in Unicode's composed form.

    Raises:
        ValueError: two files of one name (which is meant cannot be known).
    """
    found: dict[str, Path] = {}
    for path in listing.files:
        name = composed(path.name)
        if name in found:
            raise ValueError(f"{listing.folder}: two files are named {name!r}: {found[name]} and {path}.")
        found[name] = path
    return found


def is_image(path: Path) -> bool:
    """Whether a file begins as one of the formats that are read; False where it cannot be opened."""
    from transforms.errors import RadiographError
    from transforms.formats import GZIP, format_of

    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        # A compressed table is no compressed volume.
        return bool(format_of(zlib.decompressobj(31).decompress(head, _HEAD) if head.startswith(GZIP) else head))
    except (OSError, RadiographError, zlib.error):
        return False
