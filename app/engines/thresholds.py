"""Thresholds of the patch-counting losses, chosen in turn with the weights, as a part of a training."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.inferers import Inferer
from torch import distributed

from app.engines.processes import bare, world_size
from app.losses.relaxed_counts import patch_counts
from app.networks.patch_thresholds import PatchThresholds

logger = logging.getLogger(__name__)

LEAST_TAU, HIGHEST_RHO = 0.1, 0.5
LEAST_TAU_HAT = 1.0
LEAST_APART = 0.5
"""Patches by which tau-hat is above rho-hat; closer, present and absent would hardly be told apart."""


@dataclass
class CountedCases:
    """Cases by finding: shares of patches in and outside of boxes, numbers of patches of present and absent images."""

    inside: list[list[float]]
    outside: list[list[float]]
    present: list[list[float]]
    absent: list[list[float]]

    @classmethod
    def none(cls, findings: int) -> CountedCases:
        """No case of any finding."""
        empty: list[list[list[float]]] = [[[] for _ in range(findings)] for _ in range(4)]
        return cls(*empty)

    def add(self, other: CountedCases) -> None:
        """Take another's cases in."""
        for mine, theirs in zip(vars(self).values(), vars(other).values(), strict=True):
            for own, more in zip(mine, theirs, strict=True):
                own.extend(more)


@dataclass
class Choice:
    """Thresholds by finding, as ``PatchThresholds`` has them."""

    tau: list[float]
    rho: list[float]
    tau_hat: list[float]
    rho_hat: list[float]
    kept: list[int] = field(default_factory=list)
    """Findings whose tau-hat and rho-hat would have met: they stay as they were."""


class AlternatingThresholds:
    """Trains the weights for some epochs, then chooses the thresholds with the weights frozen, and so on.

    Source: section 4, "Training Details", of Rozenberg et al. 2020, which alternates so and does not say by what the
    thresholds are optimal. The loss itself cannot say: with the weights fixed it is least at the degenerate solution
    that the paper warns of (tau and tau-hat 0, rho 1, rho-hat all patches), where nothing is demanded any more.
    Here every threshold is what a given share of the cases meets: tau the quantile of the share of patches found inside
    of boxes, tau-hat that of the patches found in present images, rho and rho-hat those of what is found outside and in
    absent images. That is the exact least of the paper's own loss plus a price for slack: ``E ReLU(tau - s) - (1 -
    met) tau`` is least where a share ``1 - met`` of the cases is below tau. So some cases always miss their threshold,
    the loss never loses its gradient, and the demand grows as the network gets better. Bounds keep each threshold from
    its degenerate end: tau at least 0.1, rho at most 0.5, tau-hat at least one patch, and half a patch above rho-hat:
    where the two would come closer, both stay.

    One pass over the training data, augmented as in training, the network in evaluation.

    Args:
        thresholds: shared with the loss.
        every: after how many epochs they are chosen again; 0 never, as for fixed thresholds.
        inferer: calls the network.
        met: share of the cases that meet a threshold, above 0 and below 1.

    Raises:
        ValueError: a value outside its range.
    """

    def __init__(self, thresholds: PatchThresholds, every: int, inferer: Inferer, met: float = 0.5) -> None:
        if every < 0 or not 0 < met < 1:
            raise ValueError(f"every ({every}) must be 0 or more, met ({met}) above 0 and below 1")
        self.thresholds = thresholds
        self.every = every
        self.inferer = inferer
        self.met = met
        self.chosen = 0

    def attach(self, trainer: Engine) -> None:
        """Choose at the end of every so many epochs of ``trainer``."""
        if self.every:
            trainer.add_event_handler(Events.EPOCH_COMPLETED(every=self.every), self._choose)

    def state_dict(self) -> dict[str, Any]:
        """How often they were chosen, and what they are."""
        return {"chosen": self.chosen, "thresholds": dict(self.thresholds.state_dict())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what ``state_dict`` gave."""
        self.chosen = int(state["chosen"])
        self.thresholds.load_state_dict(state["thresholds"])

    def _choose(self, engine: Engine) -> None:
        cases = together(count_cases(engine, self.inferer, len(self.thresholds.tau)))
        choice = choose(cases, self.thresholds, self.met)
        for name in ("tau", "rho", "tau_hat", "rho_hat"):
            value: torch.Tensor = getattr(self.thresholds, name)
            value.copy_(torch.tensor(getattr(choice, name)))
        self.chosen += 1
        for name in ("tau", "rho", "tau_hat", "rho_hat"):
            logger.info(f"{name}: {', '.join(f'{value:.3g}' for value in getattr(choice, name))}")
        if choice.kept:
            logger.info(f"tau_hat and rho_hat of findings {choice.kept} stay: present and absent are not apart yet")


def count_cases(engine: Engine, inferer: Inferer, findings: int) -> CountedCases:
    """One pass of a MONAI trainer's network over its training data, without gradients."""
    cases, network = CountedCases.none(findings), bare(engine.network)
    was_training = network.training
    network.eval()
    with torch.no_grad():
        for batch in engine.data_loader:
            image, target = engine.prepare_batch(batch, engine.state.device, engine.non_blocking)
            counts, known = patch_counts(inferer(image, network), target)
            everywhere = counts.inside + counts.outside
            is_present = known.located | (known.known & (known.present >= 0.5))
            for into, value, chosen in (
                (cases.inside, counts.inside / counts.box, known.located),
                (cases.outside, counts.outside / counts.rest, known.located),
                (cases.present, everywhere, is_present),
                (cases.absent, everywhere, known.known & (known.present < 0.5)),
            ):
                for finding in range(findings):
                    into[finding].extend(value[chosen[:, finding], finding].tolist())
    network.train(was_training)
    return cases


def together(cases: CountedCases) -> CountedCases:
    """Cases of all processes."""
    if world_size() == 1:
        return cases
    shares: list[Any] = [None] * world_size()
    distributed.all_gather_object(shares, cases)
    joined = CountedCases.none(len(cases.inside))
    for share in shares:
        joined.add(share)
    return joined


def choose(cases: CountedCases, before: PatchThresholds, met: float) -> Choice:
    """Thresholds that a share ``met`` of the cases meets; a threshold of which there is no case stays as before."""
    choice = Choice(before.tau.tolist(), before.rho.tolist(), before.tau_hat.tolist(), before.rho_hat.tolist())
    for k in range(len(cases.inside)):
        if cases.inside[k]:
            choice.tau[k] = max(LEAST_TAU, float(np.quantile(cases.inside[k], 1 - met)))
            choice.rho[k] = min(HIGHEST_RHO, float(np.quantile(cases.outside[k], met)))
        tau_hat, rho_hat = choice.tau_hat[k], choice.rho_hat[k]
        if cases.present[k]:
            tau_hat = float(np.quantile(cases.present[k], 1 - met))
        if cases.absent[k]:
            rho_hat = float(np.quantile(cases.absent[k], met))
        if tau_hat - rho_hat >= LEAST_APART:
            choice.tau_hat[k], choice.rho_hat[k] = max(LEAST_TAU_HAT, tau_hat), rho_hat
        else:
            choice.kept.append(k)
    return choice
