"""Grad-CAM: against MONAI's and the class activation map, and under the conditions of an evaluator."""

import copy

import pytest
import torch
from monai.visualize import GradCAM
from torch import nn

from app.contract import Prediction
from app.engines.activation_maps import GradCAMInferer, grad_cam
from app.engines.device import MixedPrecisionInferer
from app.networks.resnet import ResNet

INFERER = MixedPrecisionInferer("float32", torch.device("cpu"))


class Small(nn.Module):
    """Two convolutions, average pooling and a linear layer: no map of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Conv2d(4, 5, 3, stride=2)
        )
        self.late = nn.ReLU(inplace=True)
        self.classifier = nn.Linear(5, 3)

    def forward(self, image: torch.Tensor) -> Prediction:
        score = self.classifier(self.late(self.features(image)).mean(dim=(2, 3)))
        return Prediction(score, score[:, :, None, None])


class ScoresAlone(nn.Module):
    """Returns one tensor, as MONAI's Grad-CAM expects."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.network(image).score


@pytest.fixture
def network() -> Small:
    torch.manual_seed(0)
    return Small().eval()


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(2, 1, 15, 17, generator=torch.Generator().manual_seed(0))


# MONAI warns that the image itself needs no gradient.
@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
@pytest.mark.parametrize("layer", ["features.0", "features.3", "late"])
def test_maps_equal_monais(network, image, layer):
    # Two of these are followed by layers that work in place, which must not change the features.
    maps = GradCAMInferer(layer, INFERER)(image, network).map
    theirs = copy.deepcopy(network)
    for module in (theirs.features[2], theirs.late):
        module.inplace = False  # MONAI's hooks cannot live with it
    other = GradCAM(
        ScoresAlone(theirs), f"network.{layer}", upsampler=lambda _: nn.Identity(), postprocessing=lambda x: x
    )
    for finding in range(3):
        expected = torch.relu(other(image, class_idx=finding))
        torch.testing.assert_close(maps[:, finding], expected[:, 0], atol=1e-6, rtol=1e-4)


def test_maps_of_pooled_features_are_class_activation_maps(network, image):
    # Zhou et al. 2016: the classifier's weights on the features. The gradient of a mean over n places is weight / n.
    features = network.late(network.features(image))
    n = features.shape[2] * features.shape[3]
    expected = torch.relu(torch.einsum("ck,bkhw->bchw", network.classifier.weight, features)) / n
    torch.testing.assert_close(GradCAMInferer("late", INFERER)(image, network).map, expected)


def test_a_map_by_hand():
    # Score: sum of channel 0 minus twice channel 1: weights 1 and -2 at each of two places.
    features = torch.tensor([[[[3.0, 1.0]], [[1.0, 1.0]]]], requires_grad=True)
    score = features[:, 0].sum(dim=(1, 2)) - 2 * features[:, 1].sum(dim=(1, 2))
    assert grad_cam(features, score).tolist() == [[[1.0, 0.0]]]


def test_scores_are_the_networks_and_hooks_are_removed(network, image):
    expected = network(image).score
    before = len(network.features[3]._forward_hooks)
    with torch.no_grad():
        prediction = GradCAMInferer("features.3", INFERER)(image, network)
    torch.testing.assert_close(prediction.score, expected)
    assert not prediction.score.requires_grad
    assert not prediction.map.requires_grad
    assert len(network.features[3]._forward_hooks) == before
    assert all(parameter.grad is None for parameter in network.parameters())


def test_frozen_networks_have_the_same_maps(network, image):
    expected = GradCAMInferer("features", INFERER)(image, network).map
    network.requires_grad_(False)
    torch.testing.assert_close(GradCAMInferer("features", INFERER)(image, network).map, expected)


def test_images_of_a_batch_do_not_affect_each_other(network, image):
    inferer = GradCAMInferer("features", INFERER)
    torch.testing.assert_close(inferer(image, network).map[1:], inferer(image[1:], network).map)


def test_maps_are_the_same_in_inference_mode(network, image):
    expected = GradCAMInferer("features", INFERER)(image, network).map
    with torch.inference_mode():
        torch.testing.assert_close(GradCAMInferer("features", INFERER)(image, network).map, expected)


def test_a_score_independent_of_the_layer_has_an_empty_map():
    features = torch.rand(2, 3, 4, 5, requires_grad=True)
    other = torch.rand(2, requires_grad=True)
    assert torch.equal(grad_cam(features, other * 1), torch.zeros(2, 4, 5))


def test_unsuitable_layers_are_refused(network, image):
    with pytest.raises(ValueError, match="no layer 'layer4'; its outermost are features, late, classifier"):
        GradCAMInferer("layer4", INFERER)(image, network)
    with pytest.raises(ValueError, match=r"layer 'classifier' does not give features \(B, K, h, w\)"):
        GradCAMInferer("classifier", INFERER)(image, network)
    network.unused = nn.Identity()
    with pytest.raises(ValueError, match="never called its layer 'unused'"):
        GradCAMInferer("unused", INFERER)(image, network)
    with pytest.raises(RuntimeError, match="needs a network in evaluation mode"):
        GradCAMInferer("features", INFERER)(image, network.train())


def test_maps_of_a_bundles_network():
    torch.manual_seed(0)
    network = ResNet(3, depth=18, width=4, strides=(1, 2, 1, 1)).eval()
    wide = torch.rand(2, 1, 64, 64)
    prediction = GradCAMInferer("layer4", INFERER)(wide, network)
    assert prediction.map.shape == (2, 3, 8, 8)
    torch.testing.assert_close(prediction.score, network(wide).score)
