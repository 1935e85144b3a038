"""Draw maps over a radiograph."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

MAX_SIDE = 1024
"""Pixels of the longer side of an overlay; larger radiographs are reduced."""
MIN_LINE = 12
"""Pixels of a line of captions; smaller ones are illegible."""


def overlay(image: np.ndarray, maps: np.ndarray, captions: Sequence[str], thresholds: Sequence[float]) -> np.ndarray:
    """Draw a radiograph with the maximum of its maps in translucent red, outlines at the thresholds, and captions.

    Args:
        image: (H, W) in [0, 1].
        maps: (C, H, W) probabilities, in the same pixels.
        captions: Lines of text, the most important first; those that do not fit into the upper third are left out.
        thresholds: C probabilities, for the outlines.

    Returns:
        (h, w, 3) uint8, in OpenCV's order (blue first); the longer side has at most 1,024 pixels.

    Example:
        >>> overlay(np.zeros((2048, 512)), np.zeros((1, 2048, 512)), ["Nodule 0.12"], [0.5]).shape
        (1024, 256, 3)
    """
    scale = min(1.0, MAX_SIDE / max(image.shape))
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    grey = cv2.resize((image * 255).astype(np.uint8), size, interpolation=cv2.INTER_AREA)
    resized = np.stack([cv2.resize(each, size, interpolation=cv2.INTER_LINEAR) for each in maps])
    veil = (0.45 * resized.max(axis=0))[..., None]
    picture = (cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR) * (1 - veil) + veil * np.array([0, 0, 255.0])).astype(np.uint8)
    inside = (resized >= np.asarray(thresholds)[:, None, None]).any(axis=0).astype(np.uint8)
    outlines, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, outlines, -1, (0, 0, 255), 1)
    _write_captions(picture, captions)
    return picture


def _write_captions(picture: np.ndarray, captions: Sequence[str]) -> None:
    """Write lines into the upper third of a picture, smaller if there are many."""
    third = picture.shape[0] // 3
    height = min(22, max(MIN_LINE, third // max(1, len(captions))))
    for line, caption in enumerate(captions[: max(1, third // height)]):
        start, size = (8 * height // 22, height * (line + 1)), 0.6 * height / 22
        cv2.putText(picture, caption, start, cv2.FONT_HERSHEY_SIMPLEX, size, (0, 0, 0), 3, cv2.LINE_AA)
        cv2.putText(picture, caption, start, cv2.FONT_HERSHEY_SIMPLEX, size, (255, 255, 255), 1, cv2.LINE_AA)
