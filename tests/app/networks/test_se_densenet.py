"""SE-DenseNet against torchvision's DenseNet-121, the squeeze-and-excitation formula, and its two forms."""

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional

from app.networks.pooling import AveragePooling, MaxPooling
from app.networks.se_densenet import SEDenseNet, SqueezeExcitation

TINY = {"blocks": (1, 1, 1, 1), "growth": 4, "stem": 8}


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(2, 1, 96, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_features_are_those_of_torchvision_where_excitation_changes_nothing(image):
    # Oracle: torchvision's DenseNet-121, random weights, running statistics moved off their start by one pass.
    other = torchvision.models.densenet121(weights=None)
    grey = image.expand(-1, 3, -1, -1)
    other.train()(grey)
    other.eval()
    own = SEDenseNet()
    state = {name.removeprefix("features."): value for name, value in other.state_dict().items()}
    # The same image in three channels meets three thirds of one kernel: their sum is what one grey channel meets.
    thirds = state["conv0.weight"].mean(dim=1, keepdim=True).expand(-1, 3, -1, -1) / 3
    other.features.conv0.weight.data.copy_(thirds)
    state["conv0.weight"] = thirds.sum(dim=1, keepdim=True)
    unfit = own.features.load_state_dict({k: v for k, v in state.items() if "classifier" not in k}, strict=False)
    assert unfit.unexpected_keys == []
    assert all(name.startswith("excitation") for name in unfit.missing_keys)
    for number in range(1, 5):
        setattr(own.features, f"excitation{number}", nn.Identity())
    with torch.no_grad():
        expected = functional.relu(other.features(grey))
        result = own.eval().features(image)
    assert result.shape == (2, 1024, 3, 2)
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=1e-5)


def test_open_gates_change_nothing(image):
    # sigmoid(40) is 1 in float32, so the block passes its input.
    block = SqueezeExcitation(8)
    block.excite.weight.data.zero_()
    block.excite.bias.data.fill_(40)
    features = torch.randn(2, 8, 3, 4)
    assert torch.equal(block(features), features)


def test_squeeze_and_excitation_by_hand():
    # Two channels, means 1 and 3. Squeeze: relu(2 * 1 - 1 * 3 + 2) = 1. Excite: sigmoid(0 * 1), sigmoid(-1 * 1 + 1).
    block = SqueezeExcitation(2, reduction=2)
    with torch.no_grad():
        block.squeeze.weight.copy_(torch.tensor([2.0, -1.0]).view(1, 2, 1, 1))
        block.squeeze.bias.fill_(2.0)
        block.excite.weight.copy_(torch.tensor([0.0, -1.0]).view(2, 1, 1, 1))
        block.excite.bias.copy_(torch.tensor([0.0, 1.0]))
    features = torch.tensor([[[[0.0, 2.0]], [[3.0, 3.0]]]])
    torch.testing.assert_close(block(features), 0.5 * features)


def test_bottleneck_has_a_channel_at_least():
    assert SqueezeExcitation(4, reduction=16)(torch.rand(1, 4, 2, 2)).shape == (1, 4, 2, 2)


@pytest.mark.parametrize(("upsample", "side"), [(1, 2), (2, 4), (4, 8)])
def test_upsampling_enlarges_the_map(upsample, side):
    prediction = SEDenseNet(3, **TINY, upsample=upsample).eval()(torch.rand(2, 1, 64, 64))
    assert prediction.map.shape == (2, 3, side, side)
    assert prediction.score.shape == (2, 3)


def test_score_is_what_the_pooling_says_of_the_map(image):
    first = SEDenseNet(2, **TINY).eval()(image)
    torch.testing.assert_close(first.score, first.map.mean(dim=(2, 3)))
    second = SEDenseNet(2, **TINY, upsample=2, pooling=MaxPooling()).eval()(image)
    assert torch.equal(second.score, second.map.amax(dim=(2, 3)))


def test_parameters_of_the_published_depth():
    # By hand: DenseNet-121's features have 6,953,856 parameters, less two colours of the first convolution; blocks of
    # squeeze-and-excitation on c channels 2 c c/16 + c/16 + c; sub-network 1024 * 256 * 9 + 2 * 256 + 256 + 1.
    features = 6_953_856 - 2 * 64 * 49
    excitation = sum(2 * c * c // 16 + c // 16 + c for c in (256, 512, 1024, 1024))
    assert sum(p.numel() for p in SEDenseNet().parameters()) == features + excitation + 1024 * 256 * 9 + 512 + 257


@pytest.mark.parametrize("size", [(33, 47), (32, 32), (50, 97)], ids=str)
@pytest.mark.parametrize("upsample", [1, 2])
def test_odd_sizes_pass(size, upsample):
    prediction = SEDenseNet(1, **TINY, upsample=upsample).eval()(torch.rand(1, 1, *size))
    assert prediction.map.shape == (1, 1, upsample * (size[0] // 32), upsample * (size[1] // 32))


def test_gradient_reaches_every_parameter(image):
    network = SEDenseNet(2, **TINY, upsample=2, pooling=MaxPooling())
    prediction = network(image)
    (prediction.score.square().mean() + prediction.map.square().mean()).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []
    assert all(bool(p.grad.isfinite().all()) for p in network.parameters())


@pytest.mark.parametrize("pooling", [AveragePooling(), MaxPooling()], ids=["average", "max"])
def test_scripted_network_says_the_same(image, pooling):
    network = SEDenseNet(2, **TINY, upsample=2, pooling=pooling).eval()
    scripted = torch.jit.script(network)(image)
    torch.testing.assert_close(scripted.score, network(image).score)
    torch.testing.assert_close(scripted.map, network(image).map)


def test_two_scores_of_a_batch_do_not_meet_in_evaluation(image):
    network = SEDenseNet(2, **TINY).eval()
    torch.testing.assert_close(network(image).map[1:], network(image[1:]).map)


@pytest.mark.parametrize(
    "wrong", [{"findings": 0}, {"upsample": 0}, {"blocks": ()}, {"blocks": (1, 0)}], ids=lambda wrong: next(iter(wrong))
)
def test_refuses_less_than_one(wrong):
    with pytest.raises(ValueError, match="must be at least 1"):
        SEDenseNet(**({"growth": 4, "stem": 8} | wrong))
