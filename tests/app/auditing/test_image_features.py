"""Features by a frozen network, and those that are kept."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from app.auditing.image_features import features_of
from app.datalist.item import Item

ITEMS = [Item(f"{number}.png", str(number), (1,)) for number in range(3)]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Three radiographs, and weights of timm's smallest network."""
    generator = np.random.default_rng(0)
    for item in ITEMS:
        cv2.imwrite(str(tmp_path / item.image), generator.integers(0, 255, (224, 224), dtype=np.uint8))
    torch.manual_seed(0)
    state = timm.create_model("test_resnet", pretrained=False).state_dict()
    save_file(state, tmp_path / "start.safetensors", {"architecture": "test_resnet"})
    return tmp_path / "start.safetensors"


def test_mean_and_maximum_of_the_maps_are_kept(weights, tmp_path):
    feature = features_of(weights, ITEMS, tmp_path, tmp_path / "features.npz")
    network = timm.create_model("test_resnet", pretrained=False)
    network.load_state_dict(load_file(weights))
    image = torch.from_numpy(cv2.imread(str(tmp_path / "1.png"), cv2.IMREAD_GRAYSCALE) / np.float32(255))
    mean, deviation = (np.mean(network.default_cfg[name]) for name in ("mean", "std"))
    grey = ((image - mean) / deviation).float().expand(1, 3, -1, -1)
    maps = network.eval().forward_features(grey).detach()
    expected = torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)[0].numpy()
    assert feature.shape == (3, 192)
    assert feature[1] == pytest.approx(expected, abs=1e-4)
    picture = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").unlink()  # nothing is computed a second time
    assert features_of(weights, ITEMS, tmp_path, tmp_path / "features.npz").tolist() == feature.tolist()
    (tmp_path / "1.png").write_bytes(picture)
    state = {name: value * 2 for name, value in load_file(weights).items()}
    save_file(state, weights, {"architecture": "test_resnet"})  # but with other weights it is
    assert features_of(weights, ITEMS, tmp_path, tmp_path / "features.npz").tolist() != feature.tolist()


def test_weights_of_an_unknown_network_are_refused(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "any.safetensors")
    with pytest.raises(ValueError, match="does not say what network it is of"):
        features_of(tmp_path / "any.safetensors", ITEMS, tmp_path, tmp_path / "features.npz")
    (tmp_path / "no.safetensors").write_bytes(b"text")
    with pytest.raises(ValueError, match="not a safetensors file"):
        features_of(tmp_path / "no.safetensors", ITEMS, tmp_path, tmp_path / "features.npz")
