"""The images among the files of a folder: by suffix, or by content if the suffix says nothing."""

from __future__ import annotations

import zlib
from collections import Counter
from pathlib import Path

from app.files.folders import UNREADABLE_NAME, Listing, composed, is_text, list_files
from app.files.image_names import IMAGE_SUFFIXES

OTHER = "files that are no images"
_HEAD = 8192
"""Bytes that tell a format."""


def image_files(folder: Path) -> Listing:
    """List all images in a folder and its subfolders; see `list_files` for what is left out.

    A file with one of ``IMAGE_SUFFIXES`` counts as an image without being opened. Of other files the first bytes are
    read, since DICOM files have names such as IM000001, 4.ima, or a number with dots.

    Raises:
        ValueError: There is no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder of images.")
    listing = list_files(folder)
    images: list[str] = []
    left_out = Counter(listing.left_out)
    for name in listing.names:
        if not (name.lower().endswith(IMAGE_SUFFIXES) or is_image(listing.folder / name)):
            left_out[OTHER] += 1
        elif not is_text(name):
            left_out[UNREADABLE_NAME] += 1
        else:
            images.append(name)
    result = Listing(listing.folder, tuple(images), dict(left_out))
    if not images:
        reasons = result.told()
        raise ValueError(f"{folder}: holds no image{f' (left out: {reasons})' if reasons else ''}.")
    return result


def by_name(listing: Listing) -> dict[str, Path]:
    """Files by their name, in Unicode's composed form.

    Raises:
        ValueError: Two files have one name, so it is unclear which is meant.
    """
    paths: dict[str, Path] = {}
    for path in listing.files:
        name = composed(path.name)
        if name in paths:
            raise ValueError(f"{listing.folder}: two files are named {name!r}: {paths[name]} and {path}.")
        paths[name] = path
    return paths


def is_image(path: Path) -> bool:
    """Whether a file begins as one of the formats that are read; False if it cannot be opened."""
    from transforms.errors import RadiographError
    from transforms.formats import GZIP, format_of

    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        # A gzipped table begins as a gzipped volume does.
        return bool(format_of(zlib.decompressobj(31).decompress(head, _HEAD) if head.startswith(GZIP) else head))
    except (OSError, RadiographError, zlib.error):
        return False
