"""Augmentation for organ segmentation: framing, disease, hardware and processing vary, the organ's outline stays."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

_BUMPS = 4
"""Control points per side of the elastic displacement, which makes bulges the size of a lung lobe."""
_PLACES = 32


class AugmentOrgan(nn.Module):
    """Vary a radiograph of one organ far beyond the variation of the training images.

    In this order: mirroring, shift, stretch, rotation, shear and smooth bulging of image and mask; then, of the image
    alone, opacities in the organ (whose outline stays, as it does in disease), bars and plates of metal or lead,
    collimated borders, exposure, blur or sharpening, and noise.

    Args:
        strength: Of the geometry; 1 rotates by up to 12 degrees, enlarges up to 1.25 times and shrinks up to 1.75
            times, changes the aspect ratio by up to 1.3, shears by up to 6 degrees and shifts by up to an eighth of the
            side. 0 leaves only mirroring.
        opacity: Probability of opacities, in [0, 1].
        marks: Probability of marks, and of collimated borders, in [0, 1].
        processing: Strength of exposure, blur and noise; 1 is strong, 0 leaves all three out.

    Raises:
        ValueError: A parameter is out of its range; the message names it.

    Example:
        >>> image, mask = torch.rand(2, 1, 32, 32), torch.ones(2, 1, 32, 32)
        >>> image, mask = AugmentOrgan()(image, mask, torch.Generator().manual_seed(0))
        >>> image.shape, mask.shape
        (torch.Size([2, 1, 32, 32]), torch.Size([2, 1, 32, 32]))
    """

    def __init__(
        self, strength: float = 1.0, opacity: float = 0.5, marks: float = 0.3, processing: float = 1.0
    ) -> None:
        super().__init__()
        for name, value, highest in (
            ("strength", strength, 2.0),
            ("opacity", opacity, 1.0),
            ("marks", marks, 1.0),
            ("processing", processing, 2.0),
        ):
            if not 0 <= value <= highest:
                raise ValueError(f"{name} is {value}, but must be from 0 to {highest:g}")
        self.strength = strength
        self.opacity = opacity
        self.marks = marks
        self.processing = processing

    @torch.no_grad()
    def forward(self, image: Tensor, mask: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Augment a batch on its device.

        Args:
            image: (B, 1, H, W), float in [0, 1] or uint8 in 0 to 255.
            mask: (B, C, H, W), 0 to 1, of any type, on the image's grid.
            generator: On the CPU; the source of all random numbers.

        Returns:
            (B, 1, H, W) float32 image in [0, 1] and (B, C, H, W) float32 mask in [0, 1] with soft edges.

        Raises:
            ValueError: The shapes do not match.
        """
        if image.ndim != 4 or image.shape[1] != 1 or mask.ndim != 4 or mask.shape[2:] != image.shape[2:]:
            raise ValueError(
                f"image and mask must have the shapes (B, 1, H, W) and (B, C, H, W), not {tuple(image.shape)} and "
                f"{tuple(mask.shape)}"
            )
        grey = image.float() / 255 if image.dtype == torch.uint8 else image.float()
        draw = _Draw(generator, len(grey), grey.device)
        grid = sampling_grid(draw, grey.shape[2], grey.shape[3], self.strength)
        # Around a shrunken image it is black, as outside a collimator, or the border continues, as bodies do.
        inner = 1 - 1 / min(grey.shape[2:])
        continues = draw.chance(0.5)
        grey = functional.grid_sample(
            grey, torch.where(continues, grid.clamp(-inner, inner), grid), align_corners=False
        )
        mask = functional.grid_sample(mask.float(), grid, align_corners=False)
        for _ in range(2):
            grey = with_opacity(grey, mask, draw, self.opacity)
        for _ in range(2):
            grey = with_bar(grey, draw, self.marks)
        grey = with_borders(grey, draw, self.marks)
        return processed(grey, draw, self.processing).clamp_(0, 1), mask


class _Draw:
    """Random numbers, one or a few per sample, shaped to multiply images: (B, 1, 1, 1) by default."""

    def __init__(self, generator: torch.Generator, batch: int, device: torch.device) -> None:
        self.generator, self.batch, self.device = generator, batch, device

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        values = torch.rand(self.batch, *(shape or (1, 1, 1)), generator=self.generator)
        return (low + (high - low) * values).to(self.device, non_blocking=True)

    def chance(self, probability: float) -> Tensor:
        return self.uniform(0, 1) < probability

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(self.batch, *shape, generator=self.generator).to(self.device, non_blocking=True)


def sampling_grid(draw: _Draw, height: int, width: int, strength: float) -> Tensor:
    """Source position of each pixel of the result, (B, H, W, 2) in ``grid_sample``'s coordinates."""
    angle = draw.uniform(-1, 1, 1) * math.radians(12) * strength
    slope = torch.tan(draw.uniform(-1, 1, 1) * math.radians(6) * strength)
    size = draw.uniform(-math.log(1.25), math.log(1.75), 1)  # of what is seen: above 0 shrinks the image
    aspect = draw.uniform(-1, 1, 1) * math.log(1.3) / 2
    stretch = torch.exp(torch.cat([size + aspect, size - aspect], 1) * strength)
    mirror = 1 - 2 * draw.chance(0.5).float()[:, :, 0, 0]
    shift = draw.uniform(-1, 1, 2, 1) * 0.25 * strength  # an eighth of the side, which is two units long
    cosine, sine = torch.cos(angle), torch.sin(angle)
    rows = [
        torch.cat([cosine * stretch[:, :1] * mirror, (cosine * slope - sine) * stretch[:, 1:]], 1),
        torch.cat([sine * stretch[:, :1] * mirror, (sine * slope + cosine) * stretch[:, 1:]], 1),
    ]
    theta = torch.cat([torch.stack(rows, 1), shift], 2)
    grid = functional.affine_grid(theta, [draw.batch, 1, height, width], align_corners=False)
    bumps = draw.normal(2, _BUMPS, _BUMPS) * 0.03 * strength
    bulge = functional.interpolate(bumps, size=(32, 32), mode="bicubic", align_corners=True)
    bulge = functional.interpolate(bulge, size=(height, width), mode="bilinear", align_corners=True)
    return grid + bulge.permute(0, 2, 3, 1)


def ellipse(draw: _Draw, centre: Tensor, like: Tensor, smallest: float, largest: float) -> Tensor:
    """A blurred ellipse, (B, 1, H, W) in [0, 1].

    Args:
        draw: Source of half axes, in fractions of the sides, direction and blur.
        centre: (B, 2), x and y in [0, 1].
        like: (B, 1, H, W), which gives the grid.
        smallest: Smallest half axis.
        largest: Largest half axis.
    """
    height, width = like.shape[2], like.shape[3]
    y = (torch.arange(height, device=like.device)[:, None] + 0.5) / height - centre[:, 1, None, None, None]
    x = (torch.arange(width, device=like.device)[None, :] + 0.5) / width - centre[:, 0, None, None, None]
    angle = draw.uniform(0, math.pi)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    along = (x * cosine + y * sine) / draw.uniform(smallest, largest)
    across = (y * cosine - x * sine) / draw.uniform(smallest, largest)
    return torch.sigmoid((1 - (along.square() + across.square()).sqrt()) * draw.uniform(3, 15))


def with_opacity(grey: Tensor, mask: Tensor, draw: _Draw, probability: float) -> Tensor:
    """Fill a part of the organ until it is about as dense as its surroundings, and its structure fades."""
    # On a coarse grid, because the exact pixel of the centre does not matter.
    organ = functional.adaptive_avg_pool2d(mask.amax(dim=1), _PLACES).flatten(1) > 0.5
    place = (draw.uniform(0, 1, _PLACES**2) * organ).argmax(dim=1)
    centre = (torch.stack([place % _PLACES, place // _PLACES], 1) + 0.5) / _PLACES
    filled = ellipse(draw, centre, grey, 0.03, 0.25) * draw.uniform(0.3, 1)
    mean, spread = grey.mean(dim=(1, 2, 3), keepdim=True), grey.std(dim=(1, 2, 3), keepdim=True)
    dense = mean + spread * draw.uniform(0.2, 1.5) + 0.3 * (grey - mean)
    wanted = draw.chance(probability) & organ.any(dim=1)[:, None, None, None]
    return torch.where(wanted, grey * (1 - filled) + filled * torch.maximum(grey, dense), grey)


def with_bar(grey: Tensor, draw: _Draw, probability: float) -> Tensor:
    """Draw a bar or plate of one grey value anywhere, like a lead letter, wire, pacemaker or burnt-in label."""
    height, width = grey.shape[2], grey.shape[3]
    centre = draw.uniform(0, 1, 2)
    y = (torch.arange(height, device=grey.device)[:, None] + 0.5) / height - centre[:, 1, None, None, None]
    x = (torch.arange(width, device=grey.device)[None, :] + 0.5) / width - centre[:, 0, None, None, None]
    angle = draw.uniform(0, math.pi)
    along = x * torch.cos(angle) + y * torch.sin(angle)
    across = y * torch.cos(angle) - x * torch.sin(angle)
    is_wire = draw.chance(0.5)
    length = torch.where(is_wire, draw.uniform(0.1, 0.6), draw.uniform(0.02, 0.08))
    breadth = torch.where(is_wire, draw.uniform(0.003, 0.01), draw.uniform(0.02, 0.08))
    inside = (along.abs() < length) & (across.abs() < breadth) & draw.chance(probability)
    return torch.where(inside, _black_white_or_grey(draw), grey)


def with_borders(grey: Tensor, draw: _Draw, probability: float) -> Tensor:
    """Fill up to an eighth of the image at each side with one grey value, like collimation or a film's rim."""
    height, width = grey.shape[2], grey.shape[3]
    rows = torch.arange(height, device=grey.device)[:, None] / height
    columns = torch.arange(width, device=grey.device)[None, :] / width
    depth = (draw.uniform(-0.125, 0.125, 4).clamp(min=0))[:, :, None, None, None]
    outside = (rows < depth[:, 0]) | (rows >= 1 - depth[:, 1]) | (columns < depth[:, 2]) | (columns >= 1 - depth[:, 3])
    return torch.where(outside & draw.chance(probability), _black_white_or_grey(draw), grey)


def processed(grey: Tensor, draw: _Draw, amount: float) -> Tensor:
    """Change exposure curve and window, blur or sharpen, and add noise."""
    grey = grey.clamp(0, 1) ** torch.exp(draw.uniform(-0.8, 0.8) * amount)
    low, high = draw.uniform(-0.15, 0.2) * amount, 1 + draw.uniform(-0.25, 0.2) * amount
    grey = ((grey - low) / (high - low)).clamp(0, 1)
    blurred = _binomial(_binomial(grey))
    share = torch.where(draw.chance(0.4), draw.uniform(-1, 1), torch.zeros_like(low)) * min(amount, 1)
    grey = grey + share * (blurred - grey)
    noise = draw.normal(1, grey.shape[2], grey.shape[3])
    return grey + noise * torch.where(draw.chance(0.3), draw.uniform(0, 0.06), torch.zeros_like(low)) * amount


def _binomial(grey: Tensor) -> Tensor:
    """Blur with weights 1, 2, 1 along both axes, by shifting, which on a CPU is ten times faster than a convolution."""
    for side in (2, 3):
        last = grey.shape[side] - 1
        before = torch.cat([grey.narrow(side, 0, 1), grey.narrow(side, 0, last)], side)
        after = torch.cat([grey.narrow(side, 1, last), grey.narrow(side, last, 1)], side)
        grey = grey / 2 + (before + after) / 4
    return grey


def _black_white_or_grey(draw: _Draw) -> Tensor:
    kind = draw.uniform(0, 1)
    return torch.where(
        kind < 0.4, torch.zeros_like(kind), torch.where(kind < 0.7, torch.ones_like(kind), draw.uniform(0, 1))
    )
