"""Cropping of a radiograph and its annotations to the lungs, with a margin that is generous if they are in doubt."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from monai.config.type_definitions import KeysCollection
from monai.transforms.transform import MapTransform, Transform
from torch import Tensor

from transforms.pixels import Image, naming, plane, read_mask, to_image, to_numpy
from transforms.regions import boxes_to_stored, clip_boxes, subregion, whole_region

SPECK = 0.1
"""Components smaller than this share of the largest one are not lungs."""
AREA = (0.05, 0.8)
"""Smallest and largest share of the image that lungs cover; one lung covers about 0.1."""
LARGEST = 0.025
"""Smallest share of the image that the largest component covers."""
SIDES = (0.2, 0.12)
"""Smallest height and width of the lungs' bounding box, as shares of the image; one lung is narrow but tall."""
DOUBT = (0.5, 0.8)
"""Of a map of the lungs: from the first on it is doubtful, from the second on of no use; see `doubt`."""
GENEROUS = 0.3
"""Margin if the lungs are in doubt."""
NARROW = 0.7
"""The lungs are as wide as this share of their height, at least; what is narrower is a single one.

Of 791 radiographs of ChestX-ray14 the lungs had 0.73 or more; of the single lungs in them 8 in 10 had less."""
GAP = 0.3
"""Between the two lungs, as a share of the width of one."""


def without_specks(lungs: np.ndarray) -> np.ndarray:
    """Remove the components of a mask (h, w) that are smaller than a tenth of the largest one; bool."""
    _, components, statistics, _ = cv2.connectedComponentsWithStats((lungs != 0).astype(np.uint8), connectivity=8)
    areas = statistics[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0  # the background
    return (areas >= max(SPECK * areas.max(), 1))[components]


def implausibility(lungs: np.ndarray) -> str:
    """Why a mask cannot be that of lungs; empty if it can be.

    A single lung is plausible: the other one may be opaque or removed.

    Args:
        lungs: (h, w) over the whole radiograph, nonzero is lung; specks are ignored.

    Example:
        >>> lungs = np.zeros((100, 100), bool)
        >>> implausibility(lungs)
        'no lung'
        >>> lungs[20:80, 15:45] = lungs[20:80, 55:85] = True
        >>> implausibility(lungs)
        ''
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
    """The lungs' bounding box with a margin, clipped to the image, in whole pixels.

    Args:
        lungs: (h, w), nonzero is lung, covering the same area as the image at any resolution; specks are ignored.
        shape: (H, W) of the image.
        margin: Added on each side, as a fraction of the box's width and height.

    Returns:
        (4,) int64 x, y, width, height.

    Example:
        >>> lungs = np.zeros((10, 10), bool)
        >>> lungs[2:8, 3:7] = True
        >>> lung_box(lungs, (100, 100), margin=0.25)
        array([20,  5, 60, 90])
    """
    x, y, width, height = cv2.boundingRect(without_specks(lungs).astype(np.uint8))
    # (x, y) of pixel edges, rounded outwards.
    start = np.array([x - margin * width, y - margin * height])
    stop = np.array([x + width + margin * width, y + height + margin * height])
    scale = np.array(shape[::-1]) / np.array(lungs.shape[::-1])
    start = np.maximum(np.floor(start * scale + 1e-6), 0)
    stop = np.minimum(np.ceil(stop * scale - 1e-6), shape[::-1])
    return np.concatenate([start, stop - start]).astype(np.int64)


def doubt(lungs: np.ndarray) -> float:
    """How unsure a map of the lungs is: 4 p (1 - p), summed over the pixels, over the area of the lungs.

    0 if every pixel is lung or not; 2 if all are as likely to be lung as not.

    Args:
        lungs: (h, w) probability p of lung.

    Example:
        >>> doubt(np.array([[0.0, 1.0], [0.0, 1.0]])), doubt(np.full((2, 2), 0.5))
        (0.0, 2.0)
    """
    return float((4 * lungs * (1 - lungs)).sum() / max(lungs.sum(), 1e-6))


def with_other_lung(box: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Extend a box that holds a single lung to where the other one lies; a box of both stays.

    Args:
        box: (4,) x, y, width, height in pixels of the image.
        shape: (H, W) of the image; the single lung lies in the half that holds its centre.

    Returns:
        (4,) int64 x, y, width, height, inside the image.

    Example:
        >>> with_other_lung(np.array([10, 20, 30, 60]), (100, 100))
        array([10, 20, 69, 60])
    """
    x, y, width, height = box
    if width >= NARROW * height:
        return box
    more = round((1 + GAP) * width)
    start, stop = (x, x + width + more) if x + width / 2 < shape[1] / 2 else (x - more, x + width)
    start, stop = max(start, 0), min(stop, shape[1])
    return np.array([start, y, stop - start, height], dtype=np.int64)


class LungCrop(NamedTuple):
    """What is cut out of an image.

    Attributes:
        box: (4,) int64 x, y, width, height in pixels of the image; all of it if there are no plausible lungs.
        lungs_found: Whether there are.
        is_doubtful: Whether there are none, or only one, or the map of them is unsure.
    """

    box: np.ndarray
    lungs_found: bool
    is_doubtful: bool


class CropLungs(Transform):
    """Crop an image to the bounding box of the lungs plus a margin; keep it whole if the mask is implausible.

    If the lungs are in doubt, the margin is three tenths; if only one is found, the box also holds the place of the
    other.

    Args:
        margin: Added on each side, as a fraction of the box's sides; 0 or more.

    Example:
        >>> lungs = np.zeros((100, 100), bool)
        >>> lungs[20:80, 15:85] = True
        >>> image, box = CropLungs(margin=0)(np.zeros((1, 200, 300), np.float32), lungs)
        >>> image.shape, box
        (torch.Size([1, 120, 210]), array([ 45,  40, 210, 120]))
    """

    def __init__(self, margin: float = 0.05) -> None:
        if not (np.isfinite(margin) and margin >= 0):
            raise ValueError(f"margin must be a finite number of 0 or more, not {margin}")
        self.margin = float(margin)

    def __call__(self, image: Image, lungs: Image) -> tuple[Tensor, np.ndarray]:
        """Crop.

        Args:
            image: (1, H, W).
            lungs: (h, w) or (1, h, w), probability of lung, or a mask in which what is not 0 is lung; it covers the
                same area as the image at any resolution.

        Returns:
            (1, h', w') float32 image, and (4,) int64 x, y, width, height of the area it covers, in pixels of ``image``:
            (0, 0, W, H) if the mask is implausible.
        """
        pixels = plane(image)
        x, y, width, height = box = self.place(lungs, pixels.shape).box
        return to_image(pixels[y : y + height, x : x + width]), box

    def place(self, lungs: Image, shape: tuple[int, int]) -> LungCrop:
        """What is cut out of an image of ``shape`` (H, W), and how sure that is."""
        probability = lung_map(lungs)
        mask, unsure = probability > 0.5, doubt(probability)
        if unsure >= DOUBT[1] or implausibility(mask):
            return LungCrop(whole_region(shape).astype(np.int64), lungs_found=False, is_doubtful=True)
        margin = self.margin if unsure < DOUBT[0] else max(self.margin, GENEROUS)
        box = lung_box(mask, shape, margin)
        both = with_other_lung(box, shape)
        return LungCrop(both, lungs_found=True, is_doubtful=unsure >= DOUBT[0] or both is not box)


def lung_map(lungs: Image) -> np.ndarray:
    """Lungs of shape (h, w) or (1, h, w) as probabilities (h, w) float32.

    Example:
        >>> lung_map(np.array([[0, 255]], np.uint8)), lung_map(np.array([[0.2, 0.9]]))
        (array([[0., 1.]], dtype=float32), array([[0.2, 0.9]], dtype=float32))
    """
    values = to_numpy(lungs)
    values = values[0] if values.ndim == 3 and values.shape[0] == 1 else values
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(f"a lung mask must have the shape (height, width), not {values.shape}")
    if not np.issubdtype(values.dtype, np.floating):
        values = values != 0
    return np.clip(values.astype(np.float32), 0, 1)


class CropLungsd(MapTransform):
    """Dictionary form of `CropLungs`, which also crops annotations.

    Sets ``lungs_found`` and ``is_doubtful`` (numpy bool; the second stays true if it was), narrows ``region``, and
    crops a ``mask`` tensor (C, H, W); a list of mask files and run lengths stays unchanged, because `DrawAnnotationsd`
    uses the region. Boxes become boxes in pixels of the cropped image, clipped to it. The crop does not depend on them,
    because at inference there are none: a box outside the lungs keeps its row, with zero size, and is counted in
    ``boxes_outside``. ``stored_boxes`` keeps them unclipped in pixels of the stored image. The map of the lungs is
    removed from the sample.

    Args:
        keys: Keys of images, all of one size, which are all cropped by the same box.
        segment: Makes a map of the lungs (h, w) from an image (1, H, W) if the sample has none; see `CropLungs`.
        lungs_key: Key of a map that covers the same area as the image, or of the path of a mask.
        margin: See `CropLungs`.
        mask_key: Key of the findings' masks; None leaves them unchanged.
        boxes_key: Key of boxes (N, 4) in pixels of the image.
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
        """Crop the images of a sample.

        Raises:
            ValueError: The sample has no lung mask and there is no ``segment``; the message names the sample.
            FileNotFoundError: The file of the lung mask is missing.
        """
        sample = dict(data)
        with naming(sample):
            shape = tuple(sample[self.first_key(sample)].shape[-2:])
            box, lungs_found, is_doubtful = self.crop.place(self._lungs(sample), shape)
            sample["lungs_found"] = np.bool_(lungs_found)
            sample["is_doubtful"] = np.bool_(is_doubtful or sample.get("is_doubtful", False))
            x, y, width, height = box
            for key in self.key_iterator(sample):
                sample[key] = to_image(plane(sample[key])[y : y + height, x : x + width])
            if self.mask_key is not None and isinstance(sample.get(self.mask_key), Tensor | np.ndarray):
                sample[self.mask_key] = sample[self.mask_key][..., y : y + height, x : x + width]
            region = sample.get("region", whole_region(shape))
            self._move_boxes(sample, region, box, shape)
            sample["region"] = subregion(region, box, shape)
        return sample

    def _lungs(self, sample: dict[Hashable, Any]) -> Image:
        given = sample.pop(self.lungs_key, None)
        if isinstance(given, str | Path):
            return read_mask(given)
        if given is not None:
            lungs: Image = given
            return lungs
        if self.segment is None:
            raise ValueError(f"has no lung mask under {self.lungs_key!r}, and no segment was given to make one")
        return self.segment(sample[self.first_key(sample)])

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
