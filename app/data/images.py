"""Image files of a data set: which are there, how large they are by their headers, how a datalist names them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from transforms.masks import read_mask as read_mask

IMAGE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dcm", ".dicom"),
    *(".nii", ".nii.gz", ".mha", ".mhd", ".nrrd", ".nhdr"),
)


def find_images(folder: Path, suffixes: tuple[str, ...] = IMAGE_SUFFIXES) -> dict[str, Path]:
    """Image files in a folder and all folders below it, by file name.

    Args:
        folder: where to look.
        suffixes: of the files that count.

    Raises:
        ValueError: no such folder, no image in it, or two files of one name (which is meant cannot be known).
    """
    found: dict[str, Path] = {}
    for path in image_files(folder, suffixes):
        if path.name in found:
            raise ValueError(f"{folder}: two files are named {path.name!r}: {found[path.name]} and {path}.")
        found[path.name] = path
    return found


def image_files(folder: Path, suffixes: tuple[str, ...] = IMAGE_SUFFIXES) -> list[Path]:
    """Every image file in a folder and all folders below it, in order.

    Raises:
        ValueError: no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder of images.")
    walk = sorted((base, sorted(names)) for base, _, names in os.walk(folder))
    found = [Path(base, name) for base, names in walk for name in names if name.lower().endswith(suffixes)]
    if not found:
        raise ValueError(f"{folder}: holds no image ({', '.join(suffixes)}).")
    return found


def last_parts(path: str, parts: int) -> str:
    """The last parts of a path with forward slashes, joined by them."""
    return path.rsplit("/", parts)[-1] if parts == 1 else "/".join(path.split("/")[-parts:])


def relative_image(image: Path, datalist: Path) -> str:
    """How a datalist file names an image: relative to the datalist's folder, with forward slashes."""
    return relative_to(image.resolve(), datalist.resolve().parent)


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
