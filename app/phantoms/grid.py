"""The detector's grid in millimetres, and primitives drawn on it as maps of path length."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]
Points = NDArray[np.float64]

_SHIFT = 4
"""Fractional bits of the coordinates passed to OpenCV's drawing functions."""

_VECTORS = 32
"""Parts that OpenCV blurs begin and end at multiples of this, so that pixels are rounded as in the whole: it computes
several at a time, and those left over at the end of a row another way."""
_HANN = np.hanning(17) / np.hanning(17).sum()

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

    @cached_property
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
        """The map blurred by a Gaussian of ``sigma`` millimetres; only as far as there is something to blur."""
        pixels = max(sigma / self.spacing, 0.1)
        rows, columns = (np.flatnonzero(values.any(axis=axis)) for axis in (1, 0))
        result = np.zeros_like(values)
        if rows.size:
            reach = math.ceil(4 * pixels) + 2  # beyond OpenCV's kernel
            part = _aligned(rows, reach), _aligned(columns, reach)
            result[part] = cv2.GaussianBlur(values[part], (0, 0), pixels)
        return result

    def window(self, points: Points, margin: float) -> tuple[slice, slice]:
        """Rows and columns that contain the points (mm) and a margin (mm); empty slices if they are outside."""
        (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
        return self.part((left, right), (top, bottom), margin)

    def part(self, x: tuple[float, float], y: tuple[float, float], margin: float = 0.0) -> tuple[slice, slice]:
        """Rows and columns that contain two ranges (mm) and a margin (mm); empty slices if they are outside."""
        return self._range(y, self.top, margin), self._range(x, self.left, margin)

    def _range(self, between: tuple[float, float], start: float, margin: float) -> slice:
        low, high = between
        extra = margin / self.spacing + 2
        first = math.floor((low - start) / self.spacing - 0.5 - extra)
        last = math.ceil((high - start) / self.spacing - 0.5 + extra)
        return slice(min(max(first, 0), self.size), min(max(last + 1, 0), self.size))


def _aligned(filled: NDArray[np.intp], reach: int) -> slice:
    """From the first to the last of some positions and so many beyond, rounded outwards to whole vectors."""
    first, last = max(int(filled[0]) - reach, 0), int(filled[-1]) + reach
    return slice(first // _VECTORS * _VECTORS, (last // _VECTORS + 1) * _VECTORS)


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
    return np.interp(at, *_smoothed(tuple(positions), tuple(values), smooth)).astype(np.float32)


@lru_cache(64)
def _smoothed(positions: tuple[float, ...], values: tuple[float, ...], smooth: float) -> tuple[Points, Points]:
    """Positions and values (n,) of the rounded polygon; most curves of all phantoms are the same."""
    dense = np.arange(positions[0] - 2 * smooth, positions[-1] + 2 * smooth, smooth / 8)
    rough = np.interp(dense, positions, values)
    return dense, np.convolve(np.concatenate([rough[:1].repeat(8), rough, rough[-1:].repeat(8)]), _HANN, "valid")


def spline(points: Sequence[tuple[float, float]] | Points, count: int = 40) -> Points:
    """A Catmull-Rom curve through points (..., n, 2), evaluated at ``count`` places, ends included."""
    knots = np.asarray(points, np.float64)
    before, after = 2 * knots[..., :1, :] - knots[..., 1:2, :], 2 * knots[..., -1:, :] - knots[..., -2:-1, :]
    padded = np.concatenate([before, knots, after], axis=-2)
    index, t = _places(knots.shape[-2], count)
    a, b, c, d = (padded[..., index + k, :] for k in range(4))
    curved: Points = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return curved


@lru_cache
def _places(knots: int, count: int) -> tuple[NDArray[np.intp], Points]:
    """The knot (n,) before each place on a curve, and how far the place is on the way to the next one, (n, 1)."""
    place = np.linspace(0, knots - 1, count)
    index = np.minimum(place.astype(np.intp), knots - 2)
    return index, (place - index)[:, None]


def add_polygon(target: Map, grid: Grid, points: Points, thickness: float) -> None:
    """Add a plate of one thickness to a map, in place; its outline is a polygon in millimetres (n, 2)."""
    rows, columns = grid.window(points, 0)
    canvas = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
    if canvas.size:
        pixels = grid.pixels(points) - np.array([columns.start, rows.start])
        cv2.fillPoly(canvas, [_fixed(pixels)], 255, cv2.LINE_AA, _SHIFT)
        target[rows, columns] += thickness * (canvas.astype(np.float32) * np.float32(1 / 255))


@dataclass(frozen=True)
class Rod:
    """A bent rod as it is drawn: quadrangles (k, 4, 2) of a window, and their greys; ``scale`` greys a millimetre."""

    window: tuple[slice, slice]
    pieces: NDArray[np.int32]
    greys: list[float]
    scale: float

    def add_to(self, target: Map) -> None:
        """Add its path length (mm) to a map (H, W), in place."""
        rows, columns = self.window
        canvas = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
        if canvas.size:
            draw, antialiased = cv2.fillConvexPoly, cv2.LINE_AA  # looked up once: thousands of pieces follow
            for piece, grey in zip(self.pieces, self.greys, strict=True):
                draw(canvas, piece, grey, antialiased, _SHIFT)
            target[rows, columns] += canvas.astype(np.float32) / np.float32(self.scale)


def add_rod(
    target: Map,
    grid: Grid,
    points: Points,
    radius: NDArray[np.floating] | float,
    thickness: NDArray[np.floating] | float,
    profile: Sequence[tuple[float, float]] = SOLID,
) -> None:
    """Add a bent rod's path length to a map (H, W), in place; see `rods`."""
    rods(grid, points[None], radius, thickness, profile)[0].add_to(target)


def rods(
    grid: Grid,
    points: Points,
    radius: NDArray[np.floating] | float,
    thickness: NDArray[np.floating] | float,
    profile: Sequence[tuple[float, float]] = SOLID,
) -> list[Rod]:
    """Bent rods.

    Args:
        grid: of the map that they are added to.
        points: (m, n, 2) centre lines of m rods, in millimetres.
        radius: of the projection, in millimetres; one number, or one a point.
        thickness: path length in the middle, in millimetres; one number, or one a point.
        profile: how the path length falls towards the rim.
    """
    radii, depth = np.empty(points.shape[:2]), np.empty(points.shape[:2])
    radii[:], depth[:] = radius, thickness
    bounds = zip(points.min(axis=1).tolist(), points.max(axis=1).tolist(), radii.max(axis=1).tolist(), strict=True)
    windows = [grid.part((low[0], high[0]), (low[1], high[1]), margin) for low, high, margin in bounds]
    starts = np.array([[columns.start, rows.start] for rows, columns in windows])
    shares, levels = np.array(profile).T[..., None]
    pieces = _pieces(grid.pixels(points) - starts[:, None], radii, grid.spacing, shares)
    scales = 250 / np.maximum(depth.max(axis=1), 1e-6)
    greys = ((depth[:, :-1] + depth[:, 1:]) / 2 * scales[:, None])[:, None] * levels
    return list(map(Rod, windows, pieces, greys.reshape(len(points), -1).tolist(), scales.tolist()))


def _pieces(lines: Points, radii: Points, spacing: float, shares: Points) -> NDArray[np.int32]:
    """Quadrangles that make up rods, (m, shares x (n - 1), 4, 2), from centre lines (m, n, 2) in pixels."""
    offset = normals(lines)[:, None] * (radii[:, None] * shares / spacing)[..., None]
    low, high = _fixed(lines[:, None] - offset), _fixed(lines[:, None] + offset)
    quads = np.empty((*low[:, :, 1:].shape[:3], 4, 2), np.int32)
    for corner, part in enumerate((low[:, :, :-1], low[:, :, 1:], high[:, :, 1:], high[:, :, :-1])):
        quads[..., corner, :] = part
    return quads.reshape(len(lines), -1, 4, 2)


def normals(points: Points) -> Points:
    """Unit vectors (..., n, 2) across lines through points (..., n, 2)."""
    along = np.empty_like(points)
    along[..., 1:-1, :] = (points[..., 2:, :] - points[..., :-2, :]) / 2
    along[..., 0, :] = points[..., 1, :] - points[..., 0, :]
    along[..., -1, :] = points[..., -1, :] - points[..., -2, :]
    x, y = along[..., 0], along[..., 1]
    across = np.empty_like(points)
    length = np.maximum(np.hypot(x, y), 1e-6)
    across[..., 0], across[..., 1] = -y / length, x / length
    return across


def add_ball(
    target: Map, grid: Grid, centre: tuple[float, float], radii: tuple[float, float], thickness: float
) -> None:
    """Add an ellipsoid's path length to a map, in place; ``thickness`` (mm) is that in the middle."""
    x, y = centre
    rows, columns = grid.part((x, x), (y, y), max(radii))
    inside = 1 - ((grid.x[:, columns] - x) / radii[0]) ** 2 - ((grid.y[rows] - y) / radii[1]) ** 2
    target[rows, columns] += thickness * np.sqrt(np.maximum(inside, 0))


def noise(grid: Grid, generator: np.random.Generator, scale: float) -> Map:
    """Smooth noise of unit variance whose grains are about ``scale`` millimetres; the same at any image size."""
    cells = min(max(round(480 / scale), 4), 512)
    coarse = generator.standard_normal((cells, cells), dtype=np.float32)
    fine = cv2.resize(coarse, (grid.size, grid.size), interpolation=cv2.INTER_CUBIC)
    fine /= float(coarse.std())
    return np.asarray(fine, np.float32)


def _fixed(points: NDArray[np.floating]) -> NDArray[np.int32]:
    return np.rint(points * (1 << _SHIFT)).astype(np.int32)
