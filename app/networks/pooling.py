"""Pooling heads, from the map of a finding to its score; every network can use any of them."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from app.contract import wide


class MaxPooling(nn.Module):
    """The maximum of the map (network 2 of Kim et al. 2023).

    Example:
        >>> MaxPooling()(torch.tensor([[[[-1.0, 2.0]]]]))
        tensor([[2.]])
    """

    def forward(self, logits: Tensor) -> Tensor:
        """(B, C, h, w) logits to (B, C) logits."""
        return logits.flatten(2).amax(dim=2)


class AveragePooling(nn.Module):
    """The mean of the map, which is then a class activation map (network 1 of Kim et al. 2023).

    Example:
        >>> AveragePooling()(torch.tensor([[[[-1.0, 2.0]]]]))
        tensor([[0.5000]])
    """

    def forward(self, logits: Tensor) -> Tensor:
        """(B, C, h, w) logits to (B, C) logits."""
        return logits.flatten(2).mean(dim=2)


class LogSumExpPooling(nn.Module):
    """A smooth maximum: ``log(mean(exp(r x))) / r`` (Pinheiro and Collobert 2015, equation 6).

    Args:
        sharpness: r, positive; the limits are the mean for 0 and the maximum for infinity.

    Example:
        >>> LogSumExpPooling(sharpness=5.0)(torch.tensor([[[[-1.0, 2.0]]]]))
        tensor([[1.8614]])
    """

    def __init__(self, sharpness: float = 5.0) -> None:
        super().__init__()
        if not sharpness > 0:
            raise ValueError(f"sharpness must be positive, not {sharpness}")
        self.sharpness = sharpness

    def forward(self, logits: Tensor) -> Tensor:
        """(B, C, h, w) logits to (B, C) logits."""
        scaled = wide(logits.flatten(2)) * self.sharpness
        if torch.jit.is_tracing():  # type: ignore[attr-defined]
            # For export: OpenVINO's own log-sum-exp underflows.
            highest = scaled.amax(dim=2, keepdim=True)
            total = (scaled - highest).exp().sum(dim=2).log() + highest[:, :, 0]
            return ((total - math.log(scaled.shape[2])) / self.sharpness).to(logits.dtype)
        return ((torch.logsumexp(scaled, dim=2) - math.log(scaled.shape[2])) / self.sharpness).to(logits.dtype)


class NoisyOrPooling(nn.Module):
    """Present unless absent everywhere: ``1 - prod(1 - p)``, in log space so that nothing underflows.

    Example:
        >>> NoisyOrPooling()(torch.zeros(1, 1, 1, 2)).sigmoid()  # 1 - 1/2 * 1/2
        tensor([[0.7500]])
    """

    def forward(self, logits: Tensor) -> Tensor:
        """(B, C, h, w) logits to (B, C) logits, at least float32: half precision cannot hold the sum of many."""
        log_absent = functional.logsigmoid(-wide(logits.flatten(2))).sum(dim=2)
        # Avoids log(0) if all logits are below -85. Above that the gradient must survive, so that the network can learn
        # from an image that it wrongly calls absent.
        log_absent = log_absent.clamp(max=-1e-37)
        log_present = torch.log(-torch.expm1(log_absent))
        return log_present - log_absent
