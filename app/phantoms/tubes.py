"""Tubes and electrodes: thin curved rods with a radio-opaque stripe, on the courses that they take in patients."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np

from app.phantoms.grid import Points, add_ball, add_rod, normals, spline
from app.phantoms.scene import Scene


def draw_tubes(scene: Scene, present: Collection[str], streams: Callable[[str], np.random.Generator]) -> None:
    """Draw the tubes that are present, in place; each has random numbers of its own."""
    for name, draw in _DRAW.items():
        if name in present:
            draw(scene, streams(name))


def draw_electrodes(scene: Scene, generator: np.random.Generator) -> None:
    """Electrodes on the skin with their wires: round and dense, a trap for whoever looks for nodules."""
    grid, shape = scene.grid, scene.shape
    for _ in range(int(generator.integers(1, 5))):
        x = float(generator.uniform(-0.9, 0.9)) * shape.width
        y = float(generator.uniform(0.0, 1.1)) * shape.height
        add_ball(scene.metal, grid, (x, y), (4.5, 4.5), float(generator.uniform(1.5, 3)))
        end = (x + float(generator.normal(0, 60)), grid.top + grid.field * float(generator.choice((-0.05, 1.05))))
        middle = ((x + end[0]) / 2 + float(generator.normal(0, 25)), (y + end[1]) / 2)
        add_rod(scene.metal, grid, spline([(x, y), middle, end], 30), 0.7, float(generator.uniform(0.8, 1.6)))


def _lay(scene: Scene, name: str, points: Points, radius: float, generator: np.random.Generator) -> None:
    """A tube: its wall all along, a barium stripe inside, and the outline of both."""
    grid = scene.grid
    wall, stripe = grid.empty(), grid.empty()
    add_rod(wall, grid, points, radius, radius)
    place = float(generator.uniform(-0.6, 0.6))
    add_rod(stripe, grid, points + normals(points) * place * radius, 0.6, float(generator.uniform(1.3, 2.6)))
    scene.metal += grid.blurred(stripe, 0.3) + wall * np.float32(0.03 * generator.uniform(0.7, 1.5))
    scene.mark(name, wall, 0.25 * radius)


def _endotracheal(scene: Scene, generator: np.random.Generator) -> None:
    h, shift = scene.shape.height, 0.35 * scene.shape.turn
    tip = h * float(generator.uniform(0.06, 0.31))
    wander = generator.normal(0, 2.2, 3)
    points = spline([(shift + wander[0], -0.55 * h), (shift + wander[1], -0.2 * h), (shift + wander[2], tip)], 40)
    _lay(scene, "Endotracheal Tube", points, float(generator.uniform(4.2, 5.6)), generator)


def _tracheostomy(scene: Scene, generator: np.random.Generator) -> None:
    h, shift = scene.shape.height, 0.35 * scene.shape.turn
    top = h * float(generator.uniform(-0.16, -0.06))
    bend = float(generator.normal(0, 4))
    points = spline(
        [
            (shift + bend, top),
            (shift + 0.7 * bend, top + 12),
            (shift, top + 34),
            (shift, top + float(generator.uniform(58, 78))),
        ],
        40,
    )
    _lay(scene, "Tracheostomy Tube", points, float(generator.uniform(5.2, 6.8)), generator)
    flange = spline([(shift + bend - 24, top + 4), (shift + bend, top - 1), (shift + bend + 24, top + 4)], 16)
    add_rod(scene.metal, scene.grid, flange, 2.4, 0.25)


def _nasogastric(scene: Scene, generator: np.random.Generator) -> None:
    h, dome = scene.shape.height, scene.shape.height + scene.shape.dome
    w = generator.normal(0, 2.5, 4)
    path = [(w[0] + 2, -0.55 * h), (w[1] + 3, 0.1 * h), (w[2] + 6, 0.55 * h), (w[3] + 11, 0.95 * h), (24.0, dome + 16)]
    if generator.random() < 0.85:
        path += [(48.0 + float(generator.normal(0, 6)), dome + 42), (68.0 + float(generator.normal(0, 12)), dome + 70)]
    if generator.random() < 0.4:
        path += [(52.0, dome + 100), (20.0, dome + 112)]
    _lay(scene, "Nasogastric Tube", spline(path, 90), float(generator.uniform(1.7, 2.6)), generator)


def _drain(scene: Scene, generator: np.random.Generator) -> None:
    """A chest drain on the side of the pneumothorax, if there is one, from the wall towards apex or base."""
    h, w = scene.shape.height, scene.shape.width
    side = 1 if generator.random() < 0.5 else -1
    if "Pneumothorax" in scene.own:
        air = scene.own["Pneumothorax"]
        half = int(np.argmin(np.abs(scene.grid.x)))
        side = 1 if air[:, half:].sum() > air[:, :half].sum() else -1
    entry = float(generator.uniform(0.45, 0.85))
    up = generator.random() < 0.7
    tip = float(generator.uniform(0.12, 0.35)) if up else float(generator.uniform(0.75, 0.95))
    inward = float(generator.uniform(0.35, 0.65))
    path = [
        (side * 1.75 * w, (entry + 0.25) * h),
        (side * 1.2 * w, (entry + 0.1) * h),
        (side * 0.93 * w, entry * h),
        (side * (0.5 * inward + 0.42) * w, (0.6 * entry + 0.4 * tip) * h),
        (side * inward * w, tip * h),
    ]
    _lay(scene, "Chest Drain", spline(path, 80), float(generator.uniform(2.8, 4.6)), generator)


_DRAW: dict[str, Callable[[Scene, np.random.Generator], None]] = {
    "Chest Drain": _drain,
    "Nasogastric Tube": _nasogastric,
    "Endotracheal Tube": _endotracheal,
    "Tracheostomy Tube": _tracheostomy,
}
