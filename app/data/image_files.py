"""The images among the files of a folder: by suffix, and by content where the suffix says nothing."""

from __future__ import annotations

import zlib
from collections import Counter
from pathlib import Path

from app.data.images import IMAGE_SUFFIXES
from app.data.listing import UNREADABLE_NAME, Listing, composed, is_text, list_files

OTHER = "files that are no images"
_VOLUMES = (b"ObjectType", b"NDims", b"NRRD000")
_HEAD = 352


def image_files(folder: Path) -> Listing:
    """Every image in a folder and all folders below it; see :func:`app.data.listing.list_files`.

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
    from transforms.dicom import looks_like_dicom
    from transforms.read import _PICTURES

    try:
        with path.open("rb") as file:
            head = file.read(1 << 12)
    except OSError:
        return False
    if head[:2] == b"\x1f\x8b":
        try:
            head = zlib.decompressobj(31).decompress(head, _HEAD)
        except zlib.error:
            return False
        return _is_nifti(head)
    is_dicom = len(head) >= 132 and looks_like_dicom(head[:132])
    return is_dicom or head.startswith((*_PICTURES, *_VOLUMES)) or _is_nifti(head)


def _is_nifti(head: bytes) -> bool:
    return head[344:348] == b"n+1\0" or head[4:8] == b"n+2\0"
