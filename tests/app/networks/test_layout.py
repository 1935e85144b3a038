"""Which networks compute with channels last."""

import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from app.engines.device import MixedPrecisionInferer
from app.networks import ResNet, SEDenseNet
from app.networks.layout import memory_order

TRAIN_NARROW = """
import torch
from app.engines.device import MixedPrecisionInferer
from app.networks import ResNet

torch.manual_seed(0)
network = ResNet(findings=10, depth=18, width=4, strides=[1, 2, 1, 1])
inferer = MixedPrecisionInferer("float32", torch.device("cpu"))
for size in (8, 3, 1, 5):
    prediction = inferer(torch.randn(size, 1, 64, 64), network)
    (prediction.score.sum() + prediction.map.sum()).backward()
"""


@pytest.mark.parametrize(
    ("convolution", "expected"),
    [
        (nn.Conv2d(4, 8, 1, stride=2), torch.contiguous_format),
        (nn.Conv2d(15, 8, 1, stride=(1, 3)), torch.contiguous_format),
        (nn.Conv2d(32, 32, 1, stride=2, groups=4), torch.contiguous_format),
        (nn.Conv2d(16, 8, 1, stride=2), torch.channels_last),
        (nn.Conv2d(4, 8, 1), torch.channels_last),
        (nn.Conv2d(4, 8, 3, stride=2), torch.channels_last),
    ],
)
def test_a_narrow_strided_pointwise_convolution_keeps_a_network_contiguous(convolution, expected):
    # The form that oneDNN's issue 6035 names: a 1x1 kernel, a stride, fewer input channels than a vector.
    assert memory_order(nn.Sequential(nn.ReLU(), convolution), "cpu") == expected


def test_a_gpu_always_takes_channels_last():
    assert memory_order(nn.Conv2d(4, 8, 1, stride=2), "cuda") == torch.channels_last


@pytest.mark.parametrize(
    ("network", "order"),
    [
        (ResNet(findings=2, depth=18, width=4), torch.contiguous_format),
        (ResNet(findings=2, depth=18, width=16), torch.channels_last),
        (SEDenseNet(2, blocks=(1, 1), growth=4, stem=8), torch.channels_last),
    ],
)
def test_input_and_weights_come_in_that_order(network, order):
    seen = []
    network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    MixedPrecisionInferer("float32", torch.device("cpu"))(torch.rand(2, 1, 64, 64), network)
    wide = max((weight for weight in network.parameters() if weight.dim() == 4), key=lambda weight: weight.shape[1])
    assert wide.is_contiguous(memory_format=order)
    assert seen[0].is_contiguous(memory_format=order)


def test_training_a_narrow_network_stays_within_its_memory():
    # glibc ends the process at the first write outside of what was allocated; so it did in 3 of 3 runs with AVX2.
    environment = {
        **os.environ,
        "MALLOC_CHECK_": "3",
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run([sys.executable, "-c", TRAIN_NARROW], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
