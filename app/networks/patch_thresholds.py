"""Thresholds on the number of patches that show a finding, and the score that follows from them."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from app.contract import wide

Setting = float | Sequence[float]


class PatchThresholds(nn.Module):
    """The thresholds of equations 4 to 12 of Rozenberg et al. 2020, four for each finding.

    They are buffers and not parameters, so the network's optimizer never changes them; ``app.engines.thresholds``
    chooses them in alternation with the network. The paper gives no values.

    Args:
        findings: Number of findings K.
        tau: Smallest share of a box's patches that must show the finding, in [0, 1]; one value, or one per finding.
        rho: Largest share of the patches outside the box that may show it, in [0, 1].
        tau_hat: Smallest number of patches if the finding is present but not located.
        rho_hat: Largest number of patches if it is absent.

    Raises:
        ValueError: A threshold is outside its range, or there is not one value per finding.

    Example:
        >>> PatchThresholds(findings=2, tau_hat=[4.0, 9.0]).tau_hat
        tensor([4., 9.])
    """

    tau: Tensor
    rho: Tensor
    tau_hat: Tensor
    rho_hat: Tensor

    def __init__(
        self, findings: int, tau: Setting = 0.7, rho: Setting = 0.02, tau_hat: Setting = 4.0, rho_hat: Setting = 1.0
    ) -> None:
        super().__init__()
        for name, setting, highest in (
            ("tau", tau, 1.0),
            ("rho", rho, 1.0),
            ("tau_hat", tau_hat, float("inf")),
            ("rho_hat", rho_hat, float("inf")),
        ):
            self.register_buffer(name, _values(name, setting, findings, highest))


class PatchCountPooling(nn.Module):
    """The score is the expected number of patches that show the finding, minus tau-hat.

    Its sigmoid is the probability of "present" of equation 6 of Rozenberg et al. 2020.

    Args:
        thresholds: Shared with the loss.

    Example:
        >>> PatchCountPooling(PatchThresholds(findings=1, tau_hat=1.0))(torch.zeros(1, 1, 2, 2))
        tensor([[1.]])
    """

    def __init__(self, thresholds: PatchThresholds) -> None:
        super().__init__()
        self.thresholds = thresholds

    def forward(self, logits: Tensor) -> Tensor:
        """(B, K, h, w) logits to (B, K) logits, at least float32: half precision cannot count 400 patches."""
        return torch.sigmoid(wide(logits)).sum(dim=(2, 3)) - self.thresholds.tau_hat


def _values(name: str, setting: Setting, findings: int, highest: float) -> Tensor:
    values = torch.as_tensor(setting, dtype=torch.float32)
    values = values.repeat(findings) if values.dim() == 0 else values
    if values.shape != (findings,):
        raise ValueError(f"{name} has {len(values)} values, but there are {findings} findings")
    if not bool(((values >= 0) & (values <= highest)).all()):
        raise ValueError(f"{name} is {values.tolist()}, but must be in [0, {highest:g}]")
    return values
