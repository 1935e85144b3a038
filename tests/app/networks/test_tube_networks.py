"""The tubes' networks: shapes, and a map that adds up to the score."""

import pytest
import torch

from app.networks.backbones import BackboneClassifier
from app.networks.tube_networks import TubeDenseNet, tube_network

SMALL = "lcnet_050"


def test_the_map_of_the_modified_network_adds_up_to_its_score() -> None:
    network = TubeDenseNet(4, SMALL).eval()
    image = torch.rand(2, 1, 128, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        prediction = network(image)
    assert prediction.score.shape == (2, 4)
    assert prediction.map.shape == (2, 4, 4, 4)
    # The map shows the score's terms, by definition.
    torch.testing.assert_close(prediction.map.mean(dim=(2, 3)), prediction.score, rtol=1e-4, atol=1e-5)


def test_the_modified_network_knows_where_a_feature_is() -> None:
    # Mirrored pixels do not give the same score, as they would nearly after global pooling of symmetric features:
    # the weights of the last layer belong to places.
    network = TubeDenseNet(1, SMALL, grid=2).eval()
    with torch.no_grad():
        network.classifier.weight.zero_()
        network.classifier.weight[:, :256] = 1  # the upper left cell alone
        cells = torch.zeros(1, 4, 256)
        cells[:, 0] = 1
        here = network._map(cells)
    assert here[0, 0, 0, 0] > 0
    torch.testing.assert_close(here[0, 0].flatten()[1:], network.classifier.bias.expand(3))


def test_one_name_for_the_four_networks_of_the_paper() -> None:
    assert isinstance(tube_network(1, SMALL, modified=True), TubeDenseNet)
    assert isinstance(tube_network(1, SMALL, modified=False), BackboneClassifier)


@pytest.mark.parametrize("kwargs", [{"findings": 0}, {"width": 0}, {"grid": 0}, {"dropout": 1.0}])
def test_impossible_sizes_are_refused(kwargs: dict) -> None:
    with pytest.raises(ValueError, match="must be at least 1, dropout"):
        TubeDenseNet(architecture=SMALL, **kwargs)
