"""Findings: each changes the patient's path lengths, and its own path length gives its outline."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np

from app.phantoms.anatomy import dome, mediastinal_edges
from app.phantoms.grid import Map, add_ball, add_rod, curve, noise, spline
from app.phantoms.scene import Scene
from app.phantoms.shape import lateral_edge

FINDINGS = (
    "Atelectasis",
    "Calcification",
    "Cardiomegaly",
    "Consolidation",
    "Fibrosis",
    "Mediastinal Widening",
    "Nodule",
    "Effusion",
    "Pneumoperitoneum",
    "Pneumothorax",
)
"""The ten of Table 1 in the annotation-cost paper, in its order."""


def draw_findings(scene: Scene, present: Collection[str], streams: Callable[[str], np.random.Generator]) -> None:
    """Draw the findings that are present, in place.

    Args:
        scene: the patient.
        present: names out of ``FINDINGS``; those that are a matter of shape were drawn with the patient and are only
            outlined here.
        streams: gives each finding its own random numbers, so that another finding does not change the others.
    """
    for name, draw in _DRAW.items():
        if name in present:
            draw(scene, streams(name))


def _side(generator: np.random.Generator) -> int:
    return 1 if generator.random() < 0.5 else -1


def _anywhere(scene: Scene, side: int, generator: np.random.Generator, depth: float = 60) -> tuple[float, float]:
    """A position (mm) in aerated lung at least ``depth`` mm deep, so that a finding there is visible."""
    rows, columns = np.nonzero(scene.inside_lung(side, depth)[::4, ::4])
    if not rows.size:
        return side * 0.55 * scene.shape.width, 0.5 * scene.shape.height
    place = int(generator.random() * rows.size)
    grid = scene.grid
    return float(grid.x[0, 4 * columns[place]]), float(grid.y[4 * rows[place], 0])


def _cardiomegaly(scene: Scene, generator: np.random.Generator) -> None:
    scene.mark("Cardiomegaly", scene.heart, 6.0)


def _mediastinal_widening(scene: Scene, generator: np.random.Generator) -> None:
    grid, shape = scene.grid, scene.shape
    right, left = mediastinal_edges(grid, shape)
    within = (grid.x < left) & (grid.x > -right) & (grid.y > 0.01 * shape.height) & (grid.y < 0.48 * shape.height)
    scene.mark("Mediastinal Widening", within * scene.body, 1.0)


def _pneumothorax(scene: Scene, generator: np.random.Generator) -> None:
    """Air between the chest wall and a lung that has shrunk towards its hilum, most at the apex."""
    side, grid, shape = _side(generator), scene.grid, scene.shape
    gap = shape.width * float(generator.uniform(0.06, 0.42))
    v = grid.y / shape.height
    taper = curve((0.0, 0.5, 1.0, 1.3), (1.0, 0.75, float(generator.uniform(0.1, 0.8)), 0.1), v, 0.2)
    ripple = 1 + 0.05 * np.sin(v * float(generator.uniform(5, 9)) + float(generator.uniform(0, 6)))
    top = gap * float(generator.uniform(0.7, 1.6)) / shape.height
    edge = lateral_edge(shape, (v - top) / (1 - 0.7 * top)) - gap * taper * ripple
    distance = side * grid.x - edge
    outside = (distance > 0) | (v < top)
    air = scene.side[side] * outside
    scene.air += air
    scene.lung *= 1 - outside * (scene.side[side] > 0)
    line = np.exp(-((distance / 0.8) ** 2)) * (v > top) * (scene.side[side] > 0)
    scene.fill(9.0 * line.astype(np.float32))
    scene.mark("Pneumothorax", air, 8.0)


def _effusion(scene: Scene, generator: np.random.Generator) -> None:
    """Fluid with a meniscus that climbs along the chest wall; more of it hides the diaphragm."""
    grid, shape = scene.grid, scene.shape
    first = _side(generator)
    for side in (first, -first) if generator.random() < 0.3 else (first,):
        amount = shape.height * float(generator.beta(1.2, 2.2))
        across = np.clip(side * grid.x / shape.width, 0, 1.02)
        floor = shape.height * (1.10 + 0.05 * (side > 0)) - 0.7 * amount
        level = floor + 0.16 * shape.height * (1 - across) - (18 + 0.3 * amount) * np.exp(-(1 - across) / 0.16)
        depth = np.maximum(grid.y - level, 0)
        fluid = np.minimum(7 * depth, 400).astype(np.float32) * (scene.side[side] > 0)
        scene.mark("Effusion", scene.fill(fluid), 12.0)


def _atelectasis(scene: Scene, generator: np.random.Generator) -> None:
    """Plates of collapsed lung at the base, or a wedge that points to the hilum."""
    grid, shape, side = scene.grid, scene.shape, _side(generator)
    path = grid.empty()
    if generator.random() < 0.6:
        for _ in range(int(generator.integers(1, 4))):
            x, y = _anywhere(scene, side, generator)
            y = max(y, shape.height * float(generator.uniform(0.55, 0.95)))
            half, tilt = float(generator.uniform(18, 48)), float(generator.normal(0, 0.35))
            points = spline(
                [(x - half, y - half * tilt), (x, y + float(generator.normal(0, 3))), (x + half, y + half * tilt)], 20
            )
            width = float(generator.uniform(1.5, 4.5)) * np.sin(np.linspace(0.25, np.pi - 0.25, 20))
            add_rod(path, grid, points, width, float(generator.uniform(18, 45)))
        path = grid.blurred(path, 0.8)
    else:
        path = _wedge(scene, side, generator)
    scene.mark("Atelectasis", scene.fill(path), 5.0)


def _wedge(scene: Scene, side: int, generator: np.random.Generator) -> Map:
    grid, shape = scene.grid, scene.shape
    hilum = (side * 24.0, 0.45 * shape.height)
    target = np.radians(float(generator.choice((-62.0, 25.0, 60.0)))) + float(generator.normal(0, 0.1))
    reach, spread = float(generator.uniform(70, 120)), float(generator.uniform(0.14, 0.32))
    x, y = side * (grid.x - hilum[0]), grid.y - hilum[1]
    along = x * np.cos(target) + y * np.sin(target)
    across = np.abs(y * np.cos(target) - x * np.sin(target))
    inside = np.clip((spread * along + 4 - across) / 3, 0, 1) * np.clip((reach - along) / 12, 0, 1) * (along > 0)
    deep = float(generator.uniform(35, 80))
    return grid.blurred((deep * inside).astype(np.float32), 1.2) * (scene.side[side] > 0)


def _consolidation(scene: Scene, generator: np.random.Generator) -> None:
    """Patches of lung filled with fluid, fluffy at the rim, with open airways left in them."""
    grid = scene.grid
    for _ in range(int(generator.integers(1, 4))):
        side = _side(generator)
        x, y = _anywhere(scene, side, generator)
        radii = generator.uniform(16, 46, 2)
        field = 1 - np.hypot((grid.x - x) / radii[0], (grid.y - y) / radii[1])
        field = field + 0.22 * noise(grid, generator, 12) + 0.1 * noise(grid, generator, 5)
        fluffy = np.clip(field * 2.0, 0, 1) * (scene.side[side] > 0)
        airways = 1 - 0.3 * np.clip(noise(grid, generator, 4) - 0.9, 0, 1)
        path = float(generator.uniform(18, 60)) * fluffy * airways
        scene.mark("Consolidation", scene.fill(path.astype(np.float32)), 6.0)


def _fibrosis(scene: Scene, generator: np.random.Generator) -> None:
    """A net of thickened septa with small cysts, at the bases and towards the pleura or in the apices."""
    grid, shape = scene.grid, scene.shape
    basal = generator.random() < 0.75
    centre = shape.height * float(generator.uniform(0.78, 1.0) if basal else generator.uniform(0.1, 0.22))
    reach = shape.height * float(generator.uniform(0.14, 0.3))
    zone = np.exp(-(((grid.y - centre) / reach) ** 2)) * np.clip(np.abs(grid.x) / shape.width * 1.5 - 0.25, 0, 1)
    net = grid.empty()
    for scale, strength in ((4.5, 1.0), (7.5, 0.8)):
        # Zero crossings of smooth noise form a net; a thin band about them is a septum.
        net += strength * np.exp(-((noise(grid, generator, scale) / 0.28) ** 2))
    patchy = np.clip(0.75 + 0.35 * noise(grid, generator, 30), 0, 1.3)
    haze = zone * patchy
    lung = (scene.side[-1] + scene.side[1]) > 0
    strength = float(generator.uniform(9, 19))
    scene.fill((strength * haze * (net + 0.35) * lung).astype(np.float32))
    scene.mark("Fibrosis", grid.blurred((haze * lung).astype(np.float32), 3), 0.38)


def _nodule(scene: Scene, generator: np.random.Generator) -> None:
    """One to three round shadows of 12 to 34 mm, lobulated or spiculated.

    Small ones are deeper than wide, which represents a higher density (granulomas, metastases): a ball of soft tissue
    of 12 mm would be hidden among vessels, for readers and networks alike.
    """
    for _ in range(int(generator.choice((1, 2, 3), p=(0.6, 0.25, 0.15)))):
        side = _side(generator)
        x, y = _anywhere(scene, side, generator, 75)
        diameter = float(np.exp(generator.uniform(np.log(12), np.log(34))))
        depth = diameter * float(generator.uniform(0.9, 1.7)) + float(generator.uniform(16, 30))
        scene.mark("Nodule", scene.fill(_ball(scene, (x, y), diameter, depth, generator)), 0.3 * depth)


def _ball(
    scene: Scene, centre: tuple[float, float], diameter: float, depth: float, generator: np.random.Generator
) -> Map:
    """Path length of a ball of ``depth`` (mm) along the beam, with an uneven rim like that of nodules."""
    grid, path = scene.grid, scene.grid.empty()
    rows, columns = grid.window(np.array([centre]), diameter)
    x, y = grid.x[:, columns] - centre[0], grid.y[rows] - centre[1]
    angle = np.arctan2(y, x)
    radius = 0.5 * diameter * (1 + 0.12 * np.cos(angle - generator.uniform(0, 6.3)) ** 2)
    for lobes, amount in ((3, 0.07), (5, 0.05), (11, float(generator.choice((0.0, 0.05))))):
        radius = radius + 0.5 * diameter * amount * np.sin(lobes * angle + generator.uniform(0, 6.3))
    inside = np.maximum(1 - (np.hypot(x, y) / radius) ** 2, 0)
    path[rows, columns] = depth * np.sqrt(inside)
    return grid.blurred(path, 0.6)


def _calcification(scene: Scene, generator: np.random.Generator) -> None:
    """Granulomas in the lung, or the calcified rim of the aortic arch."""
    path = _calcified_arch(scene, generator) if generator.random() < 0.35 else _granulomas(scene, generator)
    path = scene.grid.blurred(path, 0.5)
    scene.bone += path
    scene.mark("Calcification", path, max(0.35 * float(path.max()), 0.1))


def _calcified_arch(scene: Scene, generator: np.random.Generator) -> Map:
    path, shape = scene.grid.empty(), scene.shape
    radius = 15 + shape.knob * 0.6
    angle = np.radians(np.linspace(-70.0, float(generator.uniform(40, 90)), 20))
    x = 10 + shape.mediastinum + shape.knob * 0.35 + radius * np.cos(angle)
    points = np.stack([x, 0.265 * shape.height + radius * np.sin(angle)], 1)
    add_rod(path, scene.grid, points, float(generator.uniform(1.0, 1.9)), float(generator.uniform(5, 10)))
    return path


def _granulomas(scene: Scene, generator: np.random.Generator) -> Map:
    path = scene.grid.empty()
    centre = np.array(_anywhere(scene, _side(generator), generator))
    for number in range(int(generator.integers(1, 7))):
        x, y = centre + generator.normal(0, 11, 2) * (number > 0)
        radius = float(generator.uniform(1.6, 4.2))
        add_ball(path, scene.grid, (float(x), float(y)), (radius, radius * 0.9), 1.5 * radius)
    return path * (scene.lung > 0)


def _pneumoperitoneum(scene: Scene, generator: np.random.Generator) -> None:
    """Free air under the diaphragm of an upright patient: a crescent between dome and liver."""
    grid, shape = scene.grid, scene.shape
    sides = (-1, 1) if generator.random() < 0.35 else ((-1,) if generator.random() < 0.75 else (1,))
    for side in sides:
        roof = dome(grid, shape, side) + float(generator.uniform(2.2, 3.2))
        middle, half = float(generator.uniform(0.42, 0.6)), float(generator.uniform(0.28, 0.5))
        across = (side * grid.x / shape.width - middle) / half
        height = float(generator.uniform(4, 17)) * np.sqrt(np.maximum(1 - across**2, 0))
        below = grid.y - roof
        inside = np.clip(below / 0.8, 0, 1) * np.clip((height - below) / 1.2, 0, 1) * (height > 0.8)
        path = (float(generator.uniform(45, 90)) * inside * (side * grid.x > 8)).astype(np.float32)
        path = np.minimum(path, np.maximum(scene.body - scene.lung - scene.air - 40, 0))
        scene.air += path
        scene.mark("Pneumoperitoneum", path, 10.0)


_DRAW: dict[str, Callable[[Scene, np.random.Generator], None]] = {
    "Cardiomegaly": _cardiomegaly,
    "Mediastinal Widening": _mediastinal_widening,
    "Pneumothorax": _pneumothorax,
    "Effusion": _effusion,
    "Atelectasis": _atelectasis,
    "Consolidation": _consolidation,
    "Fibrosis": _fibrosis,
    "Nodule": _nodule,
    "Calcification": _calcification,
    "Pneumoperitoneum": _pneumoperitoneum,
}
"""In the order of drawing: fluid and air between lung and wall before findings in the lung."""
