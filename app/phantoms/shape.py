"""How one patient is built, and how the patient stands before the detector in one image."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from app.phantoms.grid import Grid, Map, curve


@dataclass(frozen=True)
class Shape:
    """Sizes of one patient's chest in one image; lengths in millimetres.

    Attributes:
        height: of the lungs, from the apex to the right dome of the diaphragm.
        width: half the inner width of the chest.
        depth: of the chest from front to back, skin to skin.
        wall: thickness of the chest wall at the side.
        heart: the heart's width relative to a normal one.
        mediastinum: widening of the upper mediastinum on each side.
        knob: how far the aortic arch stands out.
        dome: how much higher the right dome of the diaphragm is than the left one.
        breast: thickness of the breasts; 0 for none to see.
        turn: rotation about the long axis: how far the front moves to the patient's left.
        scapula: how far the shoulder blades lie towards the middle.
        vessels: calibre of the lungs' vessels relative to a normal one.
        bone: density of the bones relative to a normal one.
        lift: how high the inner ends of the clavicles stand over their usual place.
    """

    height: float
    width: float
    depth: float
    wall: float
    heart: float
    mediastinum: float
    knob: float
    dome: float
    breast: float
    turn: float
    scapula: float
    vessels: float
    bone: float
    lift: float


def draw_patient(generator: np.random.Generator, sex: str, age: int) -> Shape:
    """The patient in a good PA view, which all images of a patient have in common."""
    size = float(generator.normal(1.0 if sex == "M" else 0.93, 0.05))
    fat = float(np.clip(generator.gamma(2.2, 0.45), 0.2, 2.6))
    old = max(age - 40, 0) / 50
    breast = float(generator.uniform(14, 40)) if sex == "F" and age > 14 and generator.random() < 0.85 else 0.0
    return Shape(
        height=size * float(generator.normal(222, 13)),
        width=size * float(generator.normal(140, 7)),
        depth=size * (195 + 22 * fat + float(generator.normal(0, 8))),
        wall=12 + 13 * fat,
        heart=float(np.clip(generator.normal(0.96 + 0.06 * old, 0.06), 0.8, 1.1)),
        mediastinum=float(np.clip(generator.normal(0, 1.5), -3, 3)),
        knob=float(np.clip(generator.normal(9 + 7 * old, 2.5), 3, 20)),
        dome=float(generator.normal(11, 5)),
        breast=breast * (0.6 + 0.3 * fat),
        turn=0.0,
        scapula=0.0,
        vessels=float(generator.normal(1.0, 0.1)),
        bone=float(np.clip(generator.normal(1.08 - 0.3 * old, 0.1), 0.6, 1.4)),
        lift=0.0,
    )


def draw_posture(generator: np.random.Generator, patient: Shape, view: str, findings: Collection[str]) -> Shape:
    """The patient in one image: breathing, rotation and view, and the findings that are a matter of shape.

    AP images are of lying patients who breathe in less: a smaller lung, a wider heart and mediastinum (magnified,
    as they are farther from the detector) and shoulder blades over the lungs.
    """
    frontal = view == "AP"
    breath = float(generator.normal(0.86, 0.05) if frontal else generator.normal(1.0, 0.025))
    heart = patient.heart * (float(generator.normal(1.08, 0.03)) if frontal else 1.0)
    enlarged = float(generator.uniform(1.22, 1.6))
    widened = float(generator.uniform(9, 26))
    return replace(
        patient,
        height=patient.height * float(np.clip(breath, 0.7, 1.08)),
        heart=heart * enlarged if "Cardiomegaly" in findings else heart,
        mediastinum=patient.mediastinum
        + (3.0 if frontal else 0.0)
        + (widened if "Mediastinal Widening" in findings else 0.0),
        turn=float(np.clip(generator.normal(0, 7 if frontal else 3), -16, 16)),
        scapula=float(generator.uniform(14, 38)) if frontal else float(np.clip(generator.normal(-4, 6), -14, 12)),
        vessels=patient.vessels * (1.1 if frontal else 1.0),
        lift=float(generator.normal(8 if frontal else 0, 5)),
    )


def draw_grid(generator: np.random.Generator, shape: Shape, size: int) -> Grid:
    """The detector under the patient: as much as a radiographer would expose, not always well centred."""
    reach = max(2.14 * (shape.width + min(shape.wall, 32)), 1.62 * shape.height)
    field = float(np.clip(reach * generator.uniform(1.0, 1.12), 300, 470))
    left = -field / 2 + float(generator.normal(0, 6))
    top = -(field - shape.height * 1.28) * float(generator.uniform(0.52, 0.72))
    return Grid(size, field, left, top)


def lateral_edge(shape: Shape, v: np.ndarray) -> Map:
    """Distance (mm) of the lung's outer edge from the midline at heights ``v`` (0 apex, 1 dome)."""
    positions = (0.0, 0.025, 0.07, 0.16, 0.32, 0.55, 0.8, 1.0, 1.2, 1.4)
    widths = (0.33, 0.45, 0.56, 0.70, 0.85, 0.94, 0.985, 1.0, 1.0, 0.98)
    return shape.width * curve(positions, widths, v, 0.035)
