"""From marks to boxes and masks in the pixels of a radiograph as it is shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from app.annotation_formats.marks import (
    SHARES,
    AnnotationError,
    Frame,
    Mark,
    Polygons,
    Raster,
    Rectangle,
)
from app.datalist.item import Box, RunLengths
from app.datalist.run_lengths import decode, encode, polygon, rectangles, resized, runs_of, union
from transforms.turning import AS_STORED, Turn

_ROUNDING = 1.0
"""Pixels by which a box may reach over the edge, as programs count pixels from 0 or 1; it is cut there."""
_STRETCH = 0.02
"""How far an image's height may have been scaled otherwise than its width, because of rounding."""
_LARGEST = 1e7
"""Coordinates beyond this one are damaged."""


class Target(NamedTuple):
    """The radiograph that is drawn on.

    Attributes:
        size: (height, width) as shown.
        turn: What would show it head up, if it is DICOM and says how its axes lie in the patient.
    """

    size: Frame
    turn: Turn = AS_STORED


class NamedMark(NamedTuple):
    """A mark whose finding is known, with the frame of its image and whoever drew it."""

    finding: str
    mark: Mark
    frame: Frame | None
    reader: str = ""


def draw(
    marks: Sequence[NamedMark], target: Target, counts: Counter[str]
) -> tuple[tuple[Box, ...], dict[str, RunLengths]]:
    """Boxes, and masks by finding.

    A finding with an outline has a mask, in which its boxes are filled in. Counts of what was cut are added to
    ``counts``.

    Raises:
        AnnotationError: A mark is outside of the radiograph, has no area or covers no pixel, a mask has another size
            than the radiograph, or two readers drew outlines of one finding.
    """
    drawn = [(each, _on(each, target, counts)) for each in marks]
    outlined = {each.finding for each, shape in drawn if isinstance(shape, RunLengths)}
    for finding in outlined:
        readers = {each.reader for each, _ in drawn if each.finding == finding}
        if len(readers) > 1:
            where = next(each.mark.where for each, _ in drawn if each.finding == finding)
            raise AnnotationError(
                f"{where}: readers {' and '.join(sorted(readers))} drew outlines of {finding!r}, and a datalist has "
                "one mask for each finding. Choose one by --reader; 'frugal combine' joins one datalist for each."
            )
    boxes = [shape for _, shape in drawn if isinstance(shape, Box)]
    masks = {
        finding: union(
            [
                shape if isinstance(shape, RunLengths) else rectangles([shape], target.size)
                for each, shape in drawn
                if each.finding == finding
            ]
        )
        for finding in sorted(outlined)
    }
    return tuple(box for box in boxes if box.finding not in outlined), masks


def _on(named: NamedMark, target: Target, counts: Counter[str]) -> Box | RunLengths:
    shape, where = named.mark.shape, named.mark.where
    if isinstance(shape, Raster):
        mask = _raster(shape, named.frame, target, where)
        if not runs_of(mask):
            raise AnnotationError(f"{where}: its mask covers no pixel; remove it.")
        return mask
    down, across = _scale(named.frame, target.size, where)
    if isinstance(shape, Rectangle):
        scaled = Rectangle(shape.x * across, shape.y * down, shape.width * across, shape.height * down)
        return _box(named, scaled, target.size, counts)
    return _outline(shape, (down, across), target.size, where, counts)


def _scale(frame: Frame | None, size: Frame, where: str) -> tuple[float, float]:
    """Factors, down and across, from the frame of marks to the radiograph."""
    if frame is None:
        return 1.0, 1.0
    if frame == SHARES:
        return float(size[0]), float(size[1])
    down, across = size[0] / frame[0], size[1] / frame[1]
    if frame == size[::-1] != size:
        raise AnnotationError(
            f"{where}: its locations are in an image of {frame[0]} x {frame[1]} pixels (height x width), but the file "
            f"is shown as {size[0]} x {size[1]}, turned as its EXIF data or orientation say. Give locations in the "
            "image as it is shown, or save the image without such a turn."
        )
    # One pixel more or less, as rounding makes it, may be a large share of a small image.
    if abs(down / across - 1) > _STRETCH + 1 / min(*frame, *size):
        raise AnnotationError(
            f"{where}: its locations are in an image of {frame[0]} x {frame[1]} pixels (height x width), but the file "
            f"is shown as {size[0]} x {size[1]}: another shape, so that it was cut, padded or stretched."
        )
    return down, across


def _box(named: NamedMark, shape: Rectangle, size: Frame, counts: Counter[str]) -> Box:
    where = named.mark.where
    text = f"{where}: the box x {shape.x:g}, y {shape.y:g}, width {shape.width:g}, height {shape.height:g}"
    if not (0 < shape.width <= _LARGEST and 0 < shape.height <= _LARGEST):
        raise AnnotationError(f"{text} has no area; remove it.")
    left, top, right, bottom = shape.x, shape.y, shape.x + shape.width, shape.y + shape.height
    over = max(-left, -top, right - size[1], bottom - size[0])
    left, top, right, bottom = max(0.0, left), max(0.0, top), min(size[1], right), min(size[0], bottom)
    if not over <= _ROUNDING or right <= left or bottom <= top:
        raise AnnotationError(f"{text} reaches outside the image of {size[1]} x {size[0]} pixels (width x height).")
    counts["boxes cut at the edge, over which they reached by a pixel or less"] += over > 0.01
    x, y, width, height = (round(each, 3) for each in (left, top, right - left, bottom - top))
    return Box(named.finding, x, y, width, height, named.reader)


def _outline(shape: Polygons, scale: tuple[float, float], size: Frame, where: str, counts: Counter[str]) -> RunLengths:
    down, across = scale
    masks = []
    for ring in shape.rings:
        points = [each * (down if index % 2 else across) for index, each in enumerate(ring)]
        if not all(abs(each) <= _LARGEST for each in points):
            raise AnnotationError(f"{where}: a corner of its outline lies at {max(map(abs, points)):g} pixels.")
        xs, ys = points[0::2], points[1::2]
        over = max(-min(xs), -min(ys), max(xs) - size[1], max(ys) - size[0])
        counts["outlines cut at the edge, over which they reached by more than a pixel"] += over > _ROUNDING
        masks.append(polygon(points, size))
    mask = union(masks)
    if not runs_of(mask):
        raise AnnotationError(f"{where}: its outline covers no pixel of its image of {size[1]} x {size[0]} pixels.")
    return mask


def _raster(shape: Raster, frame: Frame | None, target: Target, where: str) -> RunLengths:
    turn = target.turn if shape.is_anatomical else AS_STORED
    whole = turn.size(target.size) if frame is None else frame
    mask = shape.mask if shape.offset is None else _placed(shape, whole, where)
    if frame is not None:
        _scale(frame, target.size, where)
        return resized(mask, target.size)
    if mask.size != whole:
        raise AnnotationError(
            f"{where}: its mask has {mask.size[1]} x {mask.size[0]} pixels (width x height), but the radiograph has "
            f"{whole[1]} x {whole[0]}. Save the mask in the radiograph's own size."
        )
    return mask if turn == AS_STORED else encode(turn.undone(decode(mask)))


def _placed(shape: Raster, whole: Frame, where: str) -> RunLengths:
    """A cropped mask in the whole image."""
    height, width = shape.mask.size
    row, column = shape.offset or (0, 0)
    if shape.turn.transposed:
        row, column = column, row
    row = whole[0] - height - row if shape.turn.rows_reversed else row
    column = whole[1] - width - column if shape.turn.columns_reversed else column
    if row < 0 or column < 0 or row + height > whole[0] or column + width > whole[1]:
        raise AnnotationError(
            f"{where}: its mask has {width} x {height} pixels (width x height) from column {column}, row {row}, but "
            f"the image has {whole[1]} x {whole[0]}."
        )
    canvas = np.zeros(whole, dtype=np.uint8)
    canvas[row : row + height, column : column + width] = decode(shape.mask)
    return encode(canvas)
