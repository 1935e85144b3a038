"""Start a network from another one's weights: the links of a transfer chain."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import torch
from torch import Tensor, nn

from app.networks.checkpoints import read_weights
from app.networks.layout import memory_order

logger = logging.getLogger(__name__)

LEAST_SHARE = 0.5
"""Fewer of the network's numbers than this share found in the checkpoint is taken as naming the wrong one."""
_COUNT = "num_batches_tracked"


def started_network(network: nn.Module, start_from: str | None = None, device: torch.device | str = "cpu") -> nn.Module:
    """The network on its device, in the memory order that suits it, with the weights it starts from.

    Args:
        network: freshly made.
        start_from: a checkpoint file, or the id or name of a finished MLflow run whose ``model.pt`` is taken; None
            for the random start.
        device: where to put it.

    Raises:
        FileNotFoundError: neither a file nor a finished run.
        ValueError: the checkpoint fits less than half of the network.
    """
    if start_from:
        path = Path(start_from)
        if not path.is_file():
            path = _model_of_run(start_from)
        logger.info(take_over(network, path))
    order = memory_order(network, device)
    return network.to(device=torch.device(device), memory_format=order)  # type: ignore[call-overload]


def take_over(network: nn.Module, path: Path) -> str:
    """Copy what fits, by name and shape, from a checkpoint, and say what was and what was not.

    A first convolution over three colours becomes one over grey by summing over the colours: on a grey image both
    give the same. torchvision's DenseNet weights fit ``SEDenseNet``'s features by name.

    Returns:
        One sentence: how many numbers of how many were taken over, and which parts start at random.

    Raises:
        ValueError: less than half of the network's numbers are in the checkpoint.
    """
    own = network.state_dict()
    found = {name if name in own else _modern(name): value for name, value in read_weights(path).items()}
    taken = {name: _grey(found[name], own[name]) for name in own if name in found}
    taken = {name: value for name, value in taken.items() if value.shape == own[name].shape}
    total = sum(value.numel() for value in own.values())
    share = sum(value.numel() for value in taken.values()) / total
    # Old files do not count batches; the count matters to no network here.
    left = sorted({".".join(name.split(".")[:2]) for name in own if name not in taken and not name.endswith(_COUNT)})
    if share < LEAST_SHARE:
        raise ValueError(
            f"{path} fits only {share:.0%} of this network's numbers; at least {LEAST_SHARE:.0%} must fit. "
            f"Not found there: {', '.join(left[:4])}"
        )
    network.load_state_dict(own | taken)
    rest = f"; at random start {', '.join(left)}" if left else ""
    return f"{share:.1%} of the network's numbers taken over from {path}{rest}"


def _model_of_run(run: str) -> Path:
    from app.tracking import TrackingError, artifact_of_run

    try:
        return artifact_of_run(run, "model.pt")
    except TrackingError as error:
        raise FileNotFoundError(f"start_from: there is no file {run!r}, nor a run to start from: {error}") from error


def _modern(name: str) -> str:
    """Names of torchvision's published DenseNet files, ``norm.1``, as its code has them today, ``norm1``."""
    return re.sub(r"\.(norm|relu|conv)\.(\d)\.", r".\1\2.", name)


def _grey(value: Tensor, own: Tensor) -> Tensor:
    """Sum a first convolution's weights over three colours where the network has one grey channel."""
    if value.dim() == 4 and own.dim() == 4 and value.shape[1] == 3 and own.shape[1] == 1:
        return value.sum(dim=1, keepdim=True)
    return value
