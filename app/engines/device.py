"""Which device and which precision to compute with."""

from __future__ import annotations

import os
import shutil
import weakref
from contextlib import AbstractContextManager, nullcontext

import torch
from monai.inferers import Inferer
from torch import Tensor, nn

from app.contract import Prediction
from app.engines.processes import bare, local_device, order_weights

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def default_device() -> torch.device:
    """The GPU of this process (the first one where it is alone), else the CPU."""
    return local_device()


def computing_type(precision: str, device: torch.device) -> torch.dtype:
    """The type that networks compute with; weights, losses and metrics stay float32.

    Args:
        precision: "auto", "float32", "bfloat16" or "float16". "auto" takes bfloat16 where the device computes it
            natively, else float32.
        device: where the network is.

    Raises:
        ValueError: an unknown precision.
    """
    if precision == "auto":
        return torch.bfloat16 if _native_bfloat16(device) else torch.float32
    if precision not in PRECISIONS:
        raise ValueError(f"precision is one of auto, {', '.join(PRECISIONS)}, not {precision!r}")
    return PRECISIONS[precision]


def _native_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # The only public answer to "does this CPU multiply bfloat16" that torch gives.
    return device.type == "cpu" and bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


class MixedPrecisionInferer(Inferer):
    """Call the network under autocast, with its input and its weights in channels-last order where that is safe.

    Against the other order, training a DenseNet on a CPU takes a third of the time in float32; that the weights are in
    that order as well saves a quarter of what is left in bfloat16.

    Args:
        precision: "auto", "float32", "bfloat16" or "float16"; training with the last wants a `TrainingStep`, which
            scales the loss.
        device: where the network is.
        compile: whether to translate the network with ``torch.compile`` when it is first called; names of weights
            remain. Takes a minute or more then, and again where a batch of another size comes.

    Raises:
        ValueError: an unknown precision.
        RuntimeError: no compiler for ``compile``.
    """

    def __init__(self, precision: str = "auto", device: torch.device | None = None, compile: bool = False) -> None:
        super().__init__()
        self.device = default_device() if device is None else torch.device(device)
        self.dtype = computing_type(precision, self.device)
        self.compile = compile
        self._orders: weakref.WeakKeyDictionary[nn.Module, torch.memory_format] = weakref.WeakKeyDictionary()
        if compile:
            require_compiler(self.device)

    def __call__(self, inputs: Tensor, network: nn.Module) -> Prediction:
        """(B, 1, H, W) image to a Prediction in float32; scores that are wider stay so."""
        order = self._orders.get(network)
        if order is None:
            order = self._orders[network] = order_weights(bare(network))
        if self.compile:
            _set_compiled(bare(network))
        with self._autocast():
            prediction = network(inputs.contiguous(memory_format=order))
        score = prediction.score if prediction.score.dtype == torch.float64 else prediction.score.float()
        return Prediction(score=score, map=prediction.map.float())

    def _autocast(self) -> AbstractContextManager[None]:
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)


def require_compiler(device: torch.device) -> None:
    """Raise where ``torch.compile`` would fail in the first iteration for want of a compiler.

    Raises:
        RuntimeError: names what is missing and how to do without.
    """
    wanted = os.environ.get("CC", "cc") if device.type == "cuda" else os.environ.get("CXX", "g++")
    found = [shutil.which(name) for name in (wanted, "gcc" if device.type == "cuda" else "clang++")]
    if not any(found):
        language = "C" if device.type == "cuda" else "C++"
        raise RuntimeError(
            f"compile: true needs a {language} compiler, but {wanted!r} is not on the path: install one (on Debian and "
            "Ubuntu the package g++), name it in CC or CXX, or set compile: false"
        )


def _set_compiled(network: nn.Module) -> None:
    """Have a network's next call compiled, or its next calls not, while hooks want to see its layers."""
    is_watched = any(module._forward_hooks for module in network.modules())
    if is_watched:
        network._compiled_call_impl = None
    elif network._compiled_call_impl is None:
        network.compile()
