"""Image files of a data set: how large they are by their headers, and how a datalist names them."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from app.files.folders import is_text
from transforms.errors import shown

IMAGE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dcm", ".dicom"),
    *(".nii", ".nii.gz", ".mha", ".mhd", ".nrrd", ".nhdr"),
)


def last_parts(path: str, parts: int) -> str:
    """The last parts of a path with forward slashes, joined by them."""
    return path.rsplit("/", parts)[-1] if parts == 1 else "/".join(path.split("/")[-parts:])


def relative_image(image: Path, datalist: Path) -> str:
    """How a datalist file names an image: relative to the datalist's folder, with forward slashes.

    The name of a link is kept: stores such as git-annex, DVC and Hugging Face's cache call what it leads to by numbers.

    Raises:
        ValueError: a name on the way is no text in UTF-8.
    """
    base = datalist.parent.resolve()
    name = relative_to(_folder_seen_from(image.parent.absolute(), base) / image.name, base)
    if not is_text(name):
        raise ValueError(f"{shown(image)}: its name, or a folder's, is no UTF-8, as datalists are. Rename it.")
    return name


@functools.lru_cache(maxsize=4096)
def _folder_seen_from(folder: Path, base: Path) -> Path:
    """An absolute folder, named from the nearest folder above it that holds ``base`` too.

    That one is given by its real path, since ``..`` leads out of real folders; the names below it are kept.
    """
    named = folder.resolve() if ".." in folder.parts else folder
    for above in (named, *named.parents):
        real = above.resolve()
        if base.is_relative_to(real):
            return real / named.relative_to(above)
    return named  # another drive


def relative_to(path: Path, folder: Path) -> str:
    """One absolute path as seen from another, with forward slashes; where they are on two drives, the whole path."""
    if path.drive != folder.drive:
        return path.as_posix()
    return Path(os.path.relpath(path, folder)).as_posix()


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) in pixels as shown (turned by EXIF or a volume's orientation), from the header alone.

    Raises:
        ValueError: the file is missing or its header cannot be read.
    """
    # Imported here, as a command that needs no sizes starts faster without OpenCV and pydicom.
    from transforms.errors import RadiographError
    from transforms.read import radiograph_size

    try:
        return radiograph_size(path)
    except RadiographError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise ValueError(f"{path}: no such image file.") from error
        raise ValueError(f"{path}: its size cannot be read: {str(error).removeprefix(f'{path}: ')}.") from error


def image_sizes(paths: Iterable[Path]) -> dict[Path, tuple[int, int] | ValueError]:
    """:func:`image_size` of many files at once; what cannot be read gives its error instead."""
    wanted = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(max_workers=16) as pool:
        return dict(zip(wanted, pool.map(_size_or_error, wanted), strict=True))


def _size_or_error(path: Path) -> tuple[int, int] | ValueError:
    try:
        return image_size(path)
    except ValueError as error:
        return error
