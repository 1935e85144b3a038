"""Dice, IoU and IoR of regions: per image, aggregated over a set, and at every threshold of a grid at once.

A map may cover a part of the radiograph only. The area of truth beyond it, which it missed at every threshold, is
``missed`` where a function takes histograms.

Empty regions, in every function: where neither truth nor prediction holds a pixel, both say "nowhere" and the value is
``empty`` (1 unless set otherwise; NaN leaves the image out of a mean). Where only one of them is empty the value is 0.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.cases import BoolArray, FloatArray, IntArray

NumberArray = NDArray[np.int64] | NDArray[np.float64]
PIXELS_AT_ONCE = 1 << 22  # bounds the memory of a histogram's index at 32 MiB


@dataclass(frozen=True)
class Areas:
    """Areas (or numbers of pixels) of truth, prediction and both, of any shape."""

    both: NumberArray
    predicted: NumberArray
    true: NumberArray

    def dice(self, empty: float = 1.0) -> FloatArray:
        """Twice the intersection over the sum of areas."""
        return _ratio(2 * self.both, self.predicted + self.true, empty)

    def iou(self, empty: float = 1.0) -> FloatArray:
        """Intersection over union."""
        return _ratio(self.both, self.predicted + self.true - self.both, empty)

    def ior(self, empty: float = 1.0) -> FloatArray:
        """Intersection over the predicted region; 0 where nothing is predicted but something is true."""
        nothing = np.where(np.asarray(self.true) > 0, 0.0, float(empty))
        return np.divide(self.both, self.predicted, out=nothing, where=np.asarray(self.predicted) > 0)

    def over_set(self, included: BoolArray | None = None) -> "Areas":
        """Areas summed over the first axis; cases where ``included`` (the shape of the areas) is False add nothing."""
        weight = 1 if included is None else np.asarray(included, dtype=np.int64)
        return Areas(*(np.asarray((part * weight).sum(axis=0)) for part in (self.both, self.predicted, self.true)))


@dataclass(frozen=True)
class BestThreshold:
    """The threshold with the highest Dice on the cases it was chosen on, and that Dice."""

    threshold: float
    dice: float


def areas(prediction: ArrayLike, truth: ArrayLike) -> Areas:
    """Count pixels over the last two axes.

    Args:
        prediction: (..., H, W); a pixel counts when it is not zero, so threshold probabilities first.
        truth: (..., H, W).

    Raises:
        ValueError: shapes differ or have fewer than two axes, or a pixel is NaN.
    """
    for name, given in (("prediction", np.asarray(prediction)), ("truth", np.asarray(truth))):
        if given.dtype.kind == "f" and np.isnan(given).any():
            raise ValueError(f"the {name} holds {int(np.isnan(given).sum())} NaN; a pixel is marked or it is not")
    predicted, true = np.asarray(prediction).astype(bool), np.asarray(truth).astype(bool)
    if predicted.shape != true.shape or predicted.ndim < 2:
        raise ValueError(
            f"prediction {predicted.shape} and truth {true.shape} must have the same shape of two axes or more"
        )
    both, alone, target = (np.count_nonzero(part, axis=(-2, -1)) for part in (predicted & true, predicted, true))
    return Areas(np.asarray(both), np.asarray(alone), np.asarray(target))


def dice(prediction: ArrayLike, truth: ArrayLike, empty: float = 1.0) -> FloatArray:
    """Dice of every image: (..., H, W) regions in, (...) out. See the module for empty regions."""
    return areas(prediction, truth).dice(empty)


def iou(prediction: ArrayLike, truth: ArrayLike, empty: float = 1.0) -> FloatArray:
    """Intersection over union of every image: (..., H, W) regions in, (...) out. See the module for empty regions."""
    return areas(prediction, truth).iou(empty)


def aggregated_dice(
    prediction: ArrayLike, truth: ArrayLike, annotated: ArrayLike | None = None, empty: float = 1.0
) -> FloatArray:
    """Dice of each finding over all pixels of the set, as one large image.

    Source: the "aggregated Sorensen-Dice coefficient" of Kim et al., "Did you get what you paid for?"; its macro
    average is ``macro_average`` of the result.

    Args:
        prediction: (N, C, H, W) regions.
        truth: (N, C, H, W) regions.
        annotated: (N, C) bool; whether the location was asked for. Cases where it was not are left out.
        empty: value of a finding annotated but found and predicted nowhere in the set.

    Returns:
        (C,) in [0, 1]; NaN where no case is annotated.
    """
    parts = areas(prediction, truth)
    if annotated is None:
        return parts.over_set().dice(empty)
    included = np.asarray(annotated, dtype=bool)
    return np.where(included.any(axis=0), parts.over_set(included).dice(empty), np.nan)


def macro_average(value: ArrayLike) -> tuple[float, int]:
    """Mean over findings (C,) that have a value, and how many had none (NaN) and were left out."""
    values = np.asarray(value, dtype=np.float64)
    defined = values[~np.isnan(values)]
    mean = float(defined.mean()) if defined.size else float("nan")
    return mean, int(values.size - defined.size)


def thresholds(bins: int) -> FloatArray:
    """The grid that a histogram of ``bins`` allows: 0, 1 / bins, ... A pixel is predicted when probability >= it."""
    return np.arange(bins) / bins


def probability_histogram(probability: ArrayLike, mask: ArrayLike, bins: int = 200) -> tuple[IntArray, IntArray]:
    """Count pixels by probability, inside and outside the true region: Dice at all thresholds follows from it.

    Bin k holds ``thresholds(bins)[k] <= probability < thresholds(bins)[k + 1]`` exactly; the last holds 1 as well.

    Args:
        probability: (..., H, W) in [0, 1].
        mask: (..., H, W) bool, the truth.
        bins: how many.

    Returns:
        ``(inside, outside)``, each (..., bins) int64.

    Raises:
        ValueError: shapes differ, or a probability is NaN or outside [0, 1].
    """
    values, true = np.asarray(probability), np.asarray(mask).astype(bool)
    if values.shape != true.shape or values.ndim < 2:
        raise ValueError(f"probability {values.shape} and mask {true.shape} must have one shape of two axes or more")
    if values.size and not (values.min() >= 0 and values.max() <= 1):
        raise ValueError(f"probabilities must lie in [0, 1], not in [{values.min()}, {values.max()}]")
    leading, pixels = values.shape[:-2], values.shape[-2] * values.shape[-1]
    values, true = values.reshape(-1, pixels), true.reshape(-1, pixels)
    step = max(1, PIXELS_AT_ONCE // max(pixels, 1))
    parts = [
        _histogram(values[start : start + step], true[start : start + step], bins)
        for start in range(0, len(values), step)
    ]
    counts = np.concatenate(parts) if parts else np.zeros((0, 2, bins), dtype=np.int64)
    return counts[:, 1].reshape(*leading, bins), counts[:, 0].reshape(*leading, bins)


def areas_at_thresholds(inside: ArrayLike, outside: ArrayLike, missed: ArrayLike = 0.0) -> Areas:
    """Areas at every threshold of the grid.

    Args:
        inside: (..., bins) from ``probability_histogram`` or ``map_histogram``.
        outside: (..., bins).
        missed: (...) area of truth beyond the map.

    Returns:
        (..., bins); column k is of the region ``probability >= thresholds(bins)[k]``.
    """
    both, wrong = _from_above(inside), _from_above(outside)
    true = both[..., :1] + np.asarray(missed)[..., None]
    return Areas(both, both + wrong, np.broadcast_to(true, both.shape))


def areas_at(inside: ArrayLike, outside: ArrayLike, missed: ArrayLike, threshold: float) -> Areas:
    """``areas_at_thresholds`` at the threshold of the grid that is nearest to the one given, (...)."""
    within, without = np.asarray(inside), np.asarray(outside)
    column = min(within.shape[-1] - 1, round(threshold * within.shape[-1]))
    both = within[..., column:].sum(axis=-1)
    return Areas(both, both + without[..., column:].sum(axis=-1), within.sum(axis=-1) + missed)


def dice_at_thresholds(
    inside: ArrayLike, outside: ArrayLike, empty: float = 1.0, missed: ArrayLike = 0.0
) -> FloatArray:
    """Dice (..., bins) of every image at every threshold of the grid: see ``areas_at_thresholds`` and the module."""
    return areas_at_thresholds(inside, outside, missed).dice(empty)


def aggregated_dice_at_thresholds(
    inside: ArrayLike, outside: ArrayLike, empty: float = 1.0, missed: ArrayLike = 0.0
) -> FloatArray:
    """Dice over all pixels of a set at every threshold: (N, ..., bins) histograms in, (..., bins) out."""
    beyond = np.broadcast_to(missed, np.shape(inside)[:-1]).sum(axis=0)
    return dice_at_thresholds(np.sum(inside, axis=0), np.sum(outside, axis=0), empty, beyond)


def best_threshold(dice_curve: ArrayLike) -> BestThreshold:
    """The threshold at which a Dice curve (bins,) is highest; among equals, the middle one.

    Choose it on validation cases and apply it to test cases. The curve is one of ``aggregated_dice_at_thresholds`` or
    a mean of ``dice_at_thresholds`` over images. All NaN (no image) gives NaN twice.
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
    """
    within, without = np.asarray(inside), np.asarray(outside)
    beyond = np.broadcast_to(missed, within.shape[:-1])
    kept = within.sum(axis=-1) + beyond > 0
    curves = dice_at_thresholds(within[kept], without[kept], missed=beyond[kept])
    return best_threshold(curves.mean(axis=0) if len(curves) else np.full(curves.shape[-1], np.nan))


def best_threshold_of_aggregate(inside: ArrayLike, outside: ArrayLike, missed: ArrayLike = 0.0) -> BestThreshold:
    """Best threshold for the aggregated Dice, from validation histograms (N, bins)."""
    return best_threshold(aggregated_dice_at_thresholds(inside, outside, float("nan"), missed))


def threshold_number(probability: NDArray[np.generic], bins: int) -> IntArray:
    """The highest k with ``probability >= thresholds(bins)[k]``, of any shape: exactly that comparison."""
    place = np.multiply(probability, bins, dtype=np.float64).astype(np.int64)
    if probability.dtype == np.float32 and bins < 1 << 20:
        return np.minimum(place, bins - 1, out=place)  # 24 bits times few have room in float64: nothing was rounded
    exact = probability.astype(np.float64)
    # The product rounds: 0.29 * 100 lies under 29. Moved by one, a value meets the very comparison that users make.
    edges = np.append(thresholds(bins), np.inf)
    place -= exact < edges[place]
    place = np.minimum(place, bins - 1)
    place += exact >= edges[place + 1]
    return place


def _histogram(values: NDArray[np.generic], true: BoolArray, bins: int) -> IntArray:
    """(n, pixels) in, (n, 2, bins) out: outside, then inside."""
    place = threshold_number(values, bins)
    place += true * bins
    place += np.arange(len(values))[:, None] * (2 * bins)
    return np.bincount(place.ravel(), minlength=len(values) * 2 * bins).reshape(-1, 2, bins)


def _from_above(counts: ArrayLike) -> NumberArray:
    """Pixels (or their area) in this bin or a higher one."""
    values = np.asarray(counts)
    if values.dtype.kind == "f":
        return np.cumsum(values.astype(np.float64)[..., ::-1], axis=-1)[..., ::-1]
    return np.cumsum(values.astype(np.int64)[..., ::-1], axis=-1)[..., ::-1]


def _ratio(part: NumberArray, whole: NumberArray, empty: float) -> FloatArray:
    return np.divide(part, whole, out=np.full(np.shape(whole), float(empty)), where=np.asarray(whole) > 0)
