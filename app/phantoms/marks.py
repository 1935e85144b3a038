"""Marks in a radiograph besides the patient: lead letters, printed words and the collimator's edges."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from app.phantoms.grid import Map


def draw_marks(image: Map, view: str, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Draw side marker and words into the image, in place, and blacken the area beyond the collimator.

    Args:
        image: (H, W) in [0, 1], bright is dense.
        view: PA or AP, which the words name.
        generator: random numbers.

    Returns:
        (H, W) bool, the pixels beyond the collimator.
    """
    size = len(image)
    shutter = _shutter(size, generator)
    side = "L" if generator.random() < 0.65 else "R"
    inset = float(generator.uniform(0.07, 0.13))
    x = 1 - inset if side == "L" else inset
    y = float(generator.uniform(0.08, 0.2))
    _write(image, side, (x, y), float(generator.uniform(0.035, 0.055)), 0.98, bold=True)
    if generator.random() < (0.7 if view == "AP" else 0.25):
        words = ("AP", "AP MOBILE", "SUPINE", "AP ERECT") if view == "AP" else ("PA", "ERECT", "PA ERECT")
        word = words[int(generator.integers(len(words)))]
        _write(image, word, (min(max(x, 0.14), 0.86), y + 0.065), 0.022, 0.95, bold=False)
    image[shutter] = 0
    return shutter


def _shutter(size: int, generator: np.random.Generator) -> NDArray[np.bool_]:
    shutter = np.zeros((size, size), bool)
    margins = np.round(generator.uniform(0, 0.05, 4) * (generator.random(4) < 0.7) * size).astype(int)
    if generator.random() < 0.35:
        top, bottom, left, right = margins.tolist()
        shutter[:top] = shutter[size - bottom :] = True
        shutter[:, :left] = shutter[:, size - right :] = True
    return shutter


def _write(image: Map, text: str, centre: tuple[float, float], height: float, level: float, bold: bool) -> None:
    """Letters of ``height``, centred; both in shares of the image's side."""
    size = len(image)
    scale = height * size / 22
    thickness = max(round(scale * (3.2 if bold else 1.6)), 1)
    (width, tall), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
    canvas = np.zeros(image.shape, np.uint8)
    place = (round(centre[0] * size - width / 2), round(centre[1] * size + tall / 2))
    cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thickness, cv2.LINE_AA)
    x, y, width, tall = cv2.boundingRect(canvas)
    part = (slice(y, y + tall), slice(x, x + width))
    cover = canvas[part].astype(np.float32) * np.float32(1 / 255)
    image[part] += cover * np.maximum(level - image[part], 0)
