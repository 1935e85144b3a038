"""Masks of one image as few bytes: only those that are not empty, with one bit a pixel."""

from __future__ import annotations

import struct

import numpy as np
import torch
from torch import Tensor

_COUNT = struct.Struct("<I")
"""How many masks follow."""
EMPTY = _COUNT.size
"""Length of what is kept if all masks are empty."""


def pack(mask: np.ndarray) -> np.ndarray:
    """Pack the masks of one image, (C, H, W); a pixel that is not zero is on.

    Returns:
        (M,) uint8.

    Example:
        >>> mask = np.zeros((14, 512, 512), np.uint8)
        >>> mask[3, 100:200, 100:200] = 1
        >>> len(pack(mask))  # 512 x 512 bits, how many masks there are, and which
        32776
        >>> planes, findings = unpack(pack(mask))
        >>> planes.shape, findings
        ((1, 32768), array([3]))
    """
    findings = np.flatnonzero(mask.reshape(len(mask), -1).any(axis=1))
    planes = [np.packbits(mask[finding] != 0, bitorder="little").tobytes() for finding in findings]
    return np.frombuffer(b"".join([_COUNT.pack(len(findings)), findings.astype("<i4").tobytes(), *planes]), np.uint8)


def unpack(drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unpack the masks that are not empty.

    Returns:
        (K, bytes) uint8, eight pixels a byte, rows first; and (K,) int64 their findings.
    """
    (count,) = _COUNT.unpack(drawn[: _COUNT.size].tobytes())
    findings = np.frombuffer(drawn, "<i4", count, _COUNT.size).astype(np.int64)
    packed = np.frombuffer(drawn, np.uint8, offset=_COUNT.size + 4 * count)
    return packed.reshape(count, -1) if count else np.zeros((0, 0), np.uint8), findings


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
