"""One model of several checkpoints: the mean of what they say."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from app.contract import Prediction
from app.engines.record import ModelRecord, record_of
from app.networks.checkpoints import load_exactly
from evaluation.logits import logit_of_mean, probability


class Ensemble(nn.Module):
    """Several networks as one: the score is the mean of their probabilities, the map the mean of their logits.

    Source of the score: Irvin et al., "CheXpert", 2019, section 4.1 (30 checkpoints). The logit of the mean is computed
    in log space and in float64, so that images of which all members are sure are still ranked; it ties only those
    whose mean probabilities float64 does not tell apart, as where one member is unsure and the other ever surer. For
    evaluation: it has no gradient. Maps may be activation maps, which are no probabilities: hence their logits.

    Args:
        members: networks of the same findings.

    Raises:
        ValueError: there is none.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        if not members:
            raise ValueError("an ensemble needs at least one network")
        self.members = nn.ModuleList(members)

    def forward(self, image: Tensor) -> Prediction:
        """(B, 1, H, W) to scores (B, C), logits in float64, and maps (B, C, h, w), logits in float32."""
        said = [member(image) for member in self.members]
        scores = torch.stack([each.score.detach().double() for each in said])
        here = torch.stack([each.map.float() for each in said]).mean(dim=0)
        return Prediction(score=torch.from_numpy(logit_of_mean(scores.cpu().numpy())).to(scores.device), map=here)


def loaded(
    network: nn.Module,
    checkpoint: str | Path | Sequence[str | Path] | None,
    findings: Sequence[str],
    settings: dict[str, Any],
) -> tuple[nn.Module, ModelRecord]:
    """The network with the weights of a checkpoint, or an ensemble of it with those of several.

    Thresholds of an ensemble are the means of its members' (of probabilities): validation chose them for each, and was
    not asked again.

    Args:
        network: that the weights fit exactly; it is given the first ones.
        checkpoint: one file or several, each with its ``.json`` beside it.
        findings: names, in the network's order.
        settings: what the weights must have been trained with.

    Raises:
        FileNotFoundError: a checkpoint is missing.
        ValueError: none is named, one is named twice, does not fit, or was trained for something else.
    """
    paths = _paths(checkpoint)
    members = [network, *(copy.deepcopy(network) for _ in paths[1:])]
    for member, path in zip(members, paths, strict=True):
        load_exactly(member, path)
    records = [record_of(path, findings, settings) for path in paths]
    if len(paths) == 1:
        return network, records[0]
    maps, aggregates = (
        tuple(np.mean([getattr(record, kind) for record in records], axis=0).tolist())
        for kind in ("map_thresholds", "aggregate_thresholds")
    )
    logits = logit_of_mean([record.logit_thresholds for record in records])
    scores = tuple(probability(logits).tolist())
    studies = [record.study_thresholds for record in records]
    chosen = [record.chosen_on for record in records]
    record = replace(
        records[0],
        score_thresholds=scores,
        map_thresholds=maps,
        aggregate_thresholds=aggregates,
        logit_thresholds=tuple(logits.tolist()),
        study_thresholds=tuple(logit_of_mean(studies).tolist()) if all(studies) else (),
        chosen_on=chosen[0] if all(each == chosen[0] for each in chosen) else {},
    )
    return Ensemble(members), record


def _paths(checkpoint: str | Path | Sequence[str | Path] | None) -> list[Path]:
    if not checkpoint:
        raise ValueError("name the weights to evaluate: --checkpoint FILE, or \"['A.pt','B.pt']\" for their mean")
    paths = [Path(checkpoint)] if isinstance(checkpoint, (str, Path)) else [Path(each) for each in checkpoint]
    if len(set(paths)) < len(paths):
        raise ValueError(f"checkpoints {', '.join(map(str, paths))}: one is named twice, and would count twice")
    return paths
