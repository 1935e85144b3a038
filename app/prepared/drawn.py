"""Boxes and masks of one image as few bytes: only masks that are not empty are kept, with one bit a pixel."""

from __future__ import annotations

import struct

import numpy as np
import torch
from torch import Tensor

_HEAD = struct.Struct("<II")
"""How many masks and how many boxes follow."""
EMPTY = _HEAD.size
"""Length of what is kept if there are neither boxes nor masks."""


def pack(mask: np.ndarray, boxes: np.ndarray, box_finding: np.ndarray) -> np.ndarray:
    """Pack what is drawn on one image.

    Args:
        mask: (C, H, W); a pixel that is not zero is on.
        boxes: (N, 4) x, y, width, height in pixels of the image.
        box_finding: (N,) indices of findings.

    Returns:
        (M,) uint8.

    Example:
        >>> mask = np.zeros((14, 512, 512), np.uint8)
        >>> mask[3, 100:200, 100:200] = 1
        >>> packed = pack(mask, np.array([[100, 100, 100, 100]]), np.array([3]))
        >>> len(packed)  # 512 x 512 bits, and 32 bytes that say what they are
        32800
        >>> unpack_boxes(packed)
        (array([[100., 100., 100., 100.]], dtype=float32), array([3]))
    """
    findings = np.flatnonzero(mask.reshape(len(mask), -1).any(axis=1))
    parts = [_HEAD.pack(len(findings), len(boxes)), findings.astype("<i4").tobytes()]
    parts += [boxes.astype("<f4").tobytes(), box_finding.astype("<i4").tobytes()]
    parts += [np.packbits(mask[finding] != 0, bitorder="little").tobytes() for finding in findings]
    return np.frombuffer(b"".join(parts), np.uint8)


def unpack_boxes(drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unpack boxes (N, 4) float32, and (N,) int64 their findings."""
    planes, boxes = _HEAD.unpack(drawn[: _HEAD.size].tobytes())
    start = _HEAD.size + 4 * planes
    corners = np.frombuffer(drawn, "<f4", 4 * boxes, start).reshape(-1, 4)
    return corners.astype(np.float32), np.frombuffer(drawn, "<i4", boxes, start + 16 * boxes).astype(np.int64)


def unpack_planes(drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unpack the masks that are not empty.

    Returns:
        (K, bytes) uint8, eight pixels a byte, rows first; and (K,) int64 their findings.
    """
    planes, boxes = _HEAD.unpack(drawn[: _HEAD.size].tobytes())
    findings = np.frombuffer(drawn, "<i4", planes, _HEAD.size).astype(np.int64)
    packed = np.frombuffer(drawn, np.uint8, offset=_HEAD.size + 4 * planes + 20 * boxes)
    return packed.reshape(planes, -1) if planes else np.zeros((0, 0), np.uint8), findings


def spread_planes(planes: Tensor, plane_at: Tensor, shape: tuple[int, int, int, int]) -> Tensor:
    """Make the masks of a batch from the few that are not empty, on whatever device these are.

    Args:
        planes: (K, bytes) uint8, eight pixels a byte, the first in the lowest bit.
        plane_at: (K, 2) int64: index in the batch, and finding.
        shape: (B, C, H, W) of the result.

    Returns:
        uint8, 0 or 1.

    Example:
        >>> planes, plane_at = torch.tensor([[0b0110]], dtype=torch.uint8), torch.tensor([[0, 1]])
        >>> spread_planes(planes, plane_at, (1, 2, 2, 2)).tolist()
        [[[[0, 0], [0, 0]], [[0, 1], [1, 0]]]]
    """
    return put_planes(torch.zeros(shape, dtype=torch.uint8, device=planes.device), planes, plane_at)


def put_planes(mask: Tensor, planes: Tensor, plane_at: Tensor) -> Tensor:
    """As `spread_planes`, into a mask (B, C, H, W) of zeros."""
    if len(planes):
        bits = torch.arange(8, dtype=torch.uint8, device=planes.device)
        pixels = (planes[:, :, None] >> bits & 1).flatten(1)[:, : mask.shape[2] * mask.shape[3]]
        mask[plane_at[:, 0], plane_at[:, 1]] = pixels.view(-1, *mask.shape[2:])
    return mask
