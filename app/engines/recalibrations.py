"""Recalibration of a model's scores: chosen on validation, kept in ``model.json``, and what it gave."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.engines.measures import patient_index
from app.engines.outputs import Outputs
from app.engines.record import ModelRecord
from evaluation.logits import probability
from evaluation.recalibration import METHODS, choose_recalibration, recalibrated

logger = logging.getLogger(__name__)

CHOICES = (*METHODS, "best")
"""Values of the setting ``recalibration``."""


def require_choice(method: str) -> None:
    """Raise ValueError unless the setting ``recalibration`` may have this value."""
    if method not in CHOICES:
        raise ValueError(f"recalibration is one of {', '.join(CHOICES)}, not {method!r}")


def with_recalibration(
    record: ModelRecord, validation: Outputs, samples: Sequence[Mapping[str, Any]], method: str
) -> ModelRecord:
    """A record whose scores are recalibrated, finding by finding; the same record for ``none``.

    Logits and their thresholds stay, and so do ranks and what is called; the score thresholds are recalibrated too.

    Args:
        record: Of the weights.
        validation: Results of the pass that chose its thresholds.
        samples: What was validated; ``validation.index`` points into it.
        method: One of `CHOICES`.
    """
    if method == METHODS[0]:
        return record
    patient, forms = patient_index(samples[i] for i in validation.index), []
    for c, name in enumerate(record.findings):
        choice = choose_recalibration(validation.logit[:, c], validation.label[:, c], patient, method)
        losses = ", ".join(f"{each} {loss:.4f}" for each, loss in choice.loss.items())
        compared = f" (log loss: {losses})" if losses else ""
        logger.info(f"{name}: recalibration {choice.recalibration.method}, {choice.reason}{compared}")
        forms.append(choice.recalibration)
    scores = probability(recalibrated(forms, record.logit_thresholds))
    return replace(record, recalibration=tuple(forms), score_thresholds=tuple(scores.tolist()))
