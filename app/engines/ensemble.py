"""Several checkpoints as one model: the mean of their predictions."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from app.contract import Prediction
from app.engines.record import ModelRecord, record_of
from app.installed import find_file
from app.networks.checkpoints import load_exactly
from evaluation.logits import logit_of_mean, probability
from evaluation.recalibration import LogisticRecalibration, MeanRecalibration, Recalibration, recalibrated


class Ensemble(nn.Module):
    """Several networks as one: the score is the mean of their probabilities, the map the mean of their logits.

    Source: Irvin et al., "CheXpert", 2019, section 4.1 (30 checkpoints). The logit of the mean probability is computed
    in log space and float64, so that images of which all members are certain keep their order. Maps may be activation
    maps, which are not probabilities; hence the mean of their logits. Without gradients: for evaluation alone.

    Args:
        members: Networks of the same findings.

    Raises:
        ValueError: There is no member.

    Example:
        >>> class Constant(nn.Module):
        ...     def forward(self, image):
        ...         return Prediction(score=torch.zeros(len(image), 3), map=torch.zeros(len(image), 3, 4, 4))
        >>> prediction = Ensemble([Constant(), Constant()])(torch.zeros(2, 1, 8, 8))
        >>> prediction.score.shape, prediction.map.shape
        (torch.Size([2, 3]), torch.Size([2, 3, 4, 4]))
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        if not members:
            raise ValueError("an ensemble needs at least one network")
        self.members = nn.ModuleList(members)

    def forward(self, image: Tensor) -> Prediction:
        """(B, 1, H, W) to scores (B, C), logits in float64, and maps (B, C, h, w), logits in float32."""
        predictions = [member(image) for member in self.members]
        scores = torch.stack([each.score.detach().double() for each in predictions])
        maps = torch.stack([each.map.float() for each in predictions]).mean(dim=0)
        return Prediction(score=torch.from_numpy(logit_of_mean(scores.cpu().numpy())).to(scores.device), map=maps)


def loaded(
    network: nn.Module,
    checkpoint: str | Path | Sequence[str | Path] | None,
    findings: Sequence[str],
) -> tuple[nn.Module, ModelRecord]:
    """Load a checkpoint into a network, or several into an ensemble of copies.

    Thresholds of an ensemble are the means of its members' probabilities: validation chose those of each member, and
    the ensemble itself is not validated. So are its recalibrated scores: each member's form is applied to the
    ensemble's logit, and the mean of the probabilities is the score, which thus rises with the logit.

    Args:
        network: Must fit the weights exactly; it takes the first ones.
        checkpoint: One file or several, each with its ``.json`` beside it.
        findings: Names, in the network's order.

    Raises:
        FileNotFoundError: A checkpoint is missing.
        ValueError: None is given, one is given twice, does not fit, or was trained for other findings.
    """
    paths = _paths(checkpoint)
    members = [network, *(copy.deepcopy(network) for _ in paths[1:])]
    for member, path in zip(members, paths, strict=True):
        load_exactly(member, path)
    records = [record_of(path, findings) for path in paths]
    if len(paths) == 1:
        return network, records[0]
    return Ensemble(members), _mean_record(records)


def _mean_record(records: Sequence[ModelRecord]) -> ModelRecord:
    maps, aggregates = (
        tuple(np.mean([getattr(record, kind) for record in records], axis=0).tolist())
        for kind in ("map_thresholds", "aggregate_thresholds")
    )
    forms: tuple[Recalibration, ...] = ()
    if any(record.recalibration for record in records):
        none = (LogisticRecalibration(),) * len(records[0].findings)
        by_finding = zip(*(record.recalibration or none for record in records), strict=True)
        forms = tuple(MeanRecalibration(members) for members in by_finding)
    logits = logit_of_mean([record.logit_thresholds for record in records])
    studies = [record.study_thresholds for record in records]
    chosen_on, rule = records[0].chosen_on, records[0].operating_point
    return replace(
        records[0],
        score_thresholds=tuple(probability(recalibrated(forms, logits)).tolist()),
        map_thresholds=maps,
        aggregate_thresholds=aggregates,
        logit_thresholds=tuple(logits.tolist()),
        study_thresholds=tuple(logit_of_mean(studies).tolist()) if all(studies) else (),
        operating_point=rule if all(record.operating_point == rule for record in records) else "",
        recalibration=forms,
        chosen_on=chosen_on if all(record.chosen_on == chosen_on for record in records) else {},
    )


def _paths(checkpoint: str | Path | Sequence[str | Path] | None) -> list[Path]:
    if not checkpoint:
        raise ValueError("name the weights to evaluate: --checkpoint FILE, or \"['A.pt','B.pt']\" for their mean")
    paths = [find_file(each) for each in ([checkpoint] if isinstance(checkpoint, (str, Path)) else checkpoint)]
    if len(set(paths)) < len(paths):
        raise ValueError(f"checkpoints {', '.join(map(str, paths))}: one is named twice, and would count twice")
    return paths
