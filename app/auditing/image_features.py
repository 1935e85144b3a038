"""Features of radiographs by which they are similar: from a file, or by a frozen published network."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.datalist.item import Item
from app.datalist.validate import absolute_path
from app.files.atomic import whole_file

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[np.float64]
SIDE = 224
_BATCH = 16


def features_of(path: Path, items: Sequence[Item], root: Path, kept: Path) -> Array:
    """Features (N, D) of items.

    Args:
        path: ``.npz`` with ``image``, names as in the datalist, and ``feature``, their rows; or ``.safetensors`` as
            ``frugal weights`` writes it, a network that is applied to the radiographs.
        items: N items.
        root: The folder that their paths are relative to.
        kept: Where computed features are kept, and read from if they are of the same images and weights.

    Raises:
        ValueError: The file is of neither kind, or lacks an image.
    """
    if path.suffix != ".safetensors":
        return _read(path, items)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if kept.is_file():
        try:
            return _read(kept, items, digest)
        except ValueError:
            pass  # of other images or weights: computed anew
    folder = root.resolve()
    feature = computed(path, [absolute_path(folder, item.image) for item in items])
    with whole_file(kept) as temporary, temporary.open("wb") as file:
        np.savez(file, image=np.array([item.image for item in items]), feature=feature, weights=np.array(digest))
    return feature.astype(np.float64)


def computed(weights: Path, images: Sequence[Path]) -> NDArray[np.float32]:
    """Mean and maximum over the cells of a network's last map: (N, 2 F).

    Raises:
        ValueError: The weights do not say what network they are of, or an image cannot be read.
    """
    import torch
    from safetensors import SafetensorError, safe_open

    from app.networks.backbones import Backbone

    try:
        with safe_open(str(weights), framework="pt") as file:
            architecture = (file.metadata() or {}).get("architecture", "")
    except SafetensorError as error:
        raise ValueError(f"{weights}: not a safetensors file ({error}).") from error
    if not architecture:
        raise ValueError(f"{weights}: does not say what network it is of; use a file that `frugal weights` wrote.")
    network = Backbone(architecture, weights).eval()
    batches = []
    with torch.no_grad():
        for start in range(0, len(images), _BATCH):
            maps = network(torch.stack([_small(path) for path in images[start : start + _BATCH]]))
            batches.append(torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1).numpy())
    return np.concatenate(batches)


def _small(path: Path) -> Tensor:
    import cv2
    import torch

    from transforms.read import read_radiograph

    image, _ = read_radiograph(path)
    return torch.from_numpy(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA))[None]


def _read(path: Path, items: Sequence[Item], digest: str = "") -> Array:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            image, feature = arrays["image"], np.asarray(arrays["feature"], dtype=np.float64)
            if digest and str(arrays["weights"]) != digest:
                raise ValueError("features by other weights")
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ValueError(f"{path}: not an .npz file with the arrays 'image' and 'feature' ({error}).") from error
    if feature.ndim != 2 or image.shape != feature.shape[:1] or not np.isfinite(feature).all():
        raise ValueError(f"{path}: 'feature' {feature.shape} must be a finite row for each of {image.shape} images.")
    row = {str(name): number for number, name in enumerate(image.tolist())}
    missing = [item.image for item in items if item.image not in row]
    if missing:
        raise ValueError(f"{path}: has no features of {len(missing)} of {len(items)} images, such as {missing[0]}.")
    return feature[[row[item.image] for item in items]]
