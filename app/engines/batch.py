"""From the loader's batches to the network's input and the Target, on the device."""

from __future__ import annotations

from collections.abc import Callable

import torch
from ignite.engine import Engine, Events
from torch import Tensor

from app.contract import Target
from app.engines.processes import rank
from app.prepared import spread_planes

Augment = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]


class PrepareBatch:
    """Moves a batch to the device as bytes, converts it to floats there, and augments image and mask together.

    Args:
        augment: (image, mask, generator) to (image, mask); None to change nothing, as in evaluation.
        seed: Seed for the augmentation. With the numbers of the iteration and of the process, so that any batch can
            be repeated.

    Example:
        >>> image = torch.full((2, 1, 8, 8), 255, dtype=torch.uint8)
        >>> mask, known = torch.zeros(2, 3, 8, 8, dtype=torch.bool), torch.ones(2, 3)
        >>> batch = {"image": image, "mask": mask, "label": known, "annotated": known.bool()}
        >>> image, target = PrepareBatch()(batch, torch.device("cpu"))
        >>> image.max(), target.mask.shape
        (tensor(1.), torch.Size([2, 3, 8, 8]))
    """

    def __init__(self, augment: Augment | None = None, seed: int = 0) -> None:
        self.augment = augment
        self.seed = seed
        self.generator = torch.Generator()

    def attach(self, engine: Engine) -> None:
        """Seed before each iteration of ``engine``."""
        engine.add_event_handler(Events.ITERATION_STARTED, self._reseed)

    def _reseed(self, engine: Engine) -> None:
        # Large primes keep (seed, iteration, process) apart without a hash.
        number = self.seed * 1_000_003 + engine.state.iteration * 7_919 + rank() * 15_485_863
        self.generator.manual_seed(number % 2**63)

    def __call__(
        self, batch: dict[str, Tensor], device: torch.device, non_blocking: bool = False
    ) -> tuple[Tensor, Target]:
        """Image (B, 1, H, W) float in [0, 1] and the Target.

        Args:
            batch: ``image``, ``label``, ``annotated`` and either ``mask`` or ``planes`` with ``plane_at``; see
                ``PreparedDataset``.
            device: Device of the result.
            non_blocking: Copy to a CPU without waiting; copies to a GPU never wait.
        """
        # Copies to a GPU need not be waited for: it works in order, and nobody writes to the source.
        on_device = {
            name: batch[name].to(device, non_blocking=non_blocking or device.type == "cuda")
            for name in ("image", "mask", "planes", "plane_at", "label", "annotated")
            if name in batch
        }
        image, label = on_device["image"], on_device["label"]
        if "mask" in on_device:
            mask = on_device["mask"]
        else:
            shape = (len(image), label.shape[1], image.shape[2], image.shape[3])
            mask = spread_planes(on_device["planes"], on_device["plane_at"], shape)
        if self.augment is not None:
            image, mask = self.augment(image, mask, self.generator)
        if image.dtype == torch.uint8:
            image = image.float().div_(255)
        return image, Target(label=label, mask=mask.float(), annotated=on_device["annotated"])
