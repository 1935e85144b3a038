"""Free-response curves: how many lesions are marked, at how many false marks an image.

A mark inside a box hits that lesion; one inside several boxes hits all of them; a second hit of a lesion is neither a
hit nor a false mark. Marks outside all boxes are false.

Source: Chakraborty and Berbaum, "Observer studies involving detection and localization: modeling, analysis, and
validation", Medical Physics 31, 2004 (JAFROC); FROC as in Bunch et al., 1978.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import FloatArray, IntArray
from evaluation.marks import Marks
from evaluation.roc import auc


@dataclass(frozen=True)
class Matches:
    """Marks sorted into hits and false marks.

    Attributes:
        lesion_score: (L,) highest score of the marks that hit each lesion; minus infinity where none did.
        lesion_image: (L,) number of each lesion's image.
        false_score: (F,) scores of false marks.
        false_image: (F,) number of each false mark's image.
        images: how many images there are, marked or not.
    """

    lesion_score: FloatArray
    lesion_image: IntArray
    false_score: FloatArray
    false_image: IntArray
    images: int


@dataclass(frozen=True)
class FreeResponseCurve:
    """Points from the strictest threshold to the laxest, starting where nothing is marked.

    Attributes:
        x: (G + 1,) false marks an image (FROC), or share of normal images with a false mark (AFROC).
        sensitivity: (G + 1,) share of lesions hit.
        threshold: (G + 1,) marks of at least this score count.
    """

    x: FloatArray
    sensitivity: FloatArray
    threshold: FloatArray


def match_marks(marks: Marks, box: ArrayLike, box_image: ArrayLike, images: int) -> Matches:
    """Match marks with boxes of the same image.

    Args:
        marks: in ``images`` images.
        box: (L, 4) x, y, width, height in pixels of the stored image.
        box_image: (L,) number of each box's image.
        images: how many images there are.

    Raises:
        ValueError: a box or mark is of an image that does not exist.
    """
    boxes = np.asarray(box, dtype=np.float64).reshape(-1, 4)
    owner = np.asarray(box_image, dtype=np.int64)
    for what, number in (("boxes", owner), ("marks", marks.image)):
        if number.size and not (number.min() >= 0 and number.max() < images):
            raise ValueError(f"images of {what} must lie in [0, {images}), not in [{number.min()}, {number.max()}]")
    order = np.argsort(owner, kind="stable")
    first = np.searchsorted(owner[order], marks.image, side="left")
    count = np.searchsorted(owner[order], marks.image, side="right") - first
    mark = np.repeat(np.arange(len(marks.image)), count)
    lesion = order[np.arange(len(mark)) - np.repeat(np.cumsum(count) - count - first, count)]
    x, y = marks.x[mark] - boxes[lesion, 0], marks.y[mark] - boxes[lesion, 1]
    inside = (x >= 0) & (y >= 0) & (x <= boxes[lesion, 2]) & (y <= boxes[lesion, 3])
    mark, lesion = mark[inside], lesion[inside]
    score = np.full(len(boxes), -np.inf)
    np.maximum.at(score, lesion, marks.score[mark])
    false = np.ones(len(marks.image), dtype=bool)
    false[mark] = False
    return Matches(score, owner, marks.score[false], marks.image[false], images)


def froc_curve(matches: Matches) -> FreeResponseCurve:
    """Share of lesions hit against false marks an image. Sensitivity is NaN without a lesion."""
    threshold = _thresholds(matches.lesion_score, matches.false_score)
    false = _at_least(matches.false_score, threshold)
    return FreeResponseCurve(_share(false, matches.images), _hit(matches, threshold), threshold)


def froc_sensitivity(curve: FreeResponseCurve, rate: ArrayLike = (0.125, 0.25, 0.5, 1, 2, 4, 8)) -> FloatArray:
    """Sensitivity at given rates of false marks an image: the highest that a threshold reaches without exceeding them.

    The mean over the default rates is the score of the LUNA16 challenge.
    """
    place = np.searchsorted(curve.x, np.asarray(rate, dtype=np.float64), side="right") - 1
    return curve.sensitivity[place]


def afroc_curve(matches: Matches) -> FreeResponseCurve:
    """Share of lesions hit against the share of normal images with a false mark. NaN without either."""
    normal = _highest_false(matches)
    threshold = _thresholds(matches.lesion_score, normal)
    return FreeResponseCurve(_share(_at_least(normal, threshold), len(normal)), _hit(matches, threshold), threshold)


def jafroc_figure(matches: Matches) -> float:
    """JAFROC's figure of merit: how often a lesion scores above the highest false mark of a normal image, ties half.

    Lesions not hit and normal images without a mark score minus infinity. NaN without lesions or normal images.
    """
    normal = _highest_false(matches)
    score = np.concatenate([matches.lesion_score, normal])
    return auc(score, np.arange(len(score)) < len(matches.lesion_score))


def _highest_false(matches: Matches) -> FloatArray:
    """Highest false mark of each image without a lesion; minus infinity where it has none."""
    highest = np.full(matches.images, -np.inf)
    np.maximum.at(highest, matches.false_image, matches.false_score)
    normal = np.ones(matches.images, dtype=bool)
    normal[matches.lesion_image] = False
    return highest[normal]


def _thresholds(*score: FloatArray) -> FloatArray:
    distinct = np.unique(np.concatenate(score))[::-1]
    return np.concatenate([[np.inf], distinct[np.isfinite(distinct)]])


def _at_least(score: FloatArray, threshold: FloatArray) -> IntArray:
    ordered = np.sort(score)
    return np.asarray(len(ordered) - np.searchsorted(ordered, threshold, side="left"))


def _hit(matches: Matches, threshold: FloatArray) -> FloatArray:
    return _share(_at_least(matches.lesion_score, threshold), len(matches.lesion_score))


def _share(count: IntArray, whole: int) -> FloatArray:
    return count / whole if whole else np.full(count.shape, np.nan)
