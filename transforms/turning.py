"""Rotation and mirroring from stored to displayed rows and columns, by EXIF or by a volume's orientation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Direction = Sequence[float]
"""Direction of an axis in the patient: components to the left, the back and the head (LPS, as in DICOM and ITK)."""


class Turn(NamedTuple):
    """A transposition followed by reversals, from stored to displayed rows and columns.

    Example:
        >>> EXIF_TURNS[6].size((2, 3))  # a phone held upright: a quarter turn clockwise
        (3, 2)
        >>> EXIF_TURNS[6].apply(np.array([[1, 2, 3], [4, 5, 6]])).tolist()
        [[4, 1], [5, 2], [6, 3]]
        >>> EXIF_TURNS[6].undone(np.array([[4, 1], [5, 2], [6, 3]])).tolist()
        [[1, 2, 3], [4, 5, 6]]
    """

    transposed: bool = False
    rows_reversed: bool = False
    columns_reversed: bool = False

    def size(self, stored: tuple[int, int]) -> tuple[int, int]:
        """(height, width) as displayed."""
        return (stored[1], stored[0]) if self.transposed else stored

    def apply(self, image: NDArray[Any]) -> NDArray[Any]:
        """An image (H, W, ...) as displayed; a view of its data."""
        turned = image.swapaxes(0, 1) if self.transposed else image
        turned = turned[::-1] if self.rows_reversed else turned
        return turned[:, ::-1] if self.columns_reversed else turned

    def undone(self, image: NDArray[Any]) -> NDArray[Any]:
        """An image (H, W, ...) as stored, from what `apply` made of it; a view of its data."""
        turned = image[:, ::-1] if self.columns_reversed else image
        turned = turned[::-1] if self.rows_reversed else turned
        return turned.swapaxes(0, 1) if self.transposed else turned


AS_STORED = Turn()

EXIF_TURNS = {
    1: AS_STORED,
    2: Turn(columns_reversed=True),
    3: Turn(rows_reversed=True, columns_reversed=True),
    4: Turn(rows_reversed=True),
    5: Turn(transposed=True),
    6: Turn(transposed=True, columns_reversed=True),
    7: Turn(transposed=True, rows_reversed=True, columns_reversed=True),
    8: Turn(transposed=True, rows_reversed=True),
}
"""By the Orientation tag of EXIF and TIFF (TIFF 6.0, section 8)."""


def anatomical_turn(columns: Direction, rows: Direction) -> Turn:
    """The turn that displays a plane like a radiograph: head up, the patient's left on the right.

    In a plane without a vertical axis the back is down; in one without a left-right axis the back is on the right.
    Oblique axes count as the nearest anatomical ones.

    Args:
        columns: Direction from the first stored column to the last.
        rows: Direction from the first stored row to the last.

    Returns:
        The turn; ``AS_STORED`` if a direction is zero or not finite.

    Example:
        >>> anatomical_turn(columns=(1, 0, 0), rows=(0, 0, 1))  # the rows run to the head, as dcm2niix stores them
        Turn(transposed=False, rows_reversed=True, columns_reversed=False)
    """
    axes = np.array([columns, rows], dtype=np.float64)
    lengths = np.linalg.norm(axes, axis=1)
    if not (np.isfinite(lengths).all() and lengths.all()):
        return AS_STORED
    axes /= lengths[:, None]
    first, second = max(permutations(range(3), 2), key=lambda pair: abs(axes[0, pair[0]]) + abs(axes[1, pair[1]]))
    # Left-right becomes horizontal, head-feet vertical, and front-back takes the remaining axis.
    transposed = first > second
    across, down = (axes[1, second], axes[0, first]) if transposed else (axes[0, first], axes[1, second])
    runs_up = down > 0 if max(first, second) == 2 else down < 0
    return Turn(transposed, bool(runs_up), bool(across < 0))
