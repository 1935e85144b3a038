"""One sample and its transforms: what it is kept under, what is kept of it, and how that is read again."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from app.data.cache.identity import digest, file_digest, identity
from app.data.cache.shards import Prepared

Sample = dict[str, Any]

BOOKKEEPING = ("label", "annotated", "patient", "study", "view", "source", "attributes")
"""What transforms are not shown, so that it may change without preparing a radiograph again."""
OVERSHOOT = 1e-3
"""How far outside [0, 1] an image may be by rounding; it is then clipped."""
HEAD = struct.Struct("<II")


def shown(sample: Mapping[str, Any]) -> Sample:
    """What transforms are given of a sample."""
    return {key: value for key, value in sample.items() if key not in BOOKKEEPING}


def sample_key(sample: Mapping[str, Any], content: bool) -> bytes:
    """16 bytes that change with the files of a sample and with all else of it that transforms are shown.

    Args:
        sample: as the datalist gives it.
        content: whether a file is known by its content, and not by its absolute path, size and time of change.

    Raises:
        OSError: where the image cannot be found.
    """
    given = {key: _known(value, content) for key, value in shown(sample).items() if key not in ("image", "name")}
    return bytes.fromhex(digest([_file(sample["image"], content), sorted(given.items())]))


def _known(value: Any, content: bool) -> Any:  # noqa: ANN401
    if isinstance(value, str | os.PathLike):
        return _file(value, content) if os.path.isfile(value) else str(value)  # noqa: PTH113
    if isinstance(value, list | tuple):
        return [_known(part, content) for part in value]
    return identity(value)


def _file(path: str | os.PathLike[str], content: bool) -> list[Any]:
    if content:
        return ["content", file_digest(Path(path))]
    status = os.stat(path)  # noqa: PTH116
    return ["file", os.path.abspath(path), status.st_size, status.st_mtime_ns]  # noqa: PTH100


def prepare(sample: Mapping[str, Any], transform: Callable[[Sample], Mapping[str, Any]], bits: int) -> Prepared:
    """Run the transforms on one sample, and pack what is kept of the result.

    Raises:
        ValueError: where the result is not one image (1, H, W) of finite values in [0, 1], or where there are
            annotations that no transform has drawn into a mask.
    """
    result = transform(shown(sample))
    image = _numpy(result["image"])
    if image.ndim != 3 or image.shape[0] != 1:
        raise ValueError(f"transforms made an image of shape {image.shape}, but (1, height, width) is needed")
    low, high = float(image.min()), float(image.max())
    if not (low >= -OVERSHOOT and high <= 1 + OVERSHOOT):  # so written that NaN fails too
        raise ValueError(f"transforms made an image with values from {low:g} to {high:g}, but 0 to 1 is needed")
    levels = 2**bits - 1
    pixels = np.rint(np.clip(image[0].astype(np.float64), 0, 1) * levels).astype(np.uint8 if bits == 8 else np.uint16)
    original = np.asarray(result.get("original_size", image.shape[1:]), dtype=np.int64)
    return Prepared(
        pixels=pixels,
        drawn=_pack(_mask(sample, result, pixels.shape), result),
        original_size=original,
        region=np.asarray(result.get("region", (0, 0, original[1], original[0])), dtype=np.float32),
        lungs_found=bool(result.get("lungs_found", True)),
        checksum=zlib.crc32(pixels),
    )


def _mask(sample: Mapping[str, Any], result: Mapping[str, Any], shape: tuple[int, ...]) -> np.ndarray:
    mask, findings = result.get("mask"), len(sample["label"])
    if mask is None or isinstance(mask, list | tuple):
        boxes = sample.get("boxes")
        if mask or (boxes is not None and len(boxes)):
            raise ValueError("the sample has boxes or masks, but no transform has drawn them (DrawAnnotationsd does)")
        return np.zeros((findings, 0, 0), np.uint8)
    drawn = _numpy(mask)
    if drawn.shape != (findings, *shape):
        raise ValueError(f"transforms made a mask of shape {drawn.shape}, but {(findings, *shape)} is needed")
    return drawn != 0


def _numpy(value: Any) -> np.ndarray:  # noqa: ANN401  tensor or array
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


def _pack(mask: np.ndarray, result: Mapping[str, Any]) -> bytes:
    """Masks that are not empty, a bit a pixel, and the boxes; nothing at all where there are neither."""
    findings = np.flatnonzero(mask.reshape(len(mask), -1).any(axis=1)).astype("<i4")
    given = result.get("boxes")
    boxes = np.zeros((0, 4), "<f4") if given is None else _numpy(given).reshape(-1, 4).astype("<f4")
    kinds = _numpy(result.get("box_finding", np.zeros(len(boxes)))).astype("<i4")
    if not len(findings) and not len(boxes):
        return b""
    planes = b"".join(np.packbits(mask[finding]).tobytes() for finding in findings)
    return HEAD.pack(len(findings), len(boxes)) + findings.tobytes() + boxes.tobytes() + kinds.tobytes() + planes


def unpack_boxes(drawn: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (N, 4) float32 x, y, width, height on the prepared grid, and (N,) int64 their findings."""
    if not drawn:
        return np.zeros((0, 4), np.float32), np.zeros(0, np.int64)
    planes, boxes = HEAD.unpack_from(drawn)
    at = HEAD.size + 4 * planes
    corners = np.frombuffer(drawn, "<f4", 4 * boxes, at).reshape(-1, 4)
    return corners.astype(np.float32), np.frombuffer(drawn, "<i4", boxes, at + 16 * boxes).astype(np.int64)


def unpack_planes(drawn: bytes, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Masks that are not empty, (K, H, W) uint8 of 0 and 1, and (K,) int64 their findings."""
    if not drawn:
        return np.zeros((0, *shape), np.uint8), np.zeros(0, np.int64)
    planes, boxes = HEAD.unpack_from(drawn)
    findings = np.frombuffer(drawn, "<i4", planes, HEAD.size).astype(np.int64)
    packed = np.frombuffer(drawn, np.uint8, offset=HEAD.size + 4 * planes + 20 * boxes).reshape(planes, -1)
    return np.unpackbits(packed, axis=1, count=shape[0] * shape[1]).reshape(planes, *shape), findings
