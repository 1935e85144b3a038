"""The check of a radiograph's pixels before it is scored, as a transform."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config.type_definitions import KeysCollection
from monai.transforms import Compose
from monai.transforms.transform import MapTransform

from app.views.network import WEIGHTS, standardised, trained_network
from transforms.errors import UnsuitedError
from transforms.load import LoadRadiographd
from transforms.pixels import Image

ANY_VIEW = "frontal chest radiographs for presentation are scored, and others only with --any_view True"
REFUSED = 0.0
"""A picture with a lower logit is refused."""
SURE = 3.0
"""A picture with a lower logit is marked as doubtful: one in a hundred of the frontal ones that it learnt from."""

_TURNED = (
    "",
    "is turned by a quarter to the left",
    "is upside down",
    "is turned by a quarter to the right",
)
"""By the number of quarters to the right that would set it upright."""
_INVERTED = "has black and white exchanged"
_OTHER = "does not look like a frontal radiograph of the chest"


def unsuited_pixels(image: Image, weights: Path = WEIGHTS) -> tuple[str, bool]:
    """Why a picture is not taken for an upright frontal radiograph of the chest, and whether that is in doubt.

    Args:
        image: (1, H, W) in [0, 1]; dense structures should be bright.
        weights: Of a `ViewNetwork`.

    Returns:
        The reason, empty if it is taken for one; and whether the network is unsure of one that it takes.
    """
    network, picture = trained_network(weights), standardised(image)
    with torch.inference_mode():
        logit = float(network(picture[None]))
        if logit >= REFUSED:
            return "", logit < SURE
        # What would it have to be? The inverse of a standardised picture is its negative.
        turned = [torch.rot90(picture, -quarters, (1, 2)) for quarters in range(len(_TURNED))]
        logits = network(torch.stack([*turned, *(-each for each in turned)]))
    best = int(logits.argmax())
    if logits[best] < SURE:
        return _OTHER, False
    inverted, quarters = divmod(best, len(_TURNED))
    return " and ".join(filter(None, (_TURNED[quarters], _INVERTED if inverted else ""))), False


class FrontalCheck(MapTransform):
    """Refuse what does not look like an upright frontal radiograph of the chest, and mark what hardly does.

    Sets ``is_doubtful`` (numpy bool).

    Args:
        keys: Key of the image, as it was loaded.
        weights: Of a `ViewNetwork`.

    Example:
        >>> FrontalCheck()({"image": torch.rand(1, 512, 512)})
        Traceback (most recent call last):
        transforms.errors.UnsuitedError: does not look like a frontal radiograph of the chest; frontal chest ...
    """

    def __init__(self, keys: KeysCollection = ("image",), weights: str | Path = WEIGHTS) -> None:
        super().__init__(keys)
        self.weights = Path(weights)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Check the image of a sample.

        Raises:
            UnsuitedError: It is not wanted; the message says why, and how to have it scored all the same.
        """
        sample = dict(data)
        reason, is_doubtful = unsuited_pixels(sample[self.first_key(sample)], self.weights)
        if reason:
            raise UnsuitedError(f"{reason}; {ANY_VIEW}")
        sample["is_doubtful"] = np.bool_(is_doubtful)
        return sample


def frontal_only(
    preprocessing: Callable[[dict[str, Any]], Mapping[str, Any]], any_view: bool
) -> Callable[[dict[str, Any]], Mapping[str, Any]]:
    """A preprocessing that checks each radiograph once it is loaded, or the same one if any view is wanted.

    Raises:
        ValueError: The preprocessing has no step `LoadRadiographd`, after which to check.
    """
    if any_view:
        return preprocessing
    checked = preprocessing.flatten() if isinstance(preprocessing, Compose) else Compose([preprocessing])
    steps = list(checked.transforms)
    loading = next(((index, step) for index, step in enumerate(steps) if isinstance(step, LoadRadiographd)), None)
    if loading is None:
        raise ValueError(
            "preprocessing has no step transforms.LoadRadiographd, after which to look at the pixels: add it, or let "
            "every picture be scored by --any_view True"
        )
    index, step = loading
    checked.transforms = [*steps[: index + 1], FrontalCheck(step.keys), *steps[index + 1 :]]
    return checked
