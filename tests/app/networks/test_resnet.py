"""ResNet against torchvision's, its two heads, its resolutions, and weights that load by name."""

import pytest
import torch
import torchvision
from torch.nn import functional

from app.networks.pooling import AveragePooling, LogSumExpPooling, MaxPooling
from app.networks.resnet import ResNet, ScoreHead
from app.networks.start import started_network, take_over

TINY = {"depth": 18, "width": 4}


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(2, 1, 64, 96, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("depth", [18, 34, 101])
def test_features_are_torchvisions_with_weights_loaded_by_name(image, depth, tmp_path):
    # Oracle: torchvision's network, random weights, running statistics moved off their start by one pass.
    other = getattr(torchvision.models, f"resnet{depth}")(weights=None)
    grey = image.expand(-1, 3, -1, -1)
    other.train()(grey)
    other.eval()
    torch.save(other.state_dict(), tmp_path / "weights.pth")
    own = started_network(ResNet(3, depth), str(tmp_path / "weights.pth")).eval()
    seen = []
    own.segmentation.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    features = other.maxpool(other.relu(other.bn1(other.conv1(grey))))
    with torch.no_grad():
        own(image)
        expected = other.layer4(other.layer3(other.layer2(other.layer1(features))))
    torch.testing.assert_close(seen[0], expected, atol=1e-4, rtol=1e-4)


def test_all_but_the_heads_and_the_classifier_is_torchvisions(tmp_path):
    other = torchvision.models.resnet34(weights=None).state_dict()
    torch.save(other, tmp_path / "weights.pth")
    own = ResNet(2, 34)
    assert own.state_dict().keys() - other.keys() == {
        "segmentation.weight",
        "segmentation.bias",
        "classification.weight",
        "classification.bias",
    }
    assert other.keys() - own.state_dict().keys() == {"fc.weight", "fc.bias"}
    assert "at random start classification.bias, classification.weight, segmentation" in take_over(
        own, tmp_path / "weights.pth"
    )


def test_parameters_of_the_published_depth():
    # torchvision's ResNet-34 has 21,797,672: less its classifier (512 * 1000 + 1000) and two colours of the first
    # convolution (2 * 64 * 49), plus g (512 * 10 + 10) and z (2 * 10).
    own = sum(p.numel() for p in ResNet(10).parameters())
    assert own == 21_797_672 - 513_000 - 6_272 + 5_130 + 20


@pytest.mark.parametrize(
    ("strides", "share"), [((1, 2, 2, 2), 32), ((1, 2, 2, 1), 16), ((1, 2, 1, 1), 8), ((1, 1, 1, 1), 4)], ids=str
)
def test_strides_make_the_resolution_of_the_map(image, strides, share):
    prediction = ResNet(3, **TINY, strides=strides).eval()(image)
    assert prediction.map.shape == (2, 3, 64 // share, 96 // share)
    assert prediction.score.shape == (2, 3)


@pytest.mark.parametrize("size", [(33, 47), (32, 32), (1, 1)], ids=str)
def test_odd_sizes_are_rounded_up(size):
    here = ResNet(1, **TINY).eval()(torch.rand(1, 1, *size)).map
    assert here.shape == (1, 1, -(-size[0] // 32), -(-size[1] // 32))


def test_score_follows_from_the_map_alone(image):
    network = ResNet(2, **TINY, pooling=MaxPooling()).eval()
    network.classification.weight.data = torch.tensor([2.0, -1.0])
    network.classification.bias.data = torch.tensor([0.5, 3.0])
    prediction = network(image)
    torch.testing.assert_close(prediction.score[:, 0], 2 * prediction.map[:, 0].amax(dim=(1, 2)) + 0.5)
    torch.testing.assert_close(prediction.score[:, 1], 3 - prediction.map[:, 1].amax(dim=(1, 2)))


def test_score_head_by_hand():
    # Averages 2 and -1, weighed by 3 and 1, shifted by 0 and 1.
    head = ScoreHead(2, AveragePooling())
    head.weight.data = torch.tensor([3.0, 1.0])
    head.bias.data = torch.tensor([0.0, 1.0])
    here = torch.tensor([[[[1.0, 3.0]], [[-1.0, -1.0]]]])
    torch.testing.assert_close(head(here), torch.tensor([[6.0, 0.0]]))


def test_a_finding_is_scored_and_mapped_by_itself(image):
    # Heads are per finding: what the filter of one is changes nothing of the other.
    network = ResNet(2, **TINY).eval()
    before = network(image)
    network.segmentation.weight.data[0] += 1
    network.classification.bias.data[0] += 1
    after = network(image)
    assert torch.equal(before.map[:, 1], after.map[:, 1])
    assert torch.equal(before.score[:, 1], after.score[:, 1])
    assert not torch.equal(before.score[:, 0], after.score[:, 0])


@pytest.mark.parametrize("depth", [18, 101])
def test_gradient_reaches_every_parameter(image, depth):
    network = ResNet(2, depth, width=4)
    prediction = network(image)
    functional.softplus(prediction.score).sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []
    assert all(bool(p.grad.isfinite().all()) for p in network.parameters())


@pytest.mark.parametrize("pooling", [None, LogSumExpPooling(2.0), MaxPooling()], ids=["default", "soft", "max"])
@pytest.mark.parametrize("depth", [18, 101])
def test_scripted_network_says_the_same(image, pooling, depth):
    network = ResNet(2, depth, width=4, pooling=pooling).eval()
    scripted = torch.jit.script(network)(image)
    torch.testing.assert_close(scripted.score, network(image).score)
    torch.testing.assert_close(scripted.map, network(image).map)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"depth": 50}, "depth is one of 18, 34, 101, not 50"),
        ({"findings": 0}, r"findings \(0\)"),
        ({"width": 0}, r"width \(0\)"),
        ({"strides": (1, 2, 2)}, r"strides \(\[1, 2, 2\]\)"),
        ({"strides": (1, 2, 2, 3)}, "each 1 or 2"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_refuses_what_is_no_network(wrong, message):
    with pytest.raises(ValueError, match=message):
        ResNet(**(TINY | wrong))
