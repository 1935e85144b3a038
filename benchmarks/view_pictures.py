"""Pictures that are no frontal radiographs of the chest, made of radiographs or drawn: square, in [0, 1]."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np

SIDE = 128
"""Of drawn pictures."""
Picture = np.ndarray
Draw = Callable[[np.random.Generator], Picture]
Change = Callable[[Picture, np.random.Generator], Picture]


def moved(
    picture: Picture, degrees: float = 0.0, scale: float = 1.0, width: float = 1.0, shift: tuple[float, float] = (0, 0)
) -> Picture:
    """Rotated, scaled, stretched and shifted (in shares of the side) about the centre; black where nothing is."""
    side = picture.shape[0]
    matrix = cv2.getRotationMatrix2D((side / 2, side / 2), degrees, scale)
    matrix[0] *= width
    matrix[0, 2] += (1 - width) * side / 2 + shift[0] * side
    matrix[1, 2] += shift[1] * side
    return cv2.warpAffine(np.ascontiguousarray(picture), matrix, (side, side))


def part(picture: Picture, x: float, y: float, width: float, height: float) -> Picture:
    """A rectangle in shares of the sides, stretched to the picture's size."""
    side = picture.shape[0]
    rows, columns = (
        slice(round(y * side), round((y + height) * side)),
        slice(round(x * side), round((x + width) * side)),
    )
    return cv2.resize(np.ascontiguousarray(picture[rows, columns]), (side, side))


def noisy(picture: Picture, random: np.random.Generator, deviation: float) -> Picture:
    return picture + random.normal(0, deviation, picture.shape).astype(np.float32)


STILL_FRONTAL: Mapping[str, Change] = {
    "as they are": lambda picture, random: picture,
    "rotated by 12 degrees": lambda picture, random: moved(picture, random.choice([-12, 12])),
    "with a black border of an eighth": lambda picture, random: moved(picture, scale=0.75),
    "12% cut off": lambda picture, random: part(picture, 0.06, 0.06, 0.88, 0.88),
    "black on both sides": lambda picture, random: moved(picture, width=0.75),
    "darker (gamma 2)": lambda picture, random: picture**2,
    "brighter (gamma 0.5)": lambda picture, random: picture**0.5,
    "a quarter of the contrast": lambda picture, random: 0.4 + 0.25 * picture,
    "with noise": lambda picture, random: noisy(picture, random, 0.06),
}
NO_LONGER_FRONTAL: Mapping[str, Change] = {
    "inverted": lambda picture, random: 1 - picture,
    "turned by a quarter": lambda picture, random: np.rot90(picture, random.choice([1, 3])),
    "upside down": lambda picture, random: np.rot90(picture, 2),
    "a shoulder": lambda picture, random: part(picture, random.choice([0.0, 0.6]), 0, 0.4, 0.4),
    "the part below the lungs": lambda picture, random: part(picture, 0.1, 0.62, 0.8, 0.38),
    "one lung": lambda picture, random: part(picture, random.choice([0.1, 0.55]), 0.2, 0.35, 0.6),
}


def grid() -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pixels' centres in (0, 1)."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return (rows + 0.5) / SIDE, (columns + 0.5) / SIDE


def blank(random: np.random.Generator) -> Picture:
    return noisy(np.full((SIDE, SIDE), random.uniform()), random, random.choice([0, 0.003, 0.02]))


def noise(random: np.random.Generator) -> Picture:
    return random.uniform(0, 1, (SIDE, SIDE)) if random.uniform() < 0.5 else random.normal(0.5, 0.2, (SIDE, SIDE))


def clouds(random: np.random.Generator) -> Picture:
    """Noise whose power falls with the frequency, as in photographs."""
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None])
    frequency[0, 0] = 1
    return stretched(np.fft.irfft2(np.fft.rfft2(random.normal(size=(SIDE, SIDE))) / frequency ** random.uniform(1, 2)))


def gradient(random: np.random.Generator) -> Picture:
    (rows, columns), angle = grid(), random.uniform(0, 2 * np.pi)
    return noisy(stretched(np.cos(angle) * rows + np.sin(angle) * columns), random, 0.01)


def pattern(random: np.random.Generator) -> Picture:
    rows, columns = ((each * random.integers(2, 20)).astype(int) for each in grid())
    return ((rows + columns) % 2).astype(float)


def ellipses(random: np.random.Generator) -> Picture:
    picture = np.zeros((SIDE, SIDE), np.float32)
    for _ in range(random.integers(1, 6)):
        centre, axes = random.integers(15, 113, 2).tolist(), random.integers(7, 45, 2).tolist()
        cv2.ellipse(picture, centre, axes, int(random.integers(180)), 0, 360, random.uniform(0.2, 1), -1)
    return noisy(cv2.GaussianBlur(picture, (0, 0), random.uniform(0.3, 3)), random, 0.01)


def text(random: np.random.Generator) -> Picture:
    picture = np.zeros((2 * SIDE, 2 * SIDE), np.uint8)
    for row in range(12):
        words = "".join(map(chr, random.integers(65, 91, random.integers(5, 20))))
        cv2.putText(picture, words, (5, 18 + 20 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1)
    small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA) / 255
    return small if random.uniform() < 0.5 else 1 - small


def limb(random: np.random.Generator) -> Picture:
    """One to five bones in soft tissue, side by side, on black."""
    tissue, bone = np.zeros((2, SIDE, SIDE), np.float32)
    count, width = int(random.integers(1, 6)), random.uniform(8, 22)
    for number in range(count):
        x = SIDE * (number + 0.5 + random.uniform(-0.1, 0.1)) / count
        lean, ends = random.uniform(-12, 12), random.uniform(-0.1, 0.4, 2) * SIDE
        line = (int(x - lean), int(ends[0])), (int(x + lean), int(SIDE - ends[1]))
        thickness = min(width, 0.8 * SIDE / count) * random.uniform(0.8, 1.2)
        cv2.line(tissue, *line, 1.0, max(2, int(2.2 * thickness)))
        cv2.line(bone, *line, 1.0, max(2, int(thickness)))
        cv2.line(bone, *line, 0.6, max(1, int(0.6 * thickness)))
    picture = random.uniform(0.2, 0.5) * cv2.GaussianBlur(tissue, (0, 0), 3) + 0.5 * cv2.GaussianBlur(bone, (0, 0), 1)
    return noisy(moved(picture, random.uniform(0, 360), random.uniform(0.8, 1.3)), random, 0.01)


def lateral(random: np.random.Generator) -> Picture:
    """A chest from the side, drawn: spine behind, heart in front, one lung over the other, arms raised."""
    rows, columns = grid()
    front, back = 0.12 + random.uniform(-0.04, 0.04), 0.88 + random.uniform(-0.05, 0.05)
    bulge = 0.05 * np.sin(np.pi * rows)
    body = smooth(columns - front + bulge, 0.02) * smooth(back + bulge - columns, 0.02)
    spine = 0.76 + 0.05 * np.sin(np.pi * (rows - random.uniform(0, 0.2)))
    vertebrae = 0.75 + 0.25 * np.sign(np.sin(2 * np.pi * rows * random.uniform(9, 13)))
    spine_mask = np.exp(-(((columns - spine) / 0.05) ** 2)) * vertebrae * (1.2 - 0.7 * rows)
    sternum = 0.22 + random.uniform(-0.03, 0.03) - 0.12 * np.sin(np.pi * rows)
    dome = random.uniform(0.66, 0.8) + 0.5 * (columns - 0.45) ** 2 + 0.12 * (columns - 0.5)
    apex = random.uniform(0.1, 0.2) + 0.8 * (columns - 0.55) ** 2
    lung = (smooth(columns - sternum, 0.02) * smooth(spine + 0.04 - columns, 0.03)) * (
        smooth(dome - rows, 0.015) * smooth(rows - apex, 0.03)
    )
    heart = np.exp(-((((columns - 0.38) / 0.16) ** 2 + ((rows - dome + 0.12) / 0.15) ** 2) ** 2))
    shoulder = np.exp(-(((columns - 0.5) / 0.25) ** 2 + ((rows - 0.02) / 0.14) ** 2))
    picture = body * (0.55 + 0.35 * shoulder + 0.3 * smooth(rows - dome, 0.03)) - 0.42 * lung + 0.25 * heart * lung
    picture = noisy(picture + 0.3 * spine_mask * body, random, 0.01)
    picture = moved(picture if random.uniform() < 0.5 else picture[:, ::-1], random.uniform(-8, 8))
    return stretched(cv2.GaussianBlur(picture, (0, 0), 1)) ** random.uniform(0.6, 1.6)


DRAWN: Mapping[str, Draw] = {
    "blank": blank,
    "noise": noise,
    "clouds": clouds,
    "gradients": gradient,
    "patterns": pattern,
    "ellipses": ellipses,
    "text": text,
    "drawn limbs": limb,
    "drawn lateral views": lateral,
}


def smooth(distance: np.ndarray, softness: float) -> np.ndarray:
    """0 where the distance is below 0, 1 where it is above, with a soft edge."""
    return 1 / (1 + np.exp(-np.clip(distance / softness, -30, 30)))


def stretched(picture: np.ndarray) -> np.ndarray:
    """To the whole range [0, 1]."""
    low, high = picture.min(), picture.max()
    return (picture - low) / max(high - low, 1e-6)
