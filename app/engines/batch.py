"""From a batch as the loader gives it to the network's input and the Target, on the device."""

from __future__ import annotations

from collections.abc import Callable

import torch
from ignite.engine import Engine, Events
from torch import Tensor

from app.contract import Target

Augment = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]


class PrepareBatch:
    """Move a batch to the device, make floats of its integers there, and augment image and mask together.

    Args:
        augment: (image, mask, generator) to (image, mask); None where nothing is to be changed, as in evaluation.
        seed: with the iteration's number it seeds the augmentation, so that any batch can be made again.
    """

    def __init__(self, augment: Augment | None = None, seed: int = 0) -> None:
        self.augment = augment
        self.seed = seed
        self.generator = torch.Generator()

    def attach(self, engine: Engine) -> None:
        """Seed before each iteration of ``engine``."""
        engine.add_event_handler(Events.ITERATION_STARTED, self._reseed)

    def _reseed(self, engine: Engine) -> None:
        # Large primes keep (seed, iteration) pairs apart without a hash.
        self.generator.manual_seed((self.seed * 1_000_003 + engine.state.iteration * 7_919) % 2**63)

    def __call__(
        self, batch: dict[str, Tensor], device: torch.device, non_blocking: bool = False
    ) -> tuple[Tensor, Target]:
        """Image (B, 1, H, W) float in [0, 1] and the Target; see ``PreparedDataset`` for what a batch holds."""
        image = batch["image"].to(device, non_blocking=non_blocking)
        mask = batch["mask"].to(device, non_blocking=non_blocking)
        if self.augment is not None:
            image, mask = self.augment(image, mask, self.generator)
        if image.dtype == torch.uint8:
            image = image.float() / 255
        label = batch["label"].to(device, non_blocking=non_blocking)
        annotated = batch["annotated"].to(device, non_blocking=non_blocking)
        return image, Target(label=label, mask=mask.float(), annotated=annotated)
