"""Drawing of annotations (mask files, run lengths and boxes) onto the grid of an image."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.transforms.transform import MapTransform

from transforms.pixels import naming, read_mask
from transforms.regions import boxes_to_image, mask_on_region, whole_region
from transforms.shapes import box_mask, ellipse_mask, run_length_mask


class DrawAnnotationsd(MapTransform):
    """Draw the annotations of a sample as one mask per finding, on the grid of its image.

    Files and run lengths are in pixels of the stored image; they are cropped to ``region`` and resampled by
    `mask_on_region`. If a finding has boxes and no such mask, the boxes are drawn, preferably ``stored_boxes``, which
    no crop has clipped, so that an ellipse cut by the image's edge keeps its shape. A finding without annotation gets
    an empty mask. Boxes stay in the sample.

    Args:
        findings: Number of findings C.
        ellipses: Whether to draw the ellipse inscribed in each box instead of the box.
        mask_key: List of (index of the finding, path or (size, counts)); becomes (C, H, W) uint8, 0 or 1.
        boxes_key: (N, 4) in pixels of the current image; their findings are under ``box_finding``.
        image_key: The image whose grid is used.

    Example:
        >>> sample = {"image": torch.zeros(1, 4, 4), "boxes": [[0, 0, 2, 2]], "box_finding": [1]}
        >>> DrawAnnotationsd(findings=2, ellipses=False)(sample)["mask"].sum(dim=(1, 2))
        tensor([0, 4])
    """

    def __init__(
        self,
        findings: int,
        ellipses: bool = True,
        mask_key: str = "mask",
        boxes_key: str = "boxes",
        image_key: str = "image",
    ) -> None:
        if int(findings) != findings or findings < 1:
            raise ValueError(f"findings must be a whole number of at least 1, not {findings}")
        super().__init__((image_key,))
        self.findings = int(findings)
        self.ellipses = bool(ellipses)
        self.mask_key = mask_key
        self.boxes_key = boxes_key
        self.image_key = image_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Draw the masks of a sample.

        Raises:
            ValueError: A mask has another size than the stored image (the message names the sample, the file and both
                sizes), or the index of a finding is not below C.
            FileNotFoundError: A mask file is missing.
        """
        sample = dict(data)
        with naming(sample):
            shape = (int(sample[self.image_key].shape[-2]), int(sample[self.image_key].shape[-1]))
            region = np.asarray(sample.get("region", whole_region(sample.get("original_size", shape))))
            result = torch.zeros((self.findings, *shape), dtype=torch.uint8)
            given = sample.get(self.mask_key)
            masks = [] if given is None else list(given)
            for finding, source in masks:
                drawn = mask_on_region(stored_mask(source, sample.get("original_size")), region, shape)
                result[self._checked(finding)] |= torch.from_numpy(drawn)
            has_mask = {int(finding) for finding, _ in masks}
            for finding, box in zip(*self._boxes(sample, region, shape), strict=True):
                if int(finding) not in has_mask:
                    mask = (ellipse_mask if self.ellipses else box_mask)(box, shape)
                    result[self._checked(finding)] |= torch.from_numpy(mask)
            sample[self.mask_key] = result
        return sample

    def _boxes(
        self, sample: Mapping[Hashable, Any], region: np.ndarray, shape: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        if sample.get(self.boxes_key) is None:
            return np.zeros(0, np.int64), np.zeros((0, 4), np.float32)
        if "stored_boxes" in sample:
            return sample["box_finding"], boxes_to_image(sample["stored_boxes"], region, shape)
        return sample["box_finding"], np.asarray(sample[self.boxes_key]).reshape(-1, 4)

    def _checked(self, finding: int | np.integer) -> int:
        if not 0 <= int(finding) < self.findings:
            raise ValueError(f"the index of a finding must be from 0 to {self.findings - 1}, not {finding}")
        return int(finding)


def stored_mask(source: Any, original_size: np.ndarray | None) -> np.ndarray:  # noqa: ANN401  path or (size, counts)
    """A mask in pixels of the stored image, from a file or run lengths.

    Raises:
        ValueError: Its size is not ``original_size`` (height, width); the message names both.
    """
    if isinstance(source, tuple | list):
        name, mask = "run lengths", run_length_mask(*source)
    else:
        name, mask = str(source), read_mask(source)
    if original_size is not None and mask.shape != (int(original_size[0]), int(original_size[1])):
        raise ValueError(
            f"{name}: the mask has {mask.shape[0]} x {mask.shape[1]} pixels (height x width), "
            f"but its image has {int(original_size[0])} x {int(original_size[1])}"
        )
    return mask
