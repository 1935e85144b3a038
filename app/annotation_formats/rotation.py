"""Turned rectangles and ellipses as polygons."""

from __future__ import annotations

import math

from app.annotation_formats.marks import Polygons, Rectangle

_CORNERS = 360
"""Corners of a polygon that stands for an ellipse; it lies within a 26,000th of the radius."""

Point = tuple[float, float]


def turned_rectangle(box: Rectangle, degrees: float, centre: Point) -> Rectangle | Polygons:
    """A rectangle turned clockwise, as one sees it, around a point; itself if it is not turned.

    Example:
        >>> turned = turned_rectangle(Rectangle(0, 0, 4, 2), 90, (0, 0))
        >>> [round(each) for each in turned.rings[0]]
        [0, 0, 0, 4, -2, 4, -2, 0]
    """
    if degrees % 360 == 0:
        return box
    left, top, right, bottom = box.x, box.y, box.x + box.width, box.y + box.height
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    return Polygons((tuple(each for corner in corners for each in _turned(corner, degrees, centre)),))


def ellipse_polygon(centre: Point, radii: Point, degrees: float = 0) -> Polygons:
    """An ellipse by its centre and its radii across and down, turned clockwise around its centre."""
    angles = (2 * math.pi * step / _CORNERS for step in range(_CORNERS))
    points = ((centre[0] + radii[0] * math.cos(at), centre[1] + radii[1] * math.sin(at)) for at in angles)
    return Polygons((tuple(each for point in points for each in _turned(point, degrees, centre)),))


def _turned(point: Point, degrees: float, centre: Point) -> Point:
    # Rows run down, so that a positive angle is clockwise.
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y = point[0] - centre[0], point[1] - centre[1]
    return centre[0] + x * cosine - y * sine, centre[1] + x * sine + y * cosine
