"""The lungs' vessels: branching trees that thin out from the hilum to the pleura, and some seen end-on."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from app.phantoms.grid import Grid, Map, Points, add_ball
from app.phantoms.scene import Scene

_LEVELS = 5
_TAPER = ((slice(0, 3), 1.0), (slice(2, 5), 0.82))
"""Points of a branch's two halves, and their radius relative to the whole one's."""
_GREY = 14.0
"""Grey levels a millimetre of the 8-bit canvas that vessels are drawn on."""
_BLUR = 0.4
"""Standard deviation (mm) of the blur of vessels."""
_ROOTS, _BEND = np.linspace(-84, 88, 9), np.linspace(-0.5, 0.7, 4)


def add_vessels(scene: Scene, generator: np.random.Generator) -> None:
    """Fill lung with arteries, veins and hila, in place."""
    grid, shape = scene.grid, scene.shape
    hila, branches = grid.empty(), []
    stretch = (shape.width / 140, 1.06 * shape.height / 222)
    for side in (-1, 1):
        root = np.array([side * 34.0, shape.height * (0.47 if side < 0 else 0.43)])
        branches += _tree(root, side, shape.vessels, stretch, generator)
        vein = root + np.array([side * 4.0, 0.1 * shape.height])
        branches += _tree(vein, side, 0.85 * shape.vessels, stretch, generator)
        _hilum(hila, grid, root, side, shape.vessels, generator)
    vessels = cv2.resize(_drawn(scene, branches), (grid.size, grid.size), interpolation=cv2.INTER_AREA).astype(
        np.float32
    )
    vessels /= _GREY
    vessels, hila = grid.blurred(vessels, _BLUR), grid.blurred(hila, 2.5)
    # More than a vessel's own chord: its sheath, and the vessels before and behind it that are not drawn.
    vessels *= 2.9
    hila *= 1.5
    scene.fill(np.maximum(vessels, hila, out=vessels))


def _hilum(hila: Map, grid: Grid, root: Points, side: int, calibre: float, generator: np.random.Generator) -> None:
    for _ in range(7):
        offset = generator.normal((side * 4.0, 4.0), (6.0, 14.0))
        radius = calibre * float(generator.uniform(4, 9))
        x, y = root + offset
        add_ball(hila, grid, (float(x), float(y)), (radius, radius * float(generator.uniform(1, 1.8))), 1.5 * radius)
    for _ in range(int(generator.integers(3, 8))):
        # Branches along the beam look like small nodules, which makes nodules hard to detect.
        x, y = root + generator.normal((side * 28.0, 8.0), (14.0, 34.0))
        radius = calibre * float(generator.uniform(1.4, 3.4))
        add_ball(hila, grid, (float(x), float(y)), (radius, radius), float(generator.uniform(6, 16)))


def _tree(
    root: Points, side: int, calibre: float, stretch: tuple[float, float], generator: np.random.Generator
) -> list[tuple[Points, Points]]:
    """One tree from its root (mm), branch by branch forking in two: paths (n, 5, 2) and radii (n,), largest last."""
    angles = np.radians(_ROOTS + generator.normal(0, 6, 9))
    start = np.zeros((len(angles), 2))
    radius = calibre * generator.uniform(1.7, 3.3, len(angles))
    tree = []
    for level in range(_LEVELS):
        length = (
            36 * (1 + 0.3 * np.maximum(np.sin(angles), 0)) * 0.84**level * generator.uniform(0.6, 1.35, len(angles))
        )
        bend = generator.normal(0, 0.28, len(angles))
        paths, heading = _branches(start, angles, length, bend)
        # x counts away from the midline; a branch that would cross it is bent back.
        paths[..., 0] = np.abs(paths[..., 0] + 20) - 20
        tree.append((root + paths * np.array([side * stretch[0], stretch[1]]), radius))
        start, angles, radius = _fork(paths[:, -1], heading, radius, generator)
    return tree[::-1]


def _branches(start: Points, angle: Points, length: Points, bend: Points) -> tuple[Points, Points]:
    """Curved paths (n, 5, 2) and their last directions (n,)."""
    headings = angle[:, None] + bend[:, None] * _BEND
    steps = np.stack([np.cos(headings), np.sin(headings)], -1) * (length / 4)[:, None, None]
    paths = np.concatenate([np.zeros((len(angle), 1, 2)), np.cumsum(steps, axis=1)], axis=1) + start[:, None]
    return paths, headings[:, -1]


def _fork(
    ends: Points, heading: Points, radius: Points, generator: np.random.Generator
) -> tuple[Points, Points, Points]:
    spread = np.radians(generator.uniform(10, 38, (len(ends), 2))) * np.array([1.0, -1.0])
    thinner = radius[:, None] * generator.uniform(0.62, 0.84, (len(ends), 2))
    return np.repeat(ends, 2, axis=0), (heading[:, None] + spread).ravel(), thinner.ravel()


def _drawn(scene: Scene, branches: Sequence[tuple[Points, Points]]) -> NDArray[np.uint8]:
    """Branches that taper to three quarters of their radius, at twice the grid's resolution, one over another."""
    grid = scene.grid
    canvas = np.zeros((2 * grid.size, 2 * grid.size), np.uint8)
    halves = [(paths[:, part], radii * taper) for paths, radii in branches for part, taper in _TAPER]
    paths, radii = (np.concatenate(parts) for parts in zip(*halves, strict=True))
    pixels = grid.pixels(paths)
    is_seen = _in_lung(scene, pixels, (radii + 4 * _BLUR) / grid.spacing + 4)
    pixels, radii = pixels[is_seen], radii[is_seen]
    fixed = np.rint((pixels + 0.25) * 2 * 16).astype(np.int32)
    widths = np.maximum(np.rint(4 * radii / grid.spacing), 1).astype(int)
    greys = np.minimum(2 * radii * _GREY, 250)
    for path, width, grey in zip(fixed, widths.tolist(), greys.tolist(), strict=True):
        cv2.polylines(canvas, [path], False, grey, width, cv2.LINE_AA, 4)
    return canvas


def _in_lung(scene: Scene, lines: Points, margin: Points) -> NDArray[np.bool_]:
    """Whether there is lung in the rectangle around each line (n, k, 2) and its margin (n,), both in pixels."""
    counts = cv2.integral((scene.lung > 0).astype(np.uint8))
    left, top = np.clip(np.floor(lines.min(axis=1) - margin[:, None]), 0, scene.grid.size).astype(int).T
    right, bottom = np.clip(np.ceil(lines.max(axis=1) + margin[:, None]) + 1, 0, scene.grid.size).astype(int).T
    return counts[bottom, right] - counts[top, right] > counts[bottom, left] - counts[top, left]
