"""From path lengths to grey levels: exposure, scatter, noise, blur, logarithm and the manufacturer's tone curve."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from app.phantoms.grid import Grid, Map


@dataclass(frozen=True)
class Exposure:
    """How one image was taken and processed.

    Attributes:
        photons: mean count per square millimetre behind air.
        scatter: scattered radiation as a share of the primary behind the body (after the grid).
        blur: standard deviation of the detector's blur, in millimetres.
        sharpening: share of the difference from the surroundings that is added again.
        gamma: exponent of the tone curve.
        dark, light: grey levels (0 to 1) that the lungs and the densest parts are brought to.
    """

    photons: float
    scatter: float
    blur: float
    sharpening: float
    gamma: float
    dark: float
    light: float


def draw_exposure(generator: np.random.Generator, view: str) -> Exposure:
    """Bedside (AP) images have more scatter and fewer photons."""
    bedside = view == "AP"
    return Exposure(
        photons=float(np.exp(generator.normal(np.log(11000 if bedside else 18000), 0.4))),
        scatter=float(generator.uniform(0.35, 0.9) if bedside else generator.uniform(0.12, 0.45)),
        blur=float(generator.uniform(0.35, 0.7)),
        sharpening=float(generator.uniform(0.15, 0.6)),
        gamma=float(generator.uniform(0.85, 1.3)),
        dark=float(generator.uniform(0.14, 0.26)),
        light=float(generator.uniform(0.86, 0.96)),
    )


def expose(attenuation: Map, grid: Grid, exposure: Exposure, generator: np.random.Generator) -> Map:
    """Grey levels (H, W) in [0, 1], dense structures bright, from the exponent of the Beer-Lambert law."""
    primary = np.exp(-attenuation)
    small = cv2.resize(primary, (96, 96), interpolation=cv2.INTER_AREA)
    millimetres = grid.field / 96
    scattered = cv2.GaussianBlur(np.minimum(small, np.float32(0.25)), (0, 0), 45 / millimetres)
    total = primary + exposure.scatter * cv2.resize(scattered, primary.shape[::-1], interpolation=cv2.INTER_LINEAR)
    count = exposure.photons * grid.spacing**2 * total
    # A Gaussian of the same variance stands for Poisson's law: even the densest parts receive dozens of photons.
    grain = generator.standard_normal(total.shape, dtype=np.float32)
    grain *= np.sqrt(count)
    grain += count
    np.maximum(grain, 0.5, out=grain)
    noisy = cv2.GaussianBlur(grain, (0, 0), max(exposure.blur / grid.spacing, 0.1))
    return _tone(-np.log(noisy), grid, exposure)


def _tone(dense: Map, grid: Grid, exposure: Exposure) -> Map:
    """The manufacturer's processing: multi-frequency sharpening, and the body's range stretched to the display's."""
    quarter = cv2.resize(dense, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    smooth = cv2.GaussianBlur(quarter, (0, 0), 14 / (4 * grid.spacing))
    smooth = cv2.resize(smooth, dense.shape[::-1], interpolation=cv2.INTER_LINEAR)
    sharp = dense + exposure.sharpening * (dense - smooth)
    middle = quarter[quarter.shape[0] // 6 : -quarter.shape[0] // 8, quarter.shape[1] // 7 : -quarter.shape[1] // 7]
    low, high = np.percentile(middle, (12, 97))
    scaled = sharp - low
    scaled *= (exposure.light - exposure.dark) / max(float(high - low), 1e-3)
    scaled += exposure.dark
    # Soft shoulders instead of clipping, so that direct exposure is black and the abdomen keeps its texture.
    _bend(scaled, scaled < exposure.dark, exposure.dark, 0.0)
    _bend(scaled, scaled > exposure.light, exposure.light, 1.0)
    np.clip(scaled, 0, 1, out=scaled)
    scaled **= exposure.gamma
    return scaled.astype(np.float32)


def _bend(values: NDArray[np.floating], where: NDArray[np.bool_], start: float, end: float) -> None:
    """Let values approach an end exponentially from where the shoulder starts, in place; the slope there is 1."""
    bent = values[where]
    values[where] = np.exp((bent - start) / (start - end)) * (start - end) + end
