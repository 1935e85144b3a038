"""MONAI transforms that load a radiograph: rows first, dense is bright, values in [0, 1]."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config.type_definitions import KeysCollection
from monai.data.meta_tensor import MetaTensor
from monai.transforms.transform import MapTransform, Transform

from transforms.read import read_radiograph

__all__ = ["LoadRadiograph", "LoadRadiographd", "read_radiograph"]


class LoadRadiograph(Transform):
    """Read one radiograph from a file of any known format; see ``transforms.read.read_radiograph``.

    Example:
        >>> import cv2, tempfile
        >>> path = tempfile.mkdtemp() + "/radiograph.png"
        >>> cv2.imwrite(path, np.arange(256, dtype=np.uint8).reshape(8, 32))
        True
        >>> image = LoadRadiograph()(path)
        >>> image.shape, float(image.max())
        (torch.Size([1, 8, 32]), 1.0)
    """

    def __call__(self, path: str | os.PathLike[str]) -> MetaTensor:
        """Read a file.

        Args:
            path: The file.

        Returns:
            float32 (1, H, W) in [0, 1]; dense structures are bright. ``meta`` is that of ``read_radiograph``, without
            ``window``, and without ``spacing`` if it is unknown, because data loaders cannot collate ``None``. The
            affine matrix has the spacing (row, column) in mm, or 1 if it is unknown.

        Raises:
            RadiographError: It is not one readable radiograph; the message names the file.
        """
        return loaded(*read_radiograph(path))


def loaded(image: np.ndarray, meta: Mapping[str, Any]) -> MetaTensor:
    """What `LoadRadiograph` makes of the result of ``read_radiograph``, whose memory it shares."""
    known = {name: value for name, value in meta.items() if name != "window" and value is not None}
    row, column = known.get("spacing", (1.0, 1.0))
    affine = torch.diag(torch.tensor([row, column, 1.0, 1.0], dtype=torch.float64))
    return MetaTensor(torch.from_numpy(image)[None], affine=affine, meta=known)


class LoadRadiographd(MapTransform):
    """Dictionary form of ``LoadRadiograph``.

    Args:
        keys: Keys of paths, which become images.
        allow_missing_keys: Whether a sample may lack a key.
    """

    def __init__(self, keys: KeysCollection = ("image",), allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.loader = LoadRadiograph()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Read the files of one sample.

        Args:
            data: Has a path under each key.

        Returns:
            The sample with images instead of paths and, for the first of them, ``original_size``: int64 (2,), height
            and width of the stored image, and ``region``: float32 (4,), x, y, width and height of the part of it that
            the image covers, here all of it.

        Raises:
            RadiographError: A file is not one readable radiograph; the message names it.
        """
        sample = dict(data)
        for index, key in enumerate(self.key_iterator(sample)):
            image = self.loader(sample[key])
            sample[key] = image
            if index == 0:
                height, width = image.shape[-2:]
                sample["original_size"] = np.array([height, width], dtype=np.int64)
                sample["region"] = np.array([0, 0, width, height], dtype=np.float32)
        return sample
