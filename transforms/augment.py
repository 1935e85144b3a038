"""Augmentation of a batch on its device: one random affine map per sample for image and mask, and grey values."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

_DRAWS = 9


class AugmentBatch(nn.Module):
    """Flip, shift, scale, rotate and shear each image of a batch with its masks, and vary its grey values.

    Every quantity is uniform in its range. Each batch consumes the same number of random numbers whatever is switched
    on, so switching on one quantity does not change the others. Pixels from outside the image are 0.

    Source of the five spatial ones: Kim et al. 2023, on the training phase, which gives no ranges; ours are moderate.

    Args:
        flip: Probability of mirroring left and right, in [0, 1].
        shift: Largest shift along each side, as a fraction of that side, in [0, 1).
        scale: Factors are in [1 - scale, 1 + scale]; in [0, 1).
        rotate: Largest angle in degrees in either direction, in [0, 180].
        shear: Largest shear angle in degrees in either direction, in [0, 90).
        contrast: Factors around the image's mean are in [1 - contrast, 1 + contrast]; in [0, 1].
        brightness: Largest grey value that is added or subtracted, in [0, 1].
        gamma: Exponents are in [exp(-gamma), exp(gamma)]; 0 or more.

    Raises:
        ValueError: A parameter is out of its range; the message names it.

    Example:
        >>> augment = AugmentBatch(flip=1.0, shift=0, scale=0, rotate=0, shear=0)
        >>> image, mask = torch.tensor([[[[0.0, 1.0]]]]), torch.tensor([[[[1, 0]]]])
        >>> augment(image, mask, torch.Generator().manual_seed(0))
        (tensor([[[[1., 0.]]]]), tensor([[[[0., 1.]]]]))
    """

    def __init__(
        self,
        flip: float = 0.5,
        shift: float = 0.05,
        scale: float = 0.1,
        rotate: float = 10.0,
        shear: float = 5.0,
        contrast: float = 0.0,
        brightness: float = 0.0,
        gamma: float = 0.0,
    ) -> None:
        super().__init__()
        self.flip = _within("flip", flip, 1.0)
        self.shift = _within("shift", shift, 1.0, open_end=True)
        self.scale = _within("scale", scale, 1.0, open_end=True)
        self.rotate = _within("rotate", rotate, 180.0)
        self.shear = _within("shear", shear, 90.0, open_end=True)
        self.contrast = _within("contrast", contrast, 1.0)
        self.brightness = _within("brightness", brightness, 1.0)
        self.gamma = _within("gamma", gamma, math.inf, open_end=True)

    @torch.no_grad()
    def forward(self, image: Tensor, mask: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Augment a batch on its device.

        Args:
            image: (B, 1, H, W), float in [0, 1] or uint8 in 0 to 255.
            mask: (B, C, H, W), 0 or 1, of any type, on the image's grid.
            generator: On the CPU; the source of all random numbers.

        Returns:
            (B, 1, H, W) float32 image in [0, 1] and (B, C, H, W) float32 mask, 0 or 1. Masks are resampled linearly and
            cut at one half, so a mask of a pixel or two may vanish.

        Raises:
            ValueError: The shapes do not match, or the generator is not on the CPU.
        """
        _check(image, mask, generator)
        # A float image is copied, so that in-place steps do not change the caller's batch.
        grey = image.float().div_(255.0) if image.dtype == torch.uint8 else image.to(torch.float32, copy=True)
        draws = torch.rand(len(image), _DRAWS, generator=generator)
        grey = self._varied(grey, _sent(draws[:, 6:], image.device))
        if self.shift == self.scale == self.rotate == self.shear == 0:
            mirrored = _sent(draws[:, 0] < self.flip, image.device)[:, None, None, None]
            mask = mask.float()
            return torch.where(mirrored, grey.flip(-1), grey), torch.where(mirrored, mask.flip(-1), mask)
        theta = self._theta(draws[:, :6].double(), (image.shape[-2], image.shape[-1]))
        grid = functional.affine_grid(_sent(theta.float(), image.device), [*grey.shape], align_corners=False)
        if image.device.type == "cpu":
            return _warped(grey, grid).clamp_(0.0, 1.0), _warped_masks(mask, grid)
        # Asking a GPU which masks are empty would synchronise it.
        return _warped_together(grey, mask, grid)

    def _theta(self, draws: Tensor, shape: tuple[int, int]) -> Tensor:
        """Affine maps from the result to the source in ``affine_grid``'s coordinates, (B, 2, 3), from (B, 6) draws.

        The forward map is about the image's centre and in pixels, so that a rotated circle remains a circle: mirror,
        then shear, scale and rotate, then shift.
        """
        mirror = torch.where(draws[:, 0] < self.flip, -1.0, 1.0).to(draws)
        centred = draws[:, 1:] * 2 - 1
        size = 1 + self.scale * centred[:, 0]
        angle = math.radians(self.rotate) * centred[:, 1]
        slope = torch.tan(math.radians(self.shear) * centred[:, 2])
        cosine, sine = torch.cos(angle) * size, torch.sin(angle) * size
        rows = [
            torch.stack([cosine * mirror, cosine * slope - sine], 1),
            torch.stack([sine * mirror, sine * slope + cosine], 1),
        ]
        half = torch.tensor([shape[1] / 2, shape[0] / 2], dtype=draws.dtype)
        # In units of half a side, as affine_grid has them; shifts are fractions of a side, which is two units.
        forward = torch.stack(rows, 1) * half / half[:, None]
        backward = torch.linalg.inv(forward)
        shift = 2 * self.shift * centred[:, 3:5]
        return torch.cat([backward, -backward @ shift[:, :, None]], dim=2)

    def _varied(self, grey: Tensor, draws: Tensor) -> Tensor:
        if self.contrast == self.brightness == self.gamma == 0:
            return grey
        gamma, contrast, brightness = (draws * 2 - 1)[:, :, None, None, None].unbind(1)
        grey = grey.clamp(0.0, 1.0) ** torch.exp(self.gamma * gamma)
        mean = grey.mean(dim=(1, 2, 3), keepdim=True)
        return ((grey - mean) * (1 + self.contrast * contrast) + mean + self.brightness * brightness).clamp_(0.0, 1.0)


def _sent(values: Tensor, device: torch.device) -> Tensor:
    """A few numbers on the device, sent without synchronising."""
    return values.to(device, non_blocking=True)


def _warped(planes: Tensor, grid: Tensor) -> Tensor:
    """Resample (B, K, H, W) linearly, with 0 outside the image."""
    return functional.grid_sample(planes, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _warped_together(grey: Tensor, mask: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
    """Image and all masks in one resampling."""
    both = _warped(torch.cat([grey, mask.float()], dim=1), grid)
    return both[:, :1].clamp_(0.0, 1.0), (both[:, 1:] >= 0.5).float()


def _warped_masks(mask: Tensor, grid: Tensor) -> Tensor:
    """Resample only the masks that are not empty; most findings of most images are."""
    result = torch.zeros(mask.shape, dtype=torch.float32)
    filled = mask.flatten(2).any(dim=2)
    for sample in filled.any(dim=1).nonzero()[:, 0].tolist():
        channels = filled[sample].nonzero()[:, 0]
        warped = _warped(mask[sample, channels].float()[None], grid[sample : sample + 1])
        result[sample, channels] = (warped[0] >= 0.5).float()
    return result


def _check(image: Tensor, mask: Tensor, generator: torch.Generator) -> None:
    if image.ndim != 4 or image.shape[1] != 1:
        raise ValueError(f"image must have the shape (B, 1, H, W), not {tuple(image.shape)}")
    if mask.ndim != 4 or mask.shape[0] != image.shape[0] or mask.shape[2:] != image.shape[2:]:
        raise ValueError(f"mask has the shape {tuple(mask.shape)}, which does not match image of {tuple(image.shape)}")
    if not image.is_floating_point() and image.dtype != torch.uint8:
        raise ValueError(f"image must be float in [0, 1] or uint8, not {image.dtype}")
    if generator.device.type != "cpu":
        raise ValueError(
            f"generator must be on the CPU, so that any batch can be reproduced, not on {generator.device}"
        )


def _within(name: str, value: float, highest: float, open_end: bool = False) -> float:
    if not (0 <= value <= highest) or (open_end and value == highest):
        raise ValueError(f"{name} is {value}, but must be from 0 {'to below' if open_end else 'to'} {highest:g}")
    return float(value)
