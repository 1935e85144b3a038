"""How many patches make a finding: thresholds by finding, and the score that they give an image."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

Setting = float | Sequence[float]


class PatchThresholds(nn.Module):
    """The thresholds of equations 4 to 12 of Rozenberg et al. 2020, one of each kind a finding.

    They are state (buffers), not parameters: the optimiser of the network never touches them; see
    ``app.engines.thresholds`` for how they are chosen in turn with the network. The paper gives no values.

    Args:
        findings: how many, K.
        tau: least share of a box's patches that show the finding, in [0, 1]; one value, or one a finding.
        rho: largest share of the patches outside of the box that show it, in [0, 1].
        tau_hat: least number of patches where the finding is present but not located.
        rho_hat: largest number of patches where it is absent.

    Raises:
        ValueError: a threshold outside its range, or not one value a finding.
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
    """Present where enough patches say so: the score is the expected number of patches less tau-hat.

    Its sigmoid is the probability of "present" of equation 6 of Rozenberg et al. 2020.

    Args:
        thresholds: shared with the loss.
    """

    def __init__(self, thresholds: PatchThresholds) -> None:
        super().__init__()
        self.thresholds = thresholds

    def forward(self, logits: Tensor) -> Tensor:
        """(B, K, h, w) logits to (B, K) logits, float32 or wider: half precision cannot count 400 patches."""
        wide = logits if logits.dtype == torch.float64 else logits.float()
        return torch.sigmoid(wide).sum(dim=(2, 3)) - self.thresholds.tau_hat


def _values(name: str, setting: Setting, findings: int, highest: float) -> Tensor:
    values = torch.as_tensor(setting, dtype=torch.float32)
    values = values.repeat(findings) if values.dim() == 0 else values
    if values.shape != (findings,):
        raise ValueError(f"{name} has {len(values)} values for {findings} findings")
    if not bool(((values >= 0) & (values <= highest)).all()):
        raise ValueError(f"{name} is {values.tolist()}, but must be in [0, {highest:g}]")
    return values
