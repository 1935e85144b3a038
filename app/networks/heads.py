"""How the last layer of a network starts: near a constant answer, so that the first steps undo no chance."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_LEAST_PROBABILITY, _MOST_PROBABILITY = 0.001, 0.5


def start_level(layer: nn.Conv2d, logit: float | Tensor = 0.0, spread: float = 0.1) -> None:
    """Initialise the layer that makes the map: small weights, and a bias that is the first answer everywhere.

    Weights are normal with deviation ``spread / sqrt(fan in)``: logits vary by a tenth of the features' size.
    He initialisation by the outgoing side is not for a last layer: of 512 channels and 10 findings it makes logits with
    a deviation of 17, and a loss that is all chance.

    Args:
        layer: With a bias.
        logit: First answer, of all findings or of each.
        spread: Of the layer's output, in units of the root mean square of its input.
    """
    nn.init.normal_(layer.weight, std=spread / layer.weight[0].numel() ** 0.5)
    bias = layer.bias
    if bias is not None:
        with torch.no_grad():
            bias.copy_(torch.as_tensor(logit).expand_as(bias))


def undecided_logit(pooling: nn.Module, findings: int, grid: list[int]) -> Tensor:
    """The logit of every cell at which an even map is pooled to a score of 1/2.

    Found by bisection, as any pooling grows with the map.

    Args:
        pooling: From (B, K, P, Q) logits to (B, K).
        findings: K.
        grid: P and Q.

    Returns:
        (K,), within the logits of 0.001 and 0.5: beyond these a cell would hardly learn.
    """
    low, high = (torch.full((findings,), p).logit() for p in (_LEAST_PROBABILITY, _MOST_PROBABILITY))
    with torch.no_grad():
        for _ in range(30):
            middle = (low + high) / 2
            is_below = pooling(middle[None, :, None, None].expand(1, -1, *grid))[0] < 0
            low, high = torch.where(is_below, middle, low), torch.where(is_below, high, middle)
    return (low + high) / 2
