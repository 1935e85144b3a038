"""Other programs compute what torch computes, or are refused."""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import logging
import sys
from importlib.metadata import version
from pathlib import Path
from threading import Thread

import pytest
import torch
from torch import Tensor, nn

from app.contract import Prediction
from app.engines import runtimes
from app.engines.activation_maps import GradCAMInferer
from app.engines.device import MixedPrecisionInferer
from app.engines.runtimes import ExportedInferer, computing, inferer_of, key_of
from app.networks import ResNet
from app.networks.export import as_onnx
from app.networks.pooling import LogSumExpPooling

CPU = torch.device("cpu")
FLOAT32 = MixedPrecisionInferer("float32", CPU)
IMAGES = torch.rand(5, 1, 64, 64, generator=torch.Generator().manual_seed(0))


class Different(nn.Module):
    """A network that computes otherwise where images are dark: a trace of one image knows one way alone."""

    def forward(self, image: Tensor) -> Prediction:
        level = image.mean(dim=(2, 3))
        score = level + 1 if level.max() > 0.1 else level - 1
        return Prediction(score, image)


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return ResNet(findings=2, depth=18, width=4, strides=(1, 2, 1, 1)).eval()


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Packages that count as installed."""
    names: set[str] = set()
    find = importlib.util.find_spec
    known = {name for each in runtimes.PACKAGES.values() for name in each} - {"torch"}
    fake = lambda name: name in names or None if name in known else find(name)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", fake)
    return names


def chosen(precision: str) -> str:
    inferer = inferer_of("auto", MixedPrecisionInferer(precision, CPU), Path("model.pt"))
    return inferer.runtime if isinstance(inferer, ExportedInferer) else "torch"


def test_the_fastest_that_is_installed_is_chosen(installed: set[str]) -> None:
    assert chosen("float32") == "torch"
    installed |= {"onnx", "onnxruntime"}
    # It has no bfloat16, in which torch is faster.
    assert (chosen("float32"), chosen("bfloat16")) == ("onnx", "torch")
    installed.add("openvino")
    assert (chosen("float32"), chosen("bfloat16"), chosen("float16")) == ("openvino", "openvino", "torch")
    # Activation maps need gradients.
    grad_cam = GradCAMInferer("layer4", FLOAT32)
    assert inferer_of("auto", grad_cam, Path("model.pt")) is grad_cam


def test_what_cannot_be_is_refused(installed: set[str]) -> None:
    def error(runtime: str, inferer: MixedPrecisionInferer | GradCAMInferer = FLOAT32) -> str:
        with pytest.raises(ValueError, match="runtime") as caught:
            inferer_of(runtime, inferer, Path("model.pt"))
        return str(caught.value)

    assert error("tensorrt") == "runtime is one of auto, torch, onnx, openvino, not 'tensorrt'"
    assert error("openvino") == "--runtime openvino needs onnx, openvino: pip install 'frugal-cxr[openvino]'"
    assert "activation maps" in error("onnx", GradCAMInferer("layer4", FLOAT32))
    assert "on cuda" in error("onnx", MixedPrecisionInferer("float32", torch.device("cuda")))
    assert "set --precision auto" in error("onnx", MixedPrecisionInferer("float16", CPU))


def test_an_exported_network_is_kept_beside_the_weights(
    network: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("onnxruntime")
    weights = tmp_path / "model.pt"
    caplog.set_level(logging.INFO)

    def score() -> Tensor:
        with torch.no_grad():
            return inferer_of("onnx", FLOAT32, weights)(IMAGES, network).score

    exports = []

    def export(network: nn.Module, side: tuple[int, int]) -> bytes:
        exports.append(side)
        return as_onnx(network, side)

    monkeypatch.setattr(runtimes, "as_onnx", export)
    first = score()
    (kept,) = tmp_path.iterdir()
    assert kept.name == f"model.{key_of(network, (64, 64))}.onnx"
    assert torch.equal(score(), first)
    assert len(exports) == 1
    kept.write_bytes(kept.read_bytes()[:1000])  # damaged
    assert torch.equal(score(), first)
    kept.write_bytes(as_onnx(ResNet(findings=2, depth=18, width=4, strides=(1, 2, 1, 1)).eval(), (64, 64)))  # another
    assert torch.equal(score(), first)
    assert len(exports) == 3
    with torch.no_grad():
        network.state_dict()["layer1.0.bn1.bias"] += 1  # other weights: the file of the old ones is of no use
    assert not torch.equal(score(), first)
    assert [path.name for path in tmp_path.iterdir()] == [f"model.{key_of(network, (64, 64))}.onnx"]

    def refuse(path: Path, content: bytes) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(runtimes, "write_whole", refuse)
    weights = tmp_path / "read-only" / "model.pt"
    assert torch.equal(score(), score())
    assert "will be made again" in caplog.text


def test_somebody_elses_export_may_stay(network: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    other = tmp_path / "model.0123456789abcdef.onnx"
    other.touch()

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(1, "Operation not permitted", str(path))  # as in a folder with the sticky bit

    monkeypatch.setattr(Path, "unlink", refuse)
    inferer = inferer_of("onnx", FLOAT32, tmp_path / "model.pt")
    with torch.no_grad():
        inferer(IMAGES, network)
    assert computing(inferer) == f"onnxruntime {version('onnxruntime')} in float32"
    assert {path.name for path in tmp_path.iterdir()} == {other.name, f"model.{key_of(network, (64, 64))}.onnx"}


def test_the_key_is_of_weights_settings_and_size(network: nn.Module) -> None:
    key = key_of(network, (64, 64))
    assert key_of(network, (64, 64)) == key
    assert key_of(network, (64, 96)) != key
    next(each for each in network.modules() if isinstance(each, LogSumExpPooling)).sharpness = 4.0
    assert key_of(network, (64, 64)) != key


def test_a_network_that_does_not_agree_is_left_to_torch(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("onnxruntime")
    images = torch.full((1, 1, 8, 8), 0.5)
    with pytest.raises(ValueError, match=r"model\.pt: --runtime onnx does not do .* differ .* Take --runtime torch"):
        inferer_of("onnx", FLOAT32, tmp_path / "model.pt")(images, Different())
    # The image of zeros that is traced says 0 - 1, this one 0.5 + 1: 2 (or 0.8 of 1 + 1.5) apart.
    left = ExportedInferer("onnx", FLOAT32, tmp_path / "model.pt", is_asked_for=False)
    assert left(images, Different()).score.tolist() == [[1.5]]
    assert computing(left) == computing(FLOAT32) == f"torch {version('torch')} in float32"
    assert "differ from torch's by 0.8 (1 + |x|); torch computes it" in caplog.text
    assert not list(tmp_path.iterdir())


def test_later_images_are_compared_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("onnxruntime")
    inferer, dark = inferer_of("onnx", FLOAT32, tmp_path / "model.pt"), torch.zeros(1, 1, 8, 8)
    scores = []
    for level, warnings in ((0.0, 0), (0.0, 0), (0.5, 0), (0.5, 1), (0.5, 1)):  # batches 1 to 5, of which 4 is compared
        scores.append(float(inferer(dark + level, Different()).score))
        assert caplog.text.count("differ from torch's in float32 by 0.8 (1 + |x|), more than the 0.0001") == warnings
    assert scores == [-1, -1, -0.5, -0.5, -0.5]  # as traced: level - 1


def test_a_network_that_cannot_be_exported_is_left_to_torch(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Bessel(nn.Module):
        def forward(self, image: Tensor) -> Prediction:
            return Prediction(torch.special.i0(image)[:, :, 0, 0], image)

    pytest.importorskip("onnxruntime")
    left = ExportedInferer("onnx", FLOAT32, tmp_path / "model.pt", is_asked_for=False)
    assert left(torch.zeros(1, 1, 8, 8), Bessel()).score.tolist() == [[pytest.approx(1)]]  # I0(0) = 1
    assert "it cannot be exported" in caplog.text


class SignalStack(ctypes.Structure):
    """What sigaltstack(2) tells of a thread."""

    _fields_ = (("address", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@pytest.mark.skipif(sys.platform != "linux", reason="reads the map of the process's memory")
def test_a_network_freed_in_another_thread_leaves_signals_their_stack(network: nn.Module) -> None:
    pytest.importorskip("openvino")
    networks = [runtimes._openvino(as_onnx(network, (64, 64)), (64, 64), torch.float32, 1)]
    thread = Thread(target=networks.clear)
    thread.start()
    thread.join()
    gc.collect()
    stack = SignalStack()
    ctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack))
    spans = [line.split()[0].split("-") for line in Path("/proc/self/maps").read_text().splitlines()]
    assert stack.address
    assert any(int(start, 16) <= stack.address < int(end, 16) for start, end in spans)
