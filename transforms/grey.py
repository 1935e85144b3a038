"""Rendering of the stored values of a DICOM image: modality, window or look-up table, polarity and padding.

The steps and their order are those of the grayscale transformation sequence (PS3.4 N.2). They are applied to an array
of values: the pixels or, much faster, a table of all values that a pixel can have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from transforms.elements import element, numbers, photometric, side_code, side_numbers, side_sequence, warn_of
from transforms.errors import RadiographError

Array = NDArray[Any]


class Window(NamedTuple):
    """A window of grey levels, as DICOM's VOI LUT module has it (PS3.3 C.11.2)."""

    centre: float
    width: float
    function: str
    """LINEAR, LINEAR_EXACT or SIGMOID."""


class GreyLevels(NamedTuple):
    """Rendered values and how they were rendered."""

    shown: Array
    """Float32 in [0, 1]; 0 is black, 1 is white."""
    method: str
    """``LUT``, ``LINEAR``, ``LINEAR_EXACT``, ``SIGMOID``, ``RANGE``, or ``RANGE, WINDOW UNUSABLE``."""
    window: Window | None
    """That of the header or, for ``RANGE``, the one that shows the same; None for ``LUT``."""


def grey_levels(stored: Array, occurring: Callable[[], Array], dataset: Dataset) -> GreyLevels:
    """Grey levels that a viewer shows for stored values: 0 is black, 1 is white.

    Without a usable window or VOI LUT, the smallest occurring value becomes black and the largest white (or vice
    versa), as in viewers, without padding. Padding is always black.

    Args:
        stored: Integer values of any shape: a table of possible values, or all pixels.
        occurring: Returns a bool array of the shape of ``stored``: which values occur in the image. It is only called
            if needed, because it takes a pass over the image.
        dataset: Has the transforms.

    Returns:
        Grey levels of the shape of ``stored``, with their method and window.

    Raises:
        RadiographError: A transform is invalid, or the image consists of padding only.
    """
    padding = _padding(stored, dataset)
    values = _after_modality(stored, dataset)
    shown, method, window = _after_voi(values, dataset)
    if shown is None:
        counted = occurring() if padding is None else occurring() & ~padding
        if not counted.any():
            raise RadiographError("has nothing but padding: every pixel equals its PixelPaddingValue")
        low, high = float(values[counted].min()), float(values[counted].max())
        shown = np.clip((values - low) / (high - low or 1.0), 0.0, 1.0)
        window = Window((low + high + 1) / 2, high - low + 1, "LINEAR")
    if _is_inverted(dataset):
        # Over the full output range, not only the part that the image uses.
        shown = 1.0 - shown
    if padding is not None:
        shown[padding] = 0.0
    return GreyLevels(shown.astype(np.float32), method, window)


def _padding(stored: Array, dataset: Dataset) -> Array | None:
    """Which values are from PixelPaddingValue to PixelPaddingRangeLimit, inclusive (PS3.3 C.7.5.1.1.2)."""
    low = side_numbers(dataset, "PixelPaddingValue")
    if not np.isfinite(low or [np.nan]).all():
        return None
    high = side_numbers(dataset, "PixelPaddingRangeLimit") or low
    if not np.isfinite(high).all():
        high = low
    ends = sorted((_as_stored(low[0], dataset), _as_stored(high[0], dataset)))
    return (stored >= ends[0]) & (stored <= ends[1])


def _as_stored(value: float, dataset: Dataset) -> int:
    """A 16-bit element's value with the signedness of the pixels, because writers often confuse US and SS."""
    word = int(value) & 0xFFFF
    return word - 0x10000 if dataset.PixelRepresentation == 1 and word & 0x8000 else word


def _after_modality(stored: Array, dataset: Dataset) -> Array:
    """Apply the modality LUT, or the rescale slope and intercept (PS3.3 C.11.1)."""
    sequence = element(dataset, "ModalityLUTSequence")
    if sequence:
        if not isinstance(sequence, Sequence):
            raise RadiographError("has a damaged ModalityLUTSequence: not a sequence")
        return _looked_up(stored, sequence[0], "ModalityLUTSequence")[0]
    slope = (numbers(dataset, "RescaleSlope") or [1.0])[0]
    intercept = (numbers(dataset, "RescaleIntercept") or [0.0])[0]
    if slope == 0:
        raise RadiographError(f"has RescaleSlope 0 and RescaleIntercept {intercept:g}; allowed is a slope not 0")
    return stored * slope + intercept


def _after_voi(values: Array, dataset: Dataset) -> tuple[Array | None, str, Window | None]:
    """Apply the first VOI LUT, else the first usable window; ``None`` without either (PS3.3 C.11.2).

    A window is usable if its numbers are finite and its width is at least 1 (LINEAR) or above 0 (the others). If a file
    has both, the LUT is used: the standard leaves the choice open, and the LUT is more specific.
    """
    sequence = side_sequence(dataset, "VOILUTSequence")
    tables = [item for item in sequence if "LUTDescriptor" in item and "LUTData" in item]
    if sequence and not tables:
        warn_of("VOILUTSequence", "holds no table, and is taken for unknown")
    if tables:
        shown, top = _looked_up(values, tables[0], "VOILUTSequence")
        return shown / top, "LUT", None
    centers, widths = side_numbers(dataset, "WindowCenter"), side_numbers(dataset, "WindowWidth")
    windows = [each for each in zip(centers, widths, strict=False) if np.isfinite(each).all() and each[1] > 0]
    if windows:
        function = str(element(dataset, "VOILUTFunction") or "LINEAR").strip().upper()
        if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
            raise RadiographError(
                f"has the VOILUTFunction {function[:16]!r}; allowed are LINEAR, LINEAR_EXACT and SIGMOID"
            )
        for center, width in windows:
            if width >= 1 or function != "LINEAR":
                return _windowed(values, center, width, function), function, Window(center, width, function)
    return None, "RANGE, WINDOW UNUSABLE" if centers or widths else "RANGE", None


def _windowed(values: Array, center: float, width: float, function: str) -> Array:
    """The window functions of PS3.3 C.11.2.1.2.1 (LINEAR) and C.11.2.1.3.1 and .2, from 0 to 1."""
    if function == "SIGMOID":
        return 1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - center) / width, -700.0, 700.0)))
    if function == "LINEAR_EXACT":
        return np.clip((values - center) / width + 0.5, 0.0, 1.0)
    if width == 1:
        return (values > center - 0.5).astype(np.float64)
    return np.clip((values - (center - 0.5)) / (width - 1.0) + 0.5, 0.0, 1.0)


def _looked_up(values: Array, item: Dataset, name: str) -> tuple[Array, float]:
    """Map values by a look-up table; also return the largest value that the table's depth allows (PS3.3 C.11.1.1).

    Values below the first mapped one get the table's first entry, and those above the last one get its last.
    """
    descriptor = [int(number) for number in numbers(item, "LUTDescriptor")]
    if len(descriptor) != 3:
        raise RadiographError(f"has a damaged LUTDescriptor in its {name}; allowed are three numbers")
    count, first, bits = descriptor[0] or 65536, descriptor[1], descriptor[2]
    if first >= 0x8000 and values.min() < 0:
        first -= 0x10000  # a negative first value, written as unsigned
    table = _lut_data(item, count, name)
    # Some writers state fewer bits than the entries use; the entries are trusted.
    top = float(2 ** max(bits, int(table.max()).bit_length()) - 1)
    places = np.clip(np.rint(values) - first, 0, len(table) - 1).astype(np.intp)
    return table[places].astype(np.float64), top


def _lut_data(item: Dataset, count: int, name: str) -> Array:
    """The entries of a look-up table, whether written as numbers, as 16-bit words or as bytes."""
    data = element(item, "LUTData")
    if isinstance(data, bytes):
        order = ">" if item.original_encoding[1] is False else "<"
        table = np.frombuffer(data, dtype=np.uint8 if len(data) < 2 * count else f"{order}u2")
    else:
        table = np.atleast_1d(np.asarray([] if data is None else data, dtype=np.int64))
    if len(table) < count:
        raise RadiographError(f"has a damaged {name}: {len(table)} entries where its descriptor says {count}")
    return table[:count].astype(np.int64)


def _is_inverted(dataset: Dataset) -> bool:
    """Whether the smallest value is shown as white.

    Both MONOCHROME1 (PS3.3 C.7.6.3.1.2) and a Presentation LUT Shape of INVERSE (C.11.6) mean this. DX images have both
    or neither (C.8.11.3.1.2), so together they invert once.
    """
    shape = side_code(dataset, "PresentationLUTShape")
    if shape not in ("", "IDENTITY", "INVERSE", "LIN OD"):
        warn_of("PresentationLUTShape", "is none that the standard knows, and is taken for unknown")
    return photometric(dataset) == "MONOCHROME1" or shape == "INVERSE"
