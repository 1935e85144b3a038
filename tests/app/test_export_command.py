"""``frugal export`` writes files that other programs read."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import load_net_with_metadata
from safetensors import safe_open
from safetensors.torch import load_file

from app.cli import main
from app.commands.export import FORMATS
from app.networks import export

MODELS = Path(__file__).parents[2] / "bundles" / "uncertain_labels" / "models"


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    parser = ConfigParser()
    parser.read_config(MODELS.parent / "configs" / "inference.yaml")
    return parser.get_parsed_content("network_def").eval()


def test_each_format_holds_the_network(
    tmp_path: Path, network: torch.nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    for name in ("model.pt", "model.json"):
        shutil.copy(MODELS / name, tmp_path)
    record = json.loads((tmp_path / "model.json").read_text())
    weights = str(tmp_path / "model.pt")
    assert main(["export", weights, "--format", "safetensors"]) == 0
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert json.loads(file.metadata()["model"]) == record
    network.load_state_dict(load_file(tmp_path / "model.safetensors"))
    image = torch.rand(2, 1, 128, 128, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = network(image)
    assert main(["export", weights, "--format", "torchscript", "--out", str(tmp_path / "new" / "net.ts")]) == 0
    scripted, metadata, _ = load_net_with_metadata(str(tmp_path / "new" / "net.ts"))
    torch.testing.assert_close(scripted.eval()(image)[0], expected.score)
    assert {key: metadata[key] for key in record} == record
    onnxruntime = pytest.importorskip("onnxruntime")
    assert main(["export", weights]) == 0
    score, maps = onnxruntime.InferenceSession(tmp_path / "model.onnx").run(None, {"image": image.numpy()})
    np.testing.assert_allclose(score, expected.score, atol=1e-4)
    np.testing.assert_allclose(maps, expected.map, atol=1e-4)


def test_what_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    def error(*words: str) -> str:
        assert main(["export", *words]) == 1
        return capsys.readouterr().err

    assert "no such run folder or weights" in error(str(tmp_path / "none.pt"))
    assert "unknown setting 'sice'" in error("uncertain_labels", "--sice", "1", "--out", str(tmp_path / "a.onnx"))
    assert "this is a folder" in error("uncertain_labels", "--out", str(tmp_path))
    shutil.copytree(MODELS, tmp_path, dirs_exist_ok=True)
    for name in ("model.pt", "model.json"):
        assert "would replace the weights" in error(str(tmp_path / "model.pt"), "--out", str(tmp_path / name))
        assert (tmp_path / name).read_bytes() == (MODELS / name).read_bytes()
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    out = tmp_path / "a.onnx"
    assert "pip install 'frugal-cxr[onnx]'" in error("uncertain_labels", "--out", str(out))
    assert not out.exists()
    with pytest.raises(SystemExit):
        main(["export", "uncertain_labels", "--format", "caffe"])
    assert set(FORMATS) == set(export.FORMATS)
