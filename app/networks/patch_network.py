"""Network for localisation with limited annotation: patch probabilities, and a CRF over them in a second stage."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from app.contract import Prediction
from app.networks.heads import he_initialise, start_level, undecided_logit
from app.networks.pooling import NoisyOrPooling
from app.networks.preactivation_resnet import PreactivationResNet

if TYPE_CHECKING:
    from app.networks.pac_crf import PACCRF, PatchFeatures


class PatchNetwork(nn.Module):
    """Pre-activation ResNet, a P x P grid, two convolutions to K findings, and, in stage two, a PAC-CRF.

    Source: figures 2 and 3 of Rozenberg et al. 2020, "Localization with Limited Annotation for Chest X-rays". Features
    are resized to the grid (from 16 x 16 for a 512 x 512 image to 20 x 20; bilinearly, as in Li et al. 2018), followed
    by a 3x3 convolution with batch normalisation and ReLU, and a 1x1 convolution to the findings. Images are scaled to
    [-1, 1]. Every patch starts at the probability for which the pooling leaves an image undecided, tau-hat / P^2 if
    patches are counted: at 0.5 every image would start as present in hundreds of patches.

    In stage one the CRF is not used. In stage two everything before it is frozen, including the running statistics of
    batch normalisation. The stage is saved with the state.

    Args:
        backbone: From an image to features; its ``channels`` says how many.
        findings: Number of findings K.
        grid: Number of patches P on each side.
        pooling: From the (B, K, P, P) map to the (B, K) score, as the loss defines it; noisy-or by default.
        crf: The second stage; None for a network without one.
        features: From an image to the CRF's features; required if there is a CRF.
        hidden: Channels between the two convolutions; a quarter of the backbone's by default.
        second_stage: False leaves out the CRF and its features; everything else starts the same.

    Attributes:
        stage: 1 or 2.

    Example:
        >>> network = PatchNetwork(PreactivationResNet(layers=(1,), width=4), findings=2, grid=6)
        >>> prediction = network(torch.rand(1, 1, 64, 64))
        >>> prediction.score.shape, prediction.map.shape
        (torch.Size([1, 2]), torch.Size([1, 2, 6, 6]))
    """

    stage_reached: Tensor

    def __init__(
        self,
        backbone: PreactivationResNet,
        findings: int,
        grid: int,
        pooling: nn.Module | None = None,
        crf: "PACCRF | None" = None,
        features: "PatchFeatures | None" = None,
        hidden: int | None = None,
        second_stage: bool = True,
    ) -> None:
        super().__init__()
        if findings < 1 or grid < 1:
            raise ValueError(f"findings ({findings}) and grid ({grid}) must be at least 1")
        if (crf is None) != (features is None):
            raise ValueError("a CRF needs features, and features a CRF: give both or neither")
        if not second_stage:
            crf, features = None, None
        self.grid = [grid, grid]
        self.backbone = backbone
        hidden = max(1, backbone.channels // 4) if hidden is None else hidden
        last = nn.Conv2d(hidden, findings, kernel_size=1)
        self.head = nn.Sequential(
            nn.Conv2d(backbone.channels, hidden, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
            last,
        )
        self.has_crf = crf is not None
        self.features = nn.Identity() if features is None else features
        self.crf = nn.Identity() if crf is None else crf
        self.pooling = NoisyOrPooling() if pooling is None else pooling
        for part in (self.backbone, self.head):
            part.apply(he_initialise)
        start_level(last, undecided_logit(self.pooling, findings, self.grid))
        self.stage = 1
        self.register_buffer("stage_reached", torch.tensor(1))
        self.register_load_state_dict_post_hook(_take_up_stage)
        self.set_stage(1)

    def forward(self, image: Tensor) -> Prediction:
        """Scores and a map of an image.

        Args:
            image: (B, 1, H, W) in [0, 1].

        Returns:
            score (B, K) and map (B, K, P, P), logits.
        """
        image = 2 * image - 1
        features = functional.interpolate(self.backbone(image), size=self.grid, mode="bilinear", align_corners=False)
        logits = self.head(features)
        if self.has_crf and self.stage == 2:
            logits = self.crf(logits, self.features(image))
        return Prediction(score=self.pooling(logits), map=logits)

    def set_stage(self, stage: int) -> None:
        """Go to stage 1 (the CRF is not used) or 2 (everything before it is frozen).

        Raises:
            ValueError: Another number, or stage 2 of a network without a CRF.
        """
        if stage not in (1, 2) or (stage == 2 and not self.has_crf):
            raise ValueError(f"stage {stage}: must be 1, or 2 if the network has a CRF")
        self.stage = stage
        self.stage_reached.fill_(stage)
        for part, learns in ((self.backbone, stage == 1), (self.head, stage == 1), (self.features, stage == 2)):
            part.requires_grad_(learns)
        self.crf.requires_grad_(stage == 2)
        self.train(self.training)

    def unary_parameters(self) -> list[nn.Parameter]:
        """Parameters that stage one trains."""
        return [*self.backbone.parameters(), *self.head.parameters()]

    def crf_parameters(self) -> list[nn.Parameter]:
        """Parameters that stage two trains; empty without a CRF."""
        return [*self.features.parameters(), *self.crf.parameters()]

    def train(self, mode: bool = True) -> "PatchNetwork":
        """Like any module, except that frozen parts stay in evaluation mode, with their running statistics."""
        super().train(mode)
        if self.stage == 2:
            self.backbone.eval()
            self.head.eval()
        return self


def _take_up_stage(network: nn.Module, _: Any) -> None:  # noqa: ANN401 - torch's list of keys
    """Set the stage in which the loaded weights were saved."""
    if isinstance(network, PatchNetwork):
        network.set_stage(int(network.stage_reached))


def stage_of(state: Mapping[str, Tensor]) -> int:
    """The stage of a saved state of a ``PatchNetwork``."""
    return int(state["stage_reached"])
