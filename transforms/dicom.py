"""DICOM radiographs: from a file to grey levels in [0, 1] and the few tags that are kept."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from io import BytesIO
from typing import Any, BinaryIO, TypeVar

import cv2
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_partial
from pydicom.tag import BaseTag, Tag

from transforms.dicom_header import VIEW_KEYWORDS, view_of
from transforms.dicom_pixels import PixelLayout, pixel_layout, pixel_stream, pixel_words
from transforms.dicom_signature import HEAD, looks_like_dicom
from transforms.dicom_streams import Stream
from transforms.elements import element, log_once, numbers, photometric, side_code, side_numbers, warn_of
from transforms.errors import RadiographError
from transforms.grey import GreyLevels, grey_levels
from transforms.sizes import checked_size, inflated

Array = NDArray[Any]

MODALITIES = ("CR", "DX", "RG", "OT", "")
"""Accepted modalities: computed and digital radiography, radiographic imaging (films), and secondary captures of them
(other or none). No tomography (CT, MR, PT, ...), ultrasound, fluoroscopy, mammography or dental images."""

_SPACING_KEYWORDS = (
    "PixelSpacing",
    "ImagerPixelSpacing",
    "EstimatedRadiographicMagnificationFactor",
    "NominalScannedPixelSpacing",
)
# No other element is read, so nothing that identifies a person can be passed on.
_KEYWORDS = (
    "Modality",
    *VIEW_KEYWORDS,
    "NumberOfFrames",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "ModalityLUTSequence",
    "RescaleSlope",
    "RescaleIntercept",
    "VOILUTSequence",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "PresentationLUTShape",
    *_SPACING_KEYWORDS,
    "PixelData",
)
_SIZE_TAGS: list[BaseTag | int] = [Tag("Rows"), Tag("Columns")]
_SPACING_TAGS: list[BaseTag | int] = [Tag(keyword) for keyword in _SPACING_KEYWORDS]
_T = TypeVar("_T")
_PLAUSIBLE_SPACING = 0.01, 25.0
"""Millimetres per pixel: smaller values are metres or mistakes, larger ones micrometres."""


def read_dicom(content: bytes, name: str = "") -> tuple[Array, dict[str, Any]]:
    """Grey levels of a DICOM radiograph as a viewer shows them, and metadata.

    Elements that the pixels do not depend on may be malformed: they then count as unknown, and each kind is logged
    once. If an element that the pixels depend on is malformed, the file is refused; docs/dicom.md lists them all.

    Args:
        content: A DICOM file's bytes; the preamble and the file meta information may be missing.
        name: Name of the file, for the log.

    Returns:
        float32 (H, W) in [0, 1], dense structures bright, padding 0; and ``spacing`` ((row, column) in mm or ``None``),
        ``modality``, ``view``, ``photometric``, ``bits``, ``voi`` and ``window`` (see
        ``transforms.grey.GreyLevels``).

    Raises:
        RadiographError: It is not a DICOM file or not one grey frame of a radiograph, is damaged, or cannot be decoded.
    """
    with warnings.catch_warnings(record=True) as caught:
        # pydicom's warnings may quote an element's value; the relevant ones are checked below.
        warnings.simplefilter("always")
        dataset = _parsed(content)
        stream = _checked_stream(dataset, any("End of file" in str(warning.message) for warning in caught))
        layout = pixel_layout(dataset)
        bits = layout.bits
        words, layout = pixel_words(dataset, stream, layout)
        levels = _rendered(dataset, words, layout)
        meta = {
            "spacing": spacing_of(dataset),
            "modality": side_code(dataset, "Modality"),
            "view": view_of(dataset),
            "photometric": photometric(dataset),
            "bits": bits,
            "voi": levels.method,
            "window": levels.window,
        }
    log_once(caught, name)
    return levels.shown, meta


def dicom_size(stream: BinaryIO) -> tuple[int, int]:
    """(height, width) of a DICOM file, from the elements before its pixels.

    Args:
        stream: The file; the preamble and the file meta information may be missing.

    Raises:
        RadiographError: It is damaged or has no image.
    """
    rows, columns = _from_header(stream, "Columns", _SIZE_TAGS, lambda d: (numbers(d, "Rows"), numbers(d, "Columns")))
    if not rows or not columns:
        raise RadiographError("the DICOM header says no Rows and Columns; the file is cut short or holds no image")
    return checked_size((int(rows[0]), int(columns[0])))


def dicom_spacing(stream: BinaryIO) -> tuple[float, float] | None:
    """(row, column) spacing in mm of a DICOM file, as `read_dicom` gives it, from the elements before its pixels.

    Raises:
        RadiographError: It is damaged.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `read_dicom` tells of implausible ones
        return _from_header(stream, "PixelSpacing", _SPACING_TAGS, spacing_of)


def _from_header(stream: BinaryIO, last: str, tags: list[BaseTag | int], get: Callable[[Dataset], _T]) -> _T:
    """Read elements up to the ``last`` one that is needed, and get something from them."""
    head = stream.read(1024)
    stream.seek(len(b"DICM") if head.startswith(b"DICM") else 0)
    try:
        if uid.DeflatedExplicitVRLittleEndian.encode() in head:
            _check_deflated(stream.read())
            stream.seek(0)
        return get(read_partial(stream, lambda tag, *_: tag > Tag(last), force=True, specific_tags=tags))
    except RadiographError:
        raise
    except Exception as error:
        raise RadiographError(f"is damaged: it cannot be parsed as DICOM ({type(error).__name__})") from error


def _parsed(content: bytes) -> Dataset:
    """Parse the elements that reading needs."""
    if not looks_like_dicom(content[:HEAD]):
        raise RadiographError("is not a DICOM file")
    content = content.removeprefix(b"DICM")
    try:
        if uid.DeflatedExplicitVRLittleEndian.encode() in content[132:1024]:
            _check_deflated(content)
        dataset = pydicom.dcmread(BytesIO(content), force=True, specific_tags=list(map(Tag, _KEYWORDS)))
    except RadiographError:
        raise
    except Exception as error:
        raise RadiographError(f"is damaged: it cannot be parsed as DICOM ({type(error).__name__})") from error
    if not hasattr(dataset, "file_meta"):
        dataset.file_meta = FileMetaDataset()
    return dataset


def _check_deflated(content: bytes) -> None:
    """Check that a deflated data set decompresses within bounds, because pydicom does not limit it."""
    length = content.find(b"\x02\x00\x00\x00UL\x04\x00", 128, 160)
    if length >= 0:
        start = length + 12 + int.from_bytes(content[length + 8 : length + 12], "little")
        inflated(content[start:], -15)


def _checked_stream(dataset: Dataset, is_truncated: bool) -> Stream | None:
    """Report everything that prevents reading in one error; otherwise return the compressed stream, if any."""
    if not any(keyword in dataset for keyword in ("Rows", "PixelData", "Modality")):
        raise RadiographError("is not a DICOM image, or is truncated: no Rows, Modality or PixelData in it")
    problems = _kind_problems(dataset)
    # pydicom parses an element's bytes only when it is accessed.
    pixels = element(dataset, "PixelData")
    if not pixels or not isinstance(pixels, bytes):
        problems.append(
            "is truncated: it ends before its pixel data do; copy it again from its source"
            if is_truncated
            else "holds no PixelData: truncated, or a report, a plan or the like"
        )
        raise RadiographError("; ".join(problems))
    needed = ("Rows", "Columns", "BitsAllocated", "PixelRepresentation")
    lacking = [f"lacks {keyword}" for keyword in needed if not numbers(dataset, keyword)]
    stream = None
    if not lacking:
        try:
            stream = pixel_stream(dataset)
        except RadiographError as error:
            lacking.append(str(error))
    if problems or lacking:
        raise RadiographError("; ".join(problems + lacking))
    return stream


def _kind_problems(dataset: Dataset) -> list[str]:
    """Reasons why a data set is not one grey image of a radiograph."""
    problems = []
    # A malformed modality is not treated as a missing one.
    modality = side_code(dataset, "Modality") or ("that is no code" if element(dataset, "Modality") else "")
    if modality not in MODALITIES:
        allowed = ", ".join(filter(None, MODALITIES))
        problems.append(f"has the modality {modality}, which is no chest radiograph; allowed are {allowed} or none")
    frames = (side_numbers(dataset, "NumberOfFrames") or [1.0])[0]
    if frames > 1:
        problems.append(f"holds {frames:.0f} frames, not one image; export the wanted frame by itself")
    interpretation = photometric(dataset)
    samples = (side_numbers(dataset, "SamplesPerPixel") or [1.0])[0]
    # Unreadable samples (NaN) count as one if the interpretation is grey.
    if samples < 1 or samples > 1 or interpretation not in ("MONOCHROME1", "MONOCHROME2", ""):
        problems.append(
            f"is a colour image ({interpretation[:16] or 'no PhotometricInterpretation'}, {samples:.0f} samples a "
            "pixel); allowed are MONOCHROME1 and MONOCHROME2"
        )
    elif not interpretation and "PixelData" in dataset:
        problems.append("lacks PhotometricInterpretation: nobody can tell black from white")
    return problems


def _rendered(dataset: Dataset, words: Array, layout: PixelLayout) -> GreyLevels:
    """Render the pixels; for up to 16 bits, with a table of all possible words."""
    if words.itemsize > 2:
        values = layout.values(words)
        return grey_levels(values, lambda: np.ones(values.shape, dtype=bool), dataset)
    top = int(words.max()) + 1
    levels = grey_levels(
        layout.values(np.arange(top)), lambda: cv2.calcHist([words], [0], None, [top], [0, top]).ravel() > 0, dataset
    )
    shown = np.empty(words.shape, dtype=np.float32)
    rows = max(1, 2**16 // words.shape[1])
    for start in range(0, len(words), rows):
        # NumPy widens indices to 64 bits; strips keep them in the cache, which is three times faster.
        np.take(levels.shown, words[start : start + rows], out=shown[start : start + rows], mode="clip")
    return levels._replace(shown=shown)


def spacing_of(dataset: Dataset) -> tuple[float, float] | None:
    """(row, column) spacing in mm at the patient if calibrated, else at the detector or on the film, else ``None``.

    The first plausible one of PixelSpacing (PS3.3 10.7.1.3), ImagerPixelSpacing divided by the estimated magnification
    (C.8.7.10), and NominalScannedPixelSpacing (C.8.2.1). A spacing of 0 stands for "unknown".
    """
    magnification = (side_numbers(dataset, "EstimatedRadiographicMagnificationFactor") or [1.0])[0]
    if not (np.isfinite(magnification) and magnification > 0):
        magnification = 1.0
    low, high = _PLAUSIBLE_SPACING
    for keyword, scale in (
        ("PixelSpacing", 1.0),
        ("ImagerPixelSpacing", magnification),
        ("NominalScannedPixelSpacing", 1.0),
    ):
        spacing = [each / scale for each in side_numbers(dataset, keyword)]
        if len(spacing) == 2 and all(low <= each <= high for each in spacing):
            return spacing[0], spacing[1]
        if np.isfinite(spacing).all() and any(spacing):
            warn_of(keyword, f"is not two numbers from {low} to {high:g} mm, and is taken for unknown")
    return None
