"""Starting a network from the weights of another one."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from torch import nn

from app.installed import find_file
from app.networks.checkpoints import read_weights
from app.networks.fitting import LEAST_SHARE, fit
from app.networks.layout import memory_order

logger = logging.getLogger(__name__)

_COUNT = "num_batches_tracked"


def started_network(network: nn.Module, start_from: str | None = None, device: torch.device | str = "cpu") -> nn.Module:
    """The network on its device, in a suitable memory order, with the weights it starts from.

    Args:
        network: Newly constructed.
        start_from: A checkpoint file, or the id or name of a finished MLflow run whose ``model.pt`` is used; None for
            a random start.
        device: Where to put it.

    Raises:
        FileNotFoundError: It is neither a file nor a finished run.
        ValueError: The checkpoint fits less than half of the network.
    """
    if start_from:
        path = find_file(start_from)
        if not path.is_file():
            path = _model_of_run(start_from)
        logger.info(take_over(network, path))
    order = memory_order(network, device)
    return network.to(device=torch.device(device), memory_format=order)  # type: ignore[call-overload]


def take_over(network: nn.Module, path: Path) -> str:
    """Load the weights of a checkpoint that fit a network by name and shape, and report which did.

    Names may differ by a prefix: the weights of a backbone fit a network that contains it, and so do those that another
    program wrapped (``module.``); see `fit`.

    Returns:
        One sentence: which share of the parameters was loaded, under which names, and which parts start at random.

    Raises:
        ValueError: The checkpoint has less than half of the network's parameters.
    """
    own = network.state_dict()
    best = fit(own, read_weights(path))
    taken = {name: value for name, value in best.weights.items() if value.shape == own[name].shape}
    # Old files lack the count of batches, which no network here needs.
    left = sorted({".".join(name.split(".")[:2]) for name in own if name not in taken and not name.endswith(_COUNT)})
    if best.share < LEAST_SHARE:
        raise ValueError(
            f"{path} fits only {best.share:.0%} of this network's numbers; at least {LEAST_SHARE:.0%} must fit, "
            f"whatever prefix is taken off its names or put before them. Not found there: {', '.join(left[:4])}"
        )
    network.load_state_dict(own | taken)
    names = f" (names without {best.stripped!r})" if best.stripped else ""
    names += f" (names with {best.added!r} before them)" if best.added else ""
    rest = f"; at random start {', '.join(left)}" if left else ""
    return f"{best.share:.1%} of the network's numbers taken over from {path}{names}{rest}"


def _model_of_run(run: str) -> Path:
    from app.tracking import TrackingError, weights_of

    try:
        return weights_of(run)
    except TrackingError as error:
        raise FileNotFoundError(f"start_from: there is no file {run!r}, nor a run to start from: {error}") from error
