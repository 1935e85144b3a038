"""The detector's grid in millimetres, and primitives drawn on it as maps of path length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]
Points = NDArray[np.float64]

_SHIFT = 4
"""Fractional bits of the coordinates passed to OpenCV's drawing functions."""

SOLID = ((1.0, 0.30), (0.93, 0.45), (0.8, 0.68), (0.6, 0.86), (0.3, 1.0))
"""A full rod: (share of the radius, path length relative to the diameter), outermost first."""
HOLLOW = ((1.0, 0.55), (0.93, 1.0), (0.8, 0.85), (0.62, 0.68), (0.4, 0.6))
"""A pipe, like a bone: the path through the wall is longest just inside the rim."""


@dataclass(frozen=True)
class Grid:
    """Pixels of the detector, in millimetres of the patient.

    x runs from the patient's right to left (the image's left to right) with 0 in the midline; y runs down with 0 at
    the apex of the lungs.

    Attributes:
        size: pixels along each side.
        field: millimetres along each side.
        left, top: millimetres of the first column's and row's outer edge.
    """

    size: int
    field: float
    left: float
    top: float

    @property
    def spacing(self) -> float:
        """Millimetres per pixel."""
        return self.field / self.size

    @cached_property
    def x(self) -> Map:
        """(1, W) millimetres of the columns' centres."""
        return (self.left + self.spacing * (np.arange(self.size, dtype=np.float32)[None] + 0.5)).astype(np.float32)

    @cached_property
    def y(self) -> Map:
        """(H, 1) millimetres of the rows' centres."""
        return (self.top + self.spacing * (np.arange(self.size, dtype=np.float32)[:, None] + 0.5)).astype(np.float32)

    def pixels(self, points: Points) -> Points:
        """Millimetres (n, 2) as x, y in pixels whose centres are whole numbers."""
        return (points - np.array([self.left, self.top])) / self.spacing - 0.5

    def empty(self) -> Map:
        """A map of zeros, (H, W)."""
        return np.zeros((self.size, self.size), np.float32)

    def blurred(self, values: Map, sigma: float) -> Map:
        """The map blurred by a Gaussian of ``sigma`` millimetres."""
        return np.asarray(cv2.GaussianBlur(values, (0, 0), max(sigma / self.spacing, 0.1)), np.float32)

    def window(self, points: Points, margin: float) -> tuple[slice, slice]:
        """Rows and columns that contain the points (mm) and a margin (mm); empty slices if they are outside."""
        pixels = self.pixels(points)
        extra = margin / self.spacing + 2
        low = np.clip(np.floor(pixels.min(axis=0) - extra), 0, self.size).astype(int)
        high = np.clip(np.ceil(pixels.max(axis=0) + extra) + 1, 0, self.size).astype(int)
        return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def curve(positions: Sequence[float], values: Sequence[float], at: NDArray[np.floating], smooth: float = 0.05) -> Map:
    """A smooth curve through control points, constant beyond its ends.

    Args:
        positions: increasing positions of the control points.
        values: as many values.
        at: positions to evaluate, any shape.
        smooth: width of the Hann window that rounds the polygon, in units of ``positions``.

    Returns:
        Values of the shape of ``at``.
    """
    step = smooth / 8
    dense = np.arange(positions[0] - 2 * smooth, positions[-1] + 2 * smooth, step)
    kernel = np.hanning(17)
    line = np.convolve(np.pad(np.interp(dense, positions, values), 8, mode="edge"), kernel / kernel.sum(), "valid")
    return np.interp(at, dense, line).astype(np.float32)


def spline(points: Sequence[tuple[float, float]] | Points, count: int = 40) -> Points:
    """A Catmull-Rom curve through points (n, 2), evaluated at ``count`` places, ends included."""
    knots = np.asarray(points, np.float64)
    padded = np.vstack([2 * knots[0] - knots[1], knots, 2 * knots[-1] - knots[-2]])
    place = np.linspace(0, len(knots) - 1, count)
    index = np.minimum(place.astype(int), len(knots) - 2)
    t = (place - index)[:, None]
    a, b, c, d = (padded[index + k] for k in range(4))
    curved: Points = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return curved


def polygon(grid: Grid, points: Points) -> Map:
    """Coverage 0 to 1 of a polygon given in millimetres (n, 2)."""
    canvas = np.zeros((grid.size, grid.size), np.uint8)
    cv2.fillPoly(canvas, [_fixed(grid.pixels(points))], 255, cv2.LINE_AA, _SHIFT)
    return canvas.astype(np.float32) * np.float32(1 / 255)


def add_rod(
    target: Map,
    grid: Grid,
    points: Points,
    radius: NDArray[np.floating] | float,
    thickness: NDArray[np.floating] | float,
    profile: Sequence[tuple[float, float]] = SOLID,
) -> None:
    """Add a bent rod's path length to a map, in place.

    Args:
        target: (H, W) map in millimetres.
        grid: its grid.
        points: (n, 2) centre line in millimetres.
        radius: of the projection, in millimetres; one number, or one a point.
        thickness: path length in the middle, in millimetres; one number, or one a point.
        profile: how the path length falls towards the rim.
    """
    radii = np.broadcast_to(np.asarray(radius, np.float64), len(points))
    depth = np.broadcast_to(np.asarray(thickness, np.float64), len(points))
    rows, columns = grid.window(points, float(radii.max()))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    canvas = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
    pixels = grid.pixels(points) - np.array([columns.start, rows.start])
    along = np.gradient(pixels, axis=0)
    normal = np.stack([-along[:, 1], along[:, 0]], 1) / np.maximum(np.hypot(*along.T), 1e-6)[:, None]
    scale = 250 / max(float(depth.max()), 1e-6)
    for share, level in profile:
        offset = normal * (radii * share / grid.spacing)[:, None]
        quads = np.stack([(pixels - offset)[:-1], (pixels - offset)[1:], (pixels + offset)[1:], (pixels + offset)[:-1]])
        grey = (depth[:-1] + depth[1:]) / 2 * scale * level
        for quad, value in zip(_fixed(quads.transpose(1, 0, 2)), grey.tolist(), strict=True):
            cv2.fillConvexPoly(canvas, quad, value, cv2.LINE_AA, _SHIFT)
    target[rows, columns] += canvas.astype(np.float32) / np.float32(scale)


def add_ball(
    target: Map, grid: Grid, centre: tuple[float, float], radii: tuple[float, float], thickness: float
) -> None:
    """Add an ellipsoid's path length to a map, in place; ``thickness`` (mm) is that in the middle."""
    rows, columns = grid.window(np.array([centre]), max(radii))
    inside = 1 - ((grid.x[:, columns] - centre[0]) / radii[0]) ** 2 - ((grid.y[rows] - centre[1]) / radii[1]) ** 2
    target[rows, columns] += thickness * np.sqrt(np.maximum(inside, 0))


def noise(grid: Grid, generator: np.random.Generator, scale: float) -> Map:
    """Smooth noise of unit variance whose grains are about ``scale`` millimetres; the same at any image size."""
    cells = int(np.clip(round(480 / scale), 4, 512))
    coarse = generator.standard_normal((cells, cells), dtype=np.float32)
    fine = cv2.resize(coarse, (grid.size, grid.size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(fine / float(coarse.std()), np.float32)


def _fixed(points: NDArray[np.floating]) -> NDArray[np.int32]:
    return np.ascontiguousarray(np.round(points * (1 << _SHIFT)).astype(np.int32))
