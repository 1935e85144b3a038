"""What transforms make of one sample, what that is kept under, and what of it must be made again after a change."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from app.prepared.drawn import pack
from app.prepared.identity import digest, file_digest, identity
from app.prepared.store import Entry

Sample = dict[str, Any]
Transform = Callable[[Sample], Mapping[str, Any]]

BOOKKEEPING = ("label", "annotated", "patient", "study", "view", "source", "attributes")
"""What transforms are not shown, so that it may change without preparing a radiograph again."""
ANNOTATIONS = ("mask", "boxes", "box_finding")
"""What is drawn."""
OVERSHOOT = 1e-3
"""How far outside [0, 1] an image may be by rounding; it is then clipped."""
FORMAT = 1
"""Changes with the layout of what is kept."""


class Recipe:
    """Transforms, taken apart where that is possible into those that make the image and those that draw on it.

    That is where a ``Compose`` ends with `DrawAnnotationsd` and all before it touch the image alone. These are not
    shown annotations, so that the image does not depend on them: where only these change they are drawn again, from
    the region that the image covers, and nothing is decoded. Else all transforms are run whenever anything changes.

    Args:
        transform: from a sample to one with ``image`` (1, H, W) in [0, 1].
        content: whether a file is known by its content, and not by its absolute path, size and time of change.
    """

    def __init__(self, transform: Transform, content: bool) -> None:
        self.content = content
        head, self.draw = taken_apart(transform)
        self.head: Sequence[Transform] = [transform] if head is None else head
        self.draw_identity = None if self.draw is None else digest(identity(self.draw))
        kind = "content" if content else "path"
        self.description = {"format": FORMAT, "files": kind, "transforms": identity(self.head)}

    def image_key(self, sample: Mapping[str, Any]) -> bytes:
        """16 bytes that change with all that the image depends on.

        Raises:
            OSError: where the file cannot be found.
        """
        hidden = ("image", "name", *(() if self.draw is None else ANNOTATIONS))
        given = {key: self._known(value) for key, value in shown(sample).items() if key not in hidden}
        return bytes.fromhex(digest([self._file(sample["image"]), sorted(given.items())]))

    def drawn_key(self, sample: Mapping[str, Any], image_key: bytes) -> bytes | None:
        """16 bytes that change with all that the masks depend on; None where there is nothing to draw.

        Raises:
            OSError: where a mask file cannot be read.
        """
        if self.draw is None:
            return bytes.fromhex(digest([image_key.hex(), len(sample["label"])]))
        if not is_annotated(sample):
            return None
        given = [self._known(sample.get(key)) for key in ANNOTATIONS]
        return bytes.fromhex(digest([image_key.hex(), len(sample["label"]), self.draw_identity, given]))

    def entries(self, sample: Mapping[str, Any]) -> list[Entry]:
        """Make the image; with transforms that were not taken apart, the masks as well.

        Raises:
            ValueError: where the result is not one image (1, H, W) of finite values in [0, 1], or the file changed
                while it was read.
        """
        key = self.image_key(sample)
        result: Mapping[str, Any] = shown(sample) if self.draw is None else without_annotations(sample)
        for transform in self.head:
            result = transform(dict(result))
        image = _image_entry(key, result)
        if self.image_key(sample) != key:
            raise ValueError(f"{sample['image']}: the file changed while it was read")
        if self.draw is not None:
            return [image]
        drawn_key = self.drawn_key(sample, key)
        drawn = _drawn_entry(drawn_key or b"", _checked_mask(sample, result, image.shape), result)
        return [drawn, image]  # the image last: where it is there, so is what was drawn

    def drawn_entries(self, sample: Mapping[str, Any], record: np.void, image_key: bytes) -> list[Entry]:
        """Draw on the grid of an image that is there already.

        Args:
            sample: with boxes or masks.
            record: the image's.
            image_key: the image's.

        Raises:
            ValueError: where what was drawn is not one mask a finding.
        """
        if self.draw is None:
            raise ValueError("these transforms make image and masks together")
        key = self.drawn_key(sample, image_key)
        shape, region = (int(record["height"]), int(record["width"])), record["region"].astype(np.float32)
        given = shown(sample)
        given["image"] = torch.zeros((1, *shape))
        given["original_size"], given["region"] = record["original_size"].astype(np.int64), region
        if given.get("boxes") is not None:
            given["stored_boxes"] = np.asarray(given["boxes"], dtype=np.float32).reshape(-1, 4)
            given["boxes"] = _boxes_on(given["stored_boxes"], region, shape)
        result = self.draw(given)
        if key is None or self.drawn_key(sample, image_key) != key:
            raise ValueError(f"{sample['image']}: its annotations changed while they were drawn")
        return [_drawn_entry(key, _checked_mask(sample, result, shape), result)]

    def _known(self, value: Any) -> Any:  # noqa: ANN401  nested plain values
        if isinstance(value, str | os.PathLike):
            return self._file(value) if os.path.isfile(value) else str(value)  # noqa: PTH113
        if isinstance(value, list | tuple):
            return [self._known(part) for part in value]
        return identity(value)

    def _file(self, path: str | os.PathLike[str]) -> list[Any]:
        if self.content and os.path.isfile(path):  # noqa: PTH113  reading a pipe or device might never end
            return ["content", file_digest(Path(path))]
        status = os.stat(path)  # noqa: PTH116
        return ["file", os.path.abspath(path), status.st_size, status.st_mtime_ns]  # noqa: PTH100


def taken_apart(transform: Any) -> tuple[Sequence[Transform] | None, Transform | None]:  # noqa: ANN401
    """The transforms that make the image and the one that draws; (None, None) where they cannot be told apart."""
    monai, drawing = sys.modules.get("monai.transforms"), sys.modules.get("transforms.draw")
    if monai is None or drawing is None or type(transform) is not monai.Compose:
        return None, None
    if transform.map_items is not True or transform.unpack_items or transform.lazy or transform.overrides:
        return None, None
    parts = list(transform.flatten().transforms)
    touch_image_alone = all(tuple(getattr(part, "keys", ())) == ("image",) for part in parts[:-1])
    if len(parts) < 2 or not touch_image_alone or type(parts[-1]) is not drawing.DrawAnnotationsd:
        return None, None
    return parts[:-1], parts[-1]


def shown(sample: Mapping[str, Any]) -> Sample:
    """What transforms are given of a sample."""
    return {key: value for key, value in sample.items() if key not in BOOKKEEPING}


def without_annotations(sample: Mapping[str, Any]) -> Sample:
    """What transforms of the image alone are given."""
    return {key: value for key, value in shown(sample).items() if key not in ANNOTATIONS}


def is_annotated(sample: Mapping[str, Any]) -> bool:
    """Whether a sample has a box or a mask."""
    mask, boxes = sample.get("mask"), sample.get("boxes")
    return (mask is not None and len(mask) > 0) or (boxes is not None and len(boxes) > 0)


def _image_entry(key: bytes, result: Mapping[str, Any]) -> Entry:
    image = _numpy(result["image"])
    if image.ndim != 3 or image.shape[0] != 1 or image.size == 0:
        raise ValueError(f"transforms made an image of shape {image.shape}, but (1, height, width) is needed")
    low, high = float(image.min()), float(image.max())
    if not (low >= -OVERSHOOT and high <= 1 + OVERSHOOT):  # so written that NaN fails too
        raise ValueError(f"transforms made an image with values from {low:g} to {high:g}, but 0 to 1 is needed")
    height, width = image.shape[1:]
    original = _numpy(result.get("original_size", (height, width)))
    region = _numpy(result.get("region", (0, 0, original[1], original[0])))
    return Entry(
        key=key,
        data=np.rint(np.clip(image[0], 0, 1) * 255).astype(np.uint8),
        shape=(height, width),
        original_size=(int(original[0]), int(original[1])),
        region=(float(region[0]), float(region[1]), float(region[2]), float(region[3])),
        lungs_found=bool(result.get("lungs_found", True)),
    )


def _boxes_on(boxes: np.ndarray, region: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    from transforms.regions import boxes_to_image, clip_boxes  # it imports monai, which who draws has done already

    return clip_boxes(boxes_to_image(boxes, region, shape), shape)[0]


def _checked_mask(sample: Mapping[str, Any], result: Mapping[str, Any], shape: tuple[int, int]) -> np.ndarray:
    mask, findings = result.get("mask"), len(sample["label"])
    if mask is None or isinstance(mask, list | tuple):
        if is_annotated(sample):
            raise ValueError("the sample has boxes or masks, but no transform has drawn them (DrawAnnotationsd does)")
        return np.zeros((findings, *shape), np.uint8)
    drawn = _numpy(mask)
    if drawn.shape != (findings, *shape):
        raise ValueError(
            f"transforms made a mask of shape {drawn.shape}, but (C, H, W) of {(findings, *shape)} is needed"
        )
    return drawn


def _drawn_entry(key: bytes, mask: np.ndarray, result: Mapping[str, Any]) -> Entry:
    given = result.get("boxes")
    boxes = np.zeros((0, 4)) if given is None else _numpy(given).reshape(-1, 4)
    kinds = result.get("box_finding")
    if len(boxes) and kinds is None:
        raise ValueError("the sample has boxes, but no box_finding that says of what")
    return Entry(key, pack(mask, boxes, np.zeros(0) if kinds is None else _numpy(kinds)))


def _numpy(value: Any) -> np.ndarray:  # noqa: ANN401  tensor or array
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
