"""Small pictures of items: the radiograph with its boxes and the outlines of its masks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from app.datalist.item import Item, RunLengths
from app.datalist.run_lengths import decode
from app.datalist.validate import absolute_path
from app.files.limited import limited
from transforms.errors import RadiographError

if TYPE_CHECKING:
    import numpy as np

SIDE = 320
"""Pixels of the longer side of a thumbnail."""


@dataclass(slots=True)
class Thumbnail:
    """A radiograph for display.

    Attributes:
        pixels: (h, w) uint8; None if the file cannot be read.
        scale: Pixels of the thumbnail for one of the stored image.
        outlines: Of each mask, by finding: polygons (N, 2) of x, y in pixels of the thumbnail.
        problems: Files that cannot be read, with the reason.
    """

    pixels: np.ndarray | None = None
    scale: float = 1.0
    outlines: dict[str, list[np.ndarray]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def thumbnail(item: Item, root: Path) -> Thumbnail:
    """Read an item's image and masks, within limits of time and memory.

    Args:
        item: Of a datalist.
        root: The folder that its paths are relative to.

    Returns:
        What can be read; ``problems`` names each file that cannot.
    """
    base = root.resolve()
    result = Thumbnail()
    try:
        result.pixels, size = limited(_read_small, absolute_path(base, item.image))
    except RadiographError as error:
        result.problems.append(str(error))
        return result
    result.scale = max(result.pixels.shape) / max(size)
    for finding, mask in item.mask.items():
        source = mask if isinstance(mask, RunLengths) else absolute_path(base, mask)
        try:
            result.outlines[finding] = limited(_read_outlines, source, size, result.scale)
        except RadiographError as error:
            result.problems.append(f"mask of {finding!r}: {error}")
    return result


def _read_small(path: Path) -> tuple[np.ndarray, tuple[int, int]]:
    """A radiograph reduced or enlarged to ``SIDE``, and its (height, width)."""
    import cv2
    import numpy as np

    from transforms.read import read_radiograph

    image, _ = read_radiograph(path)
    scale = SIDE / max(image.shape)
    width, height = (max(1, round(side * scale)) for side in image.shape[::-1])
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(image, (width, height), interpolation=interpolation)
    return np.round(small * 255).astype(np.uint8), (image.shape[0], image.shape[1])


def _read_outlines(source: Path | RunLengths, size: tuple[int, int], scale: float) -> list[np.ndarray]:
    """The outlines of a mask, in pixels of the thumbnail.

    Raises:
        RadiographError: The mask cannot be read, or does not have the image's ``size`` (height, width).
    """
    import cv2
    import numpy as np

    from transforms.masks import read_mask

    mask, name = (decode(source), "it") if isinstance(source, RunLengths) else (read_mask(source), f"{source}: it")
    if mask.shape != tuple(size):
        has = f"{mask.shape[1]} x {mask.shape[0]}"
        raise RadiographError(f"{name} has {has} pixels (width x height), the image {size[1]} x {size[0]}.")
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return [(contour[:, 0] + 0.5) * scale for contour in contours]
