"""From a map of "here" to one score of "present in the image": a family of pooling heads that all networks can name."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class MaxPooling(nn.Module):
    """The strongest place speaks for the image (network 2 of Kim et al. 2022)."""

    def forward(self, logits: Tensor) -> Tensor:
        """(B, C, h, w) logits to (B, C) logits."""
        return logits.flatten(2).amax(dim=2)


class AveragePooling(nn.Module):
    """All places speak alike (network 1 of Kim et al. 2022): the map is a class activation map."""

    def forward(self, logits: Tensor) -> Tensor:
        """(B, C, h, w) logits to (B, C) logits."""
        return logits.flatten(2).mean(dim=2)


class LogSumExpPooling(nn.Module):
    """A smooth maximum: ``log(mean(exp(r x))) / r`` (Pinheiro and Collobert 2015, equation 6).

    Args:
        sharpness: r, positive; towards 0 it is the average, towards infinity the maximum.
    """

    def __init__(self, sharpness: float = 5.0) -> None:
        super().__init__()
        if not sharpness > 0:
            raise ValueError(f"sharpness must be positive, not {sharpness}")
        self.sharpness = sharpness

    def forward(self, logits: Tensor) -> Tensor:
        """(B, C, h, w) logits to (B, C) logits."""
        places = _wide(logits.flatten(2)) * self.sharpness
        return ((torch.logsumexp(places, dim=2) - math.log(places.shape[2])) / self.sharpness).to(logits.dtype)


class NoisyOrPooling(nn.Module):
    """Present unless absent everywhere: ``1 - prod(1 - p)``, computed in log space so that nothing underflows."""

    def forward(self, logits: Tensor) -> Tensor:
        """(B, C, h, w) logits to (B, C) logits, float32 or wider: half precision has no room for a sum of many."""
        log_absent = functional.logsigmoid(-_wide(logits.flatten(2))).sum(dim=2)
        # Keeps log(0), and its gradient, out where all logits are below -85. Above that the gradient must live: an
        # image that is wrongly called absent has to be able to learn.
        log_absent = log_absent.clamp(max=-1e-37)
        log_present = torch.log(-torch.expm1(log_absent))
        return log_present - log_absent


def _wide(values: Tensor) -> Tensor:
    """As float32 where the type is narrower."""
    return values if values.dtype == torch.float64 else values.float()
