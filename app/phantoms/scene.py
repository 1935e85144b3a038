"""What the rays cross: maps of path length by tissue, which anatomy, findings and tubes are drawn into."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.phantoms.grid import Grid, Map
from app.phantoms.shape import Shape

SOFT = 0.0185
LUNG = 0.0046
BONE = 0.034
METAL = 0.19
"""Attenuation per millimetre at about 65 keV (NIST's tables for water, inflated lung at a quarter of its density, and
the excess of cortical bone over water); metal is the barium stripe of tubes, with a low value because it is thin."""


@dataclass
class Scene:
    """Path lengths in millimetres along every ray; maps are (H, W).

    Attributes:
        grid, shape: the detector and the patient.
        side: by side (+1 the patient's left, -1 the right): lung as it was before any finding.
        body: everything within the skin.
        lung: air-filled lung; whatever is removed from it becomes soft tissue, unless it goes to ``air``.
        air: free air: airways, stomach, pneumothorax.
        bone, metal: in addition to everything else.
        heart: path length through the heart.
        own: path length of each finding alone, relative to the visible minimum; its outline is where this exceeds 1.
    """

    grid: Grid
    shape: Shape
    body: Map
    lung: Map
    air: Map
    bone: Map
    metal: Map
    heart: Map
    side: dict[int, Map] = field(default_factory=dict)
    own: dict[str, Map] = field(default_factory=dict)

    def fill(self, path: Map) -> Map:
        """Replace lung by soft tissue along at most ``path`` millimetres; return the replaced path length."""
        taken = np.maximum(path, 0)
        self.lung -= np.minimum(taken, self.lung, out=taken)
        return taken

    def mark(self, name: str, path: Map, threshold: float) -> None:
        """Store a finding's own path length; its outline contains pixels above ``threshold`` millimetres."""
        relative = path * np.float32(1 / threshold)
        self.own[name] = np.maximum(relative, self.own[name]) if name in self.own else relative

    def attenuation(self) -> Map:
        """The exponent of Beer and Lambert's law, (H, W)."""
        soft = self.body - self.lung
        soft -= self.air
        total = np.maximum(soft, 0, out=soft)
        total *= SOFT
        for coefficient, path in ((LUNG, self.lung), (BONE, self.bone), (METAL, self.metal)):
            total += coefficient * path
        return total

    def inside_lung(self, side: int, depth: float = 35) -> NDArray[np.bool_]:
        """Pixels of one side with at least ``depth`` millimetres of aerated lung."""
        return (self.lung > depth) & (self.side[side] > 0)
