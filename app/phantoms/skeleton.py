"""The bones of the chest: spine, ribs, clavicles, shoulder blades and upper arms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.phantoms.grid import HOLLOW, Map, add_ball, add_polygon, add_rod, curve, noise, rods, spline
from app.phantoms.scene import Scene
from app.phantoms.shape import lateral_edge


def add_skeleton(scene: Scene, generator: np.random.Generator) -> None:
    """Add the bones' path length to ``scene.bone``, in place."""
    bone = scene.grid.empty()
    _spine(bone, scene)
    uneven = generator.normal(0, 1.5, (2, 12))
    for side in (-1, 1):
        _ribs(bone, scene, side, uneven[(side + 1) // 2, :11])
        _cartilage(bone, scene, side, generator)
        _clavicle(bone, scene, side)
        _shoulder(bone, scene, side)
    grain = 1 + 0.05 * noise(scene.grid, generator, 2.2)
    scene.bone += scene.grid.blurred(bone, 0.45) * (scene.shape.bone * grain) * (scene.body > 0)


def _spine(bone: Map, scene: Scene) -> None:
    grid, h = scene.grid, scene.shape.height
    pitch = 0.104 * h
    axis = -0.25 * scene.shape.turn
    phase = (grid.y / pitch) % 1
    body = np.clip((0.43 - np.abs(phase - 0.5)) / 0.05, 0, 1)
    plate = np.exp(-(((np.abs(phase - 0.5) - 0.42) / 0.035) ** 2))
    half = curve((-0.4, 0.0, 0.5, 1.3), (13, 15, 17, 21), grid.y / h, 0.1) * (
        1 - 0.08 * np.cos(2 * np.pi * (phase - 0.5))
    )
    _, columns = grid.part((axis - float(half.max()), axis + float(half.max())), (0, 0))
    u = np.abs(grid.x[:, columns] - axis) / half
    profile = np.sqrt(np.maximum(1 - u**6, 0))
    bone[:, columns] += profile * (2.5 + 5.5 * body + 3.5 * plate)
    heights = [(number + 0.42) * pitch for number in range(-4, 14)]
    ends = [[(axis + side * 12, y), (axis + side * 30, y - 5)] for y in heights for side in (-1, 1)]
    processes = iter(rods(grid, spline(np.array(ends), 4), np.array([5.0, 4.5, 4.0, 3.5]), 3.2, HOLLOW))
    for y in heights:
        for side in (-1, 1):
            add_ball(bone, grid, (axis + side * 10.5, y), (3.6, 5.2), 4.0)
            next(processes).add_to(bone)
        add_ball(bone, grid, (axis + 0.6 * scene.shape.turn * -0.3, y + 12), (2.6, 8.0), 5.0)


def _ribs(bone: Map, scene: Scene, side: int, uneven: NDArray[np.float64]) -> None:
    """Ribs as halves of ellipses around the chest, tilted down to the front, seen from the front."""
    shape, grid = scene.shape, scene.grid
    h = shape.height
    number = np.arange(len(uneven))[:, None]
    y0 = (-0.055 + 0.104 * number) * h + uneven[:, None]
    drop = h * np.interp(number, (0, 1, 3, 6, 10), (0.17, 0.27, 0.40, 0.50, 0.46))
    end = np.radians(np.interp(number, (0, 5, 7, 10), (150, 152, 128, 100)))
    middle = (y0 + drop * 0.5) / h
    reach = lateral_edge(shape, middle).astype(np.float64) + 3.5
    reach = reach * np.where(number == 0, 0.66, np.where(number == 1, 0.88, 1.0))
    angle = np.ascontiguousarray(np.linspace(0.02, end[:, 0], 34, axis=1))
    x = 16 + (reach - 16) * np.sin(angle) ** 0.85
    y = y0 + drop * (1 - np.cos(angle)) / 2 - 0.035 * h * np.sin(np.minimum(2 * angle, np.pi))
    x = side * x + 0.6 * shape.turn * (1 - np.cos(angle)) / 2 - 0.25 * shape.turn
    front = angle > np.pi / 2
    radius = np.where(front, 5.6 + 1.6 * (angle / end) ** 4, 5.2 + 0.8 * np.sin(angle)) * h / 222
    radius[:, :2] *= 0.8
    # A ray along a rib's course crosses more of it, at the side of the chest most of all.
    along = 1 / np.maximum(np.hypot(0.42, np.cos(angle)), 0.42)
    depth = (4.2 + 0.9 * along) * np.where(front, 0.84, 1.0)
    for rib in rods(grid, np.stack([x, y], 2), radius, depth, HOLLOW):
        rib.add_to(bone)


def _cartilage(bone: Map, scene: Scene, side: int, generator: np.random.Generator) -> None:
    """Calcified cartilage where the first rib meets the breastbone: a common mimic of a nodule."""
    h = scene.shape.height
    if generator.random() < 0.6:
        centre = (side * float(generator.uniform(24, 38)), h * float(generator.uniform(0.155, 0.2)))
        radius = float(generator.uniform(4, 8))
        add_ball(bone, scene.grid, centre, (radius * 1.4, radius), float(generator.uniform(1.5, 4.5)))


def _clavicle(bone: Map, scene: Scene, side: int) -> None:
    shape = scene.shape
    h, w, lift = shape.height, shape.width, shape.lift
    inner = side * 13 + 0.55 * shape.turn
    path = [
        (inner, 0.155 * h - lift),
        (inner + side * 0.22 * w, 0.125 * h - lift),
        (side * 0.75 * w, 0.035 * h - 0.8 * lift),
        (side * 1.02 * w, 0.02 * h - 0.5 * lift),
        (side * 1.17 * w, 0.025 * h),
    ]
    radius = curve((0, 5, 20, 32, 39), (9.5, 7.5, 5.6, 6.2, 7.5), np.arange(40.0), 5)
    add_rod(bone, scene.grid, spline(path), radius, 8.0, HOLLOW)


def _shoulder(bone: Map, scene: Scene, side: int) -> None:
    shape, grid = scene.shape, scene.grid
    h, w = shape.height, shape.width
    inward = shape.scapula
    joint = (1.2 * w, 0.1 * h)

    def place(points: list[tuple[float, float]]) -> np.ndarray:
        return np.array([(side * x * w - side * inward * min(1.0, max(0.0, y + 0.15) * 2.2), y * h) for x, y in points])

    blade = place(
        [
            (1.10, 0.08),
            (1.0, 0.05),
            (0.86, 0.06),
            (0.87, 0.25),
            (0.93, 0.45),
            (0.985, 0.62),
            (1.04, 0.57),
            (1.08, 0.36),
            (1.13, 0.2),
        ]
    )
    outline = spline(np.vstack([blade, blade[:1]]), 60)
    add_polygon(bone, grid, outline, 2.0)
    add_rod(bone, grid, outline[5:42], 2.2, 2.4)
    add_rod(bone, grid, outline[34:58], 3.4, 4.5)
    add_rod(
        bone, grid, spline(place([(0.88, 0.14), (1.02, 0.06), (1.16, 0.0)]), 20), np.linspace(2.5, 7, 20), 3.0, HOLLOW
    )
    add_rod(bone, grid, spline(place([(1.12, 0.11), (1.06, 0.055), (1.05, 0.09)]), 12), 5.0, 3.0, HOLLOW)
    add_ball(bone, grid, (side * joint[0], joint[1]), (25.0, 26.0), 12.0)
    shaft = spline([(side * x * w, y * h) for x, y in ((1.21, 0.1), (1.27, 0.4), (1.4, 0.85), (1.5, 1.2))], 30)
    add_rod(bone, grid, shaft, np.linspace(17, 11, 30), np.interp(np.arange(30.0), (0, 5), (0, 12)), HOLLOW)
