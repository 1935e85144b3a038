"""Free-response curves: the share of lesions that are marked, against false marks.

A mark inside a box hits that lesion; one inside several boxes hits all of them. A second hit of a lesion is neither a
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
        lesion_score: (L,) highest score of the marks that hit each lesion; minus infinity if none did.
        lesion_image: (L,) index of each lesion's image.
        false_score: (F,) scores of false marks.
        false_image: (F,) index of each false mark's image.
        images: Number of images, marked or not.
    """

    lesion_score: FloatArray
    lesion_image: IntArray
    false_score: FloatArray
    false_image: IntArray
    images: int


@dataclass(frozen=True)
class FreeResponseCurve:
    """Points from the strictest threshold to the most lenient, beginning without a mark.

    Attributes:
        x: (G + 1,) false marks per image (FROC), or share of normal images with a false mark (AFROC).
        sensitivity: (G + 1,) share of lesions hit.
        threshold: (G + 1,) marks of at least this score count.
    """

    x: FloatArray
    sensitivity: FloatArray
    threshold: FloatArray


def match_marks(marks: Marks, box: ArrayLike, box_image: ArrayLike, images: int) -> Matches:
    """Match marks with boxes of the same image.

    Example:
        >>> zero = np.zeros(2, dtype=int)
        >>> marks = Marks(image=zero, x=np.array([5.0, 50]), y=np.array([5.0, 50]), score=np.array([0.9, 0.4]))
        >>> matches = match_marks(marks, box=[[0, 0, 10, 10]], box_image=[0], images=2)
        >>> matches.lesion_score.tolist(), matches.false_score.tolist()
        ([0.9], [0.4])

    Args:
        marks: In ``images`` images.
        box: (L, 4) x, y, width, height in pixels of the stored image.
        box_image: (L,) index of each box's image.
        images: Number of images.

    Raises:
        ValueError: A box or mark belongs to an image that does not exist.
    """
    boxes = np.asarray(box, dtype=np.float64).reshape(-1, 4)
    owner = np.asarray(box_image, dtype=np.int64)
    for kind, image in (("boxes", owner), ("marks", marks.image)):
        if image.size and not (image.min() >= 0 and image.max() < images):
            raise ValueError(f"images of {kind} must lie in [0, {images}), not in [{image.min()}, {image.max()}]")
    score, is_false = np.full(len(boxes), -np.inf), np.ones(len(marks.image), dtype=bool)
    for lesion, (image, (x, y, width, height)) in enumerate(zip(owner, boxes, strict=True)):
        of_image = np.flatnonzero(marks.image == image)
        right, down = marks.x[of_image] - x, marks.y[of_image] - y
        hits = of_image[(right >= 0) & (down >= 0) & (right <= width) & (down <= height)]
        score[lesion] = marks.score[hits].max(initial=-np.inf)
        is_false[hits] = False
    return Matches(score, owner, marks.score[is_false], marks.image[is_false], images)


def froc_curve(matches: Matches) -> FreeResponseCurve:
    """Share of lesions hit against false marks per image. Sensitivity is NaN without a lesion.

    Example:
        >>> zero = np.zeros(1, dtype=int)
        >>> curve = froc_curve(Matches(np.array([0.9]), zero, np.array([0.4]), zero, images=2))
        >>> curve.x.tolist(), curve.sensitivity.tolist(), curve.threshold.tolist()
        ([0.0, 0.0, 0.5], [0.0, 1.0, 1.0], [inf, 0.9, 0.4])
    """
    threshold = _thresholds(matches.lesion_score, matches.false_score)
    false = _share(matches.false_score, threshold, matches.images)
    return FreeResponseCurve(false, _hit(matches, threshold), threshold)


def froc_sensitivity(curve: FreeResponseCurve, rate: ArrayLike = (0.125, 0.25, 0.5, 1, 2, 4, 8)) -> FloatArray:
    """The highest sensitivity that a threshold reaches without exceeding each of the given rates of false marks.

    The mean over the default rates is the score of the LUNA16 challenge.

    Example:
        >>> curve = FreeResponseCurve(np.array([0, 0.2, 0.9]), np.array([0, 0.5, 1]), np.array([np.inf, 0.8, 0.4]))
        >>> froc_sensitivity(curve).tolist()
        [0.0, 0.5, 0.5, 1.0, 1.0, 1.0, 1.0]
    """
    return curve.sensitivity[np.searchsorted(curve.x, np.asarray(rate, dtype=np.float64), side="right") - 1]


def afroc_curve(matches: Matches) -> FreeResponseCurve:
    """Share of lesions hit against the share of normal images with a false mark. NaN without either.

    Example:
        >>> zero = np.zeros(1, dtype=int)
        >>> afroc_curve(Matches(np.array([0.9]), zero, np.array([0.4]), zero + 1, images=3)).x.tolist()
        [0.0, 0.0, 0.5]
    """
    normal = _highest_false(matches)
    threshold = _thresholds(matches.lesion_score, normal)
    return FreeResponseCurve(_share(normal, threshold, len(normal)), _hit(matches, threshold), threshold)


def jafroc_figure(matches: Matches) -> float:
    """JAFROC's figure of merit: how often a lesion scores above the highest false mark of a normal image, ties half.

    Lesions that were not hit and normal images without a mark score minus infinity. NaN without lesions or normal
    images.

    Example:
        >>> zero = np.zeros(1, dtype=int)
        >>> jafroc_figure(Matches(np.array([0.9]), zero, np.array([0.4]), zero + 1, images=2))
        1.0
    """
    normal = _highest_false(matches)
    score = np.concatenate([matches.lesion_score, normal])
    return auc(score, np.arange(len(score)) < len(matches.lesion_score))


def _highest_false(matches: Matches) -> FloatArray:
    """Highest false mark of each image without a lesion; minus infinity if it has none."""
    highest = np.full(matches.images, -np.inf)
    np.maximum.at(highest, matches.false_image, matches.false_score)
    return np.delete(highest, matches.lesion_image)


def _thresholds(*score: FloatArray) -> FloatArray:
    distinct = np.unique(np.concatenate(score))[::-1]
    return np.concatenate([[np.inf], distinct[np.isfinite(distinct)]])


def _hit(matches: Matches, threshold: FloatArray) -> FloatArray:
    return _share(matches.lesion_score, threshold, len(matches.lesion_score))


def _share(score: FloatArray, threshold: FloatArray, whole: int) -> FloatArray:
    """Number of scores of at least each threshold, over ``whole``; NaN if that is 0."""
    count = len(score) - np.searchsorted(np.sort(score), threshold, side="left")
    return count / whole if whole else np.full(count.shape, np.nan)
