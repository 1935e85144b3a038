"""The memory order of a network's tensors: channels last, if that is safe."""

import torch
from torch import nn

VECTOR = 16
"""Floats in the longest vector register, that of AVX-512; AVX2 has 8."""


def memory_order(network: nn.Module, device: torch.device | str) -> torch.memory_format:
    """The fastest safe memory order: channels last, except for some narrow networks on a CPU.

    For a strided 1x1 convolution with fewer input channels than a vector register has floats, oneDNN (seen in 3.11 and
    3.12) writes outside its workspace when it computes the weight gradient from channels-last tensors: the process
    crashes, hangs or continues with wrong gradients (https://github.com/uxlfoundation/oneDNN/issues/6035). Tensors in
    torch's default order are safe.

    Example:
        >>> memory_order(nn.Conv2d(16, 32, kernel_size=1, stride=2), "cpu")
        torch.channels_last
        >>> memory_order(nn.Conv2d(4, 8, kernel_size=1, stride=2), "cpu")
        torch.contiguous_format
    """
    on_cpu = torch.device(device).type == "cpu"
    if on_cpu and any(_is_strided_narrow_pointwise(module) for module in network.modules()):
        return torch.contiguous_format
    return torch.channels_last


def _is_strided_narrow_pointwise(module: nn.Module) -> bool:
    return (
        isinstance(module, nn.Conv2d)
        and set(module.kernel_size) == {1}
        and set(module.stride) != {1}
        and module.in_channels // module.groups < VECTOR
    )
