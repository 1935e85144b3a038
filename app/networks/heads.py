"""Initialisation of networks, and of their last layer: near a constant answer that training need not undo."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_LEAST_PROBABILITY, _MOST_PROBABILITY = 0.001, 0.5


def he_initialise(module: nn.Module) -> None:
    """He initialisation of a convolution by fan-in, with a bias of zero; for ``nn.Module.apply``.

    Example:
        >>> layer = nn.Conv2d(512, 512, kernel_size=1)
        >>> he_initialise(layer)
        >>> round(float(layer.weight.std()) * 256**0.5, 1)  # sqrt(2 / fan-in), times its inverse
        1.0
    """
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def start_level(layer: nn.Conv2d, logit: float | Tensor = 0.0, spread: float = 0.1) -> None:
    """Initialise the layer that makes the map with small weights and a bias that is the first answer everywhere.

    Weights are normal with deviation ``spread / sqrt(fan in)``, so by default logits vary by a tenth of the features'
    size. He initialisation by fan-out does not suit a last layer: with 512 channels and 10 findings its logits have a
    deviation of 17, and the first loss is random.

    Args:
        layer: With or without a bias.
        logit: First answer, for all findings or for each.
        spread: Deviation of the layer's output, in units of the root mean square of its input.

    Example:
        >>> layer = nn.Conv2d(512, 2, kernel_size=1)
        >>> start_level(layer, logit=-1.0)
        >>> bool(layer(torch.randn(8, 512, 4, 4)).std() < 0.2)
        True
    """
    nn.init.normal_(layer.weight, std=spread / layer.weight[0].numel() ** 0.5)
    bias = layer.bias
    if bias is not None:
        with torch.no_grad():
            bias.copy_(torch.as_tensor(logit).expand_as(bias))


def undecided_logit(pooling: nn.Module, findings: int, grid: list[int]) -> Tensor:
    """The logit for which a constant map is pooled to a probability of 1/2, found by bisection.

    Every pooling increases with the map.

    Args:
        pooling: From (B, K, P, Q) logits to (B, K).
        findings: K.
        grid: P and Q.

    Returns:
        (K,), between the logits of 0.001 and 0.5; beyond these a cell would hardly learn.

    Example:
        >>> from app.networks.pooling import NoisyOrPooling
        >>> undecided_logit(NoisyOrPooling(), findings=1, grid=[1, 2]).sigmoid()  # 1 - (1 - 0.2929)^2 = 1/2
        tensor([0.2929])
    """
    low, high = (torch.full((findings,), p).logit() for p in (_LEAST_PROBABILITY, _MOST_PROBABILITY))
    with torch.no_grad():
        for _ in range(30):
            middle = (low + high) / 2
            is_below = pooling(middle[None, :, None, None].expand(1, -1, *grid))[0] < 0
            low, high = torch.where(is_below, middle, low), torch.where(is_below, high, middle)
    return (low + high) / 2
