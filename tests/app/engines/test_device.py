"""Which type is computed with, and that predictions come out in float32."""

import pytest
import torch
from torch import nn

from app.contract import Prediction
from app.engines.device import MixedPrecisionInferer, computing_type
from app.engines.processes import LAUNCHER_SETS, default_device
from app.networks.se_densenet import SEDenseNet

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "expected"), [("float32", torch.float32), ("bfloat16", torch.bfloat16), ("float16", torch.float16)]
)
def test_a_named_precision_is_taken(name, expected):
    assert computing_type(name, CPU) == expected


@pytest.mark.parametrize(("native", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_takes_what_the_processor_has(monkeypatch, native, expected):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    assert computing_type("auto", CPU) == expected


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("name", ["half", "fp16", ""])
def test_another_precision_is_refused(name, device):
    with pytest.raises(ValueError, match=f"precision is one of auto, float32, bfloat16, float16, not '{name}'"):
        computing_type(name, torch.device(device))


def test_the_first_gpu_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert default_device() == CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert default_device() == torch.device("cuda:0")


# Place 5 of processes on a machine of 4 GPUs shares the second one.
@pytest.mark.parametrize(("place", "expected"), [("0", "cuda:0"), ("3", "cuda:3"), ("5", "cuda:1")])
def test_each_process_has_the_gpu_of_its_place(monkeypatch, place, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    for name in LAUNCHER_SETS:
        monkeypatch.setenv(name, place if name == "LOCAL_RANK" else "8")
    assert default_device() == torch.device(expected)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_predictions_are_float32_and_close_in_any_precision(precision):
    torch.manual_seed(0)
    network = SEDenseNet(2, blocks=(1, 1), growth=4, stem=8).eval()
    image = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        exact = network(image)
        prediction = MixedPrecisionInferer(precision, CPU)(image, network)
    assert isinstance(prediction, Prediction)
    assert prediction.score.dtype == prediction.map.dtype == torch.float32
    # bfloat16 keeps 8 bits; a few layers lose a few of them.
    torch.testing.assert_close(prediction.map, exact.map, atol=1e-6 if precision == "float32" else 0.1, rtol=0)


def test_the_network_sees_channels_last_and_the_type_asked_for():
    seen = []

    class Network(nn.Conv2d):
        def forward(self, image: torch.Tensor) -> Prediction:
            orders = [each.is_contiguous(memory_format=torch.channels_last) for each in (image, self.weight)]
            seen.append((*orders, torch.is_autocast_enabled("cpu")))
            return Prediction(image.mean(dim=(2, 3)), image)

    network = Network(3, 2, 3)
    weight, values = network.weight, network.weight.detach().clone()
    with torch.inference_mode():
        MixedPrecisionInferer("float32", CPU)(torch.rand(2, 3, 8, 8), network)
    MixedPrecisionInferer("bfloat16", CPU)(torch.rand(2, 3, 8, 8), network)
    assert seen == [(True, True, False), (True, True, True)]
    # The optimizer's parameter still, of the same values, and fit for training.
    assert network.weight is weight
    assert torch.equal(weight, values)
    assert not weight.is_inference()
