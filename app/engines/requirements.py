"""What an evaluation needs so that its numbers mean something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.engines.evaluator import RadiographEvaluator


def require_computed(key_metric: str, validation: RadiographEvaluator) -> None:
    """Raise if the metric that chooses the best weights is not computed.

    Raises:
        ValueError: If it is the loss, and the evaluator has none.
    """
    if key_metric == "loss" and validation.collected.loss is None:
        raise ValueError("key_metric is loss, but the validation evaluator computes none: give it the loss")


def require_certain(samples: Sequence[Mapping[str, Any]]) -> None:
    """Raise if a label is a certainty between absent and present: it can be learnt, but not counted.

    Raises:
        ValueError: Names the first item and its value.

    Example:
        >>> require_certain([{"name": "a.png", "label": [1, 0, -1]}])
        >>> require_certain([{"name": "b.png", "label": [0.75]}])
        Traceback (most recent call last):
        ValueError: b.png: label 0.75 is a certainty; evaluation needs 1, 0, -1 or null. Decide from which certainty...
    """
    for sample in samples:
        between = [value for value in sample["label"] if 0 < value < 1]
        if between:
            raise ValueError(
                f"{sample['name']}: label {between[0]:g} is a certainty; evaluation needs 1, 0, -1 or null. "
                "Decide from which certainty on a finding counts as present."
            )
