"""One slice in a format for volumes, NIfTI, MetaImage or NRRD: size as shown, pixels and spacing.

Where the first row lies is said by the header: NIfTI by its affine, MetaImage by its TransformMatrix, NRRD by its space
directions. A slice is shown head up and with the patient's left to the right, as radiographs are (see
`transforms.turning.anatomical_turn`). What says nothing is shown so:

* MetaImage without a matrix or with the identity, and NRRD without a space, as stored. ITK writes the identity for what
  it was not told; taken at its word it means the same.
* NIfTI whose affine is a positive diagonal without an offset, which is what ``numpy.eye(4)`` or pixel sizes alone make,
  as stored: x to the right, y down. Taken at its word it would turn the image upside down and left to right.
* NIfTI whose codes of orientation are both 0, and NRRD that names right-anterior-superior with unit steps, as dcm2niix
  writes a radiograph, whose DICOM file says nothing: the first row at the bottom, columns as stored.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transforms.errors import RadiographError
from transforms.sizes import checked_size
from transforms.turning import AS_STORED, Direction, Turn, anatomical_turn

Array = NDArray[Any]
Spacing = tuple[float, float] | None
"""(row, column) in mm; ``None`` where unknown."""


@dataclass(frozen=True, slots=True)
class Slice:
    """How the one slice of a volume lies in its file, and how it is shown.

    Attributes:
        stored: (height, width): lengths of the second and first axis that are longer than 1.
        channels: numbers a pixel.
        turn: from stored to shown.
        spacing: as shown.
    """

    stored: tuple[int, int]
    channels: int
    turn: Turn
    spacing: Spacing

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) as shown."""
        return self.turn.size(self.stored)

    @property
    def numbers(self) -> int:
        """How many numbers the pixels have in all."""
        return math.prod(self.stored) * self.channels

    def shown(self, values: Array) -> Array:
        """(H, W) or, of several channels, (H, W, C) as shown, of the file's numbers in their order."""
        channels = (self.channels,) if self.channels > 1 else ()
        return self.turn.apply(values.reshape(*self.stored, *channels))


def one_slice(
    lengths: Sequence[int], steps: Sequence[Direction] | None, spacing: Sequence[float], channels: int = 1
) -> Slice:
    """The one slice that a volume is.

    Args:
        lengths: of its axes, the one whose pixels are neighbours in the file first.
        steps: where each axis runs in the patient (LPS), of any length; ``None`` where nothing is said.
        spacing: of the axes in mm.
        channels: numbers a pixel, neighbours in the file.

    Raises:
        RadiographError: more than one slice, or absurdly large.
    """
    long = [axis for axis, length in enumerate(lengths) if length != 1]
    if len(lengths) < 2 or len(long) > 2:
        raise RadiographError(f"has {len(lengths)} axes of {tuple(lengths)} pixels, not one slice; export it by itself")
    if not 1 <= channels <= 4:
        raise RadiographError(f"has {channels} channels; allowed are grey, RGB and RGBA")
    across, down = sorted([*long, *(axis for axis in range(len(lengths)) if axis not in long)][:2])
    stored = checked_size((lengths[down], lengths[across]))
    turn = AS_STORED
    if steps is not None and max(across, down) < len(steps):
        turn = anatomical_turn(steps[across], steps[down])
    row, column = (abs(float(spacing[axis])) if axis < len(spacing) else 0.0 for axis in (down, across))
    if turn.transposed:
        row, column = column, row
    is_known = bool(np.isfinite([row, column]).all()) and min(row, column) > 0
    return Slice(stored, channels, turn, (row, column) if is_known else None)


def nifti_slice(head: bytes) -> Slice:
    """The slice of a NIfTI file.

    Args:
        head: the first 540 bytes, or more, decompressed.

    Raises:
        RadiographError: damaged, or not one slice.
    """
    if head[344:348] != b"n+1\0" and head[4:8] != b"n+2\0":
        raise RadiographError("is damaged or truncated, or packed and not NIfTI: its NIfTI header is missing")
    header = _nifti_kind(head).header_class
    try:
        known = header(head[: header.sizeof_hdr], check=False)
        lengths = tuple(int(length) for length in known.get_data_shape())
        affine = np.asarray(known.get_best_affine(), dtype=np.float64)
        spacing = [float(size) for size in known.get_zooms()]
    except Exception as error:  # nibabel's own errors have many kinds
        raise RadiographError(f"is damaged: not readable as NIfTI ({type(error).__name__})") from error
    sizes = np.diagonal(affine)[:3]
    says_sizes_alone = bool((sizes > 0).all()) and np.array_equal(affine, np.diag([*sizes, 1.0]))
    # NIfTI's directions are right, front, head; ours are left, back, head.
    steps = None if says_sizes_alone else [(-step[0], -step[1], step[2]) for step in affine[:3, :3].T]
    return one_slice(lengths, steps, spacing)


def nifti_pixels(content: bytes) -> tuple[Array, Slice]:
    """Pixels as shown, (H, W), of a decompressed NIfTI file, and its slice.

    Raises:
        RadiographError: damaged, truncated, or not one slice of real numbers.
    """
    plane = nifti_slice(content)
    try:
        volume = _nifti_kind(content).from_bytes(content)
        values = np.asanyarray(volume.dataobj)
        start, itemsize = volume.dataobj.offset, volume.header.get_data_dtype().itemsize
    except Exception as error:
        raise RadiographError(f"is damaged or truncated: not readable as NIfTI ({type(error).__name__})") from error
    if values.dtype.names or values.dtype.kind not in "buif":
        raise RadiographError(f"holds values of type {values.dtype}; allowed are real numbers")
    check_surplus(content, start + plane.numbers * itemsize)
    return plane.shown(values.ravel(order="F")), plane


def check_surplus(content: bytes | memoryview, end: int) -> None:
    """Check that nothing but padding follows the pixels: a header whose sizes are wrong often claims too few.

    Raises:
        RadiographError: something does.
    """
    surplus = bytes(content[end:])
    if surplus.strip(b"\0\r\n"):
        raise RadiographError(
            f"is damaged: {len(surplus)} bytes follow the pixels that its header claims, so its size or type is wrong"
        )


def _nifti_kind(head: bytes) -> Any:  # noqa: ANN401 - nibabel has no type for its image classes
    import nibabel

    is_second = head[:4] in (b"\x1c\x02\x00\x00", b"\x00\x00\x02\x1c")
    return nibabel.Nifti2Image if is_second else nibabel.Nifti1Image
