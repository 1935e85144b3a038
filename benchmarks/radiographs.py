"""Pictures that cost a decoder what radiographs cost it."""

from pathlib import Path

import cv2
import numpy as np


def write_smooth_noise(path: Path, side: int, generator: np.random.Generator) -> None:
    """A grey PNG of ``side`` x ``side`` pixels: coarse noise, enlarged."""
    coarse = generator.integers(0, 256, (16, 16), dtype=np.uint8)
    cv2.imwrite(str(path), cv2.resize(coarse, (side, side)), [cv2.IMWRITE_PNG_COMPRESSION, 1])
