"""The healthy chest: skin, lungs, heart, mediastinum, diaphragm, airways and stomach as maps of path length."""

from __future__ import annotations

import numpy as np

from app.phantoms.grid import Grid, Map, add_ball, add_rod, curve, noise, spline
from app.phantoms.scene import Scene
from app.phantoms.shape import Shape, lateral_edge
from app.phantoms.skeleton import add_skeleton
from app.phantoms.vessels import add_vessels


def build(grid: Grid, shape: Shape, generator: np.random.Generator) -> Scene:
    """The patient, with findings only as far as they are a matter of shape."""
    right, left = _lung(grid, shape, -1), _lung(grid, shape, 1)
    body = _body(grid, shape, generator)
    scene = Scene(grid, shape, body, right + left, grid.empty(), grid.empty(), grid.empty(), heart(grid, shape))
    scene.side = {-1: right.copy(), 1: left.copy()}
    scene.fill(_mediastinum(grid, shape))
    scene.fill(scene.heart)
    for side in (-1, 1):
        scene.side[side] *= scene.lung > 0
    _texture(scene, generator)
    add_vessels(scene, generator)
    _airways(scene)
    _stomach(scene, generator)
    add_skeleton(scene, generator)
    return scene


def dome(grid: Grid, shape: Shape, side: int) -> Map:
    """Height y (mm) of the diaphragm's outline over the columns of one side, (1, W)."""
    top = shape.height + (shape.dome if side > 0 else 0.0)
    across = grid.x * side / shape.width
    rise = curve((0.0, 0.15, 0.45, 0.65, 0.85, 0.95, 1.02), (0.13, 0.085, 0.0, 0.015, 0.12, 0.22, 0.33), across, 0.12)
    return top + shape.height * rise


def heart(grid: Grid, shape: Shape) -> Map:
    """Path length through the heart, (H, W); its edges at heights relative to the lung's."""
    v = grid.y / shape.height
    width = shape.width / 140
    grown = (shape.heart - 1) * width
    moved = 0.5 * shape.turn
    right = width * curve((0.42, 0.5, 0.62, 0.76, 0.9, 1.03, 1.12), (14, 24, 36, 42, 40, 29, 14), v, 0.08)
    left = width * curve(
        (0.42, 0.5, 0.56, 0.65, 0.78, 0.9, 1.0, 1.08, 1.16), (20, 31, 36, 49, 69, 81, 84, 76, 40), v, 0.08
    )
    right = right * (1 + 0.6 * (shape.heart - 1)) - moved + 12 * grown
    left = left * (1 + 1.0 * (shape.heart - 1)) + moved + 18 * grown
    depth = (
        112
        * width
        * shape.heart**0.5
        * curve((0.40, 0.48, 0.62, 0.8, 1.0, 1.1, 1.2), (0, 0.4, 0.8, 1, 1, 0.75, 0), v, 0.06)
    )
    rows, columns = grid.part((-float(right.max()), float(left.max())), (0.28 * shape.height, 1.32 * shape.height))
    return _column(grid, rows, columns, (right, left, depth))


def _column(grid: Grid, rows: slice, columns: slice, body: tuple[Map, Map, Map]) -> Map:
    """Path length through a body of elliptic cross-sections, (H, W): right and left edge and depth of its rows (mm)."""
    path = grid.empty()
    right, left, depth = (part[rows] for part in body)
    u = (grid.x[:, columns] - (left - right) / 2) / ((left + right) / 2)
    path[rows, columns] = depth * np.sqrt(np.maximum(1 - u * u, 0))
    return path


def mediastinal_edges(grid: Grid, shape: Shape) -> tuple[Map, Map]:
    """Distance (mm) of the mediastinum's right and left edge from the midline over the rows, each (H, 1)."""
    v = grid.y / shape.height
    wide = shape.mediastinum * curve((-0.05, 0.08, 0.35, 0.5), (0.6, 1, 1, 0), v, 0.1)
    right = curve((-0.3, 0.0, 0.12, 0.3, 0.45, 0.6, 1.2), (30, 27, 25, 26, 26, 24, 24), v, 0.1)
    left = curve((-0.3, 0.0, 0.12, 0.3, 0.45, 0.7, 1.2), (30, 27, 26, 25, 26, 27, 24), v, 0.1)
    arch = shape.knob * np.maximum(1 - ((v - 0.265) / 0.095) ** 2, 0) ** 0.75
    trunk = (3 + 0.25 * shape.knob) * np.exp(-(((v - 0.43) / 0.06) ** 2))
    shift = np.float32(0.2 * shape.turn)
    return right + wide - shift, (left + wide + arch + trunk + shift).astype(np.float32)


def _body(grid: Grid, shape: Shape, generator: np.random.Generator) -> Map:
    v = grid.y / shape.height
    chest = shape.width + shape.wall
    neck = 52 + 0.5 * shape.wall
    rows = (-0.6, -0.26, -0.17, -0.07, 0.0, 0.06, 0.16, 0.32, 0.5, 0.8, 1.1, 1.7)
    edge = curve(
        rows,
        (
            neck,
            neck + 6,
            neck + 30,
            chest * 0.92,
            chest * 1.1,
            chest * 1.18,
            chest * 1.17,
            chest * 1.03,
            chest * 0.99,
            chest,
            chest * 1.0,
            chest * (0.96 + 0.003 * shape.wall),
        ),
        v,
        0.09,
    )
    depth = shape.depth * curve(
        (-0.4, -0.15, 0.0, 0.2, 0.5, 1.0, 1.6), (0.56, 0.6, 0.68, 0.83, 0.95, 1.0, 1.0), v, 0.15
    )
    u = np.abs(grid.x) / edge
    body = depth * np.sqrt(np.maximum(1 - u * u * u, 0))
    for side in (-1, 1):
        _arm(body, grid, shape, side, float(generator.uniform(0.75, 1.25)))
        _breast(body, grid, shape, side)
    return body * (1 + 0.012 * noise(grid, generator, 9) + 0.012 * noise(grid, generator, 40))


def _arm(body: Map, grid: Grid, shape: Shape, side: int, spread: float) -> None:
    chest, wall = shape.width + shape.wall, shape.wall
    path = [
        (0.7 * chest, 0.22),
        (1.1 * chest, 0.2),
        ((1.28 + 0.16 * spread) * chest, 0.45),
        ((1.4 + 0.3 * spread) * chest, 1.1),
    ]
    points = spline([(side * x, v * shape.height) for x, v in path], 14)
    arm = grid.empty()
    add_rod(arm, grid, points, np.linspace(40, 36, 14) + 0.5 * wall, np.linspace(96, 80, 14) + 0.6 * wall)
    np.maximum(body, grid.blurred(arm, 3), out=body)


def _breast(body: Map, grid: Grid, shape: Shape, side: int) -> None:
    if shape.breast <= 0:
        return
    inner, outer = sorted((0.05 * side * shape.width, 1.05 * side * shape.width))
    rows, columns = grid.part((inner, outer), (0.12 * shape.height, 1.03 * shape.height))
    x = (side * grid.x[:, columns] - 0.55 * shape.width) / (0.5 * shape.width)
    y = grid.y[rows] - 0.82 * shape.height
    body = body[rows, columns]
    lower = np.sqrt(np.maximum(1 - (y / (0.21 * shape.height)) ** 2 - 0.7 * x * x, 0))
    upper = np.maximum(1 - (y / (0.7 * shape.height)) ** 2 - x * x, 0) ** 2
    body += shape.breast * np.where(y > 0, lower * np.sqrt(np.maximum(1 - x * x, 0)), upper) * (body > 0)


def _lung(grid: Grid, shape: Shape, side: int) -> Map:
    lung = grid.empty()
    rows, columns = grid.part((0, side * shape.width) if side > 0 else (-shape.width, 0), (0, 1e6))
    y = grid.y[rows]
    v = y / shape.height
    outer = lateral_edge(shape, v)
    inner = shape.width / 140 * curve((0.0, 0.03, 0.1, 0.2, 0.4, 1.4), (46, 26, 15, 10, 4, 4), v, 0.03)
    depth = (
        0.74 * shape.depth * curve((-0.02, 0.0, 0.06, 0.2, 0.5, 1.0, 1.4), (0.28, 0.34, 0.5, 0.74, 0.93, 1, 1), v, 0.05)
    )
    u = (side * grid.x[:, columns] - (outer + inner) / 2) / ((outer - inner) / 2)
    square = u * u
    # Beside the heart the lung wedges in between heart and spine and thins out towards the midline.
    wedge = curve((0.3, 0.55, 1.4), (0.0, 0.85, 0.85), v, 0.1)
    inward = wedge * square + (1 - wedge) * square * square * square
    profile = np.where(u > 0, square * (0.45 + 0.55 * square), inward)
    path = depth * np.sqrt(np.maximum(1 - profile, 0)) * (v > 0)
    below = np.maximum(y - dome(grid, shape, side)[:, columns], 0)
    # The ray under the outline of a dome of 90 mm radius crosses a chord of it; lung is left before and behind.
    np.maximum(path - 2 * np.sqrt(180 * below) - 0.6 * below, 0, out=lung[rows, columns])
    return lung


def _mediastinum(grid: Grid, shape: Shape) -> Map:
    right, left = mediastinal_edges(grid, shape)
    depth = shape.depth * curve((-0.2, 0.1, 0.4, 0.62, 1.2), (0.6, 0.74, 0.62, 0.26, 0.26), grid.y / shape.height, 0.14)
    rows, columns = grid.part((-float(right.max()), float(left.max())), (-1e6, 1e6))
    return _column(grid, rows, columns, (right, left, depth))


def _texture(scene: Scene, generator: np.random.Generator) -> None:
    """Interstitium: density variations around the mean of the lung, as more or less soft tissue."""
    grid = scene.grid
    part = grid.part((-scene.shape.width, scene.shape.width), (0, 1e6))
    fine, middle, coarse = (noise(grid, generator, scale)[part] for scale in (2.6, 5.5, 30))
    grain = 0.016 * fine + 0.014 * middle + 0.03 * coarse
    scene.lung[part] *= np.clip(1 - 0.012 - grain * 0.6, 0.85, 1.08)


def _airways(scene: Scene) -> None:
    grid, shape = scene.grid, scene.shape
    h, shift = shape.height, 0.35 * shape.turn
    airway = grid.empty()
    add_rod(airway, grid, spline([(shift, -0.35 * h), (shift, 0.0), (shift + 3, 0.34 * h)], 20), 8.5, 17)
    add_rod(airway, grid, spline([(shift + 2, 0.33 * h), (shift - 14, 0.42 * h), (shift - 30, 0.47 * h)], 8), 6.5, 13)
    add_rod(airway, grid, spline([(shift + 3, 0.33 * h), (shift + 20, 0.44 * h), (shift + 40, 0.49 * h)], 8), 5.5, 11)
    airway = np.minimum(grid.blurred(airway, 0.8), 18)
    within = grid.part((shift - 60, shift + 70), (-1e6, 0.6 * h))
    scene.air[within] += np.minimum(airway[within], np.maximum(scene.body[within] - scene.lung[within], 0))


def _stomach(scene: Scene, generator: np.random.Generator) -> None:
    grid, shape = scene.grid, scene.shape
    size = min(float(generator.gamma(3.0, 6.0)), 30.0)
    centre = (float(generator.uniform(45, 80)), shape.height * 1.08 + shape.dome + 0.7 * size)
    bubble = grid.empty()
    add_ball(bubble, grid, centre, (1.4 * size, size), 1.5 * size)
    for _ in range(int(generator.integers(0, 6))):
        centre = (float(generator.uniform(-110, 130)), shape.height * float(generator.uniform(1.3, 1.6)))
        add_ball(bubble, grid, centre, (float(generator.uniform(8, 22)), float(generator.uniform(7, 16))), 16)
    roof = dome(grid, shape, 1) + 5
    rows, _ = grid.part((0, 0), (float(roof.min()), 1e6))
    room = np.maximum(scene.body[rows] - scene.lung[rows] - 60, 0) * (grid.y[rows] > roof)
    scene.air[rows] += np.minimum(grid.blurred(bubble, 1.0)[rows], room)
