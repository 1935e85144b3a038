"""One slice in a volume format (NIfTI, MetaImage or NRRD): displayed size, pixels and spacing.

The header gives the orientation: the affine of NIfTI, the TransformMatrix of MetaImage, the space directions of NRRD. A
slice is displayed head up and with the patient's left on the right, like a radiograph (see
`transforms.turning.anatomical_turn`). Without an orientation it is displayed as follows:

* MetaImage without a matrix or with the identity, and NRRD without a space: as stored. ITK writes the identity if the
  orientation is unknown; interpreted literally, it means the same.
* NIfTI whose affine is a positive diagonal without an offset, as ``numpy.eye(4)`` or pixel sizes alone produce: as
  stored, x to the right, y down. Interpreted literally, it would flip the image vertically and horizontally.
* NIfTI whose orientation codes are both 0, and NRRD in right-anterior-superior space with unit steps, as dcm2niix
  writes radiographs of unknown orientation: the first row at the bottom, columns as stored.
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
"""(row, column) in mm; ``None`` if unknown."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Layout of the single slice of a volume in its file, and how to display it.

    Attributes:
        stored: (height, width): lengths of the second and first axis that are longer than 1.
        channels: Numbers per pixel.
        turn: From stored to displayed.
        spacing: As displayed.
    """

    stored: tuple[int, int]
    channels: int
    turn: Turn
    spacing: Spacing

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) as displayed."""
        return self.turn.size(self.stored)

    @property
    def numbers(self) -> int:
        """Total count of numbers in all pixels."""
        return math.prod(self.stored) * self.channels

    def shown(self, values: Array) -> Array:
        """The file's numbers as displayed, (H, W) or, with several channels, (H, W, C)."""
        channels = (self.channels,) if self.channels > 1 else ()
        return self.turn.apply(values.reshape(*self.stored, *channels))


def one_slice(
    lengths: Sequence[int],
    steps: Sequence[Direction] | None,
    spacing: Sequence[float],
    channels: int = 1,
    most_channels: int = 4,
) -> Slice:
    """The slice of a volume that has only one.

    Args:
        lengths: Lengths of its axes, fastest-varying first.
        steps: Direction of each axis in the patient (LPS), of any length; ``None`` if unknown.
        spacing: Spacing of the axes in mm.
        channels: Numbers per pixel, adjacent in the file.
        most_channels: How many of them are allowed.

    Raises:
        RadiographError: It has more than one slice or too many channels, or is implausibly large.
    """
    long = [axis for axis, length in enumerate(lengths) if length != 1]
    if len(lengths) < 2 or len(long) > 2:
        raise RadiographError(f"has {len(lengths)} axes of {tuple(lengths)} pixels, not one slice; export it by itself")
    if not 1 <= channels <= most_channels:
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
        head: At least the first 540 bytes, decompressed.

    Raises:
        RadiographError: It is damaged, or not one slice.
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
    # NIfTI's directions are right, front and head; ours are left, back and head.
    steps = None if says_sizes_alone else [(-step[0], -step[1], step[2]) for step in affine[:3, :3].T]
    return one_slice(lengths, steps, spacing)


def nifti_pixels(content: bytes) -> tuple[Array, Slice]:
    """Pixels of a decompressed NIfTI file as displayed, (H, W), and its slice.

    Raises:
        RadiographError: It is damaged, truncated, or not one slice of real numbers.
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
    """Check that only padding follows the pixels, because a header with wrong sizes often claims too few.

    Raises:
        RadiographError: Something else follows.
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
