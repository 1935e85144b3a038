"""Free-response curves: the share of lesions that are marked, against false marks.

A mark inside a box hits that lesion; one inside several boxes hits all of them. A second hit of a lesion is neither a
hit nor a false mark. Marks outside all boxes are false.

Source: Chakraborty and Berbaum, "Observer studies involving detection and localization: modeling, analysis, and
validation", Medical Physics 31, 2004 (JAFROC); FROC as in Bunch et al., 1978; weights as in Chakraborty and Zhai, "On
the meaning of the weighted alternative free-response operating characteristic figure of merit", Medical Physics, 2016.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import FloatArray, IntArray
from evaluation.figures_of_merit import Units
from evaluation.marks import Marks
from evaluation.patients import patient_numbers
from evaluation.resampling import Bootstrap, patient_weights
from evaluation.roc import auc, quotient

ROUNDING = 1e-9  # a rate times a number of images may be a whole number but for rounding


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

    Raises:
        ValueError: A rate is negative or NaN.
    """
    return curve.sensitivity[np.searchsorted(curve.x, _rates(rate), side="right") - 1]


def bootstrap_froc(
    matches: Matches, rate: ArrayLike, patient: ArrayLike | None = None, replicates: int = 1000, seed: int = 0
) -> Bootstrap:
    """``froc_sensitivity`` at each of the rates (C,), resampled by patient; NaN without a lesion.

    Example:
        >>> zero = np.zeros(1, dtype=int)
        >>> matches = Matches(np.array([0.9]), zero, np.array([0.4]), zero, images=2)
        >>> bootstrap_froc(matches, [0.5, 1], replicates=10).value.tolist()
        [1.0, 1.0]

    Args:
        matches: Of ``images`` images.
        rate: False marks an image.
        patient: (images,) names or numbers; None if every image is a patient of its own.
        replicates: How many.
        seed: The same seed, replicates and patients draw the same samples, whatever the marks.
    """
    patients, number = patient_numbers(patient, matches.images)
    rates = _rates(rate)
    falling = np.argsort(-matches.false_score)
    # A lesion is found at a rate if no more false marks score at least as high as its own highest mark.
    ahead = np.searchsorted(-matches.false_score[falling], -matches.lesion_score, side="right")
    of_false, of_lesion = number[matches.false_image[falling]], number[matches.lesion_image]
    is_marked = np.isfinite(matches.lesion_score)[:, None]

    def sensitivities(drawn: FloatArray) -> FloatArray:
        """(r, C) if patients are drawn (P, r) times."""
        false = np.concatenate([np.zeros((1, drawn.shape[1])), np.cumsum(drawn[of_false], axis=0)])[ahead]
        images, lesions = drawn[number].sum(axis=0), drawn[of_lesion]
        found = [(lesions * (is_marked & (false <= each * images + ROUNDING))).sum(axis=0) for each in rates]
        total = lesions.sum(axis=0)
        return np.stack([quotient(part, total) for part in found], axis=1)

    parts = [sensitivities(drawn) for drawn in patient_weights(patients, replicates, seed)]
    return Bootstrap(sensitivities(np.ones((patients, 1)))[0], np.concatenate(parts))


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


def free_response_units(matches: Matches, patient: ArrayLike | None = None, weighted: bool = False) -> Units:
    """Lesions and normal images, for ``figures_of_merit.areas``: its value is ``jafroc_figure``, with a covariance.

    Example:
        >>> zero = np.zeros(1, dtype=int)
        >>> units = free_response_units(Matches(np.array([0.9]), zero, np.array([0.4]), zero + 1, images=3))
        >>> units.present.tolist(), units.absent.tolist()
        ([[0.9]], [[0.4], [-inf]])

    Args:
        matches: Of ``images`` images.
        patient: (images,) names or numbers; None if every image is a patient of its own.
        weighted: Every image with lesions counts alike (weighted AFROC) instead of every lesion.
    """
    patients, number = patient_numbers(patient, matches.images)
    lesions = np.bincount(matches.lesion_image, minlength=matches.images)
    weight = 1 / lesions[matches.lesion_image] if weighted else np.ones(len(matches.lesion_image))
    absent, owner = _highest_false(matches)[:, None], number[lesions == 0]
    return Units(matches.lesion_score[:, None], number[matches.lesion_image], weight, absent, owner, patients)


def _highest_false(matches: Matches) -> FloatArray:
    """Highest false mark of each image without a lesion; minus infinity if it has none."""
    highest = np.full(matches.images, -np.inf)
    np.maximum.at(highest, matches.false_image, matches.false_score)
    return np.delete(highest, matches.lesion_image)


def _rates(rate: ArrayLike) -> FloatArray:
    rates = np.asarray(rate, dtype=np.float64)
    odd = rates[~(rates >= 0)]
    if odd.size:
        raise ValueError(f"a rate of false marks is 0 or more, not {odd.flat[0]}")
    return rates


def _thresholds(*score: FloatArray) -> FloatArray:
    distinct = np.unique(np.concatenate(score))[::-1]
    return np.concatenate([[np.inf], distinct[np.isfinite(distinct)]])


def _hit(matches: Matches, threshold: FloatArray) -> FloatArray:
    return _share(matches.lesion_score, threshold, len(matches.lesion_score))


def _share(score: FloatArray, threshold: FloatArray, whole: int) -> FloatArray:
    """Number of scores of at least each threshold, over ``whole``; NaN if that is 0."""
    count = len(score) - np.searchsorted(np.sort(score), threshold, side="left")
    return count / whole if whole else np.full(count.shape, np.nan)
