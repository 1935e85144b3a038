"""Losses and networks of bundles crossed: any network with a map learns by any loss over maps, and the other way."""

import pytest
import torch
from monai.bundle import ConfigParser
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
from app.networks.antialias import BlurDownsample, BlurredConv2d
from app.networks.pooling import LogSumExpPooling, NoisyOrPooling
from app.networks.unet import UNet
from tests.app.networks.bundle_networks import ROOT, made

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


@pytest.mark.parametrize("forms", [("base",), ("published", "base")], ids="+".join)
def test_the_base_form_is_the_papers_base_model(forms):
    # Section 3.1: a pre-activation ResNet, two convolutions, the loss of Li et al.; neither low-pass nor CRF.
    network, loss = made("limited_annotation", forms, "network_def", "loss")
    assert isinstance(network, PatchNetwork)
    assert not network.has_crf
    assert network.crf_parameters() == []
    assert not any(isinstance(module, BlurDownsample) for module in network.modules())
    assert [module.reach for module in network.modules() if isinstance(module, BlurredConv2d)] == [0]
    assert isinstance(network.pooling, NoisyOrPooling)
    assert isinstance(loss, MultipleInstanceLoss)
    assert made("limited_annotation", forms, "first_stage") == made("limited_annotation", forms, "max_epochs")


def test_the_base_form_is_used_for_inference_with_the_same_setting():
    folder = ROOT / "bundles/limited_annotation/configs"
    parser = ConfigParser()
    parser.read_config([str(folder / "inference.yaml"), str(folder / "base.yaml")])
    parser["findings"] = ["Effusion", "Nodule"]
    (trained,) = made("limited_annotation", ("base",), "network_def")
    assert parser.get_parsed_content("network_def").state_dict().keys() == trained.state_dict().keys()


def test_with_and_without_a_second_stage_the_unaries_start_and_fall_alike():
    # So that a study which trains the unaries for 15 epochs, and has 5 more for the CRF or not, compares the CRF.
    networks, rates = [], []
    for settings in ({"max_epochs": 20, "first_stage": 15}, {"max_epochs": 15, "second_stage": False}):
        network, optimizer, scheduler = made(
            "limited_annotation", (), "network_def", "optimizer", "scheduler", device="cpu", **settings
        )
        networks.append(network)
        rates.append([])
        for _ in range(15):
            rates[-1].append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    assert rates[0] == rates[1]
    assert rates[0][-1] == pytest.approx(2e-3 * 0.1 ** (14 / 15))
    own = networks[0].state_dict()
    assert all(torch.equal(own[name], value) for name, value in networks[1].state_dict().items())


def test_the_second_stage_begins_at_a_rate_of_its_own_and_ends_at_its_end():
    optimizer, scheduler = made("limited_annotation", ("published",), "optimizer", "scheduler", device="cpu")
    rates = []
    for _ in range(40):
        rates.append(optimizer.param_groups[1]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates[30] == pytest.approx(1e-2)
    assert optimizer.param_groups[1]["lr"] == pytest.approx(1e-2 * 0.01)
