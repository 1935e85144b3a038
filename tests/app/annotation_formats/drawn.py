"""What an annotation file draws on radiographs of a given size, for tests."""

from collections import Counter

import numpy as np

from app.annotation_formats.drawing import NamedMark, Target, draw
from app.annotation_formats.marks import AnnotatedImage, AnnotationFile
from app.datalist.item import Box
from app.datalist.run_lengths import decode


def drawn(
    image: AnnotatedImage, size: tuple[int, int], counts: Counter | None = None
) -> tuple[tuple[Box, ...], dict[str, np.ndarray]]:
    """Boxes and masks (H, W) under the categories' own names."""
    marks = [NamedMark(mark.name, mark, image.frame) for mark in image.marks]
    boxes, masks = draw(marks, Target(size), Counter() if counts is None else counts)
    return boxes, {name: decode(mask) for name, mask in masks.items()}


def by_name(annotations: AnnotationFile) -> dict[str, AnnotatedImage]:
    """Images by their likeliest names."""
    return {image.names[0]: image for image in annotations.images}


def block(size: tuple[int, int], rows: slice, columns: slice) -> np.ndarray:
    """A mask that is 1 in a rectangle."""
    mask = np.zeros(size, np.uint8)
    mask[rows, columns] = 1
    return mask
