"""Thresholds of the patch-counting losses, chosen in turn with the weights."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.inferers import Inferer

from app.engines.processes import bare, over_ranks
from app.losses.relaxed_counts import patch_counts
from app.networks.patch_thresholds import PatchThresholds

logger = logging.getLogger(__name__)

MIN_TAU, MAX_RHO = 0.1, 0.5
MIN_TAU_HAT = 1.0
MIN_GAP = 0.5
"""Patches between rho-hat and tau-hat; closer, present and absent would hardly be told apart."""


class PatchCases(NamedTuple):
    """What a network detects in N images of K findings, each (N, K) float64 and NaN where the case does not apply.

    Attributes:
        inside: Detected share of the patches inside the boxes, if the finding is located.
        outside: Detected share of the other patches, if the finding is located.
        present: Detected number of patches, if the finding is present.
        absent: Detected number of patches, if the finding is absent.
    """

    inside: np.ndarray
    outside: np.ndarray
    present: np.ndarray
    absent: np.ndarray


class AlternatingThresholds:
    """Alternates between training the weights for some epochs and choosing the thresholds with the weights fixed.

    Source: section 4, "Training Details", of Rozenberg et al. 2020, which alternates but does not say how thresholds
    are optimised. The loss alone cannot decide: with fixed weights its minimum is the degenerate solution that the
    paper warns of (tau and tau-hat 0, rho 1, rho-hat all patches), which demands nothing. Here each threshold is the
    value that a given share of the cases meets: tau is a quantile of the detected share of patches inside the boxes,
    tau-hat of the detected patches in present images, rho and rho-hat of those outside the boxes and in absent images.
    That is the exact minimum of the paper's loss with a price for slack: ``E ReLU(tau - s) - (1 - met) tau`` is least
    if a share ``1 - met`` of the cases lies below tau. Some cases always miss their threshold, so the loss keeps its
    gradient, and the demands grow with the network. Bounds keep each threshold from its degenerate end: tau is at least
    0.1, rho at most 0.5, tau-hat at least one patch and half a patch above rho-hat. If tau-hat and rho-hat would come
    closer, both stay as they are.

    Each choice takes one pass over the training data, augmented as in training, with the network in evaluation mode.

    Args:
        thresholds: Shared with the loss.
        every: Number of epochs between two choices; 0 keeps the thresholds fixed.
        inferer: Calls the network.
        met: Share of the cases that meet a threshold, above 0 and below 1.

    Raises:
        ValueError: A value is out of range.
    """

    def __init__(self, thresholds: PatchThresholds, every: int, inferer: Inferer, met: float = 0.5) -> None:
        if every < 0 or not 0 < met < 1:
            raise ValueError(f"every ({every}) must be 0 or more, met ({met}) above 0 and below 1")
        self.thresholds = thresholds
        self.every = every
        self.inferer = inferer
        self.met = met

    def attach(self, trainer: Engine) -> None:
        """Choose after every ``every`` epochs of ``trainer``."""
        if self.every:
            trainer.add_event_handler(Events.EPOCH_COMPLETED(every=self.every), self._choose)

    def state_dict(self) -> dict[str, Any]:
        """The thresholds."""
        return {"thresholds": dict(self.thresholds.state_dict())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict``."""
        self.thresholds.load_state_dict(state["thresholds"])

    def _choose(self, engine: Engine) -> None:
        shares = over_ranks(patch_cases(engine, self.inferer))
        cases = PatchCases(*(np.concatenate(arrays) for arrays in zip(*shares, strict=True)))
        before = {name: value.tolist() for name, value in self.thresholds.state_dict().items()}
        chosen, kept = choose(cases, before, self.met)
        for name, values in chosen.items():
            getattr(self.thresholds, name).copy_(torch.tensor(values))
            logger.info(f"{name}: {', '.join(f'{value:.3g}' for value in values)}")
        if kept:
            logger.info(f"tau_hat and rho_hat of findings {kept} stay: present and absent are not apart yet")


def patch_cases(engine: Engine, inferer: Inferer) -> PatchCases:
    """Detected patches of a MONAI trainer's network over its training data, without gradients."""
    network = bare(engine.network)
    was_training = network.training
    network.eval()
    batches = []
    with torch.no_grad():
        for batch in engine.data_loader:
            image, target = engine.prepare_batch(batch, engine.state.device, engine.non_blocking)
            counts, known = patch_counts(inferer(image, network), target)
            everywhere, is_present = counts.inside + counts.outside, known.present >= 0.5
            cases = (
                (counts.inside / counts.box, known.located),
                (counts.outside / counts.rest, known.located),
                (everywhere, known.located | (known.known & is_present)),
                (everywhere, known.known & ~is_present),
            )
            batches.append([torch.where(applies, value.double(), torch.nan).cpu().numpy() for value, applies in cases])
    network.train(was_training)
    return PatchCases(*(np.concatenate(arrays) for arrays in zip(*batches, strict=True)))


def choose(cases: PatchCases, before: dict[str, list[float]], met: float) -> tuple[dict[str, list[float]], list[int]]:
    """Choose thresholds that a share ``met`` of the cases meets; without cases a threshold stays as it was.

    Args:
        cases: Of K findings.
        before: ``tau``, ``rho``, ``tau_hat`` and ``rho_hat``, K values each.
        met: Share of the cases.

    Returns:
        The new thresholds, and the findings whose tau-hat and rho-hat would have met and stay.

    Example:
        >>> before = {"tau": [0.5], "rho": [0.2], "tau_hat": [2.0], "rho_hat": [1.0]}
        >>> shares, counts = np.array([[0.2], [0.6], [0.7]]), np.array([[4.0], [6.0], [8.0]])
        >>> choose(PatchCases(shares, shares / 10, counts, counts / 10), before, met=0.5)[0]
        {'tau': [0.6], 'rho': [0.06], 'tau_hat': [6.0], 'rho_hat': [0.6]}
    """
    chosen, kept = {name: list(values) for name, values in before.items()}, []
    for k in range(cases.inside.shape[1]):
        if not np.isnan(cases.inside[:, k]).all():
            chosen["tau"][k] = max(MIN_TAU, _quantile(cases.inside[:, k], 1 - met))
            chosen["rho"][k] = min(MAX_RHO, _quantile(cases.outside[:, k], met))
        tau_hat = _quantile(cases.present[:, k], 1 - met, before["tau_hat"][k])
        rho_hat = _quantile(cases.absent[:, k], met, before["rho_hat"][k])
        if tau_hat - rho_hat >= MIN_GAP:
            chosen["tau_hat"][k], chosen["rho_hat"][k] = max(MIN_TAU_HAT, tau_hat), rho_hat
        else:
            kept.append(k)
    return chosen, kept


def _quantile(values: np.ndarray, share: float, default: float = np.nan) -> float:
    known = values[~np.isnan(values)]
    return float(np.quantile(known, share)) if known.size else default
