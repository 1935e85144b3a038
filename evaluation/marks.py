"""Marks on maps: peaks and connected regions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import BoolArray, FloatArray, IntArray, require_dimensions

TOUCHING = np.pad(np.ones((1, 3, 3), dtype=bool), ((1, 1), (0, 0), (0, 0)))
"""Patches that touch at a side or a corner are connected; those of different maps are not."""


@dataclass(frozen=True)
class Marks:
    """M places that a reader or a map points at, in N images.

    Attributes:
        image: (M,) index of the image.
        x: (M,) pixels of the stored image, from its left edge.
        y: (M,) pixels, from its top edge.
        score: (M,) confidence.
    """

    image: IntArray
    x: FloatArray
    y: FloatArray
    score: FloatArray


def peaks(value: ArrayLike, region: ArrayLike, minimum: float, reach: int = 1) -> Marks:
    """Mark patches that no other within ``reach`` exceeds; equal ones that touch get one mark, at their centre.

    Example:
        >>> value = [[[0.9, 0.2, 0.2, 0.6], [0.1, 0.2, 0.2, 0.6]]]
        >>> peaks(value, [[0, 0, 40, 20]], minimum=0.5).x.tolist()  # patches are 10 pixels wide
        [5.0, 35.0]

    Args:
        value: (N, h, w).
        region: (N, 4) x, y, width, height in pixels that each map covers.
        minimum: Patches below it are not marked.
        reach: Rows and columns to each side.
    """
    from scipy.ndimage import maximum_filter

    values = _checked(value)
    highest = maximum_filter(values, size=(1, 2 * reach + 1, 2 * reach + 1), mode="constant", cval=-np.inf)
    return _marks(values, (values == highest) & (values >= minimum), region)


def components(value: ArrayLike, region: ArrayLike, threshold: float) -> Marks:
    """Mark each connected region of patches of at least ``threshold`` at its centre, scored by its highest patch.

    Arguments as for ``peaks``.

    Example:
        >>> value = [[[0.9, 0.6, 0.2, 0.6], [0.1, 0.2, 0.2, 0.7]]]
        >>> marks = components(value, [[0, 0, 40, 20]], threshold=0.5)
        >>> marks.x.tolist(), marks.score.tolist()
        ([10.0, 35.0], [0.9, 0.7])
    """
    values = _checked(value)
    return _marks(values, values >= threshold, region)


def _checked(value: ArrayLike) -> FloatArray:
    values = np.asarray(value, dtype=np.float64)
    require_dimensions(values, 3, "value")
    return values


def _marks(values: FloatArray, chosen: BoolArray, region: ArrayLike) -> Marks:
    """One mark for each connected region of the chosen patches (N, h, w)."""
    from scipy import ndimage

    number, count = ndimage.label(chosen, TOUCHING)
    index = np.arange(1, count + 1)
    centre = np.array(ndimage.center_of_mass(chosen, number, index)).reshape(-1, 3)
    score = np.asarray(ndimage.maximum(values, number, index), dtype=np.float64)
    image = centre[:, 0].astype(np.int64)
    regions = np.asarray(region, dtype=np.float64).reshape(-1, 4)[image]
    x = regions[:, 0] + (centre[:, 2] + 0.5) * regions[:, 2] / values.shape[2]
    y = regions[:, 1] + (centre[:, 1] + 0.5) * regions[:, 3] / values.shape[1]
    return Marks(image, x, y, score)
