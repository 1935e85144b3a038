"""Image files of a data set: how large they are by their headers, and how a datalist names them."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from app.data.listing import is_text, shown

if TYPE_CHECKING:
    import numpy as np

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcm", ".dicom", ".nii", ".nii.gz", ".mha", ".nrrd")

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
# Start-of-frame markers; C4, C8 and CC among their numbers mean something else (ITU-T T.81, table B.1).
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


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
        raise ValueError(f"{shown(str(image))}: its name, or a folder's, is no UTF-8, as datalists are. Rename it.")
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


def read_mask(path: Path) -> np.ndarray:
    """(height, width) bool of a mask file: what is above 0, in any channel but transparency.

    Raises:
        ValueError: no such file, or none that can be read.
    """
    import cv2
    import numpy as np

    content = np.fromfile(path, dtype=np.uint8) if path.is_file() else np.zeros(0, dtype=np.uint8)
    mask = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if content.size else None
    if mask is None:
        raise ValueError(f"{path}: no mask file that can be read.")
    grey: np.ndarray = mask if mask.ndim == 2 else mask[..., :3].max(axis=-1)
    return grey > 0


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) in pixels, from the header alone.

    Raises:
        ValueError: the file is missing or its header cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(132)
            if start[:8] == _PNG:
                return int.from_bytes(start[20:24], "big"), int.from_bytes(start[16:20], "big")
            if start[:2] == _JPEG:
                return _jpeg_size(file)
        return _other_size(path, start)
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such image file.") from error
    except Exception as error:  # any of five libraries' own errors: one message that names the file
        raise ValueError(f"{path}: its size cannot be read ({type(error).__name__}: {error}).") from error


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


def _jpeg_size(file: BinaryIO) -> tuple[int, int]:
    """Walk a JPEG's segments to its start of frame (ITU-T T.81, B.2.2)."""
    file.seek(2)
    while True:
        marker = file.read(1)
        while marker == b"\xff":
            marker = file.read(1)
        head = file.read(2)
        if not marker or len(head) < 2:
            raise ValueError("JPEG without a start of frame")
        if marker[0] in _JPEG_FRAMES:
            frame = file.read(5)
            return int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
        file.seek(int.from_bytes(head, "big") - 2, os.SEEK_CUR)
        if file.read(1) != b"\xff":
            raise ValueError("broken JPEG segment")


def _other_size(path: Path, start: bytes) -> tuple[int, int]:
    name = path.name.lower()
    if start[128:132] == b"DICM" or name.endswith((".dcm", ".dicom")):
        import pydicom

        dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["Rows", "Columns"])
        if "Rows" not in dataset or "Columns" not in dataset:
            raise ValueError("the DICOM header says no Rows and Columns; the file is cut short or holds no image")
        return int(dataset.Rows), int(dataset.Columns)
    if name.endswith((".nii", ".nii.gz")):
        import nibabel

        width, height = nibabel.Nifti1Image.from_filename(path).header.get_data_shape()[:2]
        return int(height), int(width)
    if name.endswith((".mha", ".mhd", ".nrrd")):
        import SimpleITK

        reader = SimpleITK.ImageFileReader()
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        width, height = reader.GetSize()[:2]
        return int(height), int(width)
    from PIL import Image

    with Image.open(path) as image:
        return image.height, image.width
