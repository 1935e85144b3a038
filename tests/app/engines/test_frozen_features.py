"""Frozen features: computed once, saved, never stale, and with the same predictions as the images."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from app.engines import PrepareBatch
from app.engines.frozen_features import BATCH, FrozenFeatures, features_if_frozen
from app.networks.backbones import BackboneClassifier

SMALL = "lcnet_050"


class Prepared:
    """Stands in for a PreparedDataset: images of noise, counting how often it is read."""

    lungs_not_found = ("a.png",)

    def __init__(self, count: int = BATCH + 3, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.image = torch.randint(0, 256, (count, 1, 64, 64), dtype=torch.uint8, generator=generator)
        self.samples = [{"name": f"{n}.png", "label": np.array([n % 2, -1], np.float32)} for n in range(count)]
        self.read = 0

    def __len__(self) -> int:
        return len(self.samples)

    def __getitems__(self, indices: Any) -> list[dict[str, Any]]:
        self.read += len(indices)
        return [
            {
                "image": self.image[n],
                "label": torch.from_numpy(self.samples[n]["label"]),
                "annotated": torch.tensor([True, False]),
                "mask": torch.ones(2, 64, 64, dtype=torch.uint8),
                "index": n,
            }
            for n in indices
        ]


@pytest.fixture(scope="module")
def network() -> BackboneClassifier:
    torch.manual_seed(0)
    return BackboneClassifier(2, SMALL, frozen=True)


@pytest.mark.parametrize("pooled", [True, False])
def test_features_give_the_predictions_of_the_images(network: BackboneClassifier, tmp_path: Path, pooled: bool) -> None:
    data = Prepared()
    features = FrozenFeatures(data, network, tmp_path, pooled)
    batch = default_collate(features.__getitems__([5, BATCH + 1]))
    image, target = PrepareBatch()(batch, torch.device("cpu"))
    network.eval()
    with torch.no_grad():
        expected = network(data.image[[5, BATCH + 1]].float() / 255)
        found = network(image)
    # Features that are not pooled are kept in half precision: ten bits of the fraction.
    torch.testing.assert_close(found.score, expected.score, rtol=0, atol=1e-5 if pooled else 5e-3)
    assert target.label.tolist() == [[1, -1], [1, -1]]
    assert batch["index"].tolist() == [5, BATCH + 1]
    assert found.map.shape == ((2, 2, 1, 1) if pooled else expected.map.shape)
    # Pooled features know no place: no location takes part.
    assert bool(target.annotated.any()) is not pooled


def test_features_are_computed_once_and_epochs_read_no_image(network: BackboneClassifier, tmp_path: Path) -> None:
    data = Prepared()
    FrozenFeatures(data, network, tmp_path)
    files = list(tmp_path.iterdir())
    assert len(files) == 1
    written = files[0].stat().st_mtime_ns
    features = FrozenFeatures(data, network, tmp_path)
    assert files[0].stat().st_mtime_ns == written
    read = data.read
    for _ in range(3):
        features.__getitems__(range(len(features)))
    assert data.read == read
    assert features[1]["label"].tolist() == [1, -1]
    assert features.lungs_not_found == ["a.png"]


def test_other_pixels_or_weights_give_other_features(network: BackboneClassifier, tmp_path: Path) -> None:
    FrozenFeatures(Prepared(), network, tmp_path)
    FrozenFeatures(Prepared(seed=1), network, tmp_path)
    other = BackboneClassifier(2, SMALL, frozen=True)
    FrozenFeatures(Prepared(), other, tmp_path)
    # Neither batch statistics nor the classifier's weights may be mistaken for the backbone's.
    other.backbone.state_dict()["layers.bn1.running_mean"].add_(1)
    FrozenFeatures(Prepared(), other, tmp_path)
    assert len(list(tmp_path.iterdir())) == 4
    other.classifier[0].weight.data.add_(1)
    FrozenFeatures(Prepared(), other, tmp_path)
    assert len(list(tmp_path.iterdir())) == 4
    other.backbone.stages = True  # the same weights give other features
    FrozenFeatures(Prepared(), other, tmp_path)
    assert len(list(tmp_path.iterdir())) == 5


def test_a_network_that_is_not_frozen_gets_images(tmp_path: Path) -> None:
    data = Prepared()
    assert features_if_frozen(data, BackboneClassifier(2, SMALL), tmp_path) is data
    assert not list(tmp_path.iterdir())


def test_no_partial_file_is_left(network: BackboneClassifier, tmp_path: Path) -> None:
    class Broken(Prepared):
        def __getitems__(self, indices: Any) -> list[dict[str, Any]]:
            if self.read >= len(self) + BATCH:  # after the key's pass, in the second batch of the features' pass
                raise OSError("the disk has gone")
            return super().__getitems__(indices)

    with pytest.raises(OSError, match="the disk has gone"):
        FrozenFeatures(Broken(), network, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kept", [0, 40, 600], ids=["empty", "in its head", "in its features"])
def test_a_truncated_file_is_reported_and_computed_again(network, tmp_path: Path, caplog, kept: int) -> None:
    expected = np.array(FrozenFeatures(Prepared(), network, tmp_path).features)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:kept])
    np.testing.assert_array_equal(FrozenFeatures(Prepared(), network, tmp_path).features, expected)
    assert f"{path}: not a file of features" in caplog.text
