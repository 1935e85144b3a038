"""The three forms of Rozenberg et al. 2020: how patches make a score, and the loss that belongs to it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from app.losses import MultipleInstanceLoss, RelaxedThresholdLoss, SigmoidThresholdLoss, positive_ratio
from app.networks.patch_thresholds import PatchCountPooling, PatchThresholds
from app.networks.pooling import NoisyOrPooling

FORMS = ("li", "sigmoid", "relaxed")


def patch_pooling(form: str, thresholds: PatchThresholds) -> nn.Module:
    """The pooling of a form: noisy-or for ``li`` (equations 1 and 2), else the expected number of patches.

    Args:
        form: ``li``, ``sigmoid`` or ``relaxed``.
        thresholds: Shared with the loss.

    Raises:
        ValueError: If there is no such form.

    Example:
        >>> patch_pooling("li", PatchThresholds(findings=2))
        NoisyOrPooling()
    """
    _require_known(form)
    return NoisyOrPooling() if form == "li" else PatchCountPooling(thresholds)


def patch_loss(
    form: str, thresholds: PatchThresholds, annotated_weight: float, labels: Sequence[Sequence[float]]
) -> nn.Module:
    """The loss of a form: ``li`` (equations 1 to 3), ``sigmoid`` (5 and 8) or ``relaxed`` (9 to 12).

    Args:
        form: ``li``, ``sigmoid`` or ``relaxed``.
        thresholds: Shared with the pooling.
        annotated_weight: lambda_ann, the weight of an image with boxes.
        labels: (N, K) of the training images, for gamma of the relaxed form.

    Raises:
        ValueError: If there is no such form.

    Example:
        >>> loss = patch_loss("relaxed", PatchThresholds(findings=1), 70.0, [[1], [0], [0]])
        >>> loss.balance  # one image with the finding, two without
        tensor([0.5000])
    """
    _require_known(form)
    if form == "li":
        return MultipleInstanceLoss(annotated_weight)
    if form == "sigmoid":
        return SigmoidThresholdLoss(thresholds, annotated_weight)
    return RelaxedThresholdLoss(thresholds, annotated_weight, positive_ratio(labels))


def _require_known(form: str) -> None:
    if form not in FORMS:
        raise ValueError(f"form is one of {', '.join(FORMS)}, not {form!r}")
