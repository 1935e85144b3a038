"""Radiographs made unlike those that the lung network learnt from, each with its lungs moved along: imitations."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np

Pair = tuple[np.ndarray, np.ndarray]
"""A radiograph (S, S) float32 in [0, 1], and its lungs (S, S) bool."""
Change = Callable[[np.ndarray, np.ndarray, np.random.Generator], Pair]


def lung_sides(lungs: np.ndarray) -> list[np.ndarray]:
    """The one or two largest connected parts of a mask, from left to right."""
    count, parts, statistics, centres = cv2.connectedComponentsWithStats(lungs.astype(np.uint8))
    largest = sorted(range(1, count), key=lambda part: -statistics[part, cv2.CC_STAT_AREA])[:2]
    return [parts == part for part in sorted(largest, key=lambda part: centres[part, 0])]


def moved(
    pair: Pair,
    degrees: float = 0.0,
    scale: tuple[float, float] = (1.0, 1.0),
    shift: tuple[float, float] = (0.0, 0.0),
    continued: bool = False,
) -> Pair:
    """Turned, scaled (in x and y) and shifted (in shares of the side); around it black, or the border continued."""
    side, angle = pair[0].shape[0], np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.diag(scale)
    centre = np.array([side / 2, side / 2])
    matrix = np.hstack([turn, (centre + np.array(shift) * side - turn @ centre)[:, None]])
    border = cv2.BORDER_REPLICATE if continued else cv2.BORDER_CONSTANT
    grey = cv2.warpAffine(pair[0], matrix, (side, side), borderMode=border)
    return grey, cv2.warpAffine(pair[1].astype(np.uint8), matrix, (side, side)) > 0


def turned(least: float, most: float) -> Change:
    def change(grey: np.ndarray, lungs: np.ndarray, random: np.random.Generator) -> Pair:
        return moved((grey, lungs), random.choice([-1, 1]) * random.uniform(least, most))

    return change


def child(grey: np.ndarray, lungs: np.ndarray, random: np.random.Generator) -> Pair:
    """About half the size, wider in proportion, off the centre."""
    scale = random.uniform(0.45, 0.65)
    shift = random.uniform(-0.08, 0.08), random.uniform(-0.15, 0.05)
    wider = scale * random.uniform(1, 1.25), scale
    return moved((grey, lungs), scale=wider, shift=shift, continued=random.uniform() < 0.5)


def covered(pair: Pair, area: np.ndarray, random: np.random.Generator) -> Pair:
    """Soft tissue of the body's brighter parts over an area, with uneven density and a blurred edge."""
    grey, lungs = pair
    soft = cv2.GaussianBlur(area.astype(np.float32), (0, 0), grey.shape[0] / 50)
    uneven = cv2.GaussianBlur(random.normal(size=grey.shape).astype(np.float32), (0, 0), 6)
    dense = np.quantile(grey[~lungs], 0.85) * (1 + 0.03 * uneven / uneven.std())
    structure = grey - cv2.GaussianBlur(grey, (0, 0), 8)
    return np.clip(grey * (1 - soft) + soft * (np.maximum(dense, 0) + 0.15 * structure), 0, 1), lungs


def white_lung(grey: np.ndarray, lungs: np.ndarray, random: np.random.Generator) -> Pair:
    sides = lung_sides(lungs)
    side = sides[random.integers(len(sides))].astype(np.uint8)
    return covered((grey, lungs), cv2.dilate(side, np.ones((9, 9), np.uint8)), random)


def large_heart(grey: np.ndarray, lungs: np.ndarray, random: np.random.Generator) -> Pair:
    """An oval of three quarters of the lungs' width on the diaphragm."""
    x, y, width, height = cv2.boundingRect(lungs.astype(np.uint8))
    area = np.zeros(grey.shape, np.uint8)
    centre = round(x + 0.58 * width), round(y + 0.73 * height)
    cv2.ellipse(area, centre, (round(0.38 * width), round(0.27 * height)), 20, 0, 360, 1, -1)
    return covered((grey, lungs), area, random)


def collimated(grey: np.ndarray, lungs: np.ndarray, random: np.random.Generator) -> Pair:
    """Black outside of a turned rectangle that hardly exceeds the lungs."""
    x, y, width, height = cv2.boundingRect(lungs.astype(np.uint8))
    left, top, right, bottom = random.uniform(0, 0.05, 4) * grey.shape[0]
    size = width + left + right, height + top + bottom
    centre = x - left + size[0] / 2, y - top + size[1] / 2
    open_field = np.zeros(grey.shape, np.float32)
    cv2.fillPoly(open_field, [cv2.boxPoints((centre, size, random.uniform(-4, 4))).astype(np.int32)], 1.0)
    return grey * cv2.GaussianBlur(open_field, (0, 0), 1), lungs


def cut_off(grey: np.ndarray, lungs: np.ndarray, random: np.random.Generator) -> Pair:
    """Without a quarter of the lungs' width, on one side."""
    x, _, width, _ = cv2.boundingRect(lungs.astype(np.uint8))
    columns = slice(x + width // 4, None) if random.uniform() < 0.5 else slice(0, x + width - width // 4)
    parts = (np.ascontiguousarray(each[:, columns]) for each in (grey, lungs.astype(np.uint8)))
    grey_part, lungs_part = (cv2.resize(part, grey.shape[::-1]) for part in parts)
    return grey_part, lungs_part > 0


UNLIKE: Mapping[str, Change] = {
    "as they are": lambda grey, lungs, random: (grey, lungs),
    "darker (gamma 2)": lambda grey, lungs, random: (grey**2, lungs),
    "brighter (gamma 0.5)": lambda grey, lungs, random: (grey**0.5, lungs),
    "collimated to the lungs": collimated,
    "rotated by 5 to 12 degrees": turned(5, 12),
    "rotated by 12 to 20 degrees": turned(12, 20),
    "a quarter of the lungs cut off": cut_off,
    "a large heart": large_heart,
    "one lung white": white_lung,
    "the size of a child": child,
    "inverted": lambda grey, lungs, random: (1 - grey, lungs),
}
