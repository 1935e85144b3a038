"""Image files of a data set: their sizes by their headers, and their names in a datalist."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from pathlib import Path

from app.files.folders import is_text
from transforms.errors import shown
from transforms.files import of_each

IMAGE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dcm", ".dicom"),
    *(".nii", ".nii.gz", ".mha", ".mhd", ".nrrd", ".nhdr"),
)


def without_suffix(path: str) -> str:
    """A path without the suffix of an image file; other dots belong to the name.

    Example:
        >>> without_suffix("a/scan.nii.gz"), without_suffix("1.2.840.dcm"), without_suffix("1.2.840")
        ('a/scan', '1.2.840', '1.2.840')
    """
    endings = [suffix for suffix in IMAGE_SUFFIXES if path.lower().endswith(suffix)]
    stem = path[: -max(map(len, endings))] if endings else path
    return stem if stem and not stem.endswith("/") else path


def last_parts(path: str, parts: int) -> str:
    """The last parts of a path with forward slashes.

    Example:
        >>> last_parts("images/p17/2.png", 2)
        'p17/2.png'
    """
    return "/".join(path.rsplit("/", parts)[-parts:])


def relative_image(image: Path, datalist: Path) -> str:
    """The name of an image in a datalist: relative to the datalist's folder, with forward slashes.

    A link keeps its own name, as the files of stores such as git-annex, DVC and Hugging Face's cache have numbers.

    Raises:
        ValueError: The name, or a folder's, cannot be written in UTF-8.
    """
    base = datalist.parent.resolve()
    name = relative_to(_folder_seen_from(image.parent.absolute(), base) / image.name, base)
    if not is_text(name):
        raise ValueError(f"{shown(image)}: its name, or a folder's, is no UTF-8, as datalists are. Rename it.")
    return name


@functools.lru_cache(maxsize=4096)
def _folder_seen_from(folder: Path, base: Path) -> Path:
    """An absolute folder, as a path below the nearest folder that also holds ``base``.

    The folder that holds both is given by its real path, since ``..`` leads out of real folders; names below it stay.
    """
    named = folder.resolve() if ".." in folder.parts else folder
    for above in (named, *named.parents):
        real = above.resolve()
        if base.is_relative_to(real):
            return real / named.relative_to(above)
    return named  # another drive


def relative_to(path: Path, folder: Path) -> str:
    """An absolute path relative to an absolute folder, with forward slashes; as it is if they are on two drives."""
    if path.drive != folder.drive:
        return path.as_posix()
    return Path(os.path.relpath(path, folder)).as_posix()


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) in pixels as shown (turned by EXIF or a volume's orientation), from the header alone.

    Raises:
        ValueError: The file is missing, or its header cannot be read.
    """
    # Imported here, so that commands that need no sizes start without OpenCV and pydicom.
    from transforms.errors import RadiographError
    from transforms.read import radiograph_size

    try:
        return radiograph_size(path)
    except RadiographError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise ValueError(f"{path}: no such image file.") from error
        raise ValueError(f"{path}: its size cannot be read: {str(error).removeprefix(f'{path}: ')}.") from error


def image_sizes(paths: Iterable[Path]) -> dict[Path, tuple[int, int] | ValueError]:
    """`image_size` of many files at once, or the error of those that cannot be read."""
    wanted = list(dict.fromkeys(paths))
    return dict(zip(wanted, of_each(_size_or_error, wanted), strict=True))


def _size_or_error(path: Path) -> tuple[int, int] | ValueError:
    try:
        return image_size(path)
    except ValueError as error:
        return error
