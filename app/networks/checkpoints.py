"""Weights on disk: written whole or not at all, read as data and never as code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn


def save(content: Mapping[str, object], path: Path) -> None:
    """Write a checkpoint atomically: a reader sees the old file or the new one, whenever the writer dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Opened by name, as a temporary file of the standard library would be readable by its owner alone.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with temporary.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def weights(network: nn.Module) -> dict[str, Tensor]:
    """State of a network for ``save``: on the CPU, contiguous, whatever the device and the memory order."""
    return {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The network's state in a checkpoint file, bare or under the key ``model``, ``network`` or ``state_dict``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or holds no state of a network.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such checkpoint")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path}: not a readable checkpoint of weights ({reason})") from error
    for key in ("model", "network", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not any(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(f"{path}: holds no network's weights")
    return {str(name): value for name, value in content.items() if isinstance(value, Tensor)}


def load_exactly(network: nn.Module, path: str | Path) -> None:
    """Load a checkpoint into a network that must fit it name by name and shape by shape.

    Raises:
        ValueError: names or shapes differ; says how many and which first.
    """
    state = read_weights(path)
    own = network.state_dict()
    missing = sorted(own.keys() - state.keys())
    unexpected = sorted(state.keys() - own.keys())
    shapes = [name for name in sorted(own.keys() & state.keys()) if own[name].shape != state[name].shape]
    if missing or unexpected or shapes:
        raise ValueError(
            f"{path} does not fit this network: {len(missing)} names missing {missing[:2]}, {len(unexpected)} unknown "
            f"{unexpected[:2]}, {len(shapes)} of another shape {shapes[:2]}. Was it trained with other settings?"
        )
    network.load_state_dict(state)
