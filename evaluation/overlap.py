"""Dice, IoU and IoR of regions: of single images, aggregated over a set, and at many thresholds at once.

A map may cover only a part of the radiograph. ``missed`` is the area of the truth beyond it, which the map misses at
every threshold.

If neither truth nor prediction holds a pixel, both say "nowhere" and the value is ``empty`` (1 by default; NaN leaves
the image out of a mean). If only one of them is empty, the value is 0.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.cases import BoolArray, FloatArray, IntArray, require_probabilities

NumberArray = NDArray[np.int64] | NDArray[np.float64]
PIXELS_AT_ONCE = 1 << 14  # so small that numpy reuses memory for their bins instead of asking for new
ROUNDING = 2.0**-50  # relative; above the error of a product and of an edge together


@dataclass(frozen=True)
class Areas:
    """Areas (or numbers of pixels) of truth, prediction and both, of any shape.

    Example:
        >>> overlap = Areas(both=np.array(2), predicted=np.array(4), true=np.array(4))
        >>> float(overlap.dice()), round(float(overlap.iou()), 3), float(overlap.ior())
        (0.5, 0.333, 0.5)
    """

    both: NumberArray
    predicted: NumberArray
    true: NumberArray

    def dice(self, empty: float = 1.0) -> FloatArray:
        """Twice the intersection over the sum of both areas."""
        return _ratio(2 * self.both, self.predicted + self.true, empty)

    def iou(self, empty: float = 1.0) -> FloatArray:
        """Intersection over union."""
        return _ratio(self.both, self.predicted + self.true - self.both, empty)

    def ior(self, empty: float = 1.0) -> FloatArray:
        """Intersection over the predicted region; 0 if nothing is predicted but something is true."""
        nothing = np.where(np.asarray(self.true) > 0, 0.0, float(empty))
        return np.divide(self.both, self.predicted, out=nothing, where=np.asarray(self.predicted) > 0)

    def over_set(self, included: BoolArray | None = None) -> "Areas":
        """Areas summed over the first axis, of the cases that are ``included`` (the shape of the areas)."""
        weight = 1 if included is None else np.asarray(included, dtype=np.int64)
        return Areas(*(np.asarray((part * weight).sum(axis=0)) for part in (self.both, self.predicted, self.true)))


@dataclass(frozen=True)
class BestThreshold:
    """The threshold with the highest Dice on the cases it was chosen on, and that Dice."""

    threshold: float
    dice: float


def areas(prediction: ArrayLike, truth: ArrayLike) -> Areas:
    """Count the pixels of regions (..., H, W), which are the pixels that are not zero.

    Example:
        >>> areas(prediction=[[1, 1, 0]], truth=[[0, 1, 0]])
        Areas(both=array(1), predicted=array(2), true=array(1))

    Raises:
        ValueError: Shapes differ or have fewer than two axes, or a pixel is NaN.
    """
    regions = {"prediction": np.asarray(prediction), "truth": np.asarray(truth)}
    for name, region in regions.items():
        if region.dtype.kind == "f" and np.isnan(region).any():
            raise ValueError(f"the {name} holds {int(np.isnan(region).sum())} NaN; a pixel is marked or it is not")
    predicted, true = (region.astype(bool) for region in regions.values())
    if predicted.shape != true.shape or predicted.ndim < 2:
        raise ValueError(
            f"prediction {predicted.shape} and truth {true.shape} must have the same shape of two axes or more"
        )
    return Areas(*(np.asarray(np.count_nonzero(part, axis=(-2, -1))) for part in (predicted & true, predicted, true)))


def dice(prediction: ArrayLike, truth: ArrayLike, empty: float = 1.0) -> FloatArray:
    """Dice of every image: (..., H, W) regions in, (...) out. See the module for empty regions.

    Example:
        >>> dice([[[1, 1, 0]], [[0, 0, 0]]], [[[0, 1, 1]], [[0, 0, 0]]]).tolist()
        [0.5, 1.0]
    """
    return areas(prediction, truth).dice(empty)


def iou(prediction: ArrayLike, truth: ArrayLike, empty: float = 1.0) -> FloatArray:
    """Intersection over union of every image: (..., H, W) regions in, (...) out. See the module for empty regions.

    Example:
        >>> iou([[1, 1, 0, 0]], [[0, 1, 1, 1]]).tolist()
        0.25
    """
    return areas(prediction, truth).iou(empty)


def aggregated_dice(
    prediction: ArrayLike, truth: ArrayLike, annotated: ArrayLike | None = None, empty: float = 1.0
) -> FloatArray:
    """Dice of each finding over all pixels of the set, as if it were one large image.

    Source: the "aggregated Sorensen-Dice coefficient" of Kim et al., "Did you get what you paid for?".

    Example:
        >>> prediction, truth = np.zeros((2, 1, 1, 4)), np.zeros((2, 1, 1, 4))  # two images, one finding
        >>> prediction[0, ..., :2], truth[0, ..., 1:3], truth[1, ..., :2] = 1, 1, 1
        >>> aggregated_dice(prediction, truth).round(2).tolist()  # 2 * 1 / (2 + 4)
        [0.33]

    Args:
        prediction: (N, C, H, W) regions.
        truth: (N, C, H, W) regions.
        annotated: (N, C) bool; whether the location was asked for. Other cases are left out.
        empty: Value of a finding that is annotated but true and predicted nowhere in the set.

    Returns:
        (C,) in [0, 1]; NaN for a finding without an annotated case.
    """
    parts = areas(prediction, truth)
    if annotated is None:
        return parts.over_set().dice(empty)
    included = np.asarray(annotated, dtype=bool)
    return np.where(included.any(axis=0), parts.over_set(included).dice(empty), np.nan)


def thresholds(bins: int) -> FloatArray:
    """The thresholds of a histogram of ``bins``: 0, 1 / bins, ... A pixel is predicted if its probability is >= it."""
    return np.arange(bins) / bins


def probability_histogram(probability: ArrayLike, mask: ArrayLike, bins: int = 200) -> tuple[IntArray, IntArray]:
    """Count pixels by probability, inside and outside the true region. Dice at all thresholds follows from it.

    Example:
        >>> inside, outside = probability_histogram([[0.1, 0.6, 0.9]], [[False, True, True]], bins=2)
        >>> inside.tolist(), outside.tolist()
        ([0, 2], [1, 0])

    Args:
        probability: (..., H, W) in [0, 1].
        mask: (..., H, W) bool, the truth.
        bins: Bin k holds ``thresholds(bins)[k] <= probability < thresholds(bins)[k + 1]`` exactly; the last one also 1.

    Returns:
        ``(inside, outside)``, each (..., bins) int64.

    Raises:
        ValueError: Shapes differ, or a probability is NaN or outside [0, 1].
    """
    values, true = np.asarray(probability), np.asarray(mask).astype(bool)
    if values.shape != true.shape or values.ndim < 2:
        raise ValueError(f"probability {values.shape} and mask {true.shape} must have one shape of two axes or more")
    require_probabilities(values)
    counts = np.zeros((int(np.prod(values.shape[:-2])), 2, bins), dtype=np.int64)
    for total, image, region in zip(counts, _images(values), _images(true), strict=True):
        pixels, inside_region = image.reshape(-1), region.reshape(-1)
        for start in range(0, pixels.size, PIXELS_AT_ONCE):
            some = slice(start, start + PIXELS_AT_ONCE)
            number = _threshold_number(pixels[some], bins)
            number += np.multiply(inside_region[some], bins, dtype=number.dtype)
            total += np.bincount(number, minlength=2 * bins).reshape(2, bins)
    outside, inside = (counts[:, k].reshape(*values.shape[:-2], bins) for k in (0, 1))
    return inside, outside


def areas_at_thresholds(inside: ArrayLike, outside: ArrayLike, missed: ArrayLike = 0.0) -> Areas:
    """Areas at every threshold.

    Example:
        >>> areas_at_thresholds(inside=[1, 3], outside=[5, 1], missed=2).predicted.tolist()
        [10, 4]

    Args:
        inside: (..., bins) from ``probability_histogram``, or of a ``localisation.MapHistogram``.
        outside: (..., bins).
        missed: (...) area of the truth beyond the map.

    Returns:
        (..., bins); column k is of the region ``probability >= thresholds(bins)[k]``.
    """
    both, wrong = _from_above(inside), _from_above(outside)
    true = both[..., :1] + np.asarray(missed)[..., None]
    return Areas(both, both + wrong, np.broadcast_to(true, both.shape))


def areas_at(inside: ArrayLike, outside: ArrayLike, missed: ArrayLike, threshold: float) -> Areas:
    """``areas_at_thresholds`` at the histogram's threshold that is nearest to the given one: (..., bins) in, (...) out.

    Example:
        >>> areas_at(inside=[1, 3], outside=[5, 1], missed=2, threshold=0.5).dice().tolist()  # 2 * 3 / (4 + 6)
        0.6
    """
    within, without = np.asarray(inside), np.asarray(outside)
    column = min(within.shape[-1] - 1, round(threshold * within.shape[-1]))
    both = within[..., column:].sum(axis=-1)
    return Areas(both, both + without[..., column:].sum(axis=-1), within.sum(axis=-1) + missed)


def dice_at_thresholds(
    inside: ArrayLike, outside: ArrayLike, empty: float = 1.0, missed: ArrayLike = 0.0
) -> FloatArray:
    """Dice (..., bins) of every image at every threshold; see ``areas_at_thresholds``, and the module for ``empty``.

    Example:
        >>> dice_at_thresholds(inside=[1, 3], outside=[5, 1]).round(2).tolist()  # 8 / 14 and 6 / 8
        [0.57, 0.75]
    """
    return areas_at_thresholds(inside, outside, missed).dice(empty)


def aggregated_dice_at_thresholds(
    inside: ArrayLike, outside: ArrayLike, empty: float = 1.0, missed: ArrayLike = 0.0
) -> FloatArray:
    """Dice over all pixels of a set at every threshold: (N, ..., bins) histograms in, (..., bins) out.

    Example:
        >>> aggregated_dice_at_thresholds(inside=[[1, 3], [0, 4]], outside=[[5, 1], [0, 0]]).round(2).tolist()
        [0.73, 0.88]
    """
    beyond = np.broadcast_to(missed, np.shape(inside)[:-1]).sum(axis=0)
    return dice_at_thresholds(np.sum(inside, axis=0), np.sum(outside, axis=0), empty, beyond)


def best_threshold(dice_curve: ArrayLike) -> BestThreshold:
    """The threshold at which a Dice curve (bins,) is highest; the middle one of equals. NaN if all are NaN.

    Choose it on validation cases and apply it to test cases.

    Example:
        >>> best_threshold([0.2, 0.7, 0.7, 0.7, 0.1])
        BestThreshold(threshold=0.4, dice=0.7)
    """
    curve = np.asarray(dice_curve, dtype=np.float64)
    if not curve.size or np.isnan(curve).all():
        return BestThreshold(float("nan"), float("nan"))
    highest = float(np.nanmax(curve))
    equal = np.flatnonzero(curve == highest)
    return BestThreshold(float(thresholds(curve.size)[equal[(equal.size - 1) // 2]]), highest)


def best_threshold_of_mean(inside: ArrayLike, outside: ArrayLike, missed: ArrayLike = 0.0) -> BestThreshold:
    """Best threshold for the mean Dice over images, from validation histograms (N, bins).

    Images without truth are left out: at a low threshold they are 0 whatever the map shows inside a finding. Those
    whose truth lies beyond the map count, with 0 at every threshold.

    Example:
        >>> best_threshold_of_mean(inside=[[1, 3], [0, 4]], outside=[[5, 1], [0, 0]])
        BestThreshold(threshold=0.5, dice=0.875)
    """
    within, without = np.asarray(inside), np.asarray(outside)
    beyond = np.broadcast_to(missed, within.shape[:-1])
    kept = within.sum(axis=-1) + beyond > 0
    curves = dice_at_thresholds(within[kept], without[kept], missed=beyond[kept])
    return best_threshold(curves.mean(axis=0) if len(curves) else np.full(curves.shape[-1], np.nan))


def best_threshold_of_aggregate(inside: ArrayLike, outside: ArrayLike, missed: ArrayLike = 0.0) -> BestThreshold:
    """Best threshold for the aggregated Dice, from validation histograms (N, bins).

    Example:
        >>> best_threshold_of_aggregate(inside=[[0, 3], [0, 4]], outside=[[5, 1], [0, 0]]).threshold
        0.5
    """
    return best_threshold(aggregated_dice_at_thresholds(inside, outside, float("nan"), missed))


def threshold_number(probability: NDArray[np.generic], bins: int) -> IntArray:
    """The highest k with ``probability >= thresholds(bins)[k]``, exactly by that comparison; of any shape.

    Example:
        >>> threshold_number(np.array([0.0, 0.29, 1.0]), bins=100).tolist()  # 0.29 * 100 is 28.999999999999996
        [0, 29, 99]
    """
    return _threshold_number(probability, bins).astype(np.int64)


def _threshold_number(probability: NDArray[np.generic], bins: int) -> NDArray[np.int32] | NDArray[np.int64]:
    """``threshold_number`` in 32 bits if these suffice for two histograms, which is faster."""
    kind = np.int32 if bins < 1 << 30 else np.int64
    if probability.dtype == np.float32 and bins < 1 << 20:
        number = np.multiply(probability, bins, dtype=np.float64).astype(kind)
        return np.minimum(number, bins - 1, out=number)  # exact: the product of 24 and 20 bits fits in float64
    # Products are rounded: only values that a little more or less would move are compared with the edges themselves.
    exact = np.asarray(probability, dtype=np.float64)
    number, above = ((exact * (bins * (1 + change))).astype(kind) for change in (-ROUNDING, ROUNDING))
    doubtful = number != above
    if doubtful.any():
        number[doubtful] = np.searchsorted(thresholds(bins), exact[doubtful], side="right") - 1
    return np.minimum(number, bins - 1, out=number)


def _images(values: NDArray[np.generic]) -> NDArray[np.generic]:
    return values.reshape(-1, *values.shape[-2:])


def _from_above(counts: ArrayLike) -> NumberArray:
    """The sum of each bin and all higher ones."""
    return np.cumsum(np.asarray(counts)[..., ::-1], axis=-1)[..., ::-1]


def _ratio(part: NumberArray, whole: NumberArray, empty: float) -> FloatArray:
    return np.divide(part, whole, out=np.full(np.shape(whole), float(empty)), where=np.asarray(whole) > 0)
