"""Mean field over a grid of patches, with pairwise terms that depend on learned features and on the offset."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

ACCELERATOR_TILE = 64
"""Patches of one row computed at once on an accelerator; on a CPU it is `CPU_TILE`, which fits the caches."""
CPU_TILE = 4


class Tile(NamedTuple):
    """Neighbouring patches of one row, and the rectangle of patches that their windows cover.

    Attributes:
        row: Row of the patches.
        columns: First column of the patches, and the one after the last.
        reach: Of the rectangle: first row, the row after the last, first column, the column after the last.
    """

    row: int
    columns: tuple[int, int]
    reach: tuple[int, int, int, int]


def gaussian_kernel(features: Tensor) -> Tensor:
    """``exp(-|f_j - f_l|^2 / 2)`` between all patches of an image; G in section 3.3 of Rozenberg et al. 2020.

    Args:
        features: (B, F, P, Q).

    Returns:
        (B, N, N) with N = P Q; 1 on the diagonal.

    Example:
        >>> gaussian_kernel(torch.tensor([[[[0.0, 1.0]]]]))  # exp(-1/2) between the two patches
        tensor([[[1.0000, 0.6065],
                 [0.6065, 1.0000]]])
    """
    flat = features.flatten(2)
    square = flat.square().sum(dim=1)
    distance = square[:, :, None] + square[:, None, :] - 2 * flat.transpose(1, 2) @ flat
    # Rounding may leave the distance of two equal patches below zero.
    return torch.exp(-0.5 * distance.clamp(min=0))


def mean_field(unary: Tensor, kernel: Tensor, compatibility: Tensor, steps: int) -> Tensor:
    """Logits after some mean-field steps: each patch's own logits plus messages from its neighbours.

    Every finding of every patch is a binary variable. With z^0 = sigmoid(u), a step is

        z^(t+1)_jk = sigmoid(u_jk + sum_l G_jl sum_k' W_kk'(xi_l - xi_j) z^t_lk')

    over the patches l of the window around j, except j itself. With zero compatibility nothing changes: z = p, as in
    the paper. It is computed tile by tile with a table of W for each pair of patches; the neighbourhoods of patches are
    never stored but recomputed in the backward pass.

    Args:
        unary: (B, K, P, Q) logits u of the patch probabilities.
        kernel: (B, N, N) G, with N = P Q.
        compatibility: (K, K, height, width) W, both sides odd: ``[k, k', height // 2 + dy, width // 2 + dx]`` is the
            contribution of finding k' at an offset of (dy, dx) patches to finding k. The centre is not used.
        steps: Number of steps, 0 or more.

    Returns:
        (B, K, P, Q) logits, in the type of ``unary``.

    Example:
        >>> unary, kernel = torch.zeros(1, 1, 1, 2), torch.ones(1, 2, 2)
        >>> mean_field(unary, kernel, torch.ones(1, 1, 3, 3), steps=1)  # each neighbour contributes z = 1/2
        tensor([[[[0.5000, 0.5000]]]])
    """
    if torch.jit.is_scripting() or torch.jit.is_tracing():  # type: ignore[attr-defined]
        return _untiled(unary, kernel, compatibility, steps)
    return _tiled(unary, kernel, compatibility, steps)


# torch.compile would unroll the loops over tiles, so it compiles only the code around this call.
@torch.compiler.disable  # type: ignore[untyped-decorator]
def _tiled(unary: Tensor, kernel: Tensor, compatibility: Tensor, steps: int) -> Tensor:
    result: Tensor = _MeanField.apply(unary, kernel, _without_middle(compatibility), steps)
    return result


def _without_middle(compatibility: Tensor) -> Tensor:
    mask = torch.ones_like(compatibility[0, 0])
    mask[mask.shape[0] // 2, mask.shape[1] // 2] = 0
    return compatibility * mask


def _untiled(unary: Tensor, kernel: Tensor, compatibility: Tensor, steps: int) -> Tensor:
    """The same in plain operations, for export; stores the neighbourhoods of all patches."""
    findings, rows, columns = unary.shape[1], unary.shape[2], unary.shape[3]
    height, width = compatibility.shape[2], compatibility.shape[3]
    j = torch.arange(rows * columns, device=unary.device)
    row = (j // columns)[:, None, None] + torch.arange(height, device=unary.device)[:, None] - height // 2
    column = (j % columns)[:, None, None] + torch.arange(width, device=unary.device) - width // 2
    inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    near = (row.clamp(0, rows - 1) * columns + column.clamp(0, columns - 1)).flatten(1)
    weight = kernel.gather(2, near.expand(unary.shape[0], -1, -1)) * inside.flatten(1)
    table = _without_middle(compatibility).permute(1, 2, 3, 0).flatten(0, 2)
    own, logits = unary.flatten(2), unary.flatten(2)
    for _ in range(steps):
        z = torch.sigmoid(logits)[:, :, near.flatten()].reshape(-1, findings, rows * columns, height * width)
        messages = (weight[:, None] * z).transpose(1, 2).flatten(2) @ table
        logits = own + messages.transpose(1, 2)
    return logits.reshape(unary.shape)


class _MeanField(torch.autograd.Function):
    """All steps at once: they share the tables, and only the z of each step is stored for the backward pass."""

    @staticmethod
    def forward(ctx: FunctionCtx, unary: Tensor, kernel: Tensor, compatibility: Tensor, steps: int) -> Tensor:
        grid = (unary.shape[2], unary.shape[3])
        plan = tiles(grid, (compatibility.shape[2], compatibility.shape[3]), _tile_width(unary.device))
        tables = [_table(compatibility, tile) for tile in plan]
        kernel, logits, states = kernel.reshape(*kernel.shape[:2], *grid), unary, []
        for _ in range(steps):
            states.append(torch.sigmoid(logits))
            logits = unary + _messages(states[-1], kernel, plan, tables)
        ctx.save_for_backward(kernel, compatibility, *states)
        ctx.plan, ctx.tables = plan, tables  # type: ignore[attr-defined]
        return logits.clone() if steps == 0 else logits

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        kernel, compatibility, *states = ctx.saved_tensors  # type: ignore[attr-defined]
        plan, tables = ctx.plan, ctx.tables  # type: ignore[attr-defined]
        to_unary, to_kernel = gradient.clone(), torch.zeros_like(kernel)
        to_tables = [torch.zeros_like(table) for table in tables]
        for z in reversed(states):
            to_z = _backwards(gradient, z, kernel, list(zip(plan, tables, to_tables, strict=True)), to_kernel)
            gradient = to_z * z * (1 - z)
            # The unaries enter every step as "+ u" and the first also as sigmoid(u); both gradients are added.
            to_unary += gradient
        to_compatibility = torch.zeros_like(compatibility)
        for tile, table in zip(plan, to_tables, strict=True):
            _gather(to_compatibility, tile, table)
        return to_unary, to_kernel.flatten(2), to_compatibility, None


def tiles(grid: tuple[int, int], window: tuple[int, int], width: int) -> list[Tile]:
    """Cut a grid into tiles of at most ``width`` patches of one row."""
    tall, wide = window[0] // 2, window[1] // 2
    return [
        Tile(
            row,
            (first, min(first + width, grid[1])),
            (
                max(0, row - tall),
                min(grid[0], row + tall + 1),
                max(0, first - wide),
                min(grid[1], min(first + width, grid[1]) + wide),
            ),
        )
        for row in range(grid[0])
        for first in range(0, grid[1], width)
    ]


def _tile_width(device: torch.device) -> int:
    return CPU_TILE if device.type == "cpu" else ACCELERATOR_TILE


def _overlap(tile: Tile, column: int, window: tuple[int, int]) -> tuple[slice, slice, slice, slice]:
    """Overlap of a patch's window and the tile's rectangle: rows and columns of the window, then of the rectangle."""
    top, bottom, left, right = tile.reach
    tall, wide = window[0] // 2, window[1] // 2
    first, last = max(left, column - wide), min(right, column + wide + 1)
    in_window = (
        slice(top - tile.row + tall, bottom - tile.row + tall),
        slice(first - column + wide, last - column + wide),
    )
    return (*in_window, slice(0, bottom - top), slice(first - left, last - left))


def _table(compatibility: Tensor, tile: Tile) -> Tensor:
    """W by patch of the tile, neighbouring finding and patch, and finding: (c, K' h w, K); zero outside windows."""
    findings, (top, bottom, left, right) = compatibility.shape[0], tile.reach
    count = tile.columns[1] - tile.columns[0]
    table = compatibility.new_zeros(count, findings, bottom - top, right - left, findings)
    for place in range(count):
        rows, columns, to_rows, to_columns = _overlap(tile, tile.columns[0] + place, _sides(compatibility))
        table[place, :, to_rows, to_columns] = compatibility[:, :, rows, columns].permute(1, 2, 3, 0)
    return table.view(count, -1, findings)


def _gather(to_compatibility: Tensor, tile: Tile, to_table: Tensor) -> None:
    """The reverse of ``_table``: add the gradient of a tile's table to that of W."""
    findings, (top, bottom, left, right) = to_compatibility.shape[0], tile.reach
    table = to_table.view(-1, findings, bottom - top, right - left, findings)
    for place in range(len(table)):
        rows, columns, from_rows, from_columns = _overlap(tile, tile.columns[0] + place, _sides(to_compatibility))
        part = table[place, :, from_rows, from_columns]
        to_compatibility[:, :, rows, columns] += part.permute(3, 0, 1, 2)


def _sides(compatibility: Tensor) -> tuple[int, int]:
    return compatibility.shape[2], compatibility.shape[3]


def _reached(z: Tensor, kernel: Tensor, tile: Tile) -> tuple[Tensor, Tensor]:
    """Values in a tile's reach: z (B, K', h w) and, for each patch of the tile, kernel (c, B, 1, h w)."""
    top, bottom, left, right = tile.reach
    first = tile.row * z.shape[3]
    patches = slice(first + tile.columns[0], first + tile.columns[1])
    return (
        z[:, :, top:bottom, left:right].flatten(2),
        kernel[:, patches, top:bottom, left:right].flatten(2).transpose(0, 1).unsqueeze(2),
    )


def _messages(z: Tensor, kernel: Tensor, plan: list[Tile], tables: list[Tensor]) -> Tensor:
    """Messages from the neighbours: (B, K, P, Q)."""
    batch, findings, rows, columns = z.shape
    result = z.new_empty(rows, columns, batch, findings)
    for tile, table in zip(plan, tables, strict=True):
        near, weight = _reached(z, kernel, tile)
        result[tile.row, tile.columns[0] : tile.columns[1]] = torch.bmm((weight * near).flatten(2), table)
    return result.permute(2, 3, 0, 1).contiguous()


def _backwards(
    gradient: Tensor, z: Tensor, kernel: Tensor, parts: list[tuple[Tile, Tensor, Tensor]], to_kernel: Tensor
) -> Tensor:
    """Gradient of ``_messages`` with respect to z; those for tables and kernel are added in place."""
    by_patch, to_z = gradient.permute(2, 3, 0, 1).contiguous(), torch.zeros_like(z)
    for tile, table, to_table in parts:
        (top, bottom, left, right), (first, last) = tile.reach, tile.columns
        near, weight = _reached(z, kernel, tile)
        of_tile = by_patch[tile.row, first:last]
        to_table.baddbmm_((weight * near).flatten(2).transpose(1, 2), of_tile)
        to_product = torch.bmm(of_tile, table.transpose(1, 2)).view(last - first, *near.shape)
        sides = (bottom - top, right - left)
        row = tile.row * z.shape[3]
        of_kernel = to_kernel[:, row + first : row + last, top:bottom, left:right]
        of_kernel += (to_product * near).sum(dim=2).transpose(0, 1).unflatten(2, sides)
        to_z[:, :, top:bottom, left:right] += to_product.mul_(weight).sum(dim=0).unflatten(2, sides)
    return to_z
