"""Where findings are on the stored radiographs, and how a network's map becomes a region on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from app.engines.outputs import BINS
from evaluation.localisation import LinearMap, MapHistogram, linear_histogram, map_histogram, pointing_hit
from evaluation.logits import probability
from evaluation.overlap import threshold_number
from evaluation.truth import Truth
from transforms.draw import stored_mask
from transforms.regions import at_pixel_columns, whole_region


class LocatedFinding(NamedTuple):
    """A finding on one radiograph, and the region that its map covers.

    Attributes:
        truth: Where the finding is, or nowhere.
        region: (4,) x, y, width, height of the map's region, in pixels of the stored radiograph.
        size: (height, width) of the stored radiograph.
    """

    truth: Truth
    region: np.ndarray
    size: tuple[int, int]


@dataclass(frozen=True)
class MapReading:
    """How a map is read, for measures, figures and files alike.

    Args:
        activation_maps: The map is a class activation map: its logits are scaled from their minimum to their maximum in
            each image (Zhou et al. 2016) instead of being read as probabilities.
        patches: Each cell of the map has one value throughout, and a detected region is a union of cells (Rozenberg et
            al. 2020); otherwise values are bilinear between the centres of cells.
        relative: Share of its highest logit that is taken off a map before it is read as probabilities. At 0 one level
            holds for all images; the nearer to 1, the more of a faint finding is outlined. Not for activation maps.

    Raises:
        ValueError: ``relative`` is no share from 0 to 1.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[0.0, 2.0], [0.0, 4.0]])
        >>> MapReading().probability(logits)[0, 0], MapReading(activation_maps=True).probability(logits)[0, 1]
        (np.float64(0.5), np.float64(0.5))
        >>> MapReading(relative=0.5).probability(logits)[0, 1]  # a logit of 2 - 0.5 * 4
        np.float64(0.5)
    """

    activation_maps: bool = False
    patches: bool = False
    relative: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.relative <= 1:
            raise ValueError(f"relative is {self.relative}, but must be a share from 0 to 1")

    def probability(self, maps: Tensor) -> np.ndarray:
        """Values in [0, 1] of map logits (..., h, w), in float64."""
        logit = _as_array(maps)
        high = logit.max(axis=(-2, -1), keepdims=True)
        if not self.activation_maps:
            # A finite share, as infinite logits less infinite ones are no numbers.
            return probability(logit - self.relative * np.nan_to_num(high) if self.relative else logit)
        low = logit.min(axis=(-2, -1), keepdims=True)
        return np.asarray((logit - low) / np.maximum(high - low, 1e-6))

    def histogram(self, logit: Tensor, located: LocatedFinding) -> MapHistogram:
        """Areas of the radiograph inside and outside the finding, by the value of the map (h, w) there."""
        values = self.probability(logit)
        lowest, highest = threshold_number(np.array([values.min(), values.max()]), BINS)
        if self.patches or lowest == highest:  # between the centres, too, all values are in that one bin
            return map_histogram(values, located.truth, cell_edges(values.shape, located.region, located.size), BINS)
        map = LinearMap(*at_pixel_columns(values.astype(np.float32), located.region, located.size))
        return linear_histogram(map, located.truth, BINS)

    def hit(self, logit: Tensor, located: LocatedFinding) -> bool:
        """Whether the centre of the map's highest cell lies on the finding; if several are highest, half of them.

        Cells outside the radiograph do not count.
        """
        return (
            pointing_hit(_as_array(logit), located.truth, cell_edges(logit.shape, located.region, located.size)) >= 0.5
        )

    def facts(self, is_stored: bool) -> dict[str, str]:
        """What ``metrics.json`` says about the measuring of regions.

        Args:
            is_stored: Whether the truth is that of the stored radiographs, or of the network's input.
        """
        return {
            "grid": "pixels of the stored radiographs" if is_stored else "pixels of the network's input",
            "map": "patches: each cell has one value throughout" if self.patches else "bilinear between cells' centres",
            "truth": "boxes as rectangles, masks as they are" if is_stored else "as drawn for the network",
            "cut_off": "what a crop cut off counts as missed" if is_stored else "what a crop cut off is not known",
        }


@dataclass
class StoredTruth:
    """The annotations of a section, in pixels of the stored radiographs; each mask is read once.

    As in ``DrawAnnotationsd``, a finding's masks take precedence over its boxes. Boxes are rectangles, even if ellipses
    are drawn for training.

    Args:
        samples: As a datalist gives them, with ``boxes``, ``box_finding`` and ``mask``.
    """

    samples: Sequence[Mapping[str, Any]]
    _read: dict[tuple[int, int], Truth] = field(default_factory=dict, repr=False)

    def of(self, index: int, finding: int, size: tuple[int, int]) -> Truth:
        """Where a finding of an item is.

        Raises:
            FileNotFoundError: A mask file is gone.
            ValueError: A mask does not have the radiograph's ``size`` (height, width).
        """
        if (index, finding) not in self._read:
            self._read[index, finding] = _truth(self.samples[index], finding, size)
        return self._read[index, finding]

    def boxes(self, index: int, finding: int) -> np.ndarray | None:
        """Boxes (N, 4) x, y, width, height of a finding of an item; None if it is outlined by masks instead."""
        sample = self.samples[index]
        if any(of == finding for of, _ in sample.get("mask") or ()):
            return None
        boxes = np.asarray(sample.get("boxes", ()), dtype=np.float64).reshape(-1, 4)
        return boxes[np.asarray(sample.get("box_finding", ()), dtype=np.int64) == finding]


def located_in(
    batch: Mapping[str, Any], truth: StoredTruth | None, rows: Sequence[int], findings: Sequence[int], mask: Tensor
) -> list[LocatedFinding]:
    """Findings of a batch on the stored radiographs or, if these are unknown, as drawn on the network's input.

    Args:
        batch: ``index`` and, for stored radiographs, ``region`` and ``original_size``.
        truth: Of the section; None if unknown.
        rows: (M,) positions in the batch.
        findings: (M,) numbers of findings.
        mask: (B, C, H, W) as drawn for the network.
    """
    pairs = list(zip(rows, findings, strict=True))
    if truth is None or not pairs:
        return [_on_input(mask[pair]) for pair in pairs]
    index, region = batch["index"].tolist(), batch["region"].numpy()
    sizes = [(int(height), int(width)) for height, width in batch["original_size"].tolist()]
    return [
        LocatedFinding(truth.of(index[row], finding, sizes[row]), region[row], sizes[row]) for row, finding in pairs
    ]


def is_located(samples: Sequence[Mapping[str, Any]]) -> bool:
    """Whether samples tell where findings are on the stored radiographs, as those of a datalist do."""
    return bool(samples) and all("boxes" in sample or "mask" in sample for sample in samples)


def cell_edges(shape: tuple[int, ...], region: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Edges of a map's rows (h + 1,) and columns (w + 1,) on a radiograph of (height, width), cut at its borders."""
    x, y, width, height = (float(value) for value in region)
    down = np.clip(y + height / shape[0] * np.arange(shape[0] + 1), 0, size[0])
    across = np.clip(x + width / shape[1] * np.arange(shape[1] + 1), 0, size[1])
    return down, across


def _truth(sample: Mapping[str, Any], finding: int, size: tuple[int, int]) -> Truth:
    masks = [stored_mask(source, np.array(size)) != 0 for of, source in sample.get("mask") or () if of == finding]
    if masks:
        return Truth.of_mask(np.logical_or.reduce(masks))
    boxes = sample.get("boxes")
    if boxes is None or not len(boxes):
        return Truth.of_boxes([], size)
    return Truth.of_boxes(np.asarray(boxes)[np.asarray(sample["box_finding"]) == finding], size)


def _on_input(mask: Tensor) -> LocatedFinding:
    """A finding as drawn on the network's input (H, W), which stands for the radiograph."""
    pixels = mask.detach().cpu().numpy() >= 0.5
    return LocatedFinding(Truth.of_mask(pixels), whole_region(pixels.shape), pixels.shape)


def _as_array(values: Tensor) -> np.ndarray:
    return values.detach().double().cpu().numpy()
