"""Losses and networks of bundles crossed: any network with a map learns by any loss over maps, and the other way."""

import pytest
import torch
from torch import nn

from app.contract import Prediction, Target
from app.losses import (
    KnownLabelBCELoss,
    MultipleInstanceLoss,
    PixelBCELoss,
    RelaxedThresholdLoss,
    SigmoidThresholdLoss,
    WeightedSum,
)
from app.networks import PatchCountPooling, PatchNetwork, PatchThresholds, PreactivationResNet, SEDenseNet
from app.networks.pooling import LogSumExpPooling, NoisyOrPooling
from app.networks.unet import UNet

THRESHOLDS = PatchThresholds(2)
LOSSES = {
    "labels and pixels": WeightedSum([KnownLabelBCELoss(), PixelBCELoss()]),
    "li": MultipleInstanceLoss(),
    "sigmoid": SigmoidThresholdLoss(THRESHOLDS),
    "relaxed": RelaxedThresholdLoss(THRESHOLDS),
}


def patches(pooling: nn.Module) -> nn.Module:
    return PatchNetwork(PreactivationResNet((1, 1), width=4), 2, 8, pooling)


NETWORKS = {
    "patches, noisy-or": lambda: patches(NoisyOrPooling()),
    "patches, counted": lambda: patches(PatchCountPooling(THRESHOLDS)),
    "SE-DenseNet": lambda: SEDenseNet(2, (1, 1, 1, 1), 4, 8, upsample=2, pooling=LogSumExpPooling()),
    "U-Net": lambda: UNet(2, (4, 4, 4, 4, 4, 4)),
}


# On the 4,096 cells of the U-Net's map the sigmoid form is flat: its gradients vanish, as the paper says.
CROSSINGS = [(network, loss) for network in NETWORKS for loss in LOSSES if (network, loss) != ("U-Net", "sigmoid")]


@pytest.mark.parametrize(("network", "loss"), CROSSINGS)
def test_a_step_down_the_gradient_lowers_the_loss(network, loss):
    torch.manual_seed(0)
    net = NETWORKS[network]().eval()
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(4, 1, 64, 64, generator=generator)
    mask = torch.zeros(4, 2, 64, 64)
    mask[:, 0, 8:40, 8:40] = 1
    label = torch.tensor([[1.0, 0], [1, 1], [0, 1], [-1, -2]])
    target = Target(label, mask, torch.tensor([[True, False]] + [[False, False]] * 3))

    def value() -> torch.Tensor:
        prediction: Prediction = net(image)
        result: torch.Tensor = LOSSES[loss](prediction, target)
        return result

    before = value()
    before.backward()
    norm = torch.stack([p.grad.square().sum() for p in net.parameters() if p.grad is not None]).sum().sqrt()
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.grad is not None:
                parameter -= 1e-3 * parameter.grad / norm
    assert norm.item() > 0
    assert value().item() < before.item()
