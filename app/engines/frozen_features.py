"""Features of a frozen backbone, computed once and kept, so that an epoch of its classifier costs next to nothing."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import dtype_to_descr, write_array_header_1_0
from torch import nn
from torch.utils.data import Dataset

from app.files.atomic import whole_file
from app.networks.layout import memory_order

BATCH = 32
"""Images that go through the backbone at a time."""

logger = logging.getLogger(__name__)


class FrozenFeatures(Dataset[dict[str, Any]]):
    """A prepared dataset that gives features in the place of images.

    Features are kept in a file in ``folder``, named for the weights of the backbone and for the pixels, and are read
    from there whenever both are the same. The file is read as it lies, so that memory holds what is used of it.

    Args:
        dataset: prepared radiographs.
        network: with a ``backbone``; put on its device already.
        folder: where features are kept.
        pooled: keep the mean over all places (F, 1, 1) in float32: enough to learn labels from, so that no image is
            read any more and no location takes part; else features as they are (F, h, w) in float16, from which maps
            are made as well, and masks as the dataset has them.

    Raises:
        OSError: the folder cannot be written.
    """

    def __init__(self, dataset: Any, network: nn.Module, folder: str | Path, pooled: bool = True) -> None:  # noqa: ANN401
        self.dataset = dataset
        self.pooled = pooled
        path = Path(folder) / f"{_key(dataset, network, pooled)}.npy"
        features = _kept(path)
        if features is None:
            logger.info(f"computing features of {len(dataset)} images once; they are kept in {path.parent}")
            _write(path, dataset, network, pooled)
            features = np.load(path, mmap_mode="r")
        self.features = features

    @property
    def samples(self) -> Any:  # noqa: ANN401 - the dataset's
        """What was prepared."""
        return self.dataset.samples

    @property
    def excluded(self) -> Any:  # noqa: ANN401 - the dataset's
        """What could not be prepared."""
        return getattr(self.dataset, "excluded", [])

    @property
    def lungs_not_found(self) -> list[str]:
        """Names of the samples that were kept whole for want of lungs."""
        return list(self.dataset.lungs_not_found)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One sample, with ``image`` (F, h, w) float32: its features."""
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """Several samples, as a ``DataLoader`` asks for a batch of them."""
        features = torch.from_numpy(np.asarray(self.features[list(indices)], dtype=np.float32))
        if self.pooled:
            samples = [self._without_location(index) for index in indices]
        else:
            samples = self.dataset.__getitems__(indices)
        return [{**sample, "image": values} for sample, values in zip(samples, features, strict=True)]

    def _without_location(self, index: int) -> dict[str, Any]:
        label = torch.as_tensor(self.samples[index]["label"])
        nowhere = torch.zeros((len(label), 1, 1), dtype=torch.uint8)
        return {"label": label, "annotated": torch.zeros(len(label), dtype=torch.bool), "mask": nowhere, "index": index}


def features_if_frozen(dataset: Any, network: nn.Module, folder: str | Path, pooled: bool = True) -> Any:  # noqa: ANN401
    """`FrozenFeatures` of a dataset where the network's backbone is frozen; the dataset itself where it is not."""
    return FrozenFeatures(dataset, network, folder, pooled) if network.frozen else dataset


def _kept(path: Path) -> np.ndarray | None:
    """The features in a file; None where there is none, or where it is damaged, which is told."""
    try:
        return np.asanyarray(np.load(path, mmap_mode="r"))
    except FileNotFoundError:
        return None
    except (ValueError, EOFError) as error:
        logger.warning(f"{path}: not a file of features ({error}); they are computed again")
        return None


def _batches(dataset: Any) -> Iterator[torch.Tensor]:  # noqa: ANN401 - a PreparedDataset
    for start in range(0, len(dataset), BATCH):
        samples = dataset.__getitems__(range(start, min(start + BATCH, len(dataset))))
        yield torch.stack([sample["image"] for sample in samples])


def _key(dataset: Any, network: nn.Module, pooled: bool) -> str:  # noqa: ANN401
    """Changes with the backbone's weights, the pixels and their order, and with what is kept."""
    backbone = network.get_submodule("backbone")
    found = hashlib.sha256(f"{type(backbone.layers).__name__} {pooled} {len(dataset)}".encode())
    for name, value in backbone.state_dict().items():
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().numpy().tobytes())
    for image in _batches(dataset):
        found.update(image.numpy().tobytes())
    return found.hexdigest()[:32]


def _write(path: Path, dataset: Any, network: nn.Module, pooled: bool) -> None:  # noqa: ANN401
    """Compute all features and make the file appear when it is whole."""
    backbone = network.get_submodule("backbone")
    device = next(backbone.parameters()).device
    path.parent.mkdir(parents=True, exist_ok=True)
    was_training = backbone.training
    backbone.eval()
    if not len(dataset):
        raise ValueError("there is no image to compute features of")
    try:
        # Written, not mapped into memory: where the disk is full, writing to a mapped file kills the process.
        with whole_file(path) as temporary, temporary.open("wb") as file, torch.inference_mode():
            for number, image in enumerate(_batches(dataset)):
                features = _features(backbone, image.to(device), pooled)
                if number == 0:
                    head = {"shape": (len(dataset), *features.shape[1:]), "fortran_order": False}
                    write_array_header_1_0(file, {**head, "descr": dtype_to_descr(features.dtype)})
                file.write(np.ascontiguousarray(features).tobytes())
    finally:
        backbone.train(was_training)


def _features(backbone: nn.Module, image: torch.Tensor, pooled: bool) -> np.ndarray:
    largest = 255 if image.dtype == torch.uint8 else 1
    order = memory_order(backbone, image.device)
    features = backbone((image.float() / largest).contiguous(memory_format=order))
    if pooled:
        return np.asarray(features.mean(dim=(2, 3), keepdim=True).cpu().numpy(), dtype=np.float32)
    return np.asarray(features.cpu().numpy(), dtype=np.float16)
