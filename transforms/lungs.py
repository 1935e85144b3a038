"""Crop a radiograph to the lungs, with a margin, and move its annotations along."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from monai.config.type_definitions import KeysCollection
from monai.transforms.transform import MapTransform, Transform
from torch import Tensor

from transforms.pixels import Image, naming, plane, read_mask, to_image, to_numpy
from transforms.regions import boxes_to_stored, clip_boxes, subregion, whole_region

SPECK = 0.1
"""Components smaller than this share of the largest one are no lungs."""
AREA = (0.05, 0.8)
"""Least and greatest share of the image that lungs take up; one lung of a whole chest takes up about 0.1."""
LARGEST = 0.025
"""Least share of the image that the largest component takes up."""
SIDES = (0.2, 0.12)
"""Least height and width of the lungs' bounding box, as shares of the image's; one lung is narrow but tall."""


def without_specks(lungs: np.ndarray) -> np.ndarray:
    """The components of a mask (h, w) that are a tenth of the largest one or more, as bool."""
    _, components, statistics, _ = cv2.connectedComponentsWithStats((lungs != 0).astype(np.uint8), connectivity=8)
    areas = statistics[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0  # the background
    return (areas >= max(SPECK * areas.max(), 1))[components]


def implausibility(lungs: np.ndarray) -> str:
    """Why a mask cannot be that of lungs; empty where it can.

    One lung alone is plausible: the other may be white or gone.

    Args:
        lungs: (h, w) over the whole radiograph, not zero is lung; specks do not count.
    """
    lungs = without_specks(lungs)
    share = float(lungs.mean())
    if share == 0:
        return "no lung"
    if not AREA[0] <= share <= AREA[1]:
        return f"lungs take up {share:.1%} of the image, not {AREA[0]:.0%} to {AREA[1]:.0%}"
    _, _, statistics, _ = cv2.connectedComponentsWithStats(lungs.astype(np.uint8), connectivity=8)
    largest = float(statistics[1:, cv2.CC_STAT_AREA].max() / lungs.size)
    if largest < LARGEST:
        return f"lungs are in pieces of {largest:.1%} of the image or less"
    _, _, width, height = cv2.boundingRect(lungs.astype(np.uint8))
    if height < SIDES[0] * lungs.shape[0] or width < SIDES[1] * lungs.shape[1]:
        return f"lungs span only {height / lungs.shape[0]:.0%} of the image's height, {width / lungs.shape[1]:.0%} wide"
    return ""


def lung_box(lungs: np.ndarray, shape: tuple[int, int], margin: float) -> np.ndarray:
    """The lungs' bounding box with a margin, clipped, in whole pixels of an image.

    Args:
        lungs: (h, w), not zero is lung, covering what the image covers at any resolution; specks do not count.
        shape: (H, W) of the image.
        margin: added on each side, as a fraction of the box's own width and height.

    Returns:
        (4,) int64 x, y, width, height.
    """
    x, y, width, height = cv2.boundingRect(without_specks(lungs).astype(np.uint8))
    # (x, y), as edges of pixels; rounded outward.
    start = np.array([x - margin * width, y - margin * height])
    stop = np.array([x + width + margin * width, y + height + margin * height])
    scale = np.array(shape[::-1]) / np.array(lungs.shape[::-1])
    start = np.maximum(np.floor(start * scale + 1e-6), 0)
    stop = np.minimum(np.ceil(stop * scale - 1e-6), shape[::-1])
    return np.concatenate([start, stop - start]).astype(np.int64)


def report_lungs(flags: Sequence[bool] | np.ndarray, names: Sequence[str]) -> str:
    """One line on how many images were cropped to lungs and which were kept whole.

    Args:
        flags: ``lungs_found`` of each sample.
        names: name of each sample.
    """
    whole = [name for name, found in zip(names, flags, strict=True) if not found]
    summary = f"lungs found in {len(names) - len(whole)} of {len(names)} images"
    if not whole:
        return summary
    more = f" and {len(whole) - 5} more" if len(whole) > 5 else ""
    return f"{summary}; kept whole for want of a plausible lung mask: {', '.join(whole[:5])}{more}"


class CropLungs(Transform):
    """Crop an image to the bounding box of the lungs plus a margin; keep it whole where the mask is implausible.

    Args:
        margin: added on each side, as a fraction of the box's own sides; 0 or more.
    """

    def __init__(self, margin: float = 0.05) -> None:
        if not (np.isfinite(margin) and margin >= 0):
            raise ValueError(f"margin is {margin}, but must be a finite number of 0 or more")
        self.margin = float(margin)

    def __call__(self, image: Image, lungs: Image) -> tuple[Tensor, np.ndarray]:
        """Crop.

        Args:
            image: (1, H, W).
            lungs: (h, w) or (1, h, w), not zero is lung, covering what the image covers at any resolution.

        Returns:
            (1, h', w') float32 image, and (4,) int64 x, y, width, height of what it covers, in pixels of ``image``:
            (0, 0, W, H) where ``implausibility(lungs)`` says why.
        """
        pixels = plane(image)
        x, y, width, height = box = self.box(lungs, pixels.shape)
        return to_image(pixels[y : y + height, x : x + width]), box

    def box(self, lungs: Image, shape: tuple[int, int]) -> np.ndarray:
        """What is cut out of an image of ``shape`` (H, W): (4,) int64 x, y, width, height."""
        mask = mask_plane(lungs)
        return whole_region(shape).astype(np.int64) if implausibility(mask) else lung_box(mask, shape, self.margin)


def mask_plane(lungs: Image) -> np.ndarray:
    """A lung mask of shape (h, w) or (1, h, w) as (h, w) bool."""
    mask = to_numpy(lungs)
    mask = mask[0] if mask.ndim == 3 and mask.shape[0] == 1 else mask
    if mask.ndim != 2 or 0 in mask.shape:
        raise ValueError(f"lung mask has shape {mask.shape}, but (height, width) is needed")
    return mask != 0


class CropLungsd(MapTransform):
    """Crop a sample's images to the lungs, and move its annotations along.

    Sets ``lungs_found`` (numpy bool), narrows ``region``, and cuts a ``mask`` tensor (C, H, W); a list of mask files
    and run lengths stays as it is, since `DrawAnnotationsd` goes by the region. Boxes come out in pixels of the
    cropped image, clipped. The crop does not depend on them, as there are none at inference: a box outside the lungs
    keeps its row, with zero size, and is counted in ``boxes_outside``. ``stored_boxes`` keeps them unclipped in
    pixels of the stored image. The lung mask has then served and leaves the sample.

    Args:
        keys: images of one size, all cropped by the same box.
        segment: makes a lung mask (h, w) from an image (1, H, W), where the sample brings none.
        lungs_key: a mask that covers what the image covers, or the path of one (not zero is lung).
        margin: as in `CropLungs`.
        mask_key: masks of findings; None leaves them alone.
        boxes_key: boxes (N, 4) in pixels of the image.
    """

    def __init__(
        self,
        keys: KeysCollection = ("image",),
        segment: Callable[[Tensor], Image] | None = None,
        lungs_key: str = "lungs",
        margin: float = 0.05,
        mask_key: str | None = "mask",
        boxes_key: str = "boxes",
    ) -> None:
        super().__init__(keys)
        self.crop = CropLungs(margin)
        self.segment = segment
        self.lungs_key = lungs_key
        self.mask_key = mask_key
        self.boxes_key = boxes_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Crop.

        Raises:
            ValueError: naming the sample, where it brings no lung mask and there is no ``segment``.
            FileNotFoundError: where the lung mask's path leads nowhere.
        """
        sample = dict(data)
        with naming(sample):
            shape = tuple(sample[self.first_key(sample)].shape[-2:])
            lungs = self._lungs(sample)
            sample["lungs_found"] = np.bool_(not implausibility(lungs))
            box = self.crop.box(lungs, shape)
            x, y, width, height = box
            for key in self.key_iterator(sample):
                sample[key] = to_image(plane(sample[key])[y : y + height, x : x + width])
            if self.mask_key is not None and isinstance(sample.get(self.mask_key), Tensor | np.ndarray):
                sample[self.mask_key] = sample[self.mask_key][..., y : y + height, x : x + width]
            region = sample.get("region", whole_region(shape))
            self._move_boxes(sample, region, box, shape)
            sample["region"] = subregion(region, box, shape)
        return sample

    def _lungs(self, sample: dict[Hashable, Any]) -> np.ndarray:
        given = sample.pop(self.lungs_key, None)
        if isinstance(given, str | Path):
            return read_mask(given)
        if given is not None:
            return mask_plane(given)
        if self.segment is None:
            raise ValueError(f"has no lung mask under {self.lungs_key!r}, and no segment was given to make one")
        return mask_plane(self.segment(sample[self.first_key(sample)]))

    def _move_boxes(
        self, sample: dict[Hashable, Any], region: np.ndarray, box: np.ndarray, shape: tuple[int, int]
    ) -> None:
        boxes = sample.get(self.boxes_key)
        if boxes is None:
            return
        sample.setdefault("stored_boxes", boxes_to_stored(boxes, region, shape))
        moved = np.asarray(boxes, dtype=np.float32).reshape(-1, 4) - np.array([*box[:2], 0, 0], dtype=np.float32)
        sample[self.boxes_key], outside = clip_boxes(moved, (int(box[3]), int(box[2])))
        sample["boxes_outside"] = int(outside.sum())
