"""A network in formats that other programs read: ONNX, TorchScript and safetensors."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path

import torch
from torch import nn

from app.files.atomic import whole_file, write_whole
from app.networks.checkpoints import weights

OPSET = 17
"""Of ONNX; OpenVINO, ONNX Runtime and others have read it since 2022."""
NAMES = ("image", "score", "map")
"""Of the input (B, 1, H, W) and the outputs (B, C) and (B, C, h, w)."""


def as_onnx(network: nn.Module, side: tuple[int, int]) -> bytes:
    """A network as ONNX for batches of any number of images of one size, in float32.

    Args:
        network: Image to Prediction, in evaluation mode, on the CPU.
        side: Height and width of the images.

    Raises:
        ValueError: ``onnx``, which torch needs for it, is not installed.
        Exception: Whatever torch raises for a network that cannot be exported.
    """
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise ValueError("export as ONNX needs onnx: pip install 'frugal-cxr[onnx]'") from error
    buffer = io.BytesIO()
    # Where torch fails, it prints the whole graph.
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        # Python values that a trace fixes follow from the size of the image, which is fixed as well.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(1, 1, *side),),
            buffer,  # type: ignore[arg-type]  # that exporter takes one
            dynamo=False,  # the other exporter unrolls loops over patches, and takes ten times as long
            input_names=NAMES[:1],
            output_names=NAMES[1:],
            dynamic_axes={name: {0: "batch"} for name in NAMES},
            opset_version=OPSET,
            # It would write a CRF's table over all pairs of patches, a hundred megabytes; runtimes fold themselves.
            do_constant_folding=False,
        )
    return buffer.getvalue()


def _write_onnx(network: nn.Module, side: tuple[int, int], record: Mapping[str, object], path: Path) -> None:
    write_whole(path, as_onnx(network, side))


def _write_torchscript(network: nn.Module, side: tuple[int, int], record: Mapping[str, object], path: Path) -> None:
    from monai.data import save_net_with_metadata

    with warnings.catch_warnings(), whole_file(path) as temporary:
        warnings.simplefilter("ignore", DeprecationWarning)
        save_net_with_metadata(torch.jit.script(network), str(temporary), append_timestamp=False, meta_values=record)


def _write_safetensors(network: nn.Module, side: tuple[int, int], record: Mapping[str, object], path: Path) -> None:
    from safetensors.torch import save

    write_whole(path, save(weights(network), {"model": json.dumps(record)}))


FORMATS: Mapping[str, Callable[[nn.Module, tuple[int, int], Mapping[str, object], Path], None]] = {
    "onnx": _write_onnx,
    "torchscript": _write_torchscript,
    "safetensors": _write_safetensors,
}
"""By name, writers of a network for images of one size, with the record that lies beside its weights, to a file."""
