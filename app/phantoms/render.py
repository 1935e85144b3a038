"""From a plan to pixels and outlines."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from app.findings import LUNGS
from app.phantoms.anatomy import build
from app.phantoms.detector import draw_exposure, expose
from app.phantoms.findings import draw_findings
from app.phantoms.grid import Grid, Map
from app.phantoms.marks import draw_marks
from app.phantoms.plan import Plan
from app.phantoms.scene import Scene
from app.phantoms.shape import draw_grid, draw_patient, draw_posture
from app.phantoms.tubes import draw_electrodes, draw_tubes

_LUNG_EDGE = 30.0
"""Smallest path through the lung (mm) within its outline: readers outline lungs down to the dome of the diaphragm,
without the thin recess behind it."""


@dataclass(frozen=True)
class Radiograph:
    """One phantom.

    Attributes:
        image: (H, W) in [0, 1], dense structures bright.
        outlines: by finding (tubes included) (H, W) bool; only findings that have a pixel in the image.
        shutter: (H, W) bool, the pixels beyond the collimator.
        spacing: millimetres a pixel at the detector.
    """

    image: Map
    outlines: dict[str, NDArray[np.bool_]]
    shutter: NDArray[np.bool_]
    spacing: float


def render(plan: Plan, size: int) -> Radiograph:
    """The radiograph of a plan, ``size`` pixels along each side; the same plan gives the same pixels."""
    scene = draw_scene(plan, size)
    across, down = _warp(scene.grid, plan.stream("warp"))
    attenuation = cv2.remap(scene.attenuation(), across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    stream = plan.stream("detector")
    image = expose(attenuation, scene.grid, draw_exposure(stream, plan.view), stream)
    shutter = draw_marks(image, plan.view, plan.stream("marks"))
    outlines = {}
    for name, path in scene.own.items():
        drawn = cv2.remap((path > 1).astype(np.uint8) * 255, across, down, cv2.INTER_LINEAR)
        outline = (drawn > 127) & ~shutter
        if name in plan.findings and outline.any():
            outlines[name] = outline
    return Radiograph(image, outlines, shutter, scene.grid.spacing)


def draw_scene(plan: Plan, size: int) -> Scene:
    """The patient of a plan with everything in and on them, as path lengths."""
    patient = draw_patient(plan.patient_stream("shape"), plan.sex, plan.age)
    shape = draw_posture(plan.stream("posture"), patient, plan.view, plan.findings)
    # The field of view is chosen for the patient before the disease is known.
    healthy = draw_posture(plan.stream("posture"), patient, plan.view, ())
    scene = build(draw_grid(plan.stream("grid"), healthy, size), shape, plan.stream("anatomy"))
    if LUNGS in plan.findings:
        # As they are in health: lungs that are filled with something are outlined all the same.
        scene.mark(LUNGS, scene.side[-1] + scene.side[1], _LUNG_EDGE)
    draw_findings(scene, plan.findings, plan.stream)
    draw_tubes(scene, plan.findings, plan.stream)
    if plan.electrodes:
        draw_electrodes(scene, plan.stream("electrodes"))
    return scene


def _warp(grid: Grid, generator: np.random.Generator) -> tuple[Map, Map]:
    """Where each pixel comes from: a small tilt, and the unevenness that no two patients share."""
    tilt = float(generator.normal(0, 0.022))
    coarse = generator.normal(0, 3.2 / grid.spacing, (2, 7, 7)).astype(np.float32)
    uneven = [cv2.resize(part, (grid.size, grid.size), interpolation=cv2.INTER_CUBIC) for part in coarse]
    middle = (grid.size - 1) / 2
    x = np.arange(grid.size, dtype=np.float32)[None] - middle
    y = np.arange(grid.size, dtype=np.float32)[:, None] - middle
    across = middle + np.cos(tilt) * x - np.sin(tilt) * y
    down = middle + np.sin(tilt) * x + np.cos(tilt) * y
    for straight, part in zip((across, down), uneven, strict=True):
        np.add(straight, part, out=part, casting="same_kind")
    return uneven[0], uneven[1]
