"""Boxes as tables give them: whether one has an area and lies within its image."""

from __future__ import annotations

from app.datalist.item import Box
from app.files.tables import TableError


def checked_box(box: Box, frame: tuple[int, int], where: str) -> Box:
    """The box itself, where it has an area and lies within a frame of (height, width); else :class:`TableError`."""
    height, width = frame
    text = f"{where}: the box x {box.x:g}, y {box.y:g}, width {box.width:g}, height {box.height:g}"
    if not (box.width > 0 and box.height > 0):
        raise TableError(f"{text} has no area.")
    if box.x < 0 or box.y < 0 or box.x + box.width > width or box.y + box.height > height:
        raise TableError(f"{text} reaches outside the image of {width} x {height} pixels (width x height).")
    return box
