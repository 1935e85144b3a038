"""Policies for uncertain labels in training: turn -1 into something else, or leave it out of the loss.

A policy changes only the labels of the training samples; the loss then leaves out what is still negative (equation 1 of
Haghpanah). Validation and test keep the reader's labels. A label that nobody gave (-2) is not a doubt, and stays.

Sources: Irvin et al., "CheXpert", 2019, section 3.1 (ignoring, zeros, ones, self-training); Pham et al.,
"Interpreting chest X-rays via CNNs that exploit hierarchical disease dependencies and uncertainty labels", 2019,
section 3.3 (label smoothing of zeros and ones).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from app.datalist.samples import Relabelled
from app.findings import UNCERTAIN, require_known
from app.nearest import did_you_mean

Sample = dict[str, Any]

IGNORE = "ignore"
SELF_TRAINED = "self_trained"
RANGES: Mapping[str, tuple[float, float]] = {
    "zeros": (0.0, 0.0),
    "ones": (1.0, 1.0),
    "smoothed_zeros": (0.0, 0.3),
    "smoothed_ones": (0.55, 0.85),
}
"""Policies that replace every uncertain label by a number from a range, and their ranges."""
POLICIES = (IGNORE, *RANGES, SELF_TRAINED)

logger = logging.getLogger(__name__)


def settled(
    samples: Sequence[Sample],
    findings: Sequence[str],
    policy: str | Mapping[str, str] = IGNORE,
    predictions: str | Path | None = None,
    seed: int = 0,
) -> Sequence[Sample]:
    """Training samples with their uncertain labels changed by a policy.

    - ``ignore`` (U-Ignore; the paper's): they stay uncertain, and so out of the loss.
    - ``zeros``, ``ones`` (U-Zeros, U-Ones): absent, present.
    - ``smoothed_zeros``, ``smoothed_ones``: one number per label, drawn evenly from 0 to 0.3, or from 0.55 to 0.85.
    - ``self_trained`` (U-SelfTrained): the probability that a model trained with ``ignore`` predicts.

    Args:
        samples: As ``OpenedData.samples`` gives them; they are not changed.
        findings: Names, in the order of the labels.
        policy: One for all findings, or one by finding; findings that are not named are ignored.
        predictions: For ``self_trained``: the ``predictions.csv`` of a model evaluated on the training section.
        seed: Seed of the draws.

    Returns:
        Samples in the same order, with new labels.

    Raises:
        FileNotFoundError: The predictions do not exist.
        ValueError: A policy or finding is unknown, only one of ``self_trained`` and predictions is given, or the
            predictions lack an image or finding with an uncertain label.

    Example:
        >>> samples = [{"name": "1.png", "label": np.array([1.0, -1.0])}]
        >>> settled(samples, ["Nodule", "Effusion"], "ones")[0]["label"]
        array([1., 1.], dtype=float32)
    """
    chosen = _by_finding(findings, policy)
    if (SELF_TRAINED in chosen) != (predictions is not None):
        raise ValueError(
            f"policy {SELF_TRAINED!r} and predictions of a model on the training section belong together: give both "
            f"or neither, not {policy!r} and {predictions!r}"
        )
    label = np.stack([sample["label"] for sample in samples]).astype(np.float32)
    uncertain = label == UNCERTAIN
    filled = _filled(label, chosen, seed)
    if predictions is not None:
        columns = [c for c, name in enumerate(chosen) if name == SELF_TRAINED]
        score = _scores(Path(predictions), samples, findings, uncertain, columns)
        filled[:, columns] = np.where(uncertain[:, columns], score, filled[:, columns])
    _log(findings, chosen, uncertain)
    return Relabelled(samples, filled)


def counted(samples: Sequence[Sample]) -> Sequence[Sample]:
    """Samples whose certainties are decided for evaluation: above 0.5 present, below absent, 0.5 uncertain.

    Certainties can be learnt from but not counted; NEATX decided them alike (see
    ``app.annotations.voting.by_certainty``). Labels that are 1, 0 or negative stay.

    Example:
        >>> counted([{"label": np.array([0.75, 0.25, 0.5, -2.0])}])[0]["label"]
        array([ 1.,  0., -1., -2.], dtype=float32)
    """
    return Relabelled(samples, _decided(np.array([sample["label"] for sample in samples], np.float32)))


def _decided(label: np.ndarray) -> np.ndarray:
    decided = np.select([label < 0, label > 0.5, label < 0.5], [label, 1, 0], default=UNCERTAIN)
    return decided.astype(np.float32)


def _by_finding(findings: Sequence[str], policy: str | Mapping[str, str]) -> list[str]:
    if isinstance(policy, Mapping):
        require_known(policy, findings, "policy for uncertain labels")
        chosen = [policy.get(name, IGNORE) for name in findings]
    else:
        chosen = [policy] * len(findings)
    for name in chosen:
        if name not in POLICIES:
            allowed = f"must be one of {', '.join(POLICIES)}.{did_you_mean(name, POLICIES)}"
            raise ValueError(f"policy for uncertain labels {name!r}: {allowed}")
    return chosen


def _filled(label: np.ndarray, chosen: Sequence[str], seed: int) -> np.ndarray:
    filled = label.copy()
    generator = np.random.default_rng(seed)
    for c, name in enumerate(chosen):
        # Numbers are drawn for every finding, so that one finding's policy does not change another's labels.
        drawn = generator.random(len(label))
        if name in RANGES:
            low, high = RANGES[name]
            filled[:, c] = np.where(label[:, c] == UNCERTAIN, low + (high - low) * drawn, label[:, c])
    return filled


def _scores(
    path: Path, samples: Sequence[Sample], findings: Sequence[str], uncertain: np.ndarray, columns: Sequence[int]
) -> np.ndarray:
    """Predicted probabilities (N, columns); NaN if there is none and none is needed."""
    from evaluation.predictions import read_predictions

    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such predictions")
    table = read_predictions(path)
    require_known([findings[c] for c in columns], table.findings, str(path))
    row_of = {str(name): row for row, name in enumerate(table.image)}
    score = np.full((len(samples), len(columns)), np.nan)
    table_columns = [table.findings.index(findings[c]) for c in columns]
    for index, sample in enumerate(samples):
        row = row_of.get(sample["name"])
        if row is not None:
            score[index] = table.score[row, table_columns]
        elif uncertain[index, columns].any():
            raise ValueError(f"{path}: no prediction for {sample['name']}, which has an uncertain label")
    if np.nanmin(score, initial=0) < 0 or np.nanmax(score, initial=0) > 1:
        raise ValueError(f"{path}: scores are no probabilities from 0 to 1")
    return score


def _log(findings: Sequence[str], chosen: Sequence[str], uncertain: np.ndarray) -> None:
    counts = [
        f"{name} {uncertain[:, c].sum()} ({chosen[c]})" for c, name in enumerate(findings) if uncertain[:, c].any()
    ]
    if counts:
        logger.info(f"uncertain labels in training, and their policies: {', '.join(counts)}")
