"""Backbones of timm: what they make, what weights they take, and what frozen means."""

import json
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from app.networks.backbones import ARCHITECTURES, Backbone, BackboneClassifier
from app.networks.checkpoints import save, weights

SMALL = "lcnet_050"


def image(count: int = 2, side: int = 64) -> torch.Tensor:
    return torch.rand(count, 1, side, side, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def timm_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, torch.Tensor]]:
    """Weights as timm publishes them: three colours, with the classifier; made here, not downloaded."""
    torch.manual_seed(1)
    state = timm.create_model(SMALL, pretrained=False).state_dict()
    path = tmp_path_factory.mktemp("timm") / "published.safetensors"
    save_file(state, path)
    return path, state


# Channels at 1/32 of the resolution, from the architectures' papers (VGG-19's last block has 512).
@pytest.mark.parametrize(("name", "channels"), [("mobilenet", 1024), ("densenet121", 1024)])
def test_backbones_of_the_paper_make_maps(name: str, channels: int) -> None:
    backbone = Backbone(name).eval()
    with torch.no_grad():
        assert backbone(image()).shape == (2, channels, 2, 2)


def test_an_image_that_an_architecture_cannot_take_is_refused_in_words() -> None:
    # Inception-v3's paper has no padding in its first convolutions; 75 is what Keras' and timm's forms take at least.
    backbone = Backbone("inception_v3").eval()
    with torch.no_grad():
        assert backbone(image(1, 75)).shape == (1, 2048, 1, 1)
        with pytest.raises(ValueError, match="images of 74 x 74 pixels: this architecture needs sides of at least 75"):
            backbone(image(1, 74))


def test_every_architecture_of_the_papers_is_one_of_timms() -> None:
    assert [name for name in ARCHITECTURES.values() if not timm.is_model(name)] == []


def test_heads_that_nobody_uses_are_left_out() -> None:
    # VGG-19's features have 20,024,384 numbers for three colours (its paper's table 2, 16 convolutions with biases);
    # grey spares 2 x 64 x 9. The fully connected layers would add 119 million.
    count = sum(value.numel() for value in Backbone("vgg19").parameters())
    assert count == 20_024_384 - 2 * 64 * 9


def test_colour_weights_become_grey_by_their_sum(timm_file: tuple[Path, dict[str, torch.Tensor]]) -> None:
    path, state = timm_file
    backbone = Backbone(SMALL, path).eval()
    colour = timm.create_model(SMALL, pretrained=False, num_classes=0, global_pool="").eval()
    colour.load_state_dict(state, strict=False)
    # The same grey value in three colours, standardised alike, is what the weights were made for.
    standardised = ((image() - backbone.mean) / backbone.deviation).expand(-1, 3, -1, -1)
    with torch.no_grad():
        torch.testing.assert_close(backbone(image()), colour.forward_features(standardised), rtol=1e-4, atol=1e-5)


def test_a_checkpoint_of_our_own_serves_as_weights(tmp_path: Path) -> None:
    first = BackboneClassifier(3, SMALL)
    save(weights(first), tmp_path / "model.pt")
    second = BackboneClassifier(2, SMALL, weights=tmp_path / "model.pt")
    for (name, one), two in zip(
        first.backbone.state_dict().items(), second.backbone.state_dict().values(), strict=True
    ):
        assert torch.equal(one, two), name


def test_missing_or_other_weights_are_refused_and_never_a_random_start(tmp_path: Path) -> None:
    for name in ("nothing.pt", "nothing.safetensors"):
        with pytest.raises(FileNotFoundError, match=f"{name}: no such"):
            Backbone(SMALL, tmp_path / name)
    state = weights(Backbone(SMALL).layers)
    state.pop("conv_stem.weight")
    save(state, tmp_path / "part.pt")
    with pytest.raises(ValueError, match=r"part.pt does not fit the backbone 'lcnet_050': 1 of \d+ names missing"):
        Backbone(SMALL, tmp_path / "part.pt")
    with pytest.raises(ValueError, match="does not fit the backbone 'lcnet_100'"):
        Backbone("lcnet_100", tmp_path / "part.pt")
    (tmp_path / "broken.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match=r"broken\.safetensors: not a readable file of weights"):
        Backbone(SMALL, tmp_path / "broken.safetensors")


@pytest.mark.parametrize("name", ["densnet121", "hf-hub:timm/densenet121.tv_in1k", "local-dir:/tmp"])
def test_unknown_architectures_and_addresses_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"architecture '{name}': must be one of densenet121, "):
        Backbone(name)


def test_networks_without_maps_are_refused() -> None:
    with pytest.raises(ValueError, match="but must be maps"):
        Backbone("test_vit")


@pytest.mark.parametrize("kwargs", [{"findings": 0}, {"hidden": [0]}, {"dropout": 1.0}])
def test_impossible_classifiers_are_refused(kwargs: dict) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        BackboneClassifier(architecture=SMALL, **kwargs)


def test_the_mean_of_a_one_layer_classifiers_map_is_its_score() -> None:
    # Averaging and a linear layer may change places.
    network = BackboneClassifier(3, SMALL).eval()
    with torch.no_grad():
        prediction = network(image(side=96))
    assert prediction.map.shape == (2, 3, 3, 3)
    torch.testing.assert_close(prediction.map.mean(dim=(2, 3)), prediction.score, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("hidden", "dropout", "linear", "drop"), [((), 0.0, 1, 0), ((8, 4), 0.0, 3, 0), ((8, 4), 0.5, 3, 2)]
)
def test_classifiers_of_table_1(hidden: tuple[int, ...], dropout: float, linear: int, drop: int) -> None:
    parts = list(BackboneClassifier(2, SMALL, hidden=hidden, dropout=dropout).classifier)
    assert sum(isinstance(part, torch.nn.Linear) for part in parts) == linear
    assert sum(isinstance(part, torch.nn.Dropout) for part in parts) == drop


def test_a_frozen_backbone_does_not_change_and_gets_no_gradient() -> None:
    network = BackboneClassifier(2, SMALL, frozen=True).train()
    before = {name: value.clone() for name, value in network.backbone.state_dict().items()}
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    network(image()).score.square().sum().backward()
    optimizer.step()
    assert all(parameter.grad is None for parameter in network.backbone.parameters())
    # Batch statistics and counters are part of the state: they stay as well.
    assert all(torch.equal(before[name], value) for name, value in network.backbone.state_dict().items())


def test_features_in_place_of_an_image_give_the_same_word() -> None:
    network = BackboneClassifier(2, SMALL, frozen=True, hidden=(8, 4), dropout=0.5).eval()
    with torch.no_grad():
        features = network.backbone(image(side=96))
        expected = network(image(side=96))
        given = network(features)
        pooled = network(features.mean(dim=(2, 3), keepdim=True))
    torch.testing.assert_close(given.score, expected.score)
    torch.testing.assert_close(given.map, expected.map)
    torch.testing.assert_close(pooled.score, expected.score)


def test_the_map_of_all_stages_has_the_score_as_its_mean_and_stored_features_give_the_same() -> None:
    network = BackboneClassifier(2, SMALL, frozen=True, stages=True)
    network(image(4, 96))  # what is remembered of this batch standardises the others
    network.eval()
    with torch.no_grad():
        prediction = network(image(side=96))
        pooled = network(network.backbone(image(side=96)).mean(dim=(2, 3), keepdim=True))
    assert prediction.map.shape == (2, 2, 3, 3)
    torch.testing.assert_close(prediction.map.mean(dim=(2, 3)), prediction.score, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(pooled.score, prediction.score, rtol=1e-4, atol=1e-5)


def test_all_stages_count_and_the_deviations_of_all_but_the_last() -> None:
    # lcnet_050's published widths are half of 32, 64, 128, 256 and 512 (Cui et al. 2021, table 1).
    assert Backbone(SMALL, stages=True).channels == 2 * (16 + 32 + 64 + 128) + 256
    torch.jit.script(BackboneClassifier(1, SMALL, stages=True))


def test_a_located_map_has_a_layer_of_its_own() -> None:
    network = BackboneClassifier(2, SMALL, frozen=True, stages=True, located=True)
    network(image(4, 96)).map.square().sum().backward()
    # The map's loss moves its own layer, and nothing that makes the score.
    trained = {name.split(".")[0] for name, value in network.named_parameters() if value.grad is not None}
    assert trained == {"locator"}
    torch.jit.script(network)


def test_a_header_of_safetensors_that_claims_more_than_there_is(tmp_path):
    path = tmp_path / "claims.safetensors"
    header = json.dumps({"weight": {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4 * 10**9]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(16))
    with pytest.raises(ValueError, match=r"claims\.safetensors: not a readable file of weights"):
        Backbone(SMALL, path)
