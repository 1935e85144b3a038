"""How a sample is prepared: the keys under which its image and masks are kept, and the making of both."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from app.prepared.drawn import pack
from app.prepared.shards import Geometry, NewEntry
from app.prepared.transform_identity import digest, file_digest, identity, versions

Sample = dict[str, Any]
Transform = Callable[[Sample], Mapping[str, Any]]

HIDDEN = ("label", "annotated", "patient", "study", "view", "source", "attributes")
"""Keys of a sample that transforms do not get, so that they may change without preparing the radiograph again."""
ANNOTATIONS = ("mask", "boxes", "box_finding")
"""Keys of a sample that are drawn."""
OVERSHOOT = 1e-3
"""How far rounding may push an image beyond [0, 1]; it is then clipped."""
FORMAT = 3
"""Raised when the layout of what is kept changes."""


class Keys(NamedTuple):
    """The 16 bytes under which a sample's image and its masks are kept; None if it has nothing to draw."""

    image: bytes
    drawn: bytes | None


class Recipe:
    """Transforms, split if possible into those that make the image and the one that draws on it.

    That is possible if a ``Compose`` ends with `DrawAnnotationsd` and all transforms before it change the image alone.
    These then do not get the annotations, so that the image does not depend on them. If only annotations change, they
    are drawn again over the region that the image covers, and nothing is decoded. Otherwise all transforms run again
    whenever anything changes.

    Args:
        transform: From a sample to one whose ``image`` is (1, H, W) in [0, 1].
        content: Whether files are known by their content, and not by absolute path, size and time of change.

    Attributes:
        description: What the image depends on besides the sample; values that JSON can write.
    """

    def __init__(self, transform: Transform, content: bool) -> None:
        self.content = content
        self.image_transforms, self.draw = split_transform(transform)
        self._draw_identity = None if self.draw is None else identity(self.draw)
        self.description = {
            "format": FORMAT,
            "files": "content" if content else "path",
            "versions": versions(),
            "transforms": [identity(part) for part in self.image_transforms],
        }

    def keys(self, sample: Mapping[str, Any]) -> Keys:
        """Keys that change with everything that image and masks depend on.

        Raises:
            OSError: The radiograph or a mask file cannot be found.
        """
        apart = ("image", "name", *(() if self.draw is None else ANNOTATIONS))
        given = {key: self._known(value) for key, value in shown(sample).items() if key not in apart}
        image = digest([self._file(sample["image"]), sorted(given.items())])
        drawn = [image, len(sample["label"])]
        if self.draw is not None:
            drawn += [self._draw_identity, [self._known(sample.get(key)) for key in ANNOTATIONS]]
        is_drawn = self.draw is None or is_annotated(sample)
        return Keys(bytes.fromhex(image), bytes.fromhex(digest(drawn)) if is_drawn else None)

    def make(self, sample: Mapping[str, Any], keys: Keys, geometry: Geometry | None = None) -> list[NewEntry]:
        """Run the transforms.

        Args:
            sample: As the datalist gives it.
            keys: Of the sample.
            geometry: Of the image, if that is kept already and only the masks are to be drawn.

        Raises:
            ValueError: The result is not one image (1, H, W) of finite values in [0, 1] and one mask (H, W) a finding,
                or the sample's files have changed since its keys were made.
        """
        entries: list[NewEntry] = []
        drawn: Mapping[str, Any] = {}
        if geometry is None or self.draw is None:
            drawn = shown(sample) if self.draw is None else without_annotations(sample)
            for transform in self.image_transforms:
                drawn = transform(dict(drawn))
            entries.append(_image_entry(keys.image, drawn))
            geometry = entries[0].geometry
        if keys.drawn is not None:
            if self.draw is not None:
                drawn = self.draw(_on_grid(sample, geometry))
            entries.append(NewEntry(keys.drawn, pack(_mask(sample, drawn, geometry.shape))))
        if self.keys(sample) != keys:
            raise ValueError(f"{sample['image']}: the file or its annotations have changed in the meantime")
        return entries

    def _known(self, value: Any) -> Any:  # noqa: ANN401  nested plain values
        if isinstance(value, str | os.PathLike):
            return self._file(value) if os.path.isfile(value) else str(value)  # noqa: PTH113
        if isinstance(value, list | tuple):
            return [self._known(part) for part in value]
        return identity(value)

    def _file(self, path: str | os.PathLike[str]) -> list[Any]:
        if self.content and os.path.isfile(path):  # noqa: PTH113  reading a pipe or device might never end
            return ["content", file_digest(os.fspath(path))]
        status = os.stat(path)  # noqa: PTH116
        return ["file", os.path.abspath(path), status.st_size, status.st_mtime_ns]  # noqa: PTH100


def split_transform(transform: Any) -> tuple[Sequence[Transform], Transform | None]:  # noqa: ANN401
    """The transforms that make the image, and the one that draws; None if they cannot be told apart."""
    from monai.transforms import Compose  # not above: `frugal prepared` needs no MONAI

    from transforms.draw import DrawAnnotationsd

    if type(transform) is not Compose or transform.map_items is not True:
        return [transform], None
    if transform.unpack_items or transform.lazy or transform.overrides:
        return [transform], None
    parts = list(transform.flatten().transforms)
    change_image_alone = all(tuple(getattr(part, "keys", ())) == ("image",) for part in parts[:-1])
    if len(parts) < 2 or not change_image_alone or type(parts[-1]) is not DrawAnnotationsd:
        return [transform], None
    return parts[:-1], parts[-1]


def shown(sample: Mapping[str, Any]) -> Sample:
    """The part of a sample that transforms get."""
    return {key: value for key, value in sample.items() if key not in HIDDEN}


def without_annotations(sample: Mapping[str, Any]) -> Sample:
    """The part of a sample that transforms of the image alone get."""
    return {key: value for key, value in shown(sample).items() if key not in ANNOTATIONS}


def is_annotated(sample: Mapping[str, Any]) -> bool:
    """Whether a sample has a box or a mask."""
    mask, boxes = sample.get("mask"), sample.get("boxes")
    return (mask is not None and len(mask) > 0) or (boxes is not None and len(boxes) > 0)


def _on_grid(sample: Mapping[str, Any], geometry: Geometry) -> Sample:
    """A sample with an empty image of a geometry in the place of its radiograph."""
    given = shown(sample) | {
        "image": torch.zeros((1, *geometry.shape)),
        "original_size": np.array(geometry.original_size, dtype=np.int64),
        "region": np.array(geometry.region, dtype=np.float32),
    }
    if given.get("boxes") is not None:
        given["stored_boxes"] = np.asarray(given["boxes"], dtype=np.float32).reshape(-1, 4)
    return given


def _image_entry(key: bytes, result: Mapping[str, Any]) -> NewEntry:
    image = _numpy(result["image"])
    if image.ndim != 3 or image.shape[0] != 1 or image.size == 0:
        raise ValueError(f"transforms made an image of shape {image.shape}, but (1, height, width) is needed")
    low, high = float(image.min()), float(image.max())
    if not (low >= -OVERSHOOT and high <= 1 + OVERSHOOT):  # NaN fails too
        raise ValueError(f"transforms made an image with values from {low:g} to {high:g}, but 0 to 1 is needed")
    height, width = image.shape[1:]
    original_height, original_width = map(int, _numpy(result.get("original_size", (height, width))))
    x, y, across, down = map(float, _numpy(result.get("region", (0, 0, original_width, original_height))))
    geometry = Geometry(
        (height, width),
        (original_height, original_width),
        (x, y, across, down),
        bool(result.get("lungs_found", True)),
        bool(result.get("is_doubtful", False)),
    )
    return NewEntry(key, np.rint(np.clip(image[0], 0, 1) * 255).astype(np.uint8), geometry)


def _mask(sample: Mapping[str, Any], result: Mapping[str, Any], shape: tuple[int, int]) -> np.ndarray:
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


def _numpy(value: Any) -> np.ndarray:  # noqa: ANN401  tensor or array
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
