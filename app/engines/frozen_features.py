"""Features of a frozen backbone, computed once and saved, so that only its classifier runs in each epoch."""

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
    """A prepared dataset with features in place of images.

    Features are saved in a file named after the weights of the backbone and the pixels, and read from it whenever both
    are the same. The file is mapped, so that memory holds only the part in use.

    Args:
        dataset: Prepared radiographs.
        network: With a ``backbone``; already on its device.
        folder: For the files of features.
        pooled: True for the mean over all cells (F, 1, 1) in float32, which is enough to learn labels: images are no
            longer read, and locations take no part. False for features (F, h, w) in float16, from which maps are
            computed as well, with the masks of the dataset.

    Raises:
        OSError: The folder cannot be written.
        ValueError: The dataset is empty.
    """

    def __init__(self, dataset: Any, network: nn.Module, folder: str | Path, pooled: bool = True) -> None:  # noqa: ANN401
        self.dataset = dataset
        self.pooled = pooled
        path = Path(folder) / f"{_key(dataset, network, pooled)}.npy"
        features = _saved(path)
        if features is None:
            logger.info(f"computing features of {len(dataset)} images once; they are saved in {path.parent}")
            _write(path, dataset, network, pooled)
            features = np.load(path, mmap_mode="r")
        self.features = features
        self._labels = torch.stack([torch.as_tensor(sample["label"]) for sample in self.samples])

    @property
    def samples(self) -> Any:  # noqa: ANN401 - the dataset's
        """The samples that were prepared."""
        return self.dataset.samples

    @property
    def excluded(self) -> Any:  # noqa: ANN401 - the dataset's
        """The files that could not be prepared."""
        return getattr(self.dataset, "excluded", [])

    @property
    def lungs_not_found(self) -> list[str]:
        """Names of the samples that are not cropped, because no lungs were found."""
        return list(self.dataset.lungs_not_found)

    @property
    def doubtful(self) -> list[str]:
        """Names of the samples whose lungs are in doubt, those of `lungs_not_found` included."""
        return list(self.dataset.doubtful)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One sample, with its features as ``image`` (F, h, w) float32."""
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
        label = self._labels[index]
        nowhere = torch.zeros((len(label), 1, 1), dtype=torch.uint8)
        return {"label": label, "annotated": torch.zeros(len(label), dtype=torch.bool), "mask": nowhere, "index": index}


def features_if_frozen(dataset: Any, network: nn.Module, folder: str | Path, pooled: bool = True) -> Any:  # noqa: ANN401
    """`FrozenFeatures` of a dataset if the network's backbone is frozen, otherwise the dataset itself."""
    return FrozenFeatures(dataset, network, folder, pooled) if network.frozen else dataset


def _saved(path: Path) -> np.ndarray | None:
    """The features in a file; None if it is missing, or damaged, which is reported."""
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
    """A digest of the backbone's weights, the pixels in their order, and the form of the features."""
    backbone = network.get_submodule("backbone")
    kind = f"{type(backbone.layers).__name__}{' stages' if backbone.stages else ''}"
    digest = hashlib.sha256(f"{kind} {pooled} {len(dataset)}".encode())
    for name, value in backbone.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    for image in _batches(dataset):
        digest.update(image.numpy().tobytes())
    return digest.hexdigest()[:32]


def _write(path: Path, dataset: Any, network: nn.Module, pooled: bool) -> None:  # noqa: ANN401
    if not len(dataset):
        raise ValueError("there is no image to compute features of")
    backbone = network.get_submodule("backbone")
    device = next(backbone.parameters()).device
    path.parent.mkdir(parents=True, exist_ok=True)
    was_training = backbone.training
    backbone.eval()
    try:
        # Written as a stream: writing to a mapped file would kill the process if the disk is full.
        with whole_file(path) as temporary, temporary.open("wb") as file, torch.inference_mode():
            for number, image in enumerate(_batches(dataset)):
                features = _features(backbone, image.to(device), pooled)
                if number == 0:
                    header = {"shape": (len(dataset), *features.shape[1:]), "fortran_order": False}
                    write_array_header_1_0(file, {**header, "descr": dtype_to_descr(features.dtype)})
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
