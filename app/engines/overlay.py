"""Draw the regions of findings over a radiograph."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

MAX_SIDE = 1024
"""Pixels of the longer side of an overlay; larger radiographs are reduced."""
MIN_LINE = 12
"""Pixels of a line of captions; smaller ones are illegible."""
VEIL = 0.45
"""Opacity of a map where it is 1."""
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
GOLDEN = 0.618034
"""Of the circle of hues: steps of this size come near no earlier hue for long."""


class Region(NamedTuple):
    """A finding to be drawn.

    Attributes:
        caption: Its line of text.
        map: (H, W) probabilities, in the pixels of the image.
        threshold: Probability from which the map is shown and outlined.
        colour: Of caption, map and outline, in OpenCV's order (blue first).
    """

    caption: str
    map: np.ndarray
    threshold: float
    colour: tuple[int, int, int] = WHITE


def colour_of(finding: int) -> tuple[int, int, int]:
    """A bright colour for the finding of a number, in OpenCV's order (blue first); the first is red.

    Example:
        >>> colour_of(0)
        (64, 64, 255)
    """
    red, green, blue = colorsys.hsv_to_rgb(finding * GOLDEN % 1, 0.75, 1)
    return round(255 * blue), round(255 * green), round(255 * red)


def overlay(image: np.ndarray, regions: Sequence[Region], note: str = "") -> np.ndarray:
    """Draw a radiograph with maps as translucent colours, outlines at their thresholds, and captions in these colours.

    Args:
        image: (H, W) in [0, 1].
        regions: The most important first; captions that do not fit into the upper third are left out.
        note: A line of text in white above the captions.

    Returns:
        (h, w, 3) uint8, in OpenCV's order (blue first); the longer side has at most 1,024 pixels.

    Example:
        >>> overlay(np.zeros((2048, 512)), [Region("Nodule 0.72", np.zeros((2048, 512)), 0.5)]).shape
        (1024, 256, 3)
    """
    scale = min(1.0, MAX_SIDE / max(image.shape))
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    grey = cv2.resize((image * 255).astype(np.uint8), size, interpolation=cv2.INTER_AREA)
    maps = [cv2.resize(region.map, size, interpolation=cv2.INTER_LINEAR) for region in regions]
    drawn = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    veiled = np.any([values >= region.threshold for region, values in zip(regions, maps, strict=True)], axis=0)
    if veiled.any():  # mostly small parts of the picture
        colours = drawn[veiled].astype(np.float64)
        for region, values in zip(regions, maps, strict=True):
            veil = VEIL * np.where(values[veiled] >= region.threshold, values[veiled], 0)[:, None]
            colours = colours * (1 - veil) + veil * np.array(region.colour, np.float64)
        drawn[veiled] = colours.astype(np.uint8)
    for region, values in zip(regions, maps, strict=True):
        inside = (values >= region.threshold).astype(np.uint8)
        outlines, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, outlines, -1, region.colour, 1)
    lines = [(note, WHITE)] if note else []
    _write_captions(drawn, [*lines, *((region.caption, region.colour) for region in regions)])
    return drawn


def _write_captions(picture: np.ndarray, captions: Sequence[tuple[str, tuple[int, int, int]]]) -> None:
    """Write lines into the upper third of a picture, smaller if there are many."""
    third = picture.shape[0] // 3
    height = min(22, max(MIN_LINE, third // max(1, len(captions))))
    for line, (caption, colour) in enumerate(captions[: max(1, third // height)]):
        start, size = (8 * height // 22, height * (line + 1)), 0.6 * height / 22
        # Around the letters in black, as they may lie on bone. A thicker line would be a wider font.
        for right, down in ((-1, 0), (1, 0), (0, -1), (0, 1), (1, 1)):
            shadow = (start[0] + right, start[1] + down)
            cv2.putText(picture, caption, shadow, cv2.FONT_HERSHEY_SIMPLEX, size, BLACK, 1, cv2.LINE_AA)
        cv2.putText(picture, caption, start, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)
