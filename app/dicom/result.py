"""What a network says of one radiograph, in the pixels of the stored file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.grey import Window

MAX_OUTLINES = 10
"""Outlines of a finding; of more, the largest are kept and the others counted."""
DOUBT = "hardly looks like a frontal chest radiograph, or lungs in doubt"
"""What results say of a radiograph that is in doubt; the meaning of a code has 64 characters at most."""


@dataclass(frozen=True)
class DetectedFinding:
    """A finding of one radiograph.

    Attributes:
        name: Of the finding.
        probability: That it is present, as in predictions.csv.
        threshold: Probability from which it is called present.
        is_present: Whether it is called present.
        mask: (H, W) bool, where it is; None if it is absent, or if the network does not locate it.
        is_calibrated: Whether the probability was recalibrated on validation cases.
    """

    name: str
    probability: float
    threshold: float
    is_present: bool
    mask: NDArray[np.bool_] | None = None
    is_calibrated: bool = False


@dataclass(frozen=True)
class RadiographResult:
    """All findings of one radiograph.

    Attributes:
        findings: In the network's order, present and absent.
        image: (H, W) of the stored radiograph in [0, 1], bright bone, as it is shown.
        window: By which it is shown; None if its header has a look-up table.
        is_doubtful: Whether it hardly looks like a frontal radiograph of the chest (`app.views`), or
            its lungs are in doubt (`transforms.CropLungsd`).
    """

    findings: tuple[DetectedFinding, ...]
    image: NDArray[np.float32]
    window: Window | None = None
    is_doubtful: bool = False

    @property
    def located(self) -> tuple[DetectedFinding, ...]:
        """Findings with at least one pixel."""
        return tuple(each for each in self.findings if each.mask is not None and each.mask.any())


class Outlines(NamedTuple):
    """Polygons around a mask.

    Attributes:
        polygons: Of (n, 2) columns and rows, closed: the first point is repeated at the end. As DICOM counts, (0, 0) is
            the outer corner of the first pixel.
        left_out: How many smaller ones there are.
    """

    polygons: tuple[NDArray[np.float64], ...]
    left_out: int


def outlines(mask: NDArray[np.bool_], most: int = MAX_OUTLINES) -> Outlines:
    """Outline the connected parts of a mask, the largest first.

    Example:
        >>> mask = np.zeros((6, 6), dtype=bool)
        >>> mask[1:4, 2:5] = True
        >>> outlines(mask).polygons[0].tolist()
        [[2.5, 1.5], [2.5, 3.5], [4.5, 3.5], [4.5, 1.5], [2.5, 1.5]]
    """
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    # By pixels rather than by the polygon's area, which is 0 for a line.
    order = sorted(contours, key=_pixels, reverse=True)
    polygons = tuple(_closed(each[:, 0, :] + 0.5) for each in order[:most])
    return Outlines(polygons, max(0, len(order) - most))


def _closed(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([points, points[:1]])


def _pixels(contour: Any) -> int:  # noqa: ANN401 - OpenCV's type of a contour
    """The number of pixels within a contour."""
    column, row, width, height = cv2.boundingRect(contour)
    filled = np.zeros((height, width), dtype=np.uint8)
    cv2.drawContours(filled, [contour - (column, row)], -1, 1, cv2.FILLED)
    return int(np.count_nonzero(filled))
