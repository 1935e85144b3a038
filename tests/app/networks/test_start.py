"""The links of a transfer chain: what fits is taken over, what does not is said, and a foreign file is refused."""

import logging
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from app.networks.checkpoints import save, weights
from app.networks.se_densenet import SEDenseNet
from app.networks.start import started_network, take_over


def tiny(findings: int = 1, seed: int = 0, **changes: int) -> SEDenseNet:
    torch.manual_seed(seed)
    return SEDenseNet(findings, **({"blocks": (1, 2), "growth": 4, "stem": 8} | changes))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save(weights(tiny(seed=1)), tmp_path / "model.pt")
    return tmp_path / "model.pt"


def test_without_a_start_the_network_stays_as_it_was_made():
    network = started_network(tiny(), None)
    assert all(torch.equal(value, tiny().state_dict()[name]) for name, value in network.state_dict().items())
    assert network.features.conv0.weight.is_contiguous(memory_format=torch.channels_last)


def test_everything_that_fits_is_taken_over_and_it_is_said(path, caplog):
    with caplog.at_level(logging.INFO):
        network = started_network(tiny(), str(path))
    for name, value in tiny(seed=1).state_dict().items():
        assert torch.equal(network.state_dict()[name], value), name
    assert caplog.messages == [f"100.0% of the network's numbers taken over from {path}"]


def test_a_part_of_another_shape_starts_at_random_and_is_named(path):
    # Two findings instead of one: the last convolution has other shapes, everything else fits.
    network = tiny(findings=2)
    fresh = {name: value.clone() for name, value in network.state_dict().items()}
    said = take_over(network, path)
    assert said.endswith("; at random start subnetwork.3")
    for name, value in network.state_dict().items():
        source = fresh if name.startswith("subnetwork.3") else tiny(seed=1).state_dict()
        assert torch.equal(value, source[name]), name


def test_image_level_weights_start_the_pixel_level_form(path):
    # A link of the paper's chain: the two forms differ in upsampling and pooling, which have no weights.
    assert take_over(tiny(upsample=2), path).startswith("100.0%")


def test_three_colours_become_one_grey(tmp_path):
    other = nn.ModuleDict({"features": nn.ModuleDict({"conv0": nn.Conv2d(3, 8, 7, padding=3, bias=False)})})
    own = nn.ModuleDict({"features": nn.ModuleDict({"conv0": nn.Conv2d(1, 8, 7, padding=3, bias=False)})})
    save(weights(other), tmp_path / "colour.pt")
    take_over(own, tmp_path / "colour.pt")
    image = torch.rand(1, 1, 9, 9)
    torch.testing.assert_close(
        own["features"]["conv0"](image), other["features"]["conv0"](image.expand(-1, 3, -1, -1)), atol=1e-5, rtol=1e-5
    )


def test_names_of_published_densenet_files_are_understood(tmp_path):
    # torchvision's published files, such as densenet121-a639ec97.pth, write norm.1 for norm1 and count no batches.
    old = {
        re.sub(r"\.(norm|conv)(\d)\.", r".\1.\2.", name) if "denselayer" in name else name: value
        for name, value in weights(tiny(seed=1)).items()
        if "num_batches_tracked" not in name and "excitation" not in name and "subnetwork" not in name
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    save(old, tmp_path / "published.pt")
    network = tiny()
    said = take_over(network, tmp_path / "published.pt")
    assert said.endswith(
        "; at random start features.excitation1, features.excitation2, subnetwork.0, subnetwork.1, subnetwork.3"
    )
    expected = tiny(seed=1).features.denseblock1.denselayer1
    assert torch.equal(network.features.denseblock1.denselayer1.conv2.weight, expected.conv2.weight)
    assert torch.equal(network.features.denseblock1.denselayer1.norm1.bias, expected.norm1.bias)


def test_names_that_look_old_but_are_the_networks_own_stay(tmp_path):
    network = nn.ModuleDict({"a": nn.ModuleDict({"conv": nn.Sequential(nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1))})})
    save(weights(network), tmp_path / "model.pt")
    assert take_over(network, tmp_path / "model.pt").startswith("100.0%")


def test_a_foreign_checkpoint_is_refused(tmp_path):
    save(weights(nn.Sequential(nn.Linear(3, 3))), tmp_path / "foreign.pt")
    network = tiny()
    fresh = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(ValueError, match=r"foreign\.pt fits only 0% of this network's numbers; at least 50% must fit"):
        take_over(network, tmp_path / "foreign.pt")
    assert all(torch.equal(value, fresh[name]) for name, value in network.state_dict().items())


def test_neither_a_file_nor_a_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(FileNotFoundError, match=r"there is no file 'modle\.pt', nor a run to start from: .*mlflow\.db"):
        started_network(tiny(), "modle.pt")
